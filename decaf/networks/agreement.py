"""Whether a network is what its record says of it, field by field."""

from __future__ import annotations

import keras
from keras import layers

from decaf.networks.record import NetworkRecord


def find_disagreement(keras_model: keras.Model, record: NetworkRecord) -> str | None:
    """Find what a record says otherwise than its network is.

    Parameters
    ----------
    keras_model : keras.Model
    record : NetworkRecord

    Returns
    -------
    str or None
        The first field that does not fit, and how the network is.
    """
    photo, output = keras_model.input_shape, keras_model.output_shape
    # Of several inputs or outputs Keras gives lists of shapes.
    if not isinstance(photo, tuple) or photo[3:] != (3,) or photo[1] != photo[2]:
        return "it does not take square photos in RGB"
    if output != (None, record.n_outputs):
        field = {"label": "kind", "votes": "n_grades", "backbone": "width"}[record.kind]
        return f"{field}: it gives {output}, not {record.n_outputs} numbers a photo"
    makers = {id(layer.output): layer for layer in keras_model.layers}
    layer = makers[id(keras_model.output)]
    dense = []
    while record.has_head and isinstance(layer, layers.Dense | layers.Dropout):
        dense += [layer] * isinstance(layer, layers.Dense)
        layer = makers[id(layer.input)]
    if record.has_head and [each.name for each in dense] != ["output", "fc7", "fc6"]:
        return f"kind: it has no head of fc6, fc7 and output, and {record.kind} needs one"
    if record.has_head and dense[1].units != record.width:
        return f"width: its fc7 has {dense[1].units} units, not {record.width}"
    pooling, n_pooled = _pooling(layer, makers)
    if pooling != record.pooling:
        return f"pooling: it is {pooling}, not {record.pooling}"
    n_blocks = record.blocks or record.n_blocks
    if pooling == "multilevel" and n_blocks not in (None, n_pooled):
        return f"blocks: it has {n_pooled}, not {n_blocks}"
    n_parameters = keras_model.count_params()
    if record.parameters not in (None, n_parameters):
        return f"parameters: it has {n_parameters:,}, not {record.parameters:,}"
    return None


def _pooling(layer: keras.Layer, makers: dict[int, keras.Layer]) -> tuple[str, int]:
    """How a layer pools maps, and how many of them."""
    if isinstance(layer, layers.Flatten) and len(layer.input.shape) == 4:
        return "flatten", 1
    if isinstance(layer, layers.GlobalAveragePooling2D):
        return "average", 1
    if isinstance(layer, layers.Concatenate):
        given = layer.input if isinstance(layer.input, list) else [layer.input]
        if all(isinstance(makers[id(each)], layers.GlobalAveragePooling2D) for each in given):
            return "multilevel", len(given)
    return "none that decaf knows", 0
