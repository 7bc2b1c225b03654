"""Networks: a head of a given width on a backbone's activations, or the plain backbone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import keras
import numpy as np

# Register layers of ours, so that Keras can load the networks that have them.
import decaf.networks.alexnet
import decaf.networks.hub_tower  # noqa: F401
from decaf.networks.agreement import find_disagreement
from decaf.networks.backbones import get_backbone
from decaf.networks.convolutions import (
    build_convolutions,
    check_sizes,
    pool,
    recorded_sizes,
    set_precision,
)
from decaf.networks.costs import check_costs
from decaf.networks.head import add_head, features_model
from decaf.networks.network_file import (
    add_record,
    check_harmless,
    read_finetuned_on,
    read_record,
)
from decaf.networks.record import NetworkRecord
from decaf.networks.weights import PRETRAINED, weights_name
from features.errors import InputError
from features.files import whole_file, writing
from features.photo_set import PhotoSet
from features.shortage import blame_machine


@dataclass(frozen=True)
class Network:
    """A network, and what it says of itself.

    Attributes
    ----------
    keras_model : keras.Model
        From RGB photos (n_photos, size, size, 3), 0–255, to the probabilities of snapshot and
        professional (n_photos, 2), of the levels of the score (n_photos, n_levels), to the shares
        of the votes (n_photos, n_grades), or to the pooled activations of a plain backbone
        (n_photos, width). The layers of a head are fc6, fc7 and output.
    record : NetworkRecord
    finetuned_on : PhotoSet
        The photos that it was finetuned on; as many as the record says.

    Raises
    ------
    InputError
        The two do not fit to each other.
    """

    keras_model: keras.Model
    record: NetworkRecord
    finetuned_on: PhotoSet = field(default_factory=PhotoSet)

    def __post_init__(self):
        disagreement = find_disagreement(self.keras_model, self.record)
        recorded = self.record.finetuned_on or 0
        if disagreement is None and len(self.finetuned_on) != recorded:
            disagreement = f"finetuned_on: {len(self.finetuned_on):,} photos, not {recorded:,}"
        if disagreement is not None:
            raise InputError(f"the network is not what its record says: {disagreement}")

    @property
    def input_size(self) -> int:
        """Height and width of the photos that it takes, in pixels."""
        return self.keras_model.input_shape[1]

    def activations_model(self) -> keras.Model:
        """The frozen part, from photos to {pooling: (n_photos, n_activations)}.

        It shares the network's weights, as the other parts do.
        """
        return keras.Model(self.keras_model.input, {self.record.pooling: self._activations()})

    def head_model(self) -> keras.Model:
        """What follows on the activations (n_photos, n_activations).

        Returns
        -------
        keras.Model
            To a dictionary: ``features``, fc7 after ReLU, (n_photos, width), and ``output``. Those
            of a plain backbone are the activations themselves.
        """
        if self.record.has_head:
            fc7 = self.keras_model.get_layer("fc7").output
            parts = {"features": fc7, "output": self.keras_model.output}
            return keras.Model(self._activations(), parts)
        activations = keras.Input((self.record.width,))
        return keras.Model(activations, {"features": activations, "output": activations})

    def features_model(self) -> keras.Model:
        """The part that gives the features: from photos to (n_photos, width)."""
        return features_model(self.keras_model) if self.record.has_head else self.keras_model

    def save(self, path: str | os.PathLike, force: bool = False) -> None:
        """Write the network and its record to one `.keras` file, whole or not at all.

        Parameters
        ----------
        path : path-like
            Ends in `.keras`; its folder is made if it is not there.
        force : bool
            Overwrite an existing file.

        Raises
        ------
        AlreadyThere
            The file exists.
        InputError
            It cannot be written, or its name does not end in `.keras`.
        """
        path = Path(path)
        if path.suffix != ".keras":
            raise InputError(f"{path}: a network's file name must end in .keras")
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path, force=force) as part:
                self.keras_model.save(part)
                add_record(part, self.record, self.finetuned_on)

    def _activations(self) -> keras.KerasTensor:
        if self.record.has_head:
            return self.keras_model.get_layer("fc6").input
        return self.keras_model.output


def load_network(path: str | os.PathLike, precision: str = "float32") -> Network:
    """Load a network; code in its file is never run.

    Parameters
    ----------
    path : path-like
    precision : {"float32", "bfloat16"}
        What the convolutions are computed in.

    Returns
    -------
    Network

    Raises
    ------
    InputError
        The file is missing, truncated, damaged, or not a network of this package.
    """
    record, finetuned_on = read_record(path), read_finetuned_on(path)
    described = check_harmless(path)
    try:
        check_costs(described)
        keras_model = keras.saving.load_model(path, compile=False, safe_mode=True)
        # Some of what does not fit shows only when a photo comes.
        keras_model(np.zeros((1, *keras_model.input_shape[1:]), np.float32))
    except InputError as error:
        raise InputError(f"{path}: {error}; it is not opened") from None
    # Keras raises many kinds of exceptions on a file that it did not write.
    except Exception as error:
        blame_machine(error, path)
        raise InputError(f"{path}: not a network that Keras can load; make it anew") from error
    try:
        network = Network(keras_model, record, finetuned_on)
    except InputError as error:
        raise InputError(f"{path}: {error}; make it anew") from None
    for layer in keras_model.layers:
        if not all(np.isfinite(values).all() for values in layer.get_weights()):
            raise InputError(f"{path}: its layer {layer.name} has weights that are no numbers")
    set_precision(keras_model, precision)
    return network


def build_network(
    backbone: str,
    width: int,
    *,
    n_grades: int | None = None,
    levels: Sequence[float] = (),
    pooling: str = "flatten",
    blocks: int | None = None,
    weights: str | os.PathLike | None = PRETRAINED,
    sizes: Sequence[int] = (),
) -> Network:
    """Build a whole network, whose head is not trained.

    Parameters
    ----------
    backbone : str
    width : int
        Units in fc6 and in fc7.
    n_grades : int, optional
        Let it predict the shares of the votes 1 … n_grades, and not classes.
    levels : sequence of float, optional
        Let it predict how probable each of these scores is, and not classes.
    pooling : {"flatten", "multilevel", "average"}
    blocks : int, optional
        Cut the backbone after so many blocks.
    weights : {"pretrained", None} or path-like
        The backbone's.
    sizes : sequence of int, optional
        As in `decaf.networks.convolutions.build_convolutions`.

    Returns
    -------
    Network
    """
    grades = levels or (None if n_grades is None else range(1, n_grades + 1))
    record = NetworkRecord(
        kind="score" if levels else "label" if n_grades is None else "votes",
        backbone=backbone,
        pooling=pooling,
        width=width,
        blocks=blocks,
        weights=weights_name(weights),
        licence=get_backbone(backbone).licence(weights),
        sizes=recorded_sizes(backbone, sizes),
        n_grades=n_grades,
        levels=tuple(levels) or None,
        scale=None if grades is None else (grades[0], grades[-1]),
        midpoint=None if grades is None else (grades[0] + grades[-1]) / 2,
    )
    return Network(_build(record, weights), record)


def build_plain_network(
    backbone: str,
    pooling: str = "average",
    blocks: int | None = None,
    weights: str | os.PathLike | None = PRETRAINED,
    resize: str = "squash",
    precision: str = "float32",
    sizes: Sequence[int] = (),
) -> Network:
    """Build a plain backbone, whose activations are the features.

    Parameters
    ----------
    backbone, pooling, blocks, weights, sizes
        As in `build_network`.
    resize : {"squash", "crop", "pad"}
    precision : {"float32", "bfloat16"}
        What the convolutions are computed in.

    Returns
    -------
    Network
    """
    sizes = check_sizes(backbone, sizes)
    convolutions = build_convolutions(backbone, blocks, weights, sizes)
    keras_model = keras.Model(convolutions.input, pool(convolutions, pooling, len(sizes)))
    set_precision(keras_model, precision)
    record = NetworkRecord(
        kind="backbone",
        backbone=backbone,
        pooling=pooling,
        width=keras_model.output_shape[1],
        blocks=blocks,
        weights=weights_name(weights),
        licence=get_backbone(backbone).licence(weights),
        resize=resize,
        sizes=recorded_sizes(backbone, sizes),
        parameters=keras_model.count_params(),
    )
    return Network(keras_model, record)


def attach_head(
    head: keras.Model,
    record: NetworkRecord,
    weights: str | os.PathLike | None = PRETRAINED,
    precision: str = "float32",
    finetuned_on: PhotoSet | None = None,
) -> Network:
    """Put a trained head on its backbone.

    Parameters
    ----------
    head : keras.Model
        From `build_head`, trained on activations of the record's backbone, pooling and blocks.
    record : NetworkRecord
    weights : {"pretrained", None} or path-like
        The backbone's.
    precision : {"float32", "bfloat16"}
        What the convolutions are computed in.
    finetuned_on : PhotoSet, optional
        What the head was trained on.

    Returns
    -------
    Network
        With copies of the head's weights; its record tells the number of its parameters.
    """
    keras_model = _build(record, weights, head.get_layer("drop7").rate)
    for name in ("fc6", "fc7", "output"):
        keras_model.get_layer(name).set_weights(head.get_layer(name).get_weights())
    set_precision(keras_model, precision)
    record = replace(record, parameters=keras_model.count_params())
    return Network(keras_model, record, finetuned_on or PhotoSet())


def _build(
    record: NetworkRecord, weights: str | os.PathLike | None, dropout: float = 0.5
) -> keras.Model:
    sizes = check_sizes(record.backbone, record.sizes or ())
    convolutions = build_convolutions(record.backbone, record.blocks, weights, sizes)
    activations = pool(convolutions, record.pooling, len(sizes))
    head = add_head(activations, record.width, record.n_outputs, dropout)
    return keras.Model(convolutions.input, head)
