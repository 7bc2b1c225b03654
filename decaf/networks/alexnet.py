"""AlexNet's convolutions as the paper trained them: one tower, no groups, after `bvlc_alexnet`.

References
----------
Krizhevsky, Sutskever, Hinton (2012), ImageNet classification with deep convolutional neural
networks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import keras
import numpy as np
from keras import layers, ops

from decaf.networks.normalisation import BVLC, normalised_photo
from decaf.networks.pickles import read_numpy_pickle
from decaf.networks.weights import PRETRAINED, assign_weights, reading_weights
from features.errors import InputError


def build(name: str, size: int, weights: str | os.PathLike | None) -> keras.Model:
    """Build it, as `decaf.networks.backbones.Backbone.build` does.

    Parameters
    ----------
    name : str
    size : int
    weights : None or path-like
        A file is BVLC AlexNet's, ``.npy``; there are no others.

    Returns
    -------
    keras.Model
    """
    if weights == PRETRAINED:
        raise InputError(
            f"{name}: no package ships its weights; name a BVLC AlexNet .npy file as its weights, "
            "or use alexnet-owt"
        )
    photo, normalised = normalised_photo(size, BVLC)
    convolutions = keras.Model(photo, alexnet(normalised))
    if weights is not None:
        with reading_weights(weights):
            arrays = bvlc_weights(read_numpy_pickle(weights))
        assign_weights(convolutions, arrays, weights)
    return convolutions


def alexnet(x: keras.KerasTensor) -> list[keras.KerasTensor]:
    """The five blocks.

    Parameters
    ----------
    x : KerasTensor
        Normalised photos, (batch, 227, 227, 3).

    Returns
    -------
    list of KerasTensor
        The map of each block; the last is (batch, 6, 6, 256).
    """
    x = convolution(x, 1, 96, 11, strides=4)
    x = LocalResponseNormalization(name="norm1")(x)
    first = pool(x, 1)
    x = convolution(first, 2, 256, 5)
    x = LocalResponseNormalization(name="norm2")(x)
    second = pool(x, 2)
    third = convolution(second, 3, 384, 3)
    fourth = convolution(third, 4, 384, 3)
    fifth = pool(convolution(fourth, 5, 256, 3), 5)
    return [first, second, third, fourth, fifth]


def bvlc_weights(layers_of_file: Mapping[str, Sequence[np.ndarray]]) -> dict[str, list[np.ndarray]]:
    """Weights of `alexnet`, from BVLC AlexNet's grouped kernels for BGR photos.

    Parameters
    ----------
    layers_of_file : dict
        Layer name (`conv1` … `conv5`) to [kernel (height, width, in, out), bias (out,)]; the
        kernels of conv2, conv4 and conv5 are those of two groups, with half the inputs each.

    Returns
    -------
    dict of str to list of ndarray
        The same, with block-diagonal kernels for all inputs, for RGB photos.
    """
    arrays = {name: [np.asarray(array) for array in pair] for name, pair in layers_of_file.items()}
    for name in ("conv2", "conv4", "conv5"):
        if name in arrays:
            arrays[name][0] = _block_diagonal(arrays[name][0])
    if "conv1" in arrays:
        arrays["conv1"][0] = arrays["conv1"][0][:, :, ::-1]
    return arrays


@keras.saving.register_keras_serializable(package="decaf")
class LocalResponseNormalization(layers.Layer):
    """Divides each channel by (1 + alpha × Σ squares of the 5 channels around it) ** 0.75.

    Constants of BVLC's `bvlc_alexnet` (train_val.prototxt: local_size 5, alpha 1e-4, beta 0.75);
    Caffe, like Krizhevsky et al. (2012, section 3.3) does not, divides alpha by the size.
    """

    size = 5
    alpha = 1e-4 / size
    beta = 0.75

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Normalise (batch, height, width, channels) over its channels."""
        half = self.size // 2
        n_channels = x.shape[-1]
        squares = ops.pad(ops.square(x), [(0, 0), (0, 0), (0, 0), (half, half)])
        energy = sum(squares[..., i : i + n_channels] for i in range(self.size))
        return x * ops.power(1 + self.alpha * energy, -self.beta)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape of what it normalises."""
        return input_shape


def convolution(
    x: keras.KerasTensor, number: int, filters: int, size: int, strides: int = 1
) -> keras.KerasTensor:
    """A convolution of an AlexNet, after ReLU."""
    x = layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding="same" if strides == 1 else "valid",
        name=f"conv{number}",
    )(x)
    return layers.ReLU(name=f"relu{number}")(x)


def pool(x: keras.KerasTensor, number: int) -> keras.KerasTensor:
    """The overlapping pooling of an AlexNet."""
    return layers.MaxPooling2D(3, strides=2, name=f"pool{number}")(x)


def _block_diagonal(kernel: np.ndarray) -> np.ndarray:
    height, width, n_inputs, n_outputs = kernel.shape
    whole = np.zeros((height, width, 2 * n_inputs, n_outputs), kernel.dtype)
    whole[:, :, :n_inputs, : n_outputs // 2] = kernel[..., : n_outputs // 2]
    whole[:, :, n_inputs:, n_outputs // 2 :] = kernel[..., n_outputs // 2 :]
    return whole
