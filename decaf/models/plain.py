"""Plain backbones that are compared: their activations are the features; nothing is finetuned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import joblib
import numpy as np

from classifiers.evaluation.evaluation import FeatureSet
from decaf.backend import versions
from decaf.networks.network import Network
from decaf.training.training_photos import TrainingPhotos

# Of thousands of columns the others learn worse, and TAN takes minutes.
CLASSIFIERS = ("ridge", "gaussian-process", "ordinal", "logistic-regression")
# Activations that are held in memory as float32, and once more while they are scaled.
MOST_NUMBERS = 10**8


@dataclass(frozen=True, eq=False)
class PlainSource:
    """The activations of rated photos, as they are.

    Attributes
    ----------
    photos : TrainingPhotos
    """

    photos: TrainingPhotos

    @staticmethod
    def fits(photos: TrainingPhotos) -> bool:
        """Whether so many activations can be held in memory."""
        return int(np.prod(photos.activations.shape)) <= MOST_NUMBERS

    @cached_property
    def feature_set(self) -> FeatureSet:
        """The activations of all photos."""
        X = self.photos.activations.read(np.arange(len(self.photos))).astype(np.float32)
        identity = joblib.hash((self.photos.activations.identity, versions()))
        return FeatureSet(self.name, X, identity=identity, classifiers=CLASSIFIERS)

    @property
    def name(self) -> str:
        """What its network is called."""
        return self.photos.record(self.photos.activations.shape[1], "backbone").name

    @property
    def facts(self) -> Mapping[str, Any]:
        """What its network says of itself."""
        return self._network.record.to_json()

    def fit_network(self, rows: np.ndarray) -> tuple[Network, np.ndarray]:
        """The plain backbone, and the activations of the training photos."""
        return self._network, self.feature_set.X[rows]

    @cached_property
    def _network(self) -> Network:
        return self.photos.backbone.build(self.photos.precision)
