"""A digest of all that a network's outputs depend on: its graph with its settings, its weights."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

# What a layer's settings say of its training, or what it is called.
_WITHOUT_EFFECT = ("name", "trainable", "seed")
_KINDS_WITHOUT_EFFECT = ("_initializer", "_regularizer", "_constraint")


def digest_of_graph(keras_model: keras.Model) -> str:
    """A digest of a graph and its weights; graphs that compute the same in the same way share it.

    Parameters
    ----------
    keras_model : keras.Model
        What its layers are called does not matter: Keras numbers those that have no names.

    Returns
    -------
    str
        32 hex digits.
    """
    config = keras_model.get_config()
    numbers = {layer["name"]: number for number, layer in enumerate(config["layers"])}
    layers = [
        (
            layer["module"],
            layer["registered_name"] or layer["class_name"],
            _settings(layer),
            _numbered(layer["inbound_nodes"], numbers),
        )
        for layer in config["layers"]
    ]
    ends = _numbered([config["input_layers"], config["output_layers"]], numbers)
    digest = hashlib.blake2b(json.dumps([layers, ends], sort_keys=True).encode(), digest_size=16)
    for values in keras_model.get_weights():
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _settings(layer: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in layer["config"].items()
        if name not in _WITHOUT_EFFECT and not name.endswith(_KINDS_WITHOUT_EFFECT)
    }


def _numbered(value: Any, numbers: dict[str, int]) -> Any:
    """The same with numbers for layers, which a graph refers to as (name, node, tensor)."""
    if isinstance(value, dict):
        return {key: _numbered(each, numbers) for key, each in value.items()}
    if not isinstance(value, list | tuple):
        return value
    if len(value) == 3 and isinstance(value[0], str):
        return [numbers[value[0]], *value[1:]]
    return [_numbered(each, numbers) for each in value]
