"""The ordinal Gaussian process against a sampler, integration, and another optimiser."""

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils.estimator_checks import parametrize_with_checks

from classifiers import OrdinalGaussianProcess


def starred_rows(n_rows=60, n_features=3, seed=0):
    """Rows, their worth, and one to five stars."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n_rows, n_features))
    worth = 1.5 * np.sin(X[:, 0]) + X[:, 1]
    return X, worth, 1 + np.searchsorted([-2, -0.5, 0.5, 2], worth + random.normal(size=n_rows))


@parametrize_with_checks(
    [OrdinalGaussianProcess(), OrdinalGaussianProcess(n_landmarks=15, random_state=0)]
)
def test_scikit_learn_finds_no_fault(estimator, check):
    check(estimator)


def prior_kernel(fitted, X):
    gamma = 0.5 / fitted.length_scale_**2
    return fitted.posterior_.signal**2 * rbf_kernel(X, gamma=gamma) + 1e-9 * np.eye(len(X))


def test_its_mode_is_what_another_optimiser_finds_in_the_space_of_functions():
    points, _, stars = starred_rows(21)
    X, winners, losers = np.split(points, [15, 18])
    fitted = OrdinalGaussianProcess(signal=1.2).fit(X, stars[:15], winners, losers)
    factor = np.linalg.cholesky(prior_kernel(fitted, points))
    n = len(fitted.level_means_)
    levels = np.searchsorted(fitted.level_means_, stars[:15])

    def loss(parameters):
        worth, thresholds = factor @ parameters[:21], parameters[21:]
        if (np.diff(thresholds) <= 0).any():
            return 1e9
        ends = np.concatenate([[-np.inf], thresholds, [np.inf]])
        mass = norm.cdf(ends[levels + 1] - worth[:15]) - norm.cdf(ends[levels] - worth[:15])
        unknown = np.diff(norm.cdf(ends / np.hypot(1, 1.2)))
        chosen = norm.logcdf((worth[15:18] - worth[18:]) / np.sqrt(2)).sum()
        told = np.log(np.maximum(mass, 1e-300)).sum() + chosen + np.log(unknown).sum() / n
        return parameters[:21] @ parameters[:21] / 2 - told

    start = np.concatenate([np.zeros(21), fitted.posterior_.thresholds])
    found = minimize(loss, start, method="L-BFGS-B", options={"maxfun": 10**5, "ftol": 1e-13})
    worth, _ = fitted.posterior_.worth(fitted._project(points), np.zeros(21))
    np.testing.assert_allclose(worth, factor @ found.x[:21], atol=1e-3)
    np.testing.assert_allclose(fitted.posterior_.thresholds, found.x[21:], atol=1e-3)


def test_its_probabilities_are_nearly_a_samplers():
    X, _, stars = starred_rows(25, seed=1)
    liked = (stars > 3).astype(int)
    unseen = np.random.default_rng(2).normal(size=(20, 3))
    fitted = OrdinalGaussianProcess(signal=1.5).fit(X, liked)
    sampled = sample_probabilities(prior_kernel(fitted, np.vstack([X, unseen])), liked)
    np.testing.assert_allclose(fitted.level_probabilities(unseen)[:, 1], sampled, atol=0.05)


def sample_probabilities(kernel, liked, n_samples=20_000):
    """Elliptical slice sampling of worth, with the threshold in it as a constant function."""
    random = np.random.default_rng(0)
    # Flat beside the worth of a rating, as the threshold's prior of one rating nearly is.
    factor = np.linalg.cholesky(kernel + (1 + 1.5**2) * np.pi / 2 * np.ones_like(kernel))
    n, sign = len(liked), 2 * liked - 1

    def log_likelihood(worth):
        return norm.logcdf(sign * worth[:n]).sum()

    worth, total = np.zeros(len(kernel)), np.zeros(len(kernel) - n)
    for number in range(n_samples):
        other = factor @ random.normal(size=len(kernel))
        level = log_likelihood(worth) + np.log(random.random())
        angle = random.uniform(0, 2 * np.pi)
        low, high = angle - 2 * np.pi, angle
        while log_likelihood(there := worth * np.cos(angle) + other * np.sin(angle)) < level:
            low, high = (angle, high) if angle < 0 else (low, angle)
            angle = random.uniform(low, high)
        worth = there
        if number >= 1000:
            total += norm.cdf(worth[n:])
    return total / (n_samples - 1000)
