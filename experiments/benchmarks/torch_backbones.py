"""Backbones in PyTorch with the weights of ours: what the plain loop of `bench-extraction` runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np
import torch
from torch import nn
from torch.nn import functional

# Configuration D of Simonyan and Zisserman (2015), table 1.
_VGG16 = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)
# Krizhevsky (2014): channels, kernel size, stride, padding, and whether the maps are pooled.
_ALEXNET_OWT = (
    (64, 11, 4, 2, True),
    (192, 5, 1, 2, True),
    (384, 3, 1, 1, False),
    (256, 3, 1, 1, False),
    (256, 3, 1, 1, True),
)
# Tan and Le (2019), table 1: kernel size, stride of the first, expansion, channels, repeats.
_EFFICIENTNET_LITE0 = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


class TorchBackbone(nn.Module):
    """A backbone's blocks, and the averages of their maps.

    Parameters
    ----------
    name : str
        One of `BACKBONES`.
    pooling : {"multilevel", "average"}
    sizes : sequence of int
        It takes photos of the largest; the others are averaged of these.
    """

    def __init__(self, name: str, pooling: str, sizes: Sequence[int]):
        super().__init__()
        self.blocks = nn.ModuleList(BACKBONES[name]())
        self.pooling = pooling
        self.sizes = sorted(sizes)

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        """From normalised photos (n, 3, size, size) to activations (n, n_activations)."""
        averages = []
        for size in self.sizes:
            times = self.sizes[-1] // size
            x = photos if times == 1 else functional.avg_pool2d(photos, times)
            for block in self.blocks:
                x = block(x)
                if self.pooling == "multilevel" or block is self.blocks[-1]:
                    averages.append(x.mean((2, 3)))
        return torch.cat(averages, 1)

    def assign(self, weights: Sequence[np.ndarray]) -> None:
        """Take the weights of a Keras network, in its order."""
        values = map(torch.from_numpy, weights)
        state = {}
        for name, layer in self.blocks.named_modules():
            if isinstance(layer, nn.Conv2d):
                # Of depthwise convolutions Keras has the multiplier last.
                axes = (3, 2, 0, 1) if layer.groups == 1 else (2, 3, 0, 1)
                state[f"{name}.weight"] = next(values).permute(axes)
                if layer.bias is not None:
                    state[f"{name}.bias"] = next(values)
            elif isinstance(layer, nn.BatchNorm2d):
                parts = ("weight", "bias", "running_mean", "running_var")
                state |= zip([f"{name}.{part}" for part in parts], islice(values, 4))
                state[f"{name}.num_batches_tracked"] = layer.num_batches_tracked
        self.blocks.load_state_dict(state)


class Residual(nn.Sequential):
    """Layers whose input is added to their output."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """To a map of the same shape."""
        return x + super().forward(x)


def vgg16() -> list[nn.Module]:
    """Its five blocks."""
    blocks, taken = [], 3
    for channels in _VGG16:
        layers: list[nn.Module] = []
        for given in channels:
            layers += [nn.Conv2d(taken, given, 3, 1, 1), nn.ReLU(inplace=True)]
            taken = given
        blocks.append(nn.Sequential(*layers, nn.MaxPool2d(2)))
    return blocks


def alexnet_owt() -> list[nn.Module]:
    """Its five blocks."""
    blocks, taken = [], 3
    for given, size, stride, padding, is_pooled in _ALEXNET_OWT:
        layers = [nn.Conv2d(taken, given, size, stride, padding), nn.ReLU(inplace=True)]
        blocks.append(nn.Sequential(*layers, *[nn.MaxPool2d(3, 2)] * is_pooled))
        taken = given
    return blocks


def efficientnet_lite0() -> list[nn.Module]:
    """Its seven stages and its head."""
    blocks: list[nn.Module] = []
    stem, taken = [_convolution(3, 32, 3, stride=2)], 32
    for size, stride, expansion, given, repeats in _EFFICIENTNET_LITE0:
        bottlenecks = []
        for repeat in range(repeats):
            bottlenecks.append(_bottleneck(taken, given, size, 1 if repeat else stride, expansion))
            taken = given
        blocks.append(nn.Sequential(*stem, *bottlenecks))
        stem = []
    return [*blocks, _convolution(taken, 1280)]


BACKBONES: dict[str, Callable[[], list[nn.Module]]] = {
    "efficientnet-lite0": efficientnet_lite0,
    "alexnet-owt": alexnet_owt,
    "vgg16": vgg16,
}


def _bottleneck(taken, given, size, stride, expansion):
    inner = taken * expansion
    layers = [_convolution(taken, inner)] if expansion > 1 else []
    layers += [
        _convolution(inner, inner, size, stride, groups=inner),
        _convolution(inner, given)[:-1],
    ]
    return (Residual if stride == 1 and taken == given else nn.Sequential)(*layers)


def _convolution(taken, given, size=1, stride=1, groups=1):
    """With batch normalisation and ReLU6; padded as TensorFlow does, and timm's tf_… networks."""
    before = (size - stride) // 2
    after = size - stride - before
    padding = [] if before == after else [nn.ZeroPad2d((before, after, before, after))]
    return nn.Sequential(
        *padding,
        nn.Conv2d(taken, given, size, stride, 0 if padding else before, groups=groups, bias=False),
        nn.BatchNorm2d(given, eps=1e-3),
        nn.ReLU6(inplace=True),
    )
