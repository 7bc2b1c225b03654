"""How one-dependence estimators are averaged: their joints, their posteriors, or their log-odds."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

AVERAGES = ("joint", "posteriors", "log-odds")
WEIGHTS = ("mutual-information", None)


def check_averaging(average: str, weights: str | None) -> None:
    """Refuse an average or weights that there are not.

    Raises
    ------
    ValueError
        The message names those that there are.
    """
    for name, given, known in (("average", average, AVERAGES), ("weights", weights, WEIGHTS)):
        if given not in known:
            raise ValueError(f"{name} is {given!r}; it must be one of {known}")


def weigh_parents(weights: str | None, information: np.ndarray) -> np.ndarray:
    """Give how much the estimators of some parents count.

    Parameters
    ----------
    weights : {"mutual-information", None}
        None lets all count alike, and so do parents none of which tells of the class.
    information : ndarray of shape (n_parents,)
        Their mutual information with the class.

    Returns
    -------
    ndarray of shape (n_parents,)
    """
    by_information = weights == "mutual-information" and information.any()
    return information if by_information else np.ones(len(information))


class Averager:
    """Weighted averages of one-dependence estimators, which are given some at a time.

    Every average is a joint distribution of the class and the features: the class's probability is
    that of the average, and the features' is that of the mixture of all estimators.

    Parameters
    ----------
    average : {"joint", "posteriors", "log-odds"}
        Arithmetic mean of the joint probabilities, of the class's probabilities, or geometric mean
        of these.
    n_rows, n_classes : int
    """

    def __init__(self, average: str, n_rows: int, n_classes: int):
        self._average = average
        self._weight = np.zeros((n_rows, 1))
        self._mixture = np.full((n_rows, n_classes), -np.inf)
        start = 0.0 if average == "log-odds" else -np.inf
        self._posterior = np.full((n_rows, n_classes), start)

    def add(self, rows: slice, joint: np.ndarray, weight: np.ndarray) -> None:
        """Add estimators to the averages of some rows.

        Parameters
        ----------
        rows : slice
        joint : ndarray of shape (n_classes, n_rows, n_estimators)
            Log of their joint probabilities.
        weight : ndarray of shape (n_rows, n_estimators)
            At least 0, where an estimator does not count.
        """
        self._weight[rows] += weight.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore"):
            log_weight = np.log(weight)
        self._mixture[rows] = np.logaddexp(self._mixture[rows], _log_sum(joint + log_weight))
        if self._average == "joint":
            return
        posterior = joint - logsumexp(joint, axis=0)
        if self._average == "posteriors":
            total = _log_sum(posterior + log_weight)
            self._posterior[rows] = np.logaddexp(self._posterior[rows], total)
        else:
            self._posterior[rows] += np.einsum("cre,re->rc", posterior, weight)

    def joint(self, otherwise: np.ndarray | float = -np.inf) -> np.ndarray:
        """Log of the averaged joint probabilities.

        Parameters
        ----------
        otherwise : ndarray of shape (n_rows, n_classes), optional
            Of the rows for which no estimator counts, if there can be any.

        Returns
        -------
        log_probability : ndarray of shape (n_rows, n_classes)
        """
        some = self._weight > 0
        weight = np.where(some, self._weight, 1)
        joint = np.where(some, self._mixture - np.log(weight), otherwise)
        if self._average == "joint":
            return joint
        posterior = self._posterior / weight if self._average == "log-odds" else self._posterior
        posterior = np.where(some, posterior, otherwise)
        of_features = logsumexp(joint, axis=1, keepdims=True)
        return posterior - logsumexp(posterior, axis=1, keepdims=True) + of_features


def _log_sum(terms):
    """Sum probabilities over estimators: (n_rows, n_classes), -inf where there are none."""
    return logsumexp(terms, axis=2).T
