"""What all Bayesian-network classifiers share."""

import sys
from itertools import product

import numpy as np
import pytest
import skops.io
from bayesian_networks import ALL, random_codes
from matplotlib.figure import Figure
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from classifiers import (
    AODEClassifier,
    BayesianNetworkClassifier,
    GaussianAODEClassifier,
    HybridAODEClassifier,
    KDBClassifier,
    NaiveBayesClassifier,
    TANClassifier,
    ZeroAwareDiscretizer,
)
from classifiers.bayesian import aode, contingency


@parametrize_with_checks(
    [
        NaiveBayesClassifier(),
        TANClassifier(),
        KDBClassifier(),
        AODEClassifier(),
        HybridAODEClassifier(),
        GaussianAODEClassifier(),
    ]
)
def test_scikit_learn_finds_no_fault(estimator, check):
    check(estimator)


@pytest.mark.parametrize("classifier", ALL)
def test_the_joint_probabilities_of_all_codes_and_classes_sum_to_one(classifier):
    X, y = random_codes(0, 50, [3, 2, 4], 3)
    everything = np.array(list(product(range(3), range(2), range(4))))
    joint = classifier(discretizer=None).fit(X, y).predict_joint_log_proba(everything)
    assert np.exp(joint).sum() == pytest.approx(1)


@pytest.mark.parametrize("classifier", ALL)
def test_half_weights_and_half_smoothing_change_nothing(classifier):
    X, y = random_codes(0, 60, [3, 3, 2, 4], 3)
    whole = classifier(discretizer=None, alpha=1.0).fit(X, y)
    # BDeu compares the weight of the rows with its prior, so the networks may differ; repeat them.
    half = classifier(discretizer=None, alpha=0.5).fit(
        np.repeat(X, 2, axis=0), np.repeat(y, 2), np.full(120, 0.25)
    )
    if classifier is BayesianNetworkClassifier:
        whole = classifier(discretizer=None, alpha=0.5).fit(X, y, np.full(60, 0.5))
    np.testing.assert_allclose(half.predict_proba(X), whole.predict_proba(X), rtol=1e-9)


@pytest.mark.parametrize("classifier", ALL)
def test_small_blocks_give_the_same_as_large_ones(classifier, monkeypatch):
    X, y = random_codes(0, 70, [3, 3, 2, 4, 2], 3)
    whole = classifier(discretizer=None).fit(X, y).predict_proba(X)
    monkeypatch.setattr(contingency, "BLOCK_SIZE", 40)
    # Two or three parents at a time: 14 states and three classes, 42 numbers a state.
    monkeypatch.setattr(aode, "BLOCK_SIZE", 6 * 42)
    monkeypatch.setattr(contingency, "_PAIR_ROWS", 7)
    monkeypatch.setattr(contingency, "_PAIR_COLUMNS", 5)
    blocks = classifier(discretizer=None).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(blocks, whole, rtol=1e-12)


@pytest.mark.parametrize(
    "classifier",
    [
        NaiveBayesClassifier(),
        TANClassifier(discretizer=ZeroAwareDiscretizer(n_bins=2)),
        AODEClassifier(n_parents=3),
        GaussianAODEClassifier(),
        BayesianNetworkClassifier(),
    ],
)
def test_4096_features_do_not_underflow(classifier):
    rng = np.random.default_rng(0)
    X = np.maximum(rng.normal(size=(60, 4096)), 0)
    y = rng.integers(0, 2, 60)
    log_probability = classifier.fit(X, y).predict_log_proba(X[::-1] * 1.3)
    assert np.isfinite(log_probability).all()
    np.testing.assert_allclose(np.exp(log_probability).sum(axis=1), 1)


def test_discretizers_are_chosen_by_name_or_given():
    X, y = load_iris(return_X_y=True)
    for discretizer in ["zero-aware", "equal-width", "mdlp", KBinsDiscretizer(4, encode="ordinal")]:
        classifier = TANClassifier(discretizer=discretizer)
        assert cross_val_score(classifier, X, y).mean() > 0.9
    with pytest.raises(ValueError, match="'quantiles'; it must be one of"):
        TANClassifier(discretizer="quantiles").fit(X, y)


@pytest.mark.parametrize("classifier", ALL)
def test_breast_cancer_is_told_apart(classifier):
    X, y = load_breast_cancer(return_X_y=True)
    assert cross_val_score(classifier(), X, y).mean() > 0.9


@pytest.mark.parametrize("classifier", ALL)
def test_codes_must_be_codes_that_were_seen(classifier):
    X, y = random_codes(0, 40, [3, 3], 2)
    fitted = classifier(discretizer=None).fit(X, y)
    with pytest.raises(
        ValueError, match=r"row 1 of feature x0 has the code 3, but fit saw none above 2"
    ):
        fitted.predict([[0, 0], [3, 0]])
    for wrong in (-1, 0.5, 1e9):
        with pytest.raises(ValueError, match=r"row 0 of feature x1 .* whole numbers"):
            classifier(discretizer=None).fit([[0, wrong], [1, 1]], [0, 1])
    with pytest.raises(ValueError, match=r"another discretizer must give them"):
        classifier(discretizer=StandardScaler()).fit(X, y)


@pytest.mark.parametrize("classifier", ALL)
def test_a_stored_classifier_comes_back_without_pickle(classifier):
    X, y = load_iris(return_X_y=True, as_frame=True)
    fitted = classifier().fit(X, y)
    stored = skops.io.dumps(fitted)
    untrusted = skops.io.get_untrusted_types(data=stored)
    assert all(name.startswith("classifiers.") for name in untrusted)
    loaded = skops.io.loads(stored, trusted=untrusted)
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize("classifier", ALL)
def test_the_drawing_shows_every_node(classifier):
    X, y = random_codes(0, 60, [2, 3, 2], 2)
    fitted = classifier(discretizer=None).fit(X, y)
    axes = fitted.plot_structure(Figure().subplots())
    assert {text.get_text() for text in axes.texts} == set(fitted.to_pgmpy().nodes)


def test_the_drawing_without_its_packages_names_the_extra(monkeypatch):
    fitted = NaiveBayesClassifier().fit([[0.0], [1.0]], [0, 1])
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ImportError, match=r"needs networkx: pip install 'decaf\[plot\]'"):
        fitted.plot_structure()
