"""AODE against its formula."""

from itertools import product

import numpy as np
import pytest
from bayesian_networks import pgmpy_proba, random_codes
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from classifiers import (
    AODEClassifier,
    NaiveBayesClassifier,
)
from classifiers.bayesian.averaging import AVERAGES, WEIGHTS
from classifiers.bayesian.tables import SMOOTHINGS


def aode_formula(X, y, row, m, n_parents, added, average, weights):
    """The average's formula, word for word; `added(n_own, n_configurations)` smoothes."""
    n_states = X.max(axis=0) + 1
    classes = np.unique(y)
    information = [mutual_info_score(column, y) for column in X.T]
    parents = np.argsort(-np.array(information), kind="stable")[:n_parents]
    joints, weight = [], []
    for i in parents:
        with_parent = X[:, i] == row[i]
        if with_parent.sum() < m:
            continue
        joint = np.ones(len(classes))
        for c, label in enumerate(classes):
            both = with_parent & (y == label)
            n_cells = len(classes) * n_states[i]
            alpha = added(n_cells, 1)
            joint[c] *= (both.sum() + alpha) / (len(y) + alpha * n_cells)
            for j in range(len(row)):
                if j != i:
                    together = (both & (X[:, j] == row[j])).sum()
                    alpha = added(n_states[j], n_cells)
                    joint[c] *= (together + alpha) / (both.sum() + alpha * n_states[j])
        joints.append(joint)
        weight.append(information[i] if weights else 1)
    if not joints:
        return naive_bayes_formula(X, y, row, added)
    joints, weight = np.array(joints), np.array(weight)[:, None] / np.sum(weight)
    posteriors = joints / joints.sum(axis=1, keepdims=True)
    if average == "joint":  # Webb, Boughton, Wang (2005); weighted, Jiang, Zhang (2006)
        averaged = (weight * joints).sum(axis=0)
    elif average == "posteriors":
        averaged = (weight * posteriors).sum(axis=0)
    else:
        averaged = (posteriors**weight).prod(axis=0)
    return averaged / averaged.sum()


def naive_bayes_formula(X, y, row, added):
    """What a row gets none of whose values has been seen often enough."""
    n_states, classes = X.max(axis=0) + 1, np.unique(y)
    joint = np.ones(len(classes))
    for c, label in enumerate(classes):
        own, alpha = y == label, added(len(classes), 1)
        joint[c] *= (own.sum() + alpha) / (len(y) + alpha * len(classes))
        for j, n in enumerate(n_states):
            alpha = added(n, len(classes))
            joint[c] *= ((own & (X[:, j] == row[j])).sum() + alpha) / (own.sum() + alpha * n)
    return joint / joint.sum()


@settings(max_examples=30, deadline=None)
@example(
    seed=11685,
    n_states=[4, 2],
    m=5,
    n_parents=1,
    smoothing="laplace",
    average="joint",
    weights="mutual-information",
)  # of whose rows one has a value that is too rare
@given(
    seed=st.integers(0, 2**16),
    n_states=st.lists(st.integers(2, 4), min_size=2, max_size=5),
    m=st.sampled_from([0, 1, 5]),
    n_parents=st.sampled_from([None, 1, 2]),
    smoothing=st.sampled_from(SMOOTHINGS),
    average=st.sampled_from(AVERAGES),
    weights=st.sampled_from(WEIGHTS),
)
def test_aode_is_its_formula(seed, n_states, m, n_parents, smoothing, average, weights):
    X, y = random_codes(seed, 60, n_states, 3)
    fitted = AODEClassifier(
        average,
        weights,
        m=m,
        n_parents=n_parents,
        discretizer=None,
        smoothing=smoothing,
        alpha=0.5,
    ).fit(X, y)
    added = {
        "laplace": lambda n_own, n_configurations: 0.5,
        "m-estimate": lambda n_own, n_configurations: 0.5 / n_own,
        "bdeu": lambda n_own, n_configurations: 0.5 / (n_own * n_configurations),
    }[smoothing]
    how = m, n_parents, added, average, weights
    expected = [aode_formula(X, y, row, *how) for row in X[:4]]
    np.testing.assert_allclose(fitted.predict_proba(X[:4]), expected, rtol=1e-9)


@pytest.mark.parametrize("average", AVERAGES)
def test_every_average_is_a_joint_distribution(average):
    X, y = random_codes(0, 50, [3, 2, 4], 3)
    everything = np.array(list(product(range(3), range(2), range(4))))
    fitted = AODEClassifier(average, discretizer=None).fit(X, y)
    assert np.exp(fitted.predict_joint_log_proba(everything)).sum() == pytest.approx(1)


@pytest.mark.parametrize("wrong", [{"average": "median"}, {"average": None}, {"weights": "m"}])
def test_an_average_or_weights_that_there_are_not_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .*; it must be one of"):
        AODEClassifier(**wrong).fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize("average", ["posteriors", "log-odds"])
def test_only_the_published_average_is_a_network(average):
    X, y = random_codes(0, 50, [3, 2, 4], 3)
    with pytest.raises(ValueError, match=r"average='joint' is"):
        AODEClassifier(average, discretizer=None).fit(X, y).to_pgmpy()


def test_aode_without_a_value_seen_often_enough_is_naive_bayes():
    X, y = random_codes(0, 50, [3, 3, 2], 2)
    aode = AODEClassifier("joint", m=51, discretizer=None).fit(X, y)
    naive = NaiveBayesClassifier(discretizer=None).fit(X, y)
    np.testing.assert_allclose(aode.predict_joint_log_proba(X), naive.predict_joint_log_proba(X))
    with pytest.raises(ValueError, match="naive Bayes"):
        aode.to_pgmpy()


def test_a_value_seen_too_seldom_is_no_parent_in_the_network_either():
    X, y = random_codes(1, 80, [4, 3, 4], 2)
    aode = AODEClassifier("joint", m=20, discretizer=None).fit(X, y)
    assert (aode.parent_counts_ < 20).any()
    enough = [(row == X).sum(axis=0).max() >= 20 for row in X]
    rows = X[enough][:6]
    np.testing.assert_allclose(aode.predict_proba(rows), pgmpy_proba(aode, rows), atol=1e-9)


def test_a_value_seen_just_often_enough_is_a_parent():
    X = np.array([[0, 0], [0, 1], [0, 0], [1, 1], [1, 0]])
    y = np.array([0, 0, 1, 1, 0])
    exactly = AODEClassifier(m=2, discretizer=None).fit(X, y)
    all_values = AODEClassifier(m=0, discretizer=None).fit(X, y)
    np.testing.assert_array_equal(exactly.predict_proba(X), all_values.predict_proba(X))
    above = AODEClassifier(m=2.5, discretizer=None).fit(X, y)
    assert not np.allclose(above.predict_proba(X[3:]), all_values.predict_proba(X[3:]))
