"""The graph of a network: which layer is called on whose outputs, as Keras's config tells it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

# A call of a layer: the layer's name, and how many calls of it came before.
Node = tuple[str, int]


@dataclass(frozen=True)
class Call:
    """One call of a layer; those of a backbone that looks at two sizes of a photo have two.

    Attributes
    ----------
    layer : dict
        What Keras makes the layer of: ``name``, ``class_name``, ``config``.
    node : (str, int)
    takes : tuple of (str, int)
        The calls whose outputs it takes; none for the photo.
    places : tuple of int
        Which of the outputs of each of these, where it has several.
    n_axes : int
        Of the first of these outputs, that of the photos among them.
    """

    layer: dict[str, Any]
    node: Node
    takes: tuple[Node, ...]
    places: tuple[int, ...]
    n_axes: int


def calls_of(config: dict[str, Any]) -> dict[Node, Call]:
    """The calls of a functional model, each after those whose outputs it takes.

    Parameters
    ----------
    config : dict
        From `keras.Model.get_config`, or of a network's file.

    Returns
    -------
    dict of (str, int) to Call

    Raises
    ------
    ValueError
        A call takes itself or what is not there, or a name does not tell one layer.
    LookupError, TypeError
        It is no config of a functional model.
    """
    calls: dict[Node, Call] = {}
    for layer in config["layers"]:
        name = layer["name"]
        if (
            layer["class_name"] == "Functional"
            or name != layer["config"]["name"]
            or (name, 0) in calls
            or (layer["class_name"] == "InputLayer") == bool(layer["inbound_nodes"])
        ):
            raise ValueError("its layers are not what they are called")
        for number, inbound in enumerate(layer["inbound_nodes"] or [[]]):
            tensors = list(_tensors(inbound))
            takes = tuple((str(of), int(node)) for (of, node, _), _ in tensors)
            places = tuple(int(place) for (_, _, place), _ in tensors)
            n_axes = len(tensors[0][1]) if tensors else 0
            calls[name, number] = Call(layer, (name, number), takes, places, n_axes)
    if not calls.keys() >= {each for call in calls.values() for each in call.takes}:
        raise ValueError("it takes what is not there")
    order = TopologicalSorter({node: call.takes for node, call in calls.items()})
    return {node: calls[node] for node in order.static_order()}


def output_of(config: dict[str, Any]) -> Node:
    """The call whose output is the one of a model with one output."""
    name, node, _ = _one(config["output_layers"])
    return name, node


def _one(ends: Any) -> Sequence[Any]:
    """The only end of a graph, which Keras may put into a list."""
    return ends[0] if len(ends) == 1 and isinstance(ends[0], list | tuple) else ends


def _tensors(value: Any) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
    """History and shape of the tensors that a call takes."""
    if isinstance(value, dict):
        if "keras_history" in value:
            yield value["keras_history"], value["shape"]
            return
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each)
