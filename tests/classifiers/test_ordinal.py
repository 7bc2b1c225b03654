"""Ordinal regression against other optimisers, and against logistic regression."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.stats import logistic, norm
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from classifiers import OrdinalRegression, ordinal
from classifiers.ordinal import cut_levels

NOISE = {"logit": logistic, "probit": norm}


def starred_rows(n_rows=200, n_features=3):
    """Rows, and one to five stars; the fives are few."""
    random = np.random.default_rng(0)
    X = random.normal(size=(n_rows, n_features))
    along = X[:, 0] - 0.5 * X[:, 1] + random.logistic(size=n_rows)
    return X, 1 + np.searchsorted([-2, -0.5, 0.5, 3], along)


@parametrize_with_checks([OrdinalRegression(), OrdinalRegression(link="probit")])
def test_scikit_learn_finds_no_fault(estimator, check):
    check(estimator)


@pytest.mark.parametrize("link", NOISE)
def test_it_is_what_another_optimiser_finds_without_gradient(link):
    X, stars = starred_rows()

    def loss(parameters):
        coef, thresholds = parameters[:3], np.sort(parameters[3:])
        edges = np.concatenate([[-np.inf], thresholds, [np.inf]])
        above, below = edges[stars] - X @ coef, edges[stars - 1] - X @ coef
        mass = NOISE[link].cdf(above) - NOISE[link].cdf(below)
        return coef @ coef / 2 - 0.5 * np.log(np.maximum(mass, 1e-300)).sum()

    start = [0.0, 0.0, 0.0, -2, -1, 1, 2]
    found = minimize(loss, start, method="Powell", options={"xtol": 1e-9, "ftol": 1e-12})
    fitted = OrdinalRegression(C=0.5, link=link).fit(X, stars)
    np.testing.assert_allclose(fitted.coef_, found.x[:3], atol=1e-4)
    np.testing.assert_allclose(fitted.thresholds_, found.x[3:], atol=1e-4)


@pytest.mark.parametrize("C", [0.01, 1.0])
def test_two_levels_are_logistic_regression(C):
    X, stars = starred_rows()
    label = (stars > 3).astype(int)
    fitted = OrdinalRegression(C=C).fit(X, label)
    expected = LogisticRegression(C=C, tol=1e-8).fit(X, label)
    np.testing.assert_allclose(fitted.coef_, expected.coef_[0], atol=1e-5)
    np.testing.assert_allclose(fitted.thresholds_, -expected.intercept_, atol=1e-5)
    np.testing.assert_allclose(fitted.level_probabilities(X), expected.predict_proba(X), atol=1e-5)
    np.testing.assert_allclose(fitted.predict(X), expected.predict_proba(X)[:, 1], atol=1e-5)


@pytest.mark.parametrize("link", NOISE)
@pytest.mark.parametrize("far", [1, 30])
def test_the_gradient_is_that_of_the_loss(link, far):
    X, stars = starred_rows()
    # Far off, the mass of a level is smaller than any difference of the distribution's values.
    parameters = far * np.random.default_rng(1).normal(size=7) / [1, 1, 1, 1, far, far, far]
    rest = (X, stars - 1, 0.1, ordinal._LINKS[link])
    loss, gradient = ordinal._penalised_loss(parameters, *rest)
    numeric = approx_fprime(parameters, lambda at: ordinal._penalised_loss(at, *rest)[0], 1e-6)
    assert np.isfinite(loss)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("link", NOISE)
def test_levels_are_probable_as_they_were_where_no_feature_may_tell(link):
    X, stars = starred_rows()
    fitted = OrdinalRegression(C=1e-9, link=link).fit(X, stars)
    probability = fitted.level_probabilities(X)
    shares = np.bincount(stars)[1:] / len(stars)
    np.testing.assert_allclose(probability, np.tile(shares, (len(X), 1)), atol=1e-6)
    mean, deviation = fitted.predict(X, return_std=True)
    np.testing.assert_allclose(mean, stars.mean(), atol=1e-5)
    np.testing.assert_allclose(deviation, stars.std(), atol=1e-5)


def test_the_spread_of_quantile_levels_counts_what_lies_within_them():
    X, _ = starred_rows()
    scores = np.random.default_rng(2).normal(size=len(X))
    fitted = OrdinalRegression(n_levels=3, C=1e-9).fit(X, scores)
    mean, deviation = fitted.predict(X, return_std=True)
    np.testing.assert_allclose(mean, scores.mean(), atol=1e-5)
    np.testing.assert_allclose(deviation, scores.std(), atol=1e-5)


def test_separable_levels_and_rows_far_off_give_numbers():
    X = np.arange(30.0)[:, None]
    for link in NOISE:
        fitted = OrdinalRegression(C=1e6, link=link).fit(X, X[:, 0] // 10)
        assert (np.diff(fitted.thresholds_) > 0).all()
        np.testing.assert_array_equal(np.rint(fitted.predict(X)), X[:, 0] // 10)
        mean, deviation = fitted.predict([[-1e9], [1e9]], return_std=True)
        np.testing.assert_array_equal(mean, [0, 2])
        np.testing.assert_array_equal(deviation, 0)


def test_few_scores_are_levels_of_their_own():
    # Quantiles would join the rare ones.
    levels, means, variances = cut_levels(np.array([5, 1, 1, 1, 1, 1, 3]), 3)
    assert levels.tolist() == [2, 0, 0, 0, 0, 0, 1]
    assert means.tolist() == [1, 3, 5]
    assert variances.tolist() == [0, 0, 0]


def test_many_scores_are_cut_at_their_quantiles():
    levels, means, variances = cut_levels(np.arange(12.0), 4)
    assert levels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert means.tolist() == [1, 4, 7, 10]
    np.testing.assert_allclose(variances, 2 / 3)


def test_equal_scores_share_a_level():
    levels, means, _ = cut_levels(np.array([0.0] * 20 + [1, 2, 3, 4, 5]), 4)
    assert levels[:20].tolist() == [0] * 20
    assert (np.diff(means) > 0).all()
    assert set(levels) == set(range(len(means)))


def test_equal_scores_alone_are_predicted():
    X, _ = starred_rows()
    mean, deviation = OrdinalRegression().fit(X, np.full(len(X), 4)).predict(X, return_std=True)
    np.testing.assert_array_equal(mean, 4)
    np.testing.assert_array_equal(deviation, 0)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"n_levels": 1}, "n_levels == 1, must be >= 2"),
        ({"C": 0}, "C is 0; it must be positive"),
        ({"link": "cauchit"}, "link is 'cauchit'; it must be one of"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        OrdinalRegression(**parameters).fit(*starred_rows())
