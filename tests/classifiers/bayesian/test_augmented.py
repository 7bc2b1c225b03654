"""Naive Bayes, trees and k-dependence against scikit-learn, pgmpy and their definitions."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from bayesian_networks import random_codes
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score
from sklearn.naive_bayes import CategoricalNB

from classifiers import (
    KDBClassifier,
    NaiveBayesClassifier,
    TANClassifier,
)
from classifiers.bayesian.tables import NO_PARENT


def test_naive_bayes_agrees_with_scikit_learn():
    X, y = random_codes(0, 300, [2, 5, 3, 4], 3)
    ours = NaiveBayesClassifier(discretizer=None, smoothing="laplace", alpha=0.7).fit(X, y)
    prior = (np.bincount(y) + 0.7) / (len(y) + 3 * 0.7)
    oracle = CategoricalNB(alpha=0.7, class_prior=prior).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), oracle.predict_proba(X), rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    n_states=st.lists(st.integers(2, 4), min_size=2, max_size=6),
    n_classes=st.integers(2, 3),
)
def test_the_tree_is_the_one_pgmpy_finds_up_to_ties(seed, n_states, n_classes):
    from pgmpy.estimators import TreeSearch

    X, y = random_codes(seed, 300, n_states, n_classes)
    names = [f"x{i}" for i in range(len(n_states))]
    frame = pd.DataFrame(X, columns=names).assign(**{"class": y})
    theirs = TreeSearch(frame, root_node="x0", n_jobs=1).estimate(
        "tan", class_node="class", show_progress=False
    )
    ours = TANClassifier(discretizer=None).fit(X, y).to_pgmpy()

    def weight(network):
        return sum(
            (y == c).mean() * mutual_info_score(frame[a][y == c], frame[b][y == c])
            for a, b in network.subgraph(names).edges
            for c in range(n_classes)
        )

    assert nx.is_tree(nx.Graph(ours.subgraph(names).edges))
    assert weight(ours) == pytest.approx(weight(theirs), rel=1e-9)


def test_the_tree_spans_features_that_tell_nothing_of_each_other():
    X = np.zeros((20, 6), dtype=int)
    X[:, 2] = np.arange(20) % 2
    network = TANClassifier(discretizer=None).fit(X, np.arange(20) // 10).to_pgmpy()
    tree = nx.Graph(network.subgraph(f"x{i}" for i in range(6)).edges)
    assert nx.is_tree(tree)
    assert len(tree) == 6


def test_kdb_takes_the_strongest_of_the_earlier_features():
    """Sahami (1996), word for word."""
    X, y = random_codes(3, 400, [3, 2, 4, 3, 3], 2)
    fitted = KDBClassifier(k=2, discretizer=None).fit(X, y)
    order = sorted(range(5), key=lambda i: -mutual_info_score(X[:, i], y))
    for place, feature in enumerate(order):
        strength = {
            earlier: sum(
                (y == c).mean() * mutual_info_score(X[y == c, feature], X[y == c, earlier])
                for c in (0, 1)
            )
            for earlier in order[:place]
        }
        strongest = sorted(strength, key=strength.get, reverse=True)[:2]
        assert set(fitted.families_[1 + feature, 1:]) - {NO_PARENT} == set(strongest)


def test_kdb_without_other_parents_is_naive_bayes():
    X, y = random_codes(0, 50, [3, 3, 2], 2)
    naive = NaiveBayesClassifier(discretizer=None).fit(X, y)
    kdb = KDBClassifier(k=0, discretizer=None).fit(X, y)
    np.testing.assert_array_equal(kdb.predict_proba(X), naive.predict_proba(X))


def test_all_features_are_the_markov_blanket_of_a_class_that_is_their_parent():
    X, y = random_codes(0, 60, [2, 3, 2], 2)
    for classifier in (NaiveBayesClassifier, TANClassifier, KDBClassifier):
        fitted = classifier(discretizer=None).fit(X, y)
        assert fitted.markov_blanket_ == ["x0", "x1", "x2"]
        assert set(fitted.to_pgmpy().get_markov_blanket("class")) == {"x0", "x1", "x2"}
