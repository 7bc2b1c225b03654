"""Whether a network is what its record says of it, field by field."""

from __future__ import annotations

import keras

from decaf.networks.graph import Call, Node, calls_of, output_of
from decaf.networks.record import NetworkRecord

Calls = dict[Node, Call]


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
        fields = {"label": "kind", "score": "levels", "votes": "n_grades", "backbone": "width"}
        field = fields[record.kind]
        return f"{field}: it gives {output}, not {record.n_outputs} numbers a photo"
    config = keras_model.get_config()
    calls = calls_of(config)
    last, dense = _head(calls, output_of(config)) if record.has_head else (output_of(config), [])
    if record.has_head and [each.layer["name"] for each in dense] != ["output", "fc7", "fc6"]:
        return f"kind: it has no head of fc6, fc7 and output, and {record.kind} needs one"
    if record.has_head and (units := dense[1].layer["config"]["units"]) != record.width:
        return f"width: its fc7 has {units} units, not {record.width}"
    sizes = _sizes(calls, photo[1])
    said = record.sizes or record.own_sizes
    if said is not None and sizes != said:
        return f"sizes: it looks at photos of {_words(sizes)}, not {_words(said)}"
    pooling, n_pooled = _pooling(calls, last, len(sizes))
    n_blocks = record.blocks or record.n_blocks
    # The averages of the last block are those of all blocks where there is one.
    is_either = n_blocks == n_pooled == 1 and "flatten" not in (pooling, record.pooling)
    if pooling != record.pooling and not is_either:
        return f"pooling: it is {pooling}, not {record.pooling}"
    if pooling == "multilevel" and n_blocks not in (None, n_pooled):
        return f"blocks: it has {n_pooled}, not {n_blocks}"
    n_parameters = keras_model.count_params()
    if record.parameters not in (None, n_parameters):
        return f"parameters: it has {n_parameters:,}, not {record.parameters:,}"
    return None


def _head(calls: Calls, last: Node) -> tuple[Node, list[Call]]:
    """The call before the dense layers at a network's end, and these, the last first."""
    dense = []
    while calls[last].layer["class_name"] in ("Dense", "Dropout"):
        if calls[last].layer["class_name"] == "Dense":
            dense.append(calls[last])
        last = calls[last].takes[0]
    return last, dense


def _sizes(calls: Calls, largest: int) -> tuple[int, ...]:
    """The sizes at which a network looks at a photo, the smallest first."""
    photos = {node for node, call in calls.items() if call.layer["class_name"] == "InputLayer"}
    of_photo = [call.layer for call in calls.values() if photos & set(call.takes)]
    sizes = {
        largest // layer["config"]["pool_size"][0]
        if layer["class_name"] == "AveragePooling2D"
        else largest
        for layer in of_photo
    }
    return tuple(sorted(sizes))


def _pooling(calls: Calls, last: Node, n_sizes: int) -> tuple[str, int]:
    """How a call pools maps, and of how many blocks."""
    kind = calls[last].layer["class_name"]
    if kind == "Flatten" and calls[last].n_axes == 4 and n_sizes == 1:
        return "flatten", 1
    pooled = calls[last].takes if kind == "Concatenate" else (last,)
    if all(calls[each].layer["class_name"] == "GlobalAveragePooling2D" for each in pooled):
        n_pooled, left = divmod(len(pooled), n_sizes)
        if not left:
            return ("average" if n_pooled == 1 else "multilevel"), n_pooled
    return "none that decaf knows", 0


def _words(sizes: tuple[int, ...]) -> str:
    return f"{' and '.join(map(str, sizes))} pixels"
