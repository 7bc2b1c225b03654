"""The general Bayesian-network classifier against pgmpy, and on networks of known structure."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from classifiers import BayesianNetworkClassifier
from classifiers.bayesian.structure_score import CountScore


def chain(n_rows=2000, seed=0):
    """x0 → class → x1 → x2, and x3 → x1; x4 stands alone."""
    rng = np.random.default_rng(seed)
    x0, x3, x4 = rng.integers(0, 3, (3, n_rows))
    y = np.where(rng.uniform(size=n_rows) < 0.8, x0 > 0, rng.integers(0, 2, n_rows))
    x1 = np.where(rng.uniform(size=n_rows) < 0.8, (y + x3) % 3, rng.integers(0, 3, n_rows))
    x2 = np.where(rng.uniform(size=n_rows) < 0.8, x1, rng.integers(0, 3, n_rows))
    return np.column_stack([x0, x1, x2, x3, x4]), y


@parametrize_with_checks([BayesianNetworkClassifier()])
def test_scikit_learn_finds_no_fault(estimator, check):
    check(estimator)


@pytest.mark.parametrize("parents", [(), (1,), (2, -1), (0, 2, -1)])
@pytest.mark.parametrize("structure_score", ["bdeu", "bic"])
def test_scores_are_those_of_pgmpy(structure_score, parents):
    from pgmpy.structure_score import BIC, BDeu

    X, y = chain(50)
    columns = np.column_stack([X, y])
    ours = CountScore(columns, columns.max(axis=0) + 1, structure_score)
    names = [f"x{i}" for i in range(5)] + ["class"]
    oracle = {"bdeu": BDeu, "bic": BIC}[structure_score](pd.DataFrame(columns, columns=names))
    expected = oracle.local_score("x3", tuple(names[parent] for parent in parents))
    assert ours.local_score(3, parents) == pytest.approx(expected)


@pytest.mark.parametrize("structure_score", ["bdeu", "bic"])
def test_the_markov_blanket_is_parents_children_and_their_parents(structure_score):
    X, y = chain()
    classifier = BayesianNetworkClassifier(structure_score=structure_score, discretizer=None)
    assert classifier.fit(X, y).markov_blanket_ == ["x0", "x1", "x3"]
    assert set(classifier.to_pgmpy().get_markov_blanket("class")) == {"x0", "x1", "x3"}


def test_only_the_markov_blanket_decides():
    X, y = chain()
    classifier = BayesianNetworkClassifier(discretizer=None).fit(X, y)
    other = X.copy()
    other[:, [2, 4]] = 0
    np.testing.assert_allclose(classifier.predict_proba(other), classifier.predict_proba(X))


def test_the_features_of_most_information_enter_the_search():
    X, y = chain()
    classifier = BayesianNetworkClassifier(max_features=1, discretizer=None)
    assert set(classifier.fit(X, y).to_pgmpy().nodes) == {"class", "x0"}
    assert set(classifier.fit(X[:, ::-1], y).to_pgmpy().nodes) == {"class", "x4"}


def test_a_node_has_no_more_parents_than_allowed():
    X, y = chain()
    classifier = BayesianNetworkClassifier(max_parents=1, discretizer=None).fit(X, y)
    assert max(dict(classifier.to_pgmpy().in_degree).values()) == 1


@pytest.mark.parametrize("classifier", ["TANClassifier", "BayesianNetworkClassifier"])
def test_pgmpy_says_nothing(classifier):
    code = (
        "import numpy, classifiers; X = numpy.arange(40).reshape(20, 2) % 3; "
        f"classifiers.{classifier}(discretizer=None).fit(X, X[:, 0] > 1).to_pgmpy()"
    )
    # A process of its own, since modules warn when they are first imported.
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("", "")


def test_a_network_of_pgmpy_becomes_a_classifier_with_its_probabilities():
    X, y = chain(300)
    labels = np.array(["snapshot", "professional"])[y]
    frame = pd.DataFrame(X, columns=list("abcde"))
    fitted = BayesianNetworkClassifier(discretizer=None).fit(frame, labels)
    taken = BayesianNetworkClassifier.from_pgmpy(fitted.to_pgmpy())
    X = frame[taken.feature_names_in_]
    np.testing.assert_array_equal(taken.predict(X), fitted.predict(frame))
    np.testing.assert_allclose(taken.predict_proba(X), fitted.predict_proba(frame))


def test_names_that_pgmpy_cannot_write_come_back_from_its_network():
    X, y = chain(300)
    labels = np.array(["snapshot (bad)", "professional, good"])[y]
    frame = pd.DataFrame(X, columns=["sky, blue", "sea", "sun (low)", "d", "e"])
    fitted = BayesianNetworkClassifier(discretizer=None).fit(frame, labels)
    taken = BayesianNetworkClassifier.from_pgmpy(fitted.to_pgmpy())
    np.testing.assert_array_equal(taken.classes_, fitted.classes_)
    X = frame[taken.feature_names_in_]
    np.testing.assert_allclose(taken.predict_proba(X), fitted.predict_proba(frame))


def test_a_network_without_a_class_is_refused():
    from pgmpy.models import DiscreteBayesianNetwork

    with pytest.raises(ValueError, match="no node named 'class'"):
        BayesianNetworkClassifier.from_pgmpy(DiscreteBayesianNetwork([("a", "b")]))


@pytest.mark.parametrize(
    "parameters", [{"max_features": 0}, {"max_parents": 0}, {"structure_score": "k2"}]
)
def test_senseless_parameters_are_refused(parameters):
    X, y = chain(20)
    with pytest.raises(ValueError, match=next(iter(parameters))):
        BayesianNetworkClassifier(**parameters).fit(X, y)
