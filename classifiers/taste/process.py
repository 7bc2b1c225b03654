"""A Gaussian process behind ordered grades and comparisons, as an estimator of scikit-learn's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils import check_array, check_random_state, check_scalar, gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

from classifiers.ordinal import LevelRegressor, cut_levels
from classifiers.taste.probit import Told, know_nothing, learn

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import ArrayLike

_ROUNDS = 50
# Rows that are equal make a kernel singular; with this on its diagonal it has a Cholesky factor.
_JITTER = 1e-6
# Numbers of a block of the kernel: 32 MB.
_BLOCK_SIZE = 2**22


class OrdinalGaussianProcess(LevelRegressor):
    """Grades as levels of a smooth function with noise; and which row of a pair is the better one.

    The grade of a row is where ``f(x) + noise`` falls between thresholds, with normal noise of
    variance 1, and of a pair that row is the better one whose sum is higher. f is a Gaussian
    process with the kernel ``signal² · exp(-|a - b|² / (2 · length-scale²))``; its posterior and
    the thresholds' are taken to be normal (Laplace's approximation). All features count alike:
    bring them to mean 0 and variance 1 before. Up to `n_landmarks` rows f is not approximated
    otherwise; above, it is a sum of the kernels of so many, drawn at random.

    Parameters
    ----------
    n_levels : int, default=10
        Grades are the scores themselves; where y has more different ones, its quantiles cut it into
        so many.
    length_scale : float, default=1.0
        In units of the square root of the number of features, about which the distance of two
        standardised rows grows.
    signal : float, optional
        Deviation of f; by default that of about the highest evidence.
    n_landmarks : int, default=500
    random_state : int, RandomState instance or None, default=None
        Draws landmarks.

    Attributes
    ----------
    landmarks_ : ndarray of shape (n_landmarks, n_features)
    factor_ : ndarray of shape (n_landmarks, n_landmarks)
        Of their kernel, by Cholesky.
    posterior_ : classifiers.taste.probit.Posterior
        Of f, as a sum of what the factor makes of kernels, and of thresholds.
    length_scale_ : float
        In units of the features.
    level_means_, level_variances_ : ndarray of shape (n_levels,)
        Of the scores in each level.
    n_features_in_, feature_names_in_ : as in scikit-learn.

    References
    ----------
    Chu, Ghahramani: Gaussian processes for ordinal regression. Journal of Machine Learning Research
    6, 2005. The same: Preference learning with Gaussian processes. ICML 2005.

    Examples
    --------
    >>> from classifiers import OrdinalGaussianProcess
    >>> X = [[-2.0], [-1.0], [0.0], [1.0], [2.0]]
    >>> taste = OrdinalGaussianProcess().fit(X, [1, 1, 3, 5, 5])
    >>> scores, deviations = taste.predict([[-1.5], [0.0], [1.5]], return_std=True)
    >>> scores.round(1)
    array([1.5, 3. , 4.5])
    """

    def __init__(
        self,
        n_levels: int = 10,
        length_scale: float = 1.0,
        signal: float | None = None,
        n_landmarks: int = 500,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.n_levels = n_levels
        self.length_scale = length_scale
        self.signal = signal
        self.n_landmarks = n_landmarks
        self.random_state = random_state

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        better: ArrayLike | None = None,
        worse: ArrayLike | None = None,
    ) -> Self:
        """Learn the function and the thresholds.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Finite numbers, standardised.
        y : array-like of shape (n_rows,)
            Scores, such as stars.
        better, worse : array-like of shape (n_pairs, n_features), optional
            Rows that were compared two at a time: those that were chosen, and the others.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If rows or y hold NaN or infinity, pairs are not of one number, or a parameter is out of
            its range.
        """
        self._check_parameters()
        values, scores = validate_data(self, X, y, y_numeric=True, dtype=np.float64)
        winners, losers = (self._check_pairs(rows) for rows in (better, worse))
        if winners.shape != losers.shape:
            raise ValueError(f"{len(winners)} rows are better than {len(losers)}; pairs are of two")
        self.length_scale_ = float(self.length_scale * np.sqrt(values.shape[1]))
        levels, self.level_means_, self.level_variances_ = cut_levels(scores, self.n_levels)
        seen = np.vstack([values, winners, losers])
        if len(seen) > self.n_landmarks:
            random = check_random_state(self.random_state)
            seen = seen[np.sort(random.choice(len(seen), self.n_landmarks, replace=False))]
        self.landmarks_ = seen
        kernel = self._kernel(seen)
        kernel[np.diag_indices_from(kernel)] += _JITTER
        self.factor_ = cholesky(kernel, lower=True)
        told = Told(self._project(values), levels, self._project(winners) - self._project(losers))
        mean = np.zeros(len(seen))
        start = know_nothing(mean, len(self.level_means_))
        self.posterior_ = learn(told, mean, start, _ROUNDS, self.signal)
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
        values = validate_data(self, X, dtype=np.float64, reset=False)
        blocks = gen_batches(len(values), max(_BLOCK_SIZE // len(self.landmarks_), 1))
        return np.concatenate([self._probabilities(values[rows]) for rows in blocks])

    def _check_pairs(self, rows: ArrayLike | None) -> np.ndarray:
        if rows is None:
            return np.empty((0, self.n_features_in_))
        values = check_array(rows, dtype=np.float64, ensure_min_samples=0)
        if values.shape[1] != self.n_features_in_:
            raise ValueError(
                f"pairs have {values.shape[1]} features, but X has {self.n_features_in_}"
            )
        return values

    def _kernel(self, rows: np.ndarray) -> np.ndarray:
        return rbf_kernel(rows, self.landmarks_, gamma=0.5 / self.length_scale_**2)

    def _project(self, rows: np.ndarray) -> np.ndarray:
        """Features whose products are the kernel, or what landmarks know of it."""
        if not len(rows):
            return np.empty((0, len(self.landmarks_)))
        return solve_triangular(self.factor_, self._kernel(rows).T, lower=True).T

    def _probabilities(self, rows: np.ndarray) -> np.ndarray:
        features = self._project(rows)
        unexplained = np.maximum(1 - (features**2).sum(axis=1), 0)
        return self.posterior_.level_probabilities(features, unexplained)

    def _check_parameters(self):
        check_scalar(self.n_levels, "n_levels", (int, np.integer), min_val=2)
        check_scalar(self.n_landmarks, "n_landmarks", (int, np.integer), min_val=1)
        for name in ("length_scale", "signal"):
            value = getattr(self, name)
            if value is not None:
                check_scalar(value, name, (int, float, np.number))
                if not _JITTER <= value <= 1 / _JITTER:
                    raise ValueError(f"{name} is {value}; it must be from 1e-6 to 1e6")
