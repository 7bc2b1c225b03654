"""What a network would take to hold and to run, found before Keras builds it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras

from decaf.networks.graph import Node
from decaf.networks.hub_tower import Costs, HubTower
from decaf.networks.network_file import Described
from features.errors import InputError

# What VGG16 takes at 1,024 pixels with smaller ones beside, the most that decaf's networks do. Of
# one photo: numbers in the largest map, and multiplications.
MOST_NUMBERS = 2**26
MOST_MULTIPLICATIONS = 2**39
# What keras-hub's largest towers take at 1,024 pixels: minutes a photo, for who has the machine.
MOST_TOWER_NUMBERS = 2**30
MOST_TOWER_MULTIPLICATIONS = 2**44
FLOAT_BYTES = 4

Shape = tuple[int | None, ...]


def check_costs(described: Described) -> None:
    """Refuse a network that would fill the memory, or run for ever.

    Parameters
    ----------
    described : decaf.networks.network_file.Described

    Raises
    ------
    InputError
        It has more weights than its file, or more to compute than any backbone. The message is for
        whoever read the file to put its name before.
    ValueError
        Its layers do not fit to each other, as from Keras.
    """
    shapes: dict[Node, list[Shape]] = {}
    n_weights = multiplications = 0
    for call in described.calls:
        entry, node = call.layer, call.node
        # With its build_config Keras would build it, and take the memory for its weights.
        layer = keras.saving.deserialize_keras_object(entry | {"build_config": None})
        given = [shapes[taken][place] for taken, place in zip(call.takes, call.places)]
        is_first = node[1] == 0  # the weights are the same in all calls
        if isinstance(layer, HubTower):
            costs = _check_tower(layer, given[0])
            n_weights += costs.weights if is_first else 0
            shapes[node] = costs.maps
            continue
        if isinstance(layer, keras.layers.InputLayer):
            shape = tuple(layer.batch_shape)
            window = 0
        else:
            takes_several = isinstance(layer, keras.layers.Add | keras.layers.Concatenate)
            shape = tuple(layer.compute_output_shape(given if takes_several else given[0]))
            window = _window(layer, given[0])
            n_weights += _n_weights(layer, given[0], window) if is_first else 0
        shapes[node] = [shape]
        numbers = _numbers(shape)
        multiplications += numbers * max(1, window)
        if numbers > MOST_NUMBERS or multiplications > MOST_MULTIPLICATIONS:
            raise InputError(f"its layer {entry['name']} computes more than any network of decaf's")
    if n_weights * FLOAT_BYTES > described.weight_bytes:
        raise InputError("its layers have more weights than its file holds")


def _check_tower(tower: HubTower, given: Shape) -> Costs:
    """What a tower takes to hold and to run; InputError where that is too much."""
    if given[1:] != (tower.size, tower.size, 3):
        raise ValueError("its tower takes photos of another size")
    costs = tower.costs()
    if costs.numbers > MOST_TOWER_NUMBERS or costs.multiplications > MOST_TOWER_MULTIPLICATIONS:
        raise InputError(f"its layer {tower.name} computes more than any network of decaf's")
    return costs


def _window(layer: keras.Layer, given: Shape) -> int:
    """Numbers that one of a layer's numbers is computed of."""
    if isinstance(layer, keras.layers.Dense):
        return _whole(given[-1])
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return math.prod(layer.kernel_size)
    if isinstance(layer, keras.layers.Conv2D):
        return math.prod(layer.kernel_size) * _whole(given[-1]) // layer.groups
    return math.prod(getattr(layer, "pool_size", (1,)))


def _n_weights(layer: keras.Layer, given: Shape, window: int) -> int:
    """As many weights a layer's kernel has."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return window * _whole(given[-1]) * layer.depth_multiplier
    if isinstance(layer, keras.layers.Conv2D):
        return window * layer.filters
    if isinstance(layer, keras.layers.Dense):
        return window * layer.units
    return 0


def _numbers(shape: Sequence[int | None]) -> int:
    return math.prod(map(_whole, shape[1:]))


def _whole(size: int | None) -> int:
    if size is None or size < 1:
        raise ValueError("a size is not known")
    return size
