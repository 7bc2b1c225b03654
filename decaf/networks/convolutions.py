"""A backbone's convolutions up to a block, and the activations that are pooled of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from keras import layers

from decaf.backend import PRECISIONS
from decaf.networks.backbones import HUB, get_backbone
from decaf.networks.graph import Node, calls_of
from decaf.networks.normalisation import NORMALISATION, PHOTO
from decaf.networks.record import POOLINGS
from decaf.networks.weights import PRETRAINED
from features.errors import InputError

# Below, no block would see more than its own border; above, a photo takes seconds.
SMALLEST_SIZE, LARGEST_SIZE = 64, 1024
# What makes a row of a map.
_POOLED = ("Flatten", "GlobalAveragePooling2D")


def build_activations(
    backbone: str,
    poolings: Sequence[str] = ("flatten",),
    blocks: int | None = None,
    weights: str | os.PathLike | None = PRETRAINED,
    precision: str = "float32",
    sizes: Sequence[int] = (),
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
    sizes : sequence of int, optional
        As in `build_convolutions`.

    Returns
    -------
    keras.Model
        From RGB photos (n_photos, size, size, 3), uint8 or float, 0–255, to a dictionary
        {pooling: (n_photos, n_activations) float32}.

    Raises
    ------
    InputError
        An unknown backbone, pooling, precision or number of blocks; weights that cannot be had;
        sizes that it does not take.
    """
    sizes = check_sizes(backbone, sizes)
    convolutions = build_convolutions(backbone, blocks, weights, sizes)
    activations = {pooling: pool(convolutions, pooling, len(sizes)) for pooling in poolings}
    pooled = keras.Model(convolutions.input, activations)
    set_precision(pooled, precision)
    return pooled


def count_activations(
    backbone: str, pooling: str, blocks: int | None = None, sizes: Sequence[int] = ()
) -> int:
    """How many activations a backbone gives a photo.

    Parameters
    ----------
    backbone : str
    pooling : {"flatten", "multilevel", "average"}
    blocks : int, optional
    sizes : sequence of int, optional
        As in `build_convolutions`.

    Returns
    -------
    int
    """
    convolutions = build_activations(backbone, (pooling,), blocks, weights=None, sizes=sizes)
    return convolutions.output[pooling].shape[1]


