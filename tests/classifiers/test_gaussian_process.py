"""Gaussian processes against scikit-learn's, and against their formulas."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.utils.estimator_checks import parametrize_with_checks

from classifiers import GaussianProcessRegression, gaussian_process
from classifiers.gaussian_process import LENGTH_SCALES, NOISES


def rated_rows(n_rows=150, n_features=6):
    """Rows, and scores that rise and fall with them."""
    random = np.random.default_rng(0)
    X = random.normal(size=(n_rows, n_features))
    y = 5 + np.sin(X[:, 0]) + 0.5 * X[:, 1] + random.normal(scale=0.3, size=n_rows)
    return X, y


def oracle(fitted, X, y):
    """scikit-learn's process with the same kernel, and the scores less their mean."""
    kernel = ConstantKernel(fitted.signal_**2) * RBF(fitted.length_scale_)
    kernel += WhiteKernel(fitted.noise_**2)
    return GaussianProcessRegressor(kernel, alpha=0, optimizer=None).fit(X, y - fitted.mean_)


@parametrize_with_checks(
    [GaussianProcessRegression(), GaussianProcessRegression(n_landmarks=15, random_state=0)]
)
def test_scikit_learn_finds_no_fault(estimator, check):
    check(estimator)


@pytest.mark.parametrize("chosen", [{}, {"length_scale": 0.7, "noise": 0.05}])
def test_an_exact_process_is_scikit_learns(chosen):
    X, y = rated_rows()
    fitted = GaussianProcessRegression(**chosen).fit(X[:100], y[:100])
    mean, deviation = fitted.predict(X, return_std=True)
    expected, spread = oracle(fitted, X[:100], y[:100]).predict(X, return_std=True)
    np.testing.assert_allclose(mean - fitted.mean_, expected, atol=1e-6)
    np.testing.assert_allclose(deviation, spread, atol=1e-6)


def test_landmarks_give_nearly_what_all_rows_give():
    X, y = rated_rows(600, 3)
    fitted = GaussianProcessRegression(n_landmarks=200, random_state=0).fit(X[:500], y[:500])
    assert fitted.landmarks_.shape == (200, 3)
    mean, deviation = fitted.predict(X, return_std=True)
    expected, spread = oracle(fitted, X[:500], y[:500]).predict(X, return_std=True)
    np.testing.assert_allclose(mean - fitted.mean_, expected, atol=0.02)
    np.testing.assert_allclose(deviation, spread, rtol=0.02)


def test_few_landmarks_give_the_projected_process():
    X, y = rated_rows(120)
    fitted = GaussianProcessRegression(n_landmarks=20, random_state=0).fit(X[:100], y[:100])
    kernel = fitted.signal_**2 * RBF(fitted.length_scale_)
    through = kernel(X[:100], fitted.landmarks_)
    own = kernel(fitted.landmarks_)
    k = kernel(X, fitted.landmarks_)
    # Rasmussen and Williams, (8.26) and (8.27).
    inverse = np.linalg.inv(fitted.noise_**2 * own + through.T @ through)
    expected = k @ inverse @ through.T @ (y[:100] - fitted.mean_)
    variance = fitted.signal_**2 + fitted.noise_**2 * (1 + np.sum(k @ inverse * k, axis=1))
    variance -= np.sum(k @ np.linalg.inv(own) * k, axis=1)
    mean, deviation = fitted.predict(X, return_std=True)
    np.testing.assert_allclose(mean - fitted.mean_, expected, atol=1e-4)
    np.testing.assert_allclose(deviation, np.sqrt(variance), atol=1e-4)


def test_far_from_all_landmarks_the_mean_and_the_whole_spread_are_given():
    X, y = rated_rows()
    for n_landmarks in (15, 2000):
        fitted = GaussianProcessRegression(n_landmarks, random_state=0).fit(X, y)
        (mean,), (deviation,) = fitted.predict(X[:1] + 1e4, return_std=True)
        assert mean == pytest.approx(y.mean())
        assert deviation == pytest.approx(np.hypot(fitted.signal_, fitted.noise_))


def test_length_scale_noise_and_signal_predict_rows_left_out_best():
    X, y = rated_rows(30, 2)
    fitted = GaussianProcessRegression().fit(X, y)
    deviations = y - y.mean()

    def left_out(length_scale, noise):
        """How far each row is off when the others predict it, and that variance over signal²."""
        kernel = RBF(length_scale)(X) + noise * np.eye(len(X))
        for row in range(len(X)):
            others = np.arange(len(X)) != row
            weights = np.linalg.solve(kernel[np.ix_(others, others)], kernel[others, row])
            off = deviations[row] - weights @ deviations[others]
            yield off, kernel[row, row] - weights @ kernel[others, row]

    signals = np.append(np.geomspace(0.1, 10, 999), fitted.signal_)
    densities = {}
    for c in LENGTH_SCALES:
        for noise in NOISES:
            off, variance = np.transpose(list(left_out(c * np.sqrt(2), noise)))
            density = norm.logpdf(off, scale=signals[:, None] * np.sqrt(variance)).sum(axis=1)
            densities |= {(c, noise, signal): each for signal, each in zip(signals, density)}
    chosen = (fitted.length_scale_ / np.sqrt(2), (fitted.noise_ / fitted.signal_) ** 2)
    assert max(densities, key=densities.get) == pytest.approx((*chosen, fitted.signal_))


def test_small_blocks_give_the_same_as_large_ones(monkeypatch):
    X, y = rated_rows()
    estimator = GaussianProcessRegression(n_landmarks=20, random_state=0)
    whole = estimator.fit(X, y).predict(X, return_std=True)
    monkeypatch.setattr(gaussian_process, "_BLOCK_SIZE", 140)
    np.testing.assert_allclose(estimator.fit(X, y).predict(X, return_std=True), whole, rtol=1e-6)


def test_float32_is_kept_and_changes_little():
    X, y = rated_rows()
    for n_landmarks in (20, 2000):
        estimator = GaussianProcessRegression(n_landmarks, random_state=0)
        whole = estimator.fit(X, y).predict(X, return_std=True)
        halved = estimator.fit(X.astype(np.float32), y).predict(X, return_std=True)
        assert estimator.landmarks_.dtype == estimator.uncertainty_.dtype == np.float32
        np.testing.assert_allclose(halved, whole, rtol=1e-3)


@pytest.mark.filterwarnings("error")
def test_equal_scores_are_predicted_with_certainty():
    X, _ = rated_rows()
    for n_landmarks in (15, 2000):
        fitted = GaussianProcessRegression(n_landmarks).fit(X, np.full(len(X), 3))
        mean, deviation = fitted.predict(X, return_std=True)
        np.testing.assert_array_equal(mean, 3)
        np.testing.assert_allclose(deviation, 0, atol=1e-100)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"n_landmarks": 0}, "n_landmarks == 0, must be >= 1"),
        ({"noise": 0.0}, "noise is 0.0; it must be from"),
        ({"noise": np.nan}, "noise is nan; it must be from"),
        ({"length_scale": np.inf}, "length_scale is inf; it must be from"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        GaussianProcessRegression(**parameters).fit(*rated_rows())
