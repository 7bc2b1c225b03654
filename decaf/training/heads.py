"""Heads as scikit-learn estimators, finetuned anew in every fold on activations at hand."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin

from decaf.extraction.activations import Activations
from decaf.networks.network import features_model
from decaf.training.finetune import TrainingSettings, finetune, predict


class FinetunedHead(ClassifierMixin, TransformerMixin, BaseEstimator):
    """A head: classifies by its own softmax, and gives the features fc7 after ReLU.

    `decaf.ConvNetFeatures` takes paths, and reads every file for its digest; here photos are
    positions among activations, so that in a cross-validation no photo is read again.

    Parameters
    ----------
    activations : Activations
        Of n_photos photos.
    width : int
        Units of fc6 and of fc7.
    settings : TrainingSettings
    above_midpoint : ndarray of float, shape (n_photos,), optional
        How far the photos' scores lie above the midpoint, as a share of the scale; softens the
        labels of photos near to it, as in `decaf.training.finetune.finetune`.
    """

    def __init__(
        self,
        activations: Activations,
        width: int,
        settings: TrainingSettings,
        above_midpoint: np.ndarray | None = None,
    ):
        self.activations = activations
        self.width = width
        self.settings = settings
        self.above_midpoint = above_midpoint

    def fit(self, photos: np.ndarray, y: np.ndarray) -> FinetunedHead:
        """Finetune a head.

        Parameters
        ----------
        photos : ndarray of int, shape (n, 1)
            Positions among the activations.
        y : ndarray of int, shape (n,)
            0 or 1.
        """
        label = np.zeros(len(self.activations), int)
        label[photos[:, 0]] = y
        self.classes_ = np.array([0, 1])
        self.head_, _ = finetune(
            self.activations,
            label,
            self.width,
            self.settings,
            above_midpoint=self.above_midpoint,
            photos=photos[:, 0],
        )
        return self

    def predict_proba(self, photos: np.ndarray) -> np.ndarray:
        """Probabilities by the softmax, (n, 2)."""
        return predict(self.head_, self.activations, photos[:, 0])

    def predict(self, photos: np.ndarray) -> np.ndarray:
        """The more probable class, (n,)."""
        return self.predict_proba(photos).argmax(axis=1)

    def transform(self, photos: np.ndarray) -> np.ndarray:
        """Features, (n, width)."""
        return predict(features_model(self.head_), self.activations, photos[:, 0])
