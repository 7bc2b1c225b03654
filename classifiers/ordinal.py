"""Ordinal regression: scores as levels between thresholds on one line (cumulative links)."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit, log_ndtr, logit, ndtr, ndtri
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from numpy.typing import ArrayLike

_MOST_STEPS = 1000
# Beyond it nothing of a logistic level's mass is left, and exp would overflow.
_FAR = 700
_FLOATS = [np.float64, np.float32]


class LevelRegressor(RegressorMixin, BaseEstimator, ABC):
    """A regressor of scores that lie in ordered levels, by how probable it finds each.

    Its fit gives `level_means_` and `level_variances_`, as `cut_levels` does.
    """

    level_means_: np.ndarray
    level_variances_: np.ndarray

    @abstractmethod
    def level_probabilities(self, X: ArrayLike) -> np.ndarray:
        """Give the probability of every level."""

    def predict(
        self, X: ArrayLike, return_std: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Give the expected score of every row, and how far the score may be from it.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        return_std : bool, default=False

        Returns
        -------
        mean : ndarray of shape (n_rows,)
            The levels' means, weighed by their probabilities.
        deviation : ndarray of shape (n_rows,)
            Standard deviation of the score, between and within levels. Only with `return_std`.
        """
        probability = self.level_probabilities(X)
        mean = probability @ self.level_means_
        if not return_std:
            return mean
        between = (self.level_means_ - mean[:, None]) ** 2
        return mean, np.sqrt((probability * (between + self.level_variances_)).sum(axis=1))


class OrdinalRegression(LevelRegressor):
    """A cumulative link model: the level of a row is where ``x @ coef_ + noise`` falls.

    The probability of level k is ``F(thresholds[k] - x @ coef_) - F(thresholds[k - 1] - x @
    coef_)``, where F is the distribution of the noise. Levels are the scores themselves where these
    are few, as stars are: how far one star is from the next is learnt. The penalty asks for
    features of mean 0 and variance 1.

    Parameters
    ----------
    n_levels : int, default=10
        Where y has more different scores, its quantiles cut it into so many levels.
    C : float, optional
        As in scikit-learn's `LogisticRegression`: the inverse of the L2 penalty of `coef_`, beside
        the sum of the rows' losses; it is the variance of a normal prior. By default that of the
        noise over the number of features: what features and noise tell is alike beforehand.
    link : {"logit", "probit"}, default="logit"
        Logistic noise, or normal noise.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    thresholds_ : ndarray of shape (n_levels - 1,)
        Ascending.
    level_means_, level_variances_ : ndarray of shape (n_levels,)
        Of the scores in each level; levels may be fewer than the parameter, where scores are equal.
    n_iter_ : int
        Steps of L-BFGS.
    n_features_in_, feature_names_in_ : as in scikit-learn.

    References
    ----------
    McCullagh: Regression models for ordinal data. Journal of the Royal Statistical Society B 42,
    1980.

    Examples
    --------
    >>> from classifiers import OrdinalRegression
    >>> stars = OrdinalRegression(C=1).fit([[-2.0], [-1.0], [0.0], [1.0], [2.0]], [1, 1, 3, 5, 5])
    >>> stars.level_means_
    array([1., 3., 5.])
    >>> stars.predict([[-1.5], [0.0], [1.5]]).round(1)
    array([1.6, 3. , 4.4])
    """

    def __init__(self, n_levels: int = 10, C: float | None = None, link: str = "logit"):
        self.n_levels = n_levels
        self.C = C
        self.link = link

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn direction and thresholds.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Finite numbers, standardised.
        y : array-like of shape (n_rows,)
            Scores.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X or y holds NaN or infinity, or a parameter is out of its range.
        """
        self._check_parameters()
        # In float32 the line search finds no step as small as the tolerance.
        values, scores = validate_data(self, X, y, y_numeric=True, dtype=np.float64)
        levels, self.level_means_, self.level_variances_ = cut_levels(scores, self.n_levels)
        link, n_features = _LINKS[self.link], values.shape[1]
        C = link.variance / n_features if self.C is None else self.C
        # The best of thresholds where no feature tells anything.
        start = link.quantile(np.cumsum(np.bincount(levels) / len(levels))[:-1])
        found = minimize(
            _penalised_loss,
            np.concatenate([np.zeros(n_features), _steps(start)]),
            args=(values, levels, 1 / (C * len(values)), link),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _MOST_STEPS, "gtol": 1e-6},
        )
        if not found.success:
            warnings.warn(f"L-BFGS ended early: {found.message}", ConvergenceWarning, stacklevel=2)
        self.coef_ = found.x[:n_features]
        self.thresholds_ = _thresholds(found.x[n_features:])
        self.n_iter_ = found.nit
        return self

    def level_probabilities(self, X: ArrayLike) -> np.ndarray:
        """Give the probability of every level.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        probability : ndarray of shape (n_rows, n_levels)
        """
        check_is_fitted(self)
        values = validate_data(self, X, dtype=_FLOATS, reset=False)
        along = values @ self.coef_.astype(values.dtype)
        return np.diff(_LINKS[self.link].distribution(_edges(self.thresholds_) - along[:, None]))

    def _check_parameters(self):
        check_scalar(self.n_levels, "n_levels", (int, np.integer), min_val=2)
        if self.C is not None:
            check_scalar(self.C, "C", (int, float, np.number))
            if not 0 < self.C < np.inf:
                raise ValueError(f"C is {self.C}; it must be positive and finite")
        if self.link not in _LINKS:
            raise ValueError(f"link is {self.link!r}; it must be one of {list(_LINKS)}")


def cut_levels(y: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort scores into ordered levels: each its own where these are few, else by quantiles.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
    most : int
        Levels; equal scores share one, so that there may be fewer.

    Returns
    -------
    levels : ndarray of shape (n_rows,)
        0 to n_levels - 1; none is empty.
    means, variances : ndarray of shape (n_levels,)
        Of the scores in each level.
    """
    y = y.astype(float)
    edges = np.unique(y)
    if len(edges) > most:
        shares = np.arange(1, most) / most
        edges = np.unique(np.quantile(y, shares, method="inverted_cdf"))
    levels = np.searchsorted(edges, y)
    counts = np.bincount(levels)
    means = np.bincount(levels, y) / counts
    return levels, means, np.bincount(levels, (y - means[levels]) ** 2) / counts


