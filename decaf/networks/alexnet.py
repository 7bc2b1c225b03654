"""AlexNet's convolutions, the paper's and torchvision's, which Keras Applications lacks.

References
----------
Krizhevsky, Sutskever, Hinton (2012), ImageNet classification with deep convolutional neural
networks; Krizhevsky (2014), One weird trick for parallelizing convolutional neural networks.
"""

import keras
import numpy as np
from keras import layers, ops


def alexnet(x):
    """AlexNet as the paper trained it: one tower, no groups, after BVLC's `bvlc_alexnet`.

    Parameters
    ----------
    x : KerasTensor
        Normalised photos, (batch, 227, 227, 3).

    Returns
    -------
    KerasTensor
        (batch, 6, 6, 256)
    """
    x = _convolution(x, 1, 96, 11, strides=4)
    x = LocalResponseNormalization(name="norm1")(x)
    x = _pool(x, 1)
    x = _convolution(x, 2, 256, 5)
    x = LocalResponseNormalization(name="norm2")(x)
    x = _pool(x, 2)
    x = _convolution(x, 3, 384, 3)
    x = _convolution(x, 4, 384, 3)
    x = _convolution(x, 5, 256, 3)
    return _pool(x, 5)


def alexnet_owt(x):
    """Torchvision's narrower AlexNet, without response normalisation.

    Parameters
    ----------
    x : KerasTensor
        Normalised photos, (batch, 224, 224, 3).

    Returns
    -------
    KerasTensor
        (batch, 6, 6, 256)
    """
    # "same" would pad 3 and 4; torchvision's first convolution pads 2 on every side.
    x = layers.ZeroPadding2D(2, name="pad1")(x)
    x = _pool(_convolution(x, 1, 64, 11, strides=4), 1)
    x = _pool(_convolution(x, 2, 192, 5), 2)
    x = _convolution(x, 3, 384, 3)
    x = _convolution(x, 4, 256, 3)
    x = _convolution(x, 5, 256, 3)
    return _pool(x, 5)


def bvlc_weights(dictionary):
    """Weights of `alexnet`, from BVLC AlexNet's grouped kernels for BGR photos.

    Parameters
    ----------
    dictionary : dict
        Layer name (`conv1` … `conv5`) to [kernel (height, width, in, out), bias (out,)]; the
        kernels of conv2, conv4 and conv5 are those of two groups, with half the inputs each.

    Returns
    -------
    dict of str to list of ndarray
        The same, with block-diagonal kernels for all inputs, for RGB photos.
    """
    arrays = {name: [np.asarray(array) for array in pair] for name, pair in dictionary.items()}
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

    def call(self, x):
        """Normalise (batch, height, width, channels) over its channels."""
        half = self.size // 2
        n_channels = x.shape[-1]
        squares = ops.pad(ops.square(x), [(0, 0), (0, 0), (0, 0), (half, half)])
        energy = sum(squares[..., i : i + n_channels] for i in range(self.size))
        return x * ops.power(1 + self.alpha * energy, -self.beta)


def _convolution(x, number, filters, size, strides=1):
    x = layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding="same" if strides == 1 else "valid",
        name=f"conv{number}",
    )(x)
    return layers.ReLU(name=f"relu{number}")(x)


def _pool(x, number):
    return layers.MaxPooling2D(3, strides=2, name=f"pool{number}")(x)


def _block_diagonal(kernel):
    height, width, n_inputs, n_outputs = kernel.shape
    whole = np.zeros((height, width, 2 * n_inputs, n_outputs), kernel.dtype)
    whole[:, :, :n_inputs, : n_outputs // 2] = kernel[..., : n_outputs // 2]
    whole[:, :, n_inputs:, n_outputs // 2 :] = kernel[..., n_outputs // 2 :]
    return whole
