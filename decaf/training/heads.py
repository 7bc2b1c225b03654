"""Heads as scikit-learn estimators, finetuned anew in every fold on activations at hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from decaf.extraction.activations import Activations
from decaf.networks.head import features_model
from decaf.networks.votes import share_above
from decaf.training.batches import predict
from decaf.training.finetune import finetune
from decaf.training.settings import RECIPES, TrainingSettings
from decaf.training.targets import Targets, levels_of


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
    settings : TrainingSettings, optional
        The paper's by default.
    above_midpoint : ndarray of float, shape (n_photos,), optional
        How far the photos' scores lie above the midpoint, as a share of the scale; softens the
        labels of photos near to it by ``settings.softness``. The classes must then be 0 and 1, or
        sort in that order.
    kind : {"label", "score"}
        Whether it learns the labels or, of ``above_midpoint``, the scores; then the probability of
        the second class is that of a score above the midpoint.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    head_ : keras.Model
    history_ : list of dict
        Loss of each epoch.
    """

    def __init__(
        self,
        activations: Activations,
        width: int = 250,
        settings: TrainingSettings | None = None,
        above_midpoint: np.ndarray | None = None,
        kind: str = "label",
    ):
        self.activations = activations
        self.width = width
        self.settings = settings
        self.above_midpoint = above_midpoint
        self.kind = kind

    def fit(self, X: np.ndarray, y: np.ndarray) -> FinetunedHead:
        """Finetune a head.

        Parameters
        ----------
        X : array-like of int, shape (n, 1)
            Positions among the activations.
        y : array-like, shape (n,)
            Labels.

        Returns
        -------
        FinetunedHead

        Raises
        ------
        ValueError
            If there is no photo at a position, or there are no scores to learn.
        """
        rows = self._rows(X)
        encoder = LabelEncoder().fit(column_or_1d(y))
        check_consistent_length(rows, y)
        self.classes_ = encoder.classes_
        label = np.zeros(len(self.activations), int)
        label[rows] = encoder.transform(y)
        targets = self._targets(label, rows)
        self._levels = targets.levels
        self.head_, self.history_ = finetune(
            self.activations,
            targets,
            self.width,
            self.settings or RECIPES["paper"],
            rows=rows,
        )
        self.n_features_in_ = 1
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities by the softmax, (n, n_classes)."""
        check_is_fitted(self)
        output = predict(self.head_, self.activations, self._rows(X))
        if self._levels is None:
            return output
        professional = output @ share_above(self._levels)
        return np.column_stack([1 - professional, professional])

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The most probable class, (n,)."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Features, (n, width)."""
        check_is_fitted(self)
        return predict(features_model(self.head_), self.activations, self._rows(X))

    def __sklearn_clone__(self) -> FinetunedHead:
        """The same head, unfitted, on the same activations: these may be of 250,000 photos."""
        return type(self)(**self.get_params(deep=False))

    def _targets(self, label: np.ndarray, rows: np.ndarray) -> Targets:
        levels = levels_of(self.above_midpoint, rows) if self.kind == "score" else None
        return Targets(label, self.above_midpoint, levels=levels)

    def _rows(self, X: Any) -> np.ndarray:
        positions = np.asarray(X)
        n_photos = len(self.activations)
        if positions.ndim != 2 or positions.shape[1] != 1 or positions.dtype.kind not in "iu":
            raise ValueError("X must be positions of photos: whole numbers of shape (n_photos, 1)")
        if len(positions) and not 0 <= positions.min() <= positions.max() < n_photos:
            raise ValueError(f"X must be positions among {n_photos:,} photos, from 0 on")
        return positions[:, 0]
