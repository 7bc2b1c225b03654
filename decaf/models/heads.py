"""Heads that are compared: finetuned anew in each fold, on activations that are at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import joblib
import numpy as np

from classifiers.evaluation.evaluation import FeatureSet
from decaf.backend import can_train, check_training, versions
from decaf.models.plain import PlainSource
from decaf.models.sources import Sources
from decaf.networks.network import Network
from decaf.networks.record import NetworkRecord
from decaf.training.batches import predict
from decaf.training.heads import FinetunedHead
from decaf.training.networks import finetune_network
from decaf.training.settings import (
    DEFAULT_WIDTH,
    RECIPES,
    TrainingSettings,
    check_width,
    draw_seed,
)
from decaf.training.training_photos import TrainingPhotos


@dataclass(frozen=True, eq=False)
class HeadSource:
    """A head of one width.

    Attributes
    ----------
    photos : TrainingPhotos
    width : int
    settings : TrainingSettings
    delta : float
        Margin around the midpoint that is not trained on, for the record.
    kind : {"label", "score"}
        What it learns.
    progress : bool
        Show the finetuning of the network that is kept on stderr.
    """

    photos: TrainingPhotos
    width: int
    settings: TrainingSettings
    delta: float = 0.0
    kind: str = "label"
    progress: bool = True

    @property
    def feature_set(self) -> FeatureSet:
        """Positions among the activations, of which a finetuned head makes features."""
        # As `ConvNetFeatures` draws it, so that cross-validating that one gives the same figures.
        settings = replace(self.settings, seed=draw_seed(self.settings.seed))
        above_midpoint = self.photos.rated.above_midpoint
        head = FinetunedHead(
            self.photos.activations, self.width, settings, above_midpoint, self.kind
        )
        positions = np.arange(len(self.photos))[:, None]
        made_of = (self.width, settings, above_midpoint, self.kind)
        return FeatureSet(
            self.name,
            positions,
            head,
            identity=joblib.hash((self.photos.activations.identity, *made_of, versions())),
        )

    @property
    def name(self) -> str:
        """What its network is called."""
        return self.record.name

    @property
    def record(self) -> NetworkRecord:
        """What a network with this head says of its making."""
        training = self.settings.to_json() | {"delta": self.delta}
        return self.photos.record(self.width, self.kind, training=training)

    @property
    def facts(self) -> Mapping[str, Any]:
        """The record's values."""
        return self.record.to_json()

    def fit_network(self, rows: np.ndarray) -> tuple[Network, np.ndarray]:
        """Finetune the head on the training photos, and put it on its backbone."""
        network = finetune_network(
            self.photos,
            self.width,
            self.settings,
            kind=self.kind,
            train=rows,
            delta=self.delta,
            progress=self.progress,
        )
        features = predict(network.head_model(), self.photos.activations, rows)["features"]
        return network, features


def head_sources(
    photos: TrainingPhotos,
    widths: Sequence[int] = (DEFAULT_WIDTH,),
    settings: TrainingSettings = RECIPES["decaf"],
    *,
    kind: str = "label",
    plain: bool = False,
    delta: float = 0.0,
    progress: bool = True,
) -> Sources:
    """Heads of these widths, to be finetuned on rated photos, and perhaps the plain backbone.

    Parameters
    ----------
    photos : TrainingPhotos
        From `decaf.training.training_photos.read_training_photos`.
    widths : sequence of int
        Units of fc6 and fc7.
    settings : TrainingSettings
        But that all training photos are trained on: the folds judge.
    kind : {"label", "score"}
        What the heads learn.
    plain : bool
        Compare the plain backbone's activations, too, where they can be held in memory; and them
        alone where Keras's back end trains no heads.
    delta : float
        As in `Sources`.
    progress : bool
        Show the finetuning of the network that is kept on stderr.

    Returns
    -------
    Sources

    Raises
    ------
    InputError
        A width is out of its range; there are no scores to learn; there is nothing but heads, and
        the back end trains none.
    """
    for width in widths:
        check_width(width)
    plain = plain and PlainSource.fits(photos)
    if plain and not can_train():
        widths = ()
    if widths:
        check_training()
    settings = replace(settings, validation_fraction=0.0, patience=None)
    sources: list[HeadSource | PlainSource] = [
        HeadSource(photos, width, settings, delta, kind, progress)
        for width in dict.fromkeys(widths)
    ]
    if plain:
        sources.insert(0, PlainSource(photos))
    rated = photos.rated
    return Sources(
        rated,
        {source.name: source for source in sources},
        delta,
        {
            "photos": f"{len(rated):,}, {rated.label.mean():.0%} professional",
            "could not be read": f"{len(rated.failed):,}",
        },
    )
