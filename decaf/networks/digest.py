"""A digest of all that a network's outputs depend on: its graph with its settings, its weights."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from decaf.networks.graph import Node, calls_of

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
    weights = {layer.name: layer.get_weights() for layer in keras_model.layers}
    # Of each call with all that leads to it: Keras lists layers in one order or another.
    digests: dict[Node, str] = {}
    for node, call in calls_of(config).items():
        layer = call.layer
        inbound = layer["inbound_nodes"][node[1]] if call.takes else None
        told = (
            layer["module"],
            layer["registered_name"] or layer["class_name"],
            _settings(layer),
            _told(inbound, digests),
        )
        digest = _digest_of(told)
        for values in weights.get(layer["name"], ()):
            digest.update(np.ascontiguousarray(values).tobytes())
        digests[node] = digest.hexdigest()
    return _digest_of(_told(config["output_layers"], digests)).hexdigest()


def _digest_of(told: Any) -> hashlib.blake2b:
    return hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16)


def _settings(layer: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in layer["config"].items()
        if name not in _WITHOUT_EFFECT and not name.endswith(_KINDS_WITHOUT_EFFECT)
    }


def _told(value: Any, digests: dict[Node, str]) -> Any:
    """The same with digests for calls, which a graph refers to as (name, node, tensor)."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__" and value["config"]["dtype"] == "bfloat16":
            # What the layers say decides. A graph that was rebuilt while they computed in bfloat16
            # still has tensors of that when they are back in float32.
            value = value | {"config": value["config"] | {"dtype": "float32"}}
        return {key: _told(each, digests) for key, each in value.items()}
    if not isinstance(value, list | tuple):
        return value
    if len(value) == 3 and isinstance(value[0], str):
        return [digests[value[0], value[1]], value[2]]
    return [_told(each, digests) for each in value]
