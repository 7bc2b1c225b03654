"""Gaussian AODE against its formula, and against scikit-learn's Gaussian naive Bayes."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm
from sklearn.metrics import roc_auc_score
from sklearn.naive_bayes import GaussianNB

from classifiers import GaussianAODEClassifier
from classifiers.bayesian import contingency, gaussian
from classifiers.bayesian.averaging import AVERAGES, WEIGHTS


def features(seed, n_rows, n_features, n_classes=3):
    """Half zeros, dependent on each other and on the class, and of different units."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n_rows)
    X = rng.normal(size=(n_rows, n_features)) + rng.normal(size=(n_rows, 1)) + 0.3 * y[:, None]
    return np.maximum(X, 0) * 10.0 ** np.arange(n_features), y


def moments_of_class(X, own, alpha):
    """Mean and covariance of rows, and of `alpha` more that are as all are, but uncorrelated."""
    rows, of_all, variance = X[own], X.mean(axis=0), X.var(axis=0)
    mean = (rows.sum(axis=0) + alpha * of_all) / (len(rows) + alpha)
    off = of_all - mean
    spread = (rows - mean).T @ (rows - mean)
    return mean, (spread + alpha * (np.diag(variance) + np.outer(off, off))) / (len(rows) + alpha)


def gaode_formula(X, y, row, alpha, average, weights):
    """Flores, Gámez, Martínez, Puerta (2009), word for word."""
    classes = np.unique(y)
    moments = [moments_of_class(X, y == label, alpha) for label in classes]
    prior = np.array([(y == c).sum() + alpha / len(classes) for c in classes]) / (len(y) + alpha)
    joints, weight = [], []
    for i in range(len(row)):
        joint = prior.copy()
        for c, (mean, covariance) in enumerate(moments):
            joint[c] *= norm.pdf(row[i], mean[i], np.sqrt(covariance[i, i]))
            for j in range(len(row)):
                if j != i:
                    slope = covariance[i, j] / covariance[i, i]
                    about = covariance[j, j] - slope * covariance[i, j]
                    joint[c] *= norm.pdf(
                        row[j], mean[j] + slope * (row[i] - mean[i]), np.sqrt(about)
                    )
        joints.append(joint)
        alone = [
            prior[c] * norm.pdf(X[:, i], mean[i], np.sqrt(covariance[i, i]))
            for c, (mean, covariance) in enumerate(moments)
        ]
        posterior = (alone / np.sum(alone, axis=0))[y, np.arange(len(y))]
        weight.append(max(0, np.log(posterior / prior[y]).mean()) if weights else 1)
    joints, weight = np.array(joints), np.array(weight)[:, None] / np.sum(weight)
    posteriors = joints / joints.sum(axis=1, keepdims=True)
    if average == "joint":
        averaged = (weight * joints).sum(axis=0)
    elif average == "posteriors":
        averaged = (weight * posteriors).sum(axis=0)
    else:
        averaged = (posteriors**weight).prod(axis=0)
    return averaged / averaged.sum()


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("alpha", [0.3, 5])
def test_gaode_is_its_formula(average, weights, alpha):
    X, y = features(0, 90, 4)
    fitted = GaussianAODEClassifier(average, weights, alpha=alpha).fit(X, y)
    rows = features(1, 6, 4)[0]
    expected = [gaode_formula(X, y, row, alpha, average, weights) for row in rows]
    np.testing.assert_allclose(fitted.predict_proba(rows), expected, rtol=1e-9)


def test_of_two_features_every_estimator_is_the_joint_normal_density():
    X, y = features(2, 200, 2, n_classes=2)
    fitted = GaussianAODEClassifier("joint", alpha=1e-9).fit(X, y)
    expected = [
        np.log(np.mean(y == label))
        + multivariate_normal(
            X[y == label].mean(axis=0), np.cov(X[y == label].T, bias=True)
        ).logpdf(X)
        for label in (0, 1)
    ]
    log_density = fitted.predict_joint_log_proba(X) - np.log(fitted.scale_).sum()
    np.testing.assert_allclose(log_density, np.transpose(expected), rtol=1e-7)