class _Link(NamedTuple):
    """A distribution of noise.

    `log_mass` gives the log of what lies between two points, and its derivatives by both.
    """

    variance: float
    distribution: Callable[[np.ndarray], np.ndarray]
    quantile: Callable[[np.ndarray], np.ndarray]
    log_mass: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


def _logistic_log_mass(lower, upper):
    gap = upper - lower
    mass = log_expit(upper) + log_expit(-lower) + np.log(-np.expm1(-gap))
    steep = 1 / np.expm1(np.minimum(gap, _FAR))
    return mass, -expit(lower) - steep, expit(-upper) + steep


def normal_log_mass(
    lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the log of a standard normal's mass between two points, and its slopes by both."""
    # In the left tail, where small masses keep their digits.
    left = np.where(lower > 0, -upper, lower)
    right = np.where(lower > 0, -lower, upper)
    above = log_ndtr(right)
    mass = above + np.log1p(-np.exp(log_ndtr(left) - above))
    density = [np.exp(-(point**2) / 2 - mass) / np.sqrt(2 * np.pi) for point in (lower, upper)]
    return mass, -density[0], density[1]


_LINKS = {
    "logit": _Link(np.pi**2 / 3, expit, logit, _logistic_log_mass),
    "probit": _Link(1, ndtr, ndtri, normal_log_mass),
}


def _penalised_loss(parameters, X, levels, penalty, link):
    """Mean loss of the rows with half the penalty, and its gradient."""
    n_rows, n_features = X.shape
    coef, steps = parameters[:n_features], parameters[n_features:]
    thresholds = _thresholds(steps)
    edges, along = _edges(thresholds), X @ coef
    mass, by_lower, by_upper = link.log_mass(edges[levels] - along, edges[levels + 1] - along)
    by_along = (by_lower + by_upper) / n_rows
    by_edge = np.bincount(levels, by_lower, len(edges)) + np.bincount(
        levels + 1, by_upper, len(edges)
    )
    # A step moves its own threshold and all above it.
    by_step = np.cumsum(by_edge[-2:0:-1])[::-1] / n_rows
    by_step[1:] *= np.exp(steps[1:])
    loss = penalty * (coef @ coef) / 2 - mass.mean()
    return loss, np.concatenate([penalty * coef + by_along @ X, -by_step])


def _thresholds(steps):
    """Of numbers that are free: the first threshold, and the logs of what the others add."""
    return np.cumsum(np.concatenate([steps[:1], np.exp(steps[1:])]))


def _steps(thresholds):
    return np.concatenate([thresholds[:1], np.log(np.diff(thresholds))])


def _edges(thresholds):
    """Where each level begins and ends."""
    return np.concatenate([[-np.inf], thresholds, [np.inf]])
