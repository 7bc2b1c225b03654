"""Heads that are compared: finetuned anew in each fold, on activations that are at hand."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from classifiers.evaluation.evaluation import FeatureSet
from decaf.extraction.feature_network import PlainBackbone
from decaf.models.sources import Sources
from decaf.networks.network import Network
from decaf.networks.record import NetworkRecord
from decaf.networks.weights import PRETRAINED
from decaf.training.batches import predict
from decaf.training.heads import FinetunedHead
from decaf.training.networks import finetune_network
from decaf.training.settings import (
    DEFAULT_WIDTH,
    POOLING_OF_RECIPE,
    TrainingSettings,
    check_width,
    draw_seed,
    find_recipe,
)
from decaf.training.training_photos import TrainingPhotos, read_training_photos
from features.ratings import RatedPhotos


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
    progress : bool
        Show the finetuning of the network that is kept on stderr.
    """

    photos: TrainingPhotos
    width: int
    settings: TrainingSettings
    delta: float = 0.0
    progress: bool = True

    @property
    def feature_set(self) -> FeatureSet:
        """Positions among the activations, of which a finetuned head makes features."""
        # As `ConvNetFeatures` draws it, so that cross-validating that one gives the same figures.
        settings = replace(self.settings, seed=draw_seed(self.settings.seed))
        head = FinetunedHead(
            self.photos.activations, self.width, settings, self.photos.rated.above_midpoint
        )
        positions = np.arange(len(self.photos))[:, None]
        return FeatureSet(self.record.name, positions, head)

    @property
    def record(self) -> NetworkRecord:
        """What a network with this head says of its making."""
        training = self.settings.to_json() | {"delta": self.delta}
        return self.photos.record(self.width, training=training)

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
            train=rows,
            delta=self.delta,
            progress=self.progress,
        )
        features = predict(network.head_model(), self.photos.activations, rows)["features"]
        return network, features


def head_sources(
    rated: RatedPhotos,
    backbone: str = "alexnet-owt",
    widths: Sequence[int] = (DEFAULT_WIDTH,),
    *,
    recipe: str = "decaf",
    settings: TrainingSettings | None = None,
    seed: int = 0,
    pooling: str | None = None,
    blocks: int | None = None,
    weights: str | os.PathLike | None = PRETRAINED,
    resize: str = "squash",
    precision: str = "auto",
    delta: float = 0.0,
    cache: str | os.PathLike | None = None,
    progress: bool = True,
) -> Sources:
    """Heads of these widths on the activations of rated photos, which are computed once.

    Parameters
    ----------
    rated : RatedPhotos
        Of photos that can be opened.
    backbone : str
    widths : sequence of int
        Units of fc6 and fc7.
    recipe : {"decaf", "paper"}
    settings : TrainingSettings, optional
        The recipe's by default. All training photos are trained on: the folds judge.
    seed : int
        Of the heads.
    pooling : {"flatten", "multilevel", "average"}, optional
        What fc6 is fed with; the recipe's by default.
    blocks, weights, resize, precision
        As in `decaf.ConvNetFeatures`.
    delta : float
        As in `Sources`.
    cache, progress
        As in `decaf.extraction.activations.cached_activations`.

    Returns
    -------
    Sources
        Of the photos that can be read.

    Raises
    ------
    InputError
        A setting is out of its range, or the backbone or its weights cannot be had.
    """
    base = settings or find_recipe(recipe)
    settings = replace(base, validation_fraction=0.0, patience=None, seed=seed)
    for width in widths:
        check_width(width)
    photos = read_training_photos(
        rated,
        PlainBackbone(backbone, pooling or POOLING_OF_RECIPE[recipe], blocks, weights, resize),
        precision=precision,
        cache=cache,
        progress=progress,
    )
    sources = [
        HeadSource(photos, width, settings, delta, progress) for width in dict.fromkeys(widths)
    ]
    rated = photos.rated
    return Sources(
        rated,
        {source.record.name: source for source in sources},
        delta,
        {
            "photos": f"{len(rated):,}, {rated.label.mean():.0%} professional",
            "could not be read": f"{len(rated.failed):,}",
        },
    )
