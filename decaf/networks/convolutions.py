"""A backbone's convolutions up to a block, and the activations that are pooled of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import keras
from keras import layers

from decaf.backend import PRECISIONS
from decaf.networks.backbones import get_backbone
from decaf.networks.normalisation import NORMALISATION, PHOTO
from decaf.networks.record import POOLINGS
from decaf.networks.weights import PRETRAINED
from features.errors import InputError


def build_activations(
    backbone: str,
    poolings: Sequence[str] = ("flatten",),
    blocks: int | None = None,
    weights: str | os.PathLike | None = PRETRAINED,
    precision: str = "float32",
) -> keras.Model:
    """Build the convolutions that give a backbone's activations.

    Parameters
    ----------
    backbone : str
    poolings : sequence of {"flatten", "multilevel", "average"}
        `flatten` is the last block's map, flattened (the paper); `multilevel` the global averages
        of all blocks, concatenated (Hosu et al. 2019); `average` that of the last block.
    blocks : int, optional
        Cut after so many blocks; default is all.
    weights : {"pretrained", None} or path-like
        None is random weights; a path is the user's own file.
    precision : {"float32", "bfloat16"}
        What the convolutions are computed in.

    Returns
    -------
    keras.Model
        From RGB photos (n_photos, size, size, 3), uint8 or float, 0–255, to a dictionary
        {pooling: (n_photos, n_activations) float32}.

    Raises
    ------
    InputError
        An unknown backbone, pooling, precision or number of blocks; weights that cannot be had.
    """
    convolutions = build_convolutions(backbone, blocks, weights)
    activations = {pooling: pool(convolutions, pooling) for pooling in poolings}
    pooled = keras.Model(convolutions.input, activations)
    set_precision(pooled, precision)
    return pooled


def count_activations(backbone: str, pooling: str, blocks: int | None = None) -> int:
    """How many activations a backbone gives a photo.

    Parameters
    ----------
    backbone : str
    pooling : {"flatten", "multilevel", "average"}
    blocks : int, optional

    Returns
    -------
    int
    """
    convolutions = build_activations(backbone, (pooling,), blocks, weights=None)
    return convolutions.output[pooling].shape[1]


def build_convolutions(
    backbone: str, blocks: int | None = None, weights: str | os.PathLike | None = PRETRAINED
) -> keras.Model:
    """Build a backbone up to the given block.

    Parameters
    ----------
    backbone, blocks, weights
        As in `build_activations`.

    Returns
    -------
    keras.Model
        From RGB photos to the maps (n_photos, height, width, channels) of every block kept.
    """
    entry = get_backbone(backbone)
    if weights not in (None, PRETRAINED) and not Path(weights).is_file():
        raise InputError(f"{weights}: no such weights file for backbone {backbone}")
    if blocks is not None and blocks not in range(1, entry.n_blocks + 1):
        raise InputError(
            f"backbone {backbone}: blocks={blocks}; it has 1 to {entry.n_blocks} blocks"
        )
    whole = entry.build(weights)
    return keras.Model(whole.inputs[0], whole.outputs[:blocks])


def pool(convolutions: keras.Model, pooling: str) -> keras.KerasTensor:
    """The activations of `build_convolutions`, pooled to one row a photo.

    Parameters
    ----------
    convolutions : keras.Model
    pooling : {"flatten", "multilevel", "average"}

    Returns
    -------
    KerasTensor
        (n_photos, n_activations) float32
    """
    if pooling == "flatten":
        return layers.Flatten(name="flatten", dtype="float32")(convolutions.outputs[-1])
    if pooling == "average":
        return _average(convolutions.outputs[-1], "average")
    if pooling == "multilevel":
        averages = [
            _average(block, f"average{number}")
            for number, block in enumerate(convolutions.outputs, start=1)
        ]
        return layers.Concatenate(name="multilevel")(averages)
    raise InputError(f"pooling {pooling}: unknown; one of {', '.join(POOLINGS)}")


def set_precision(keras_model: keras.Model, precision: str) -> None:
    """Choose what convolutions are computed in; their weights stay float32.

    Normalisation, pooling and head stay in float32.

    Parameters
    ----------
    keras_model : keras.Model
        Changed in place.
    precision : {"float32", "bfloat16"}
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision}: unknown; one of {', '.join(PRECISIONS)}")
    policy = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision]
    for layer in keras_model.layers:
        gives_map = len(layer.output.shape) == 4
        if gives_map and layer.name not in (PHOTO, NORMALISATION):
            layer.dtype_policy = policy


def precision_of(network: keras.Model) -> str:
    """What a network's convolutions are computed in, as `set_precision` chose it.

    Parameters
    ----------
    network : keras.Model

    Returns
    -------
    {"float32", "bfloat16"}
    """
    is_half = any(layer.compute_dtype == "bfloat16" for layer in network.layers)
    return "bfloat16" if is_half else "float32"


def _average(block: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.GlobalAveragePooling2D(name=name, dtype="float32")(block)
