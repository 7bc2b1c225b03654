"""Scores that were found before, as a classifier: they are judged as its are."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class GivenScores(ClassifierMixin, BaseEstimator):
    """Takes the only feature for the score; above the threshold is the positive class."""

    def __init__(self, threshold: float):
        self.threshold = threshold

    def fit(self, X: np.ndarray, y: np.ndarray) -> GivenScores:
        """Learn nothing."""
        self.classes_ = np.array([0, 1])
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """The given score above the threshold, (n_photos,)."""
        return X[:, 0] - self.threshold

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Whether it is above, (n_photos,)."""
        return (self.decision_function(X) > 0).astype(int)
