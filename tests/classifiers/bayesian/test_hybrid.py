"""Hybrid AODE against its formula, and against scikit-learn's Gaussian naive Bayes."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import mutual_info_score, roc_auc_score
from sklearn.naive_bayes import GaussianNB

from classifiers import HybridAODEClassifier, NaiveBayesClassifier, ZeroAwareDiscretizer
from classifiers.bayesian import contingency, hybrid
from classifiers.bayesian.averaging import AVERAGES, WEIGHTS


def features(seed, n_rows, n_features, n_classes=3):
    """Half zeros, dependent on each other and on the class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n_rows)
    X = rng.normal(size=(n_rows, n_features)) + rng.normal(size=(n_rows, 1)) + 0.3 * y[:, None]
    return np.maximum(X, 0), y


def moments(rows, alpha, mean, variance):
    """Of some numbers and `alpha` more that have this mean and variance."""
    total = len(rows) + alpha
    middle = (rows.sum() + alpha * mean) / total
    spread = ((rows - middle) ** 2).sum() + alpha * (variance + (mean - middle) ** 2)
    return middle, spread / total


def haode_formula(X, y, row, alpha, average, weights):
    """Flores, Gámez, Martínez, Puerta (2009), word for word; a parent's state is its bin."""
    discretizer = ZeroAwareDiscretizer().fit(X)
    codes, own = discretizer.transform(X), discretizer.transform([row])[0]
    classes = np.unique(y)
    joints, weight = [], []
    for i in range(len(row)):
        joint = np.empty(len(classes))
        for c, label in enumerate(classes):
            of_class = y == label
            both = of_class & (codes[:, i] == own[i])
            n_cells = len(classes) * discretizer.n_bins_[i]
            joint[c] = (both.sum() + alpha / n_cells) / (len(y) + alpha)
            for j in range(len(row)):
                if j != i:
                    of_all = X[:, j].mean(), X[:, j].var()
                    mean, variance = moments(X[of_class, j], alpha, *of_all)
                    mean, variance = moments(X[both, j], alpha, mean, variance)
                    joint[c] *= norm.pdf(row[j], mean, np.sqrt(variance))
        joints.append(joint)
        weight.append(mutual_info_score(codes[:, i], y) if weights else 1)
    joints, weight = np.array(joints), np.array(weight)[:, None] / np.sum(weight)
    posteriors = joints / joints.sum(axis=1, keepdims=True)
    if average == "joint":
        # The estimators lack different children, whose densities have units: those of their spread.
        joints = joints / X.std(axis=0)[:, None]
        averaged = (weight * joints).sum(axis=0)
    elif average == "posteriors":
        averaged = (weight * posteriors).sum(axis=0)
    else:
        averaged = (posteriors**weight).prod(axis=0)
    return averaged / averaged.sum()


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("alpha", [0.3, 5])
def test_haode_is_its_formula(average, weights, alpha):
    X, y = features(0, 90, 4)
    fitted = HybridAODEClassifier(average, weights, alpha=alpha).fit(X, y)
    rows = features(1, 6, 4)[0]
    expected = [haode_formula(X, y, row, alpha, average, weights) for row in rows]
    np.testing.assert_allclose(fitted.predict_proba(rows), expected, rtol=1e-9)


def test_one_parent_is_gaussian_naive_bayes_in_each_of_its_states():
    X, y = features(2, 400, 5)
    fitted = HybridAODEClassifier("joint", alpha=1e-9).fit(X, y)
    fitted.parent_weights_ = np.eye(5)[2]
    states = fitted.discretizer_.transform(X)[:, 2]
    children = np.delete(X, 2, axis=1)
    for state in range(fitted.n_states_[2]):
        own = states == state
        naive = GaussianNB(var_smoothing=0).fit(children[own], y[own])
        expected = naive.predict_proba(children[own])
        np.testing.assert_allclose(fitted.predict_proba(X[own]), expected, rtol=1e-6, atol=1e-12)


def test_rows_of_weight_two_are_rows_twice():
    X, y = features(3, 60, 4)
    weight = 1 + (np.arange(60) % 3 == 0)
    weighted = HybridAODEClassifier().fit(X, y, weight)
    repeated = HybridAODEClassifier().fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-9)


def test_small_blocks_give_the_same_as_large_ones(monkeypatch):
    X, y = features(4, 70, 6)
    whole = HybridAODEClassifier().fit(X, y).predict_proba(X)
    monkeypatch.setattr(contingency, "BLOCK_SIZE", 60)
    monkeypatch.setattr(hybrid, "BLOCK_SIZE", 2 * 6 * 3 * 7)
    monkeypatch.setattr(contingency, "_PAIR_COLUMNS", 8)
    np.testing.assert_allclose(HybridAODEClassifier().fit(X, y).predict_proba(X), whole, rtol=1e-9)


def test_features_that_do_not_vary_and_parents_that_tell_nothing_do_no_harm():
    X, y = features(5, 60, 3, n_classes=2)
    constant = np.column_stack([X, np.full(60, 7.0)])
    unlike = np.column_stack([X, np.full(60, 9.0)])
    fitted = HybridAODEClassifier().fit(constant, y)
    assert fitted.parent_weights_[3] == 0
    np.testing.assert_allclose(fitted.predict_proba(unlike), fitted.predict_proba(constant))
    alike = HybridAODEClassifier().fit([[0.0], [1.0], [0.0], [1.0]], [0, 0, 1, 1])
    np.testing.assert_allclose(alike.predict_proba([[0.0], [2.0]]), 0.5)


def test_distances_tell_what_codes_do_not():
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    X = rng.normal(size=(400, 6)) * (1 + y[:, None])
    X[:, 0] = rng.normal(size=400)
    hybrid_scores = HybridAODEClassifier().fit(X[:200], y[:200]).predict_proba(X[200:])[:, 1]
    two_bins = NaiveBayesClassifier(ZeroAwareDiscretizer(n_bins=2)).fit(X[:200], y[:200])
    assert roc_auc_score(y[200:], hybrid_scores) > 0.9
    assert roc_auc_score(y[200:], two_bins.predict_proba(X[200:])[:, 1]) < 0.7


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0}, {"discretizer": None}, {"average": "sum"}, {"weights": "all"}]
)
def test_what_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is "):
        HybridAODEClassifier(**wrong).fit([[0.0], [1.0]], [0, 1])
