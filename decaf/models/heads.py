"""Heads that are compared: finetuned anew in each fold, on activations that are at hand."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from classifiers.evaluation.evaluation import FeatureSet
from decaf.backend import choose_precision, versions
from decaf.extraction.activations import Activations, cached_activations
from decaf.models.sources import Sources
from decaf.networks.backbones import build_activations
from decaf.networks.network import Network, attach_head, features_model, weights_name
from decaf.networks.record import NetworkRecord
from decaf.networks.weights import PRETRAINED
from decaf.training.finetune import (
    RECIPES,
    TrainingSettings,
    check_settings,
    finetune,
    predict,
)
from decaf.training.heads import FinetunedHead
from features.ratings import RatedPhotos

# What fc6 is fed with.
POOLING_OF_RECIPE = {"decaf": "multilevel", "paper": "flatten"}


@dataclass(frozen=True, eq=False)
class HeadSource:
    """A head of one width.

    Attributes
    ----------
    rated : RatedPhotos
    activations : Activations
        Of the same photos, in the same order.
    record : NetworkRecord
        What a network with this head says of its making.
    settings : TrainingSettings
    weights : {"pretrained", None} or path-like
        The backbone's.
    progress : bool
        Show the finetuning of the network that is kept on stderr.
    """

    rated: RatedPhotos
    activations: Activations
    record: NetworkRecord
    settings: TrainingSettings
    weights: str | os.PathLike | None = PRETRAINED
    progress: bool = True

    @property
    def feature_set(self) -> FeatureSet:
        """Positions among the activations, of which a finetuned head makes features."""
        # As `ConvNetFeatures` draws it, so that cross-validating that one gives the same figures.
        seed = check_random_state(self.settings.seed).randint(2**31)
        head = FinetunedHead(
            self.activations,
            self.record.width,
            replace(self.settings, seed=seed),
            above_midpoint=self.rated.above_midpoint,
        )
        return FeatureSet(self.record.name, np.arange(len(self.rated))[:, None], head)

    @property
    def facts(self) -> Mapping[str, Any]:
        """The record's values."""
        return self.record.to_json()

    def fit_network(self, rows: np.ndarray) -> tuple[Network, np.ndarray]:
        """Finetune the head on the training photos, and put it on its backbone."""
        head, history = finetune(
            self.activations,
            self.rated.label,
            self.record.width,
            self.settings,
            above_midpoint=self.rated.above_midpoint,
            photos=rows,
            progress=self.record.name if self.progress else None,
        )
        record = replace(
            self.record,
            finetuned_on=tuple(sorted(set(self.rated.digests[rows].tolist()))),
            history=tuple(history),
            versions=versions(),
        )
        network = attach_head(head, record, self.weights, record.precision)
        return network, predict(features_model(head), self.activations, rows)


def head_sources(
    rated: RatedPhotos,
    backbone: str = "alexnet-owt",
    widths: Sequence[int] = (250,),
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
    settings = replace(settings or RECIPES[recipe], validation_fraction=0.0, seed=seed)
    for width in widths:
        check_settings(settings, width)
    precision = choose_precision(precision)
    pooling = pooling or POOLING_OF_RECIPE[recipe]
    convolutions = build_activations(backbone, (pooling,), blocks, weights, dtype=precision)
    activations = cached_activations(
        list(rated.paths), convolutions, resize=resize, cache=cache, progress=progress
    )[pooling]
    rated = rated.readable(activations.positions, activations.digests, activations.failed)
    sources = [
        HeadSource(
            rated,
            activations,
            NetworkRecord(
                kind="label",
                backbone=backbone,
                pooling=pooling,
                width=width,
                blocks=blocks,
                weights=weights_name(weights),
                resize=resize,
                scale=rated.scale,
                midpoint=rated.midpoint,
                precision=precision,
                training=asdict(settings) | {"delta": delta},
            ),
            settings,
            weights,
            progress,
        )
        for width in dict.fromkeys(widths)
    ]
    return Sources(
        rated,
        {source.record.name: source for source in sources},
        delta,
        {
            "photos": f"{len(rated):,}, {rated.label.mean():.0%} professional",
            "could not be read": f"{len(rated.failed):,}",
        },
    )
