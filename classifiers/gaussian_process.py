"""Gaussian-process regression: exact on few rows, over landmarks (Nyström) on many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, eigh, solve_triangular
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state, check_scalar, gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    from numpy.typing import ArrayLike

LENGTH_SCALES = (0.5, 1.0, 2.0, 4.0)
NOISES = (0.01, 0.03, 0.1, 0.3, 1.0)
# Rows by which both are chosen: an eigendecomposition of so many takes half a second.
_CHOOSING_ROWS = 1000
# Rows that are equal make a kernel singular; with this on its diagonal it has a Cholesky factor.
_JITTER = 1e-6
# Numbers of a block of the kernel: 32 MB.
_BLOCK_SIZE = 2**22


class GaussianProcessRegression(RegressorMixin, BaseEstimator):
    """A smooth function of the features with noise upon it, and how sure it is at each row.

    A score is ``mean + f(x) + noise``, where f is a Gaussian process with the kernel ``signal² ·
    exp(-|a - b|² / (2 · length-scale²))``. All features count alike: bring them to mean 0 and
    variance 1 before. Up to `n_landmarks` rows the posterior is exact. Above, so many of the rows
    are drawn at random, f is a sum of their kernels, and all rows teach it (Nyström's
    approximation; the variance is that of the projected process), in a time that grows with the
    rows and a memory that does not.

    Parameters
    ----------
    n_landmarks : int, default=2000
    length_scale : float, optional
        In units of the square root of the number of features, about which the distance of two
        standardised rows grows. By default that of `LENGTH_SCALES` which, together with the noise,
        gives the highest leave-one-out predictive density on at most 1,000 rows. The signal is
        always that of the highest density.
    noise : float, optional
        Variance of the noise over that of the signal, at least 1e-6; by default one of `NOISES`.
    random_state : int, RandomState instance or None, default=None
        Draws landmarks, and the rows that choose.

    Attributes
    ----------
    mean_ : float
        Mean score.
    length_scale_ : float
        In units of the features.
    signal_, noise_ : float
        Standard deviations of f and of the noise.
    landmarks_ : ndarray of shape (n_landmarks, n_features)
        Rows; all of them where f is exact.
    weights_ : ndarray of shape (n_landmarks,)
        f at x is ``k(x) @ weights_``, where k(x) is the kernel of x and the landmarks, over
        signal².
    uncertainty_ : ndarray of shape (n_landmarks, n_landmarks)
        The variance of f at x is ``signal_**2 - k(x) @ uncertainty_ @ k(x)``. In the type of the
        features, as the landmarks are.
    n_features_in_, feature_names_in_ : as in scikit-learn.

    References
    ----------
    Rasmussen, Williams: Gaussian Processes for Machine Learning. MIT Press 2006; 5.4.2 for the
    leave-one-out density, 8.3.4 for the projected process.

    Examples
    --------
    >>> from classifiers import GaussianProcessRegression
    >>> X = [[-2.0], [-1.0], [0.0], [1.0], [2.0]]
    >>> process = GaussianProcessRegression().fit(X, [4.0, 1.0, 0.0, 1.0, 4.0])
    >>> scores, deviations = process.predict([[1.5], [9.0]], return_std=True)
    >>> scores.round(1)
    array([2.5, 2. ])
    >>> bool(deviations[0] < deviations[1])
    True
    """

    def __init__(
        self,
        n_landmarks: int = 2000,
        length_scale: float | None = None,
        noise: float | None = None,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.n_landmarks = n_landmarks
        self.length_scale = length_scale
        self.noise = noise
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Choose the kernel, and learn the function.

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
        values, scores = validate_data(self, X, y, y_numeric=True, dtype=[np.float64, np.float32])
        random = check_random_state(self.random_state)
        scores = np.asarray(scores, float)
        self.mean_ = float(scores.mean())
        deviations = scores - self.mean_
        choosing = _draw(len(values), _CHOOSING_ROWS, random)
        unit = np.sqrt(values.shape[1])
        length_scale, noise, signal2 = _choose(
            values[choosing] / unit,
            deviations[choosing],
            LENGTH_SCALES if self.length_scale is None else (self.length_scale,),
            NOISES if self.noise is None else (self.noise,),
        )
        self.length_scale_ = float(length_scale * unit)
        self.signal_, self.noise_ = float(np.sqrt(signal2)), float(np.sqrt(noise * signal2))
        self.landmarks_ = values[_draw(len(values), self.n_landmarks, random)]
        own = _kernel(self.landmarks_, self.landmarks_, self.length_scale_)
        if len(values) <= self.n_landmarks:
            self.weights_, precision = _exact(own, deviations, noise)
        else:
            kernels = ((k, deviations[rows]) for rows, k in self._kernels(values))
            self.weights_, factor, posterior = project(own, kernels, noise)
            precision = _projected_precision(factor, posterior, noise)
        self.uncertainty_ = (signal2 * precision).astype(values.dtype)
        return self

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
        deviation : ndarray of shape (n_rows,)
            Standard deviation of the score: of f and noise. Only with `return_std`.
        """
        check_is_fitted(self)
        values = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        mean, explained = np.empty(len(values)), np.empty(len(values))
        for rows, k in self._kernels(values):
            mean[rows] = self.mean_ + k @ self.weights_
            if return_std:
                explained[rows] = np.einsum("ij,ij->i", k @ self.uncertainty_, k)
        if not return_std:
            return mean
        # Rounding may explain a little more than there is.
        variance = np.maximum(self.signal_**2 - explained, 0)
        return mean, np.sqrt(variance + self.noise_**2)

    def _kernels(self, X: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Give blocks of rows, and their kernels with the landmarks."""
        for rows in gen_batches(len(X), max(_BLOCK_SIZE // len(self.landmarks_), 1)):
            yield rows, _kernel(X[rows], self.landmarks_, self.length_scale_)

    def _check_parameters(self):
        check_scalar(self.n_landmarks, "n_landmarks", (int, np.integer), min_val=1)
        for name in ("length_scale", "noise"):
            value = getattr(self, name)
            if value is not None:
                check_scalar(value, name, (int, float, np.number))
                if not _JITTER <= value <= 1 / _JITTER:
                    raise ValueError(f"{name} is {value}; it must be from 1e-6 to 1e6")


def _draw(n_rows: int, most: int, random: np.random.RandomState) -> slice | np.ndarray:
    """All rows, or so many of them, in their order."""
    if n_rows <= most:
        return slice(None)
    return np.sort(random.choice(n_rows, most, replace=False))


def _kernel(rows: np.ndarray, landmarks: np.ndarray, length_scale: float) -> np.ndarray:
    """What the RBF kernel, at most 1, gives for each row and landmark."""
    rows, landmarks = rows.astype(float), landmarks.astype(float)
    kernel = rows @ (-2 * landmarks.T)
    kernel += (rows**2).sum(axis=1)[:, None]
    kernel += (landmarks**2).sum(axis=1)
    np.maximum(kernel, 0, out=kernel)
    kernel *= -0.5 / length_scale**2
    return np.exp(kernel, out=kernel)


def _choose(
    X: np.ndarray, deviations: np.ndarray, length_scales: Sequence[float], noises: Sequence[float]
) -> tuple[float, float, float]:
    """Give length-scale, noise share and signal² of the highest leave-one-out density."""
    choices: list[tuple[float, float, float, float]] = []
    for length_scale in length_scales:
        # One decomposition K = V diag(v) Vᵀ serves all noises: (K + noise)⁻¹ = V diag(…) Vᵀ.
        values, vectors = eigh(_kernel(X, X, length_scale))
        inverse = 1 / (np.maximum(values, 0)[:, None] + np.array(noises))
        residual = vectors @ (inverse * (vectors.T @ deviations)[:, None])
        precision = vectors**2 @ inverse
        # A row's score, left out, is residual / precision off, with the variance signal² /
        # precision; of the signal the density has its maximum here. Equal scores leave none.
        signal2 = np.maximum((residual**2 / precision).mean(axis=0), np.finfo(float).tiny)
        densities = np.log(precision).mean(axis=0) - np.log(signal2)
        choices += zip(densities, [length_scale] * len(noises), noises, signal2)
    _, length_scale, noise, signal2 = max(choices)
    return length_scale, noise, signal2


def _exact(kernel: np.ndarray, deviations: np.ndarray, noise: float) -> tuple[np.ndarray, ...]:
    """Give weights and uncertainty, over signal², of a process through all rows."""
    kernel[np.diag_indices_from(kernel)] += noise
    factor = cho_factor(kernel, lower=True)
    return cho_solve(factor, deviations), cho_solve(factor, np.eye(len(kernel)))


def project(
    own: np.ndarray, kernels: Iterator[tuple[np.ndarray, np.ndarray]], noise: float
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, bool]]:
    """Give the weights of landmarks by regression on their kernels, and what it was solved by.

    Parameters
    ----------
    own : ndarray of shape (n_landmarks, n_landmarks)
        Their kernel.
    kernels : iterator of (ndarray of shape (block, n_landmarks), ndarray of shape (block,))
        Rows' kernels with them, and scores less the mean.
    noise : float

    Returns
    -------
    weights : ndarray of shape (n_landmarks,)
    factor : ndarray of shape (n_landmarks, n_landmarks)
        Of their kernel, by Cholesky; it gives them independent coordinates.
    posterior : tuple
        The factored precision in these, as `scipy.linalg.cho_factor` gives it.
    """
    gram, moments = np.zeros_like(own), np.zeros(len(own))
    for k, deviations in kernels:
        gram += k.T @ k
        moments += k.T @ deviations
    own[np.diag_indices_from(own)] += _JITTER
    factor = cholesky(own, lower=True)
    # In the landmarks' independent coordinates: Bayesian linear regression with a prior of 1.
    white = solve_triangular(factor, gram, lower=True)
    white = solve_triangular(factor, white.T, lower=True)
    white[np.diag_indices_from(white)] += noise
    posterior = cho_factor(white, lower=True)
    weights = cho_solve(posterior, solve_triangular(factor, moments, lower=True))
    return solve_triangular(factor, weights, lower=True, trans=1), factor, posterior


def _projected_precision(
    factor: np.ndarray, posterior: tuple[np.ndarray, bool], noise: float
) -> np.ndarray:
    """Give what a process through landmarks explains, over signal²."""
    unit = np.eye(len(factor))
    learnt = unit - noise * cho_solve(posterior, unit)
    explained = solve_triangular(factor, learnt, lower=True, trans=1)
    return solve_triangular(factor, explained.T, lower=True, trans=1)