def build_convolutions(
    backbone: str,
    blocks: int | None = None,
    weights: str | os.PathLike | None = PRETRAINED,
    sizes: Sequence[int] = (),
) -> keras.Model:
    """Build a backbone up to the given block.

    Parameters
    ----------
    backbone, blocks, weights
        As in `build_activations`.
    sizes : sequence of int, optional
        Height and width of the photos that it looks at, in pixels; by default those it was trained
        on. It takes photos of the largest; the others are averaged of these, and the same
        convolutions go over them.

    Returns
    -------
    keras.Model
        From RGB photos to the maps (n_photos, height, width, channels) of every block kept; those
        of the smallest size first.

    Raises
    ------
    InputError
        As `build_activations`.
    """
    entry = get_backbone(backbone)
    if weights not in (None, PRETRAINED) and not Path(weights).is_file():
        raise InputError(f"{weights}: no such weights file for backbone {backbone}")
    if blocks is not None and blocks not in range(1, entry.n_blocks + 1):
        raise InputError(
            f"backbone {backbone}: blocks={blocks}; it has 1 to {entry.n_blocks} blocks"
        )
    *smaller, largest = check_sizes(backbone, sizes)
    kept = entry.build(weights, largest, blocks)
    photo = kept.inputs[0]
    maps = []
    for size in smaller:
        reduced = layers.AveragePooling2D(largest // size, name=f"{PHOTO}{size}", dtype="float32")
        maps += call_again(kept, reduced(photo))
    return keras.Model(photo, maps + kept.outputs)


def call_again(model: keras.Model, photo: keras.KerasTensor) -> Any:
    """Call the same layers on another photo; the model itself would become one layer of many.

    Parameters
    ----------
    model : keras.Model
    photo : KerasTensor

    Returns
    -------
    list or dict of KerasTensor
        As the model's own outputs.
    """
    config = model.get_config()
    outputs: dict[Node, keras.KerasTensor] = {}
    for node, call in calls_of(config).items():
        given = [outputs[taken] for taken in call.takes]
        layer = model.get_layer(node[0])
        outputs[node] = photo if not given else layer(given if len(given) > 1 else given[0])
    ends = config["output_layers"]
    if isinstance(ends, dict):
        return {key: outputs[name, number] for key, (name, number, _) in ends.items()}
    return [outputs[name, number] for name, number, _ in ends]


def check_sizes(backbone: str, sizes: Sequence[int] = ()) -> tuple[int, ...]:
    """Make sure that a backbone can look at photos of these sizes.

    Parameters
    ----------
    backbone : str
    sizes : sequence of int, optional
        By default that of the photos it was trained on.

    Returns
    -------
    tuple of int
        Each once, the smallest first.

    Raises
    ------
    InputError
        A size is not one that it takes, or the largest is no multiple of another.
    """
    entry = get_backbone(backbone)
    own, stride = entry.input_size, entry.stride
    checked = tuple(sorted(set(sizes or (own,))))
    for size in checked:
        if stride is None and size != own:
            raise InputError(f"backbone {backbone}: size {size}; it takes {own} alone")
        is_multiple = stride is not None and size % stride == 0
        if size != own and (
            not SMALLEST_SIZE <= size <= LARGEST_SIZE or not (is_multiple or size % own == 0)
        ):
            raise InputError(
                f"backbone {backbone}: size {size}; it takes {own}, and multiples of {stride} from "
                f"{SMALLEST_SIZE} to {LARGEST_SIZE}"
            )
        if len(checked) > 1 and backbone.startswith(HUB):
            raise InputError(f"backbone {backbone}: looks at photos of one size, not of several")
        if checked[-1] % size:
            raise InputError(
                f"backbone {backbone}: sizes {size} and {checked[-1]}; side by side the larger "
                "must be a multiple of the smaller, as 448 is of 224"
            )
    return checked


def recorded_sizes(backbone: str, sizes: Sequence[int]) -> tuple[int, ...] | None:
    """The sizes as a record tells them: None where they are the backbone's own."""
    checked = check_sizes(backbone, sizes)
    return None if checked == check_sizes(backbone) else checked


def pool(convolutions: keras.Model, pooling: str, n_sizes: int = 1) -> keras.KerasTensor:
    """The activations of `build_convolutions`, pooled to one row a photo.

    Parameters
    ----------
    convolutions : keras.Model
    pooling : {"flatten", "multilevel", "average"}
    n_sizes : int
        At how many `build_convolutions` looks.

    Returns
    -------
    KerasTensor
        (n_photos, n_activations) float32; what comes of the smallest photos first.

    Raises
    ------
    InputError
        The pooling is unknown, or does not go with these sizes.
    """
    maps = convolutions.outputs
    if pooling == "flatten":
        if n_sizes > 1:
            raise InputError("pooling flatten takes one size; average and multilevel take several")
        return layers.Flatten(name="flatten", dtype="float32")(maps[-1])
    n_blocks = len(maps) // n_sizes
    if pooling == "average":
        maps = maps[n_blocks - 1 :: n_blocks]
    elif pooling != "multilevel":
        raise InputError(f"pooling {pooling}: unknown; one of {', '.join(POOLINGS)}")
    averages = [
        layers.GlobalAveragePooling2D(name=f"{pooling}{number}", dtype="float32")(block)
        for number, block in enumerate(maps, start=1)
    ]
    is_one_map = pooling == "average" and len(averages) == 1
    return averages[0] if is_one_map else layers.Concatenate(name=pooling)(averages)


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
    for call in calls_of(keras_model.get_config()).values():
        name = call.layer["name"]
        takes_map = call.n_axes == 4 and call.layer["class_name"] not in _POOLED
        if takes_map and name != NORMALISATION and not name.startswith(PHOTO):
            keras_model.get_layer(name).dtype_policy = policy


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