def test_without_correlations_it_is_gaussian_naive_bayes():
    X, y = features(3, 300, 5)
    fitted = GaussianAODEClassifier(alpha=1e-9).fit(X, y)
    fitted.correlations_[:] = 0
    expected = GaussianNB(var_smoothing=0).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(fitted.predict_proba(X), expected, rtol=1e-6, atol=1e-12)


def test_the_weights_of_gaussians_are_their_mutual_information_and_of_others_no_more():
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 40_000)
    normal = rng.normal(size=40_000) + y
    # Of the same means and variances in the classes, and all the class's information.
    of_mixture = norm.pdf(grid := np.linspace(-9, 10, 4_001)) + norm.pdf(grid, 1)
    entropy = -np.trapezoid(of_mixture / 2 * np.log(of_mixture / 2), grid)
    information = entropy - np.log(2 * np.pi * np.e) / 2
    told = GaussianAODEClassifier().fit(np.column_stack([normal, 1.0 * y]), y).parent_weights_
    assert told[0] == pytest.approx(information, rel=0.05)
    assert told[1] == pytest.approx(np.log(2), abs=1e-3)
    # In one class two far points, whose Gaussian is wide; the other between: rows tell less.
    apart = np.where(y, rng.choice([-3.0, 3.0], 40_000), rng.choice([-2.9, 2.9], 40_000))
    assert GaussianAODEClassifier().fit(apart[:, None], y).parent_weights_[0] < 0.01


def test_rows_of_weight_two_are_rows_twice_and_of_weight_zero_none():
    X, y = features(5, 60, 4)
    weight = np.arange(60) % 3
    weighted = GaussianAODEClassifier().fit(X, y, weight)
    repeated = GaussianAODEClassifier().fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-9)


def test_small_blocks_give_the_same_as_large_ones(monkeypatch):
    X, y = features(6, 70, 6)
    whole = GaussianAODEClassifier().fit(X, y).predict_proba(X)
    monkeypatch.setattr(contingency, "BLOCK_SIZE", 60)
    monkeypatch.setattr(gaussian, "BLOCK_SIZE", 2 * 6 * 3 * 4)
    blocks = GaussianAODEClassifier().fit(X, y).predict_proba(X)
    np.testing.assert_allclose(blocks, whole, rtol=1e-9)


def test_features_that_do_not_vary_or_are_there_twice_do_no_harm():
    X, y = features(7, 60, 3, n_classes=2)
    constant = np.column_stack([X, np.full(60, 7.0)])
    unlike = np.column_stack([X, np.full(60, 9.0)])
    fitted = GaussianAODEClassifier().fit(constant, y)
    assert fitted.parent_weights_[3] == 0
    np.testing.assert_allclose(fitted.predict_proba(unlike), fitted.predict_proba(constant))
    twice = GaussianAODEClassifier(alpha=1e-30).fit(X[:, [0, 0, 1]], y)
    assert np.abs(twice.correlations_).max() <= gaussian.MOST_CORRELATION
    assert np.isfinite(twice.predict_log_proba(X[:, [0, 1, 2]] * 1.3)).all()
    alike = GaussianAODEClassifier().fit([[0.0], [1.0], [0.0], [1.0]], [0, 0, 1, 1])
    np.testing.assert_allclose(alike.predict_proba([[0.0], [2.0]]), 0.5)


def test_correlations_tell_what_the_features_alone_do_not():
    rng = np.random.default_rng(8)
    y = np.arange(400) % 2
    shared = rng.normal(size=(400, 1)) * np.where(y[:, None], [1, 1, 1, 1], [1, -1, 1, -1])
    X = shared + rng.normal(size=(400, 4))
    scores = GaussianAODEClassifier(weights=None).fit(X[:200], y[:200]).predict_proba(X[200:])
    naive = GaussianNB().fit(X[:200], y[:200]).predict_proba(X[200:])
    assert roc_auc_score(y[200:], scores[:, 1]) > 0.8
    assert roc_auc_score(y[200:], naive[:, 1]) < 0.65


@pytest.mark.parametrize("wrong", [{"alpha": 0}, {"average": "sum"}, {"weights": "all"}])
def test_what_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is "):
        GaussianAODEClassifier(**wrong).fit([[0.0], [1.0]], [0, 1])
