"""Torchvision's AlexNet against PyTorch."""

import pytest
from torch.nn import functional
from torch_maps import (
    DEVIATION,
    MEAN,
    assert_equal_maps,
    flax_convolution,
    flax_layers,
    to_keras,
    to_torch,
)

from decaf.networks import lpips_weights
from decaf.networks.convolutions import build_convolutions
from features.errors import InputError


def _torch_alexnet_owt(photo):
    layers = flax_layers(lpips_weights.ALEXNET, "AlexNet_0")
    x = (to_torch(photo) / 255 - MEAN) / DEVIATION
    blocks = []
    for number, options in enumerate(
        (
            {"stride": 4, "padding": 2},
            {"padding": 2},
            {"padding": 1},
            {"padding": 1},
            {"padding": 1},
        )
    ):
        x = flax_convolution(x, layers, number, **options)
        if number in (0, 1, 4):
            x = functional.max_pool2d(x, 3, stride=2)
        blocks.append(to_keras(x))
    return blocks


def test_pretrained_convolutions_equal_a_reference_pass_in_torch(cat):
    maps = build_convolutions("alexnet-owt").predict_on_batch(cat[None])
    assert_equal_maps(maps, _torch_alexnet_owt(cat))


def test_a_missing_weights_file_is_named():
    with pytest.raises(InputError, match=r"nowhere\.ckpt: no such weights file"):
        build_convolutions("alexnet-owt", weights="nowhere.ckpt")
