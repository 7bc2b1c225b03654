"""The paper's AlexNet with BVLC's grouped weights, against PyTorch."""

import numpy as np
import pytest
import torch
from skimage import data
from torch.nn import functional
from torch_maps import assert_equal_maps, square, to_keras, to_torch

from decaf.networks.convolutions import build_convolutions
from features.errors import InputError


@pytest.fixture
def bvlc(rng):
    """Random weights in the shapes of BVLC AlexNet; large, so that LRN matters."""
    shapes = [(11, 3, 96), (5, 48, 256), (3, 256, 384), (3, 192, 384), (3, 192, 256)]
    return {
        f"conv{number}": [
            rng.normal(0, 2 / np.sqrt(size * size * n_inputs), (size, size, n_inputs, n_outputs)),
            rng.normal(0, 1, n_outputs),
        ]
        for number, (size, n_inputs, n_outputs) in enumerate(shapes, start=1)
    }


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def _torch_bvlc(photo, bvlc):
    bgr = to_torch(photo[:, :, ::-1].copy())
    x = bgr - torch.tensor([104.0, 117.0, 123.0]).reshape(3, 1, 1)
    options = {
        1: {"stride": 4},
        2: {"padding": 2, "groups": 2},
        3: {"padding": 1},
        4: {"padding": 1, "groups": 2},
        5: {"padding": 1, "groups": 2},
    }
    blocks = []
    for number, (kernel, bias) in enumerate(bvlc.values(), start=1):
        kernel, bias = (torch.from_numpy(array.astype(np.float32)) for array in (kernel, bias))
        x = functional.relu(
            functional.conv2d(x, kernel.permute(3, 2, 0, 1), bias, **options[number])
        )
        if number in (1, 2):
            # As Caffe, torch divides alpha by the size.
            x = functional.local_response_norm(x, size=5, alpha=1e-4, beta=0.75, k=1.0)
        if number in (1, 2, 5):
            x = functional.max_pool2d(x, 3, stride=2)
        blocks.append(to_keras(x))
    return blocks


def test_alexnet_with_a_bvlc_file_equals_a_grouped_reference_pass_in_torch(tmp_path, bvlc):
    path = tmp_path / "bvlc.npy"
    np.save(path, bvlc | {"fc8": [np.zeros((4096, 1000)), np.zeros(1000)]}, allow_pickle=True)
    photo = square(data.astronaut(), 227)
    maps = build_convolutions("alexnet", weights=path).predict_on_batch(photo[None])
    assert_equal_maps(maps, _torch_bvlc(photo, bvlc))


def test_a_bvlc_file_with_a_wrong_shape_names_file_and_layer(tmp_path, bvlc):
    bvlc["conv3"][0] = bvlc["conv3"][0][..., :-1]
    path = tmp_path / "bvlc.npy"
    np.save(path, bvlc, allow_pickle=True)
    with pytest.raises(InputError, match=r"bvlc\.npy: layer conv3 has weights of shapes"):
        build_convolutions("alexnet", weights=path)


def test_a_bvlc_file_without_a_layer_names_file_and_layer(tmp_path, bvlc):
    del bvlc["conv2"]
    path = tmp_path / "bvlc.npy"
    np.save(path, bvlc, allow_pickle=True)
    with pytest.raises(InputError, match=r"bvlc\.npy: no weights for layer conv2"):
        build_convolutions("alexnet", weights=path)


@pytest.mark.parametrize("content", [["conv1"], {"conv1": 3}, {"conv2": [np.zeros(3)]}])
def test_a_bvlc_file_of_another_layout_is_refused(tmp_path, content):
    path = tmp_path / "bvlc.npy"
    array = np.empty((), object)
    array[()] = content
    np.save(path, array, allow_pickle=True)
    with pytest.raises(InputError, match=r"bvlc\.npy: "):
        build_convolutions("alexnet", weights=path)


def test_alexnet_has_no_pretrained_weights_and_says_what_to_do():
    with pytest.raises(InputError, match=r"alexnet: no package .*\.npy file"):
        build_convolutions("alexnet")
