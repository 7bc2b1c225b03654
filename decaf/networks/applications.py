"""Backbones of Keras Applications, whose pretrained weights Keras's own loader gets."""

from __future__ import annotations

import os
from collections.abc import Sequence

import keras

from decaf.networks.normalisation import CAFFE, Normalisation, normalised_photo
from decaf.networks.weights import PRETRAINED
from features.errors import InputError
from features.shortage import blame_machine


def build(
    name: str,
    size: int,
    weights: str | os.PathLike | None,
    *,
    application: str,
    normalisation: Normalisation,
    blocks: Sequence[str],
) -> keras.Model:
    """Build a backbone, as `decaf.networks.backbones.Backbone.build` does.

    The loader compares what is in its cache, or what it downloads, with the MD5 sums in its own
    source (MobileNetV2 has none there); no SHA-256 sums of these files are published.

    Parameters
    ----------
    name : str
    size : int
    weights : {"pretrained", None} or path-like
        A file of Keras's, ``*_notop.h5``.
    application : str
        A name in `keras.applications`.
    normalisation : Normalisation
        That of its weights.
    blocks : sequence of str
        The layers at which its blocks end, from the photo on.

    Returns
    -------
    keras.Model
    """
    _, normalised = normalised_photo(size, normalisation)
    try:
        whole = getattr(keras.applications, application)(
            include_top=False,
            weights="imagenet" if weights == PRETRAINED else weights,
            input_tensor=normalised,
            input_shape=normalised.shape[1:],
        )
    # Keras raises a bare Exception when a download fails, and many kinds on an unfit file.
    except Exception as error:
        source = "download of the pretrained weights" if weights == PRETRAINED else weights
        blame_machine(error, str(source))
        reason = " ".join(str(error).split())
        raise InputError(
            f"{source}: failed for {application} ({reason}); give a file of Keras's *_notop.h5 as "
            "weights"
        ) from error
    # Caffe's weights are for BGR.
    if normalisation is CAFFE and weights is not None:
        first = next(layer for layer in whole.layers if layer.weights)
        kernel, *bias = first.get_weights()
        first.set_weights([kernel[:, :, ::-1], *bias])
    # Not `input`, which Keras Applications wrap in a list.
    return keras.Model(whole.inputs[0], [whole.get_layer(block).output for block in blocks])
