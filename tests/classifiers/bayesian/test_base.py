"""Bayesian-network classifiers against pgmpy's exact inference, scikit-learn and their formulas."""

from itertools import combinations, product

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.metrics import mutual_info_score
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import CategoricalNB
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from classifiers import (
    AODEClassifier,
    BayesianNetworkClassifier,
    KDBClassifier,
    NaiveBayesClassifier,
    TANClassifier,
    ZeroAwareDiscretizer,
)
from classifiers.bayesian import aode, contingency
from classifiers.bayesian.tables import NO_PARENT, SMOOTHINGS

NETWORKS = [NaiveBayesClassifier, TANClassifier, KDBClassifier, BayesianNetworkClassifier]
ALL = [*NETWORKS, AODEClassifier]


def random_codes(seed, n_rows, n_states, n_classes):
    """Codes that depend on each other and on the class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n_rows)
    codes = np.empty((n_rows, len(n_states)), dtype=int)
    previous = y
    for feature, n in enumerate(n_states):
        noise = rng.integers(0, n, n_rows)
        codes[:, feature] = np.where(rng.uniform(size=n_rows) < 0.5, previous + y, noise) % n
        previous = codes[:, feature]
    return codes, y


def pgmpy_proba(classifier, X):
    from pgmpy.inference import VariableElimination

    network = classifier.to_pgmpy()
    assert network.check_model()
    inference = VariableElimination(network)
    names = getattr(classifier, "feature_names_in_", [f"x{i}" for i in range(X.shape[1])])
    rows = []
    for row in np.asarray(X):
        evidence = {name: int(code) for name, code in zip(names, row) if name in network.nodes()}
        answer = inference.query(["class"], evidence, show_progress=False)
        rows.append([answer.get_value(**{"class": label}) for label in classifier.classes_])
    return np.array(rows)


@parametrize_with_checks(
    [NaiveBayesClassifier(), TANClassifier(), KDBClassifier(), AODEClassifier()]
)
def test_scikit_learn_finds_no_fault(estimator, check):
    check(estimator)


@pytest.mark.parametrize("classifier", ALL)
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    n_rows=st.integers(5, 60),
    n_states=st.lists(st.integers(2, 4), min_size=2, max_size=6),
    n_classes=st.integers(2, 3),
    smoothing=st.sampled_from(SMOOTHINGS),
    alpha=st.sampled_from([0.01, 1.0, 7.5]),
)
def test_probabilities_are_those_of_exact_inference(
    classifier, seed, n_rows, n_states, n_classes, smoothing, alpha
):
    X, y = random_codes(seed, n_rows, n_states, n_classes)
    y = np.array(["snapshot", "professional", "other"])[y]
    fitted = classifier(discretizer=None, smoothing=smoothing, alpha=alpha).fit(X, y)
    # Rows that fit did not see, too: every feature on its own in another order.
    strange = np.column_stack([np.roll(column, i) for i, column in enumerate(X.T)])[:3]
    np.testing.assert_allclose(
        fitted.predict_proba(strange), pgmpy_proba(fitted, strange), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("classifier", NETWORKS)
def test_tables_are_those_that_pgmpy_estimates(classifier, smoothing):
    from pgmpy.models import DiscreteBayesianNetwork
    from pgmpy.parameter_estimator import DiscreteBayesianEstimator

    X, y = random_codes(0, 50, [3, 2, 4, 3], 3)
    ours = classifier(discretizer=None, smoothing=smoothing).fit(X, y).to_pgmpy()
    if smoothing == "m-estimate":
        counts = {cpd.variable: np.ones_like(cpd.get_values()) for cpd in ours.get_cpds()}
        counts = {node: ones / len(ones) for node, ones in counts.items()}
        prior = {"prior_type": "dirichlet", "pseudo_counts": counts}
    else:
        prior_type = {"laplace": "K2", "bdeu": "BDeu"}[smoothing]
        prior = {"prior_type": prior_type, "equivalent_sample_size": 1}
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(4)]).assign(**{"class": y})
    theirs = DiscreteBayesianNetwork(ours.edges)
    theirs.add_nodes_from(ours.nodes)
    theirs.fit(frame[list(ours.nodes)], estimator=DiscreteBayesianEstimator(**prior))
    for cpd in theirs.get_cpds():
        mine = ours.get_cpds(cpd.variable)
        axes = [mine.variables.index(node) for node in cpd.variables]
        np.testing.assert_allclose(mine.values.transpose(axes), cpd.values)


def aode_formula(X, y, rows, m, n_parents, added):
    """Webb, Boughton, Wang (2005), word for word; `added(n_own, n_configurations)` smoothes."""
    n_states = X.max(axis=0) + 1
    classes = np.unique(y)
    information = [mutual_info_score(column, y) for column in X.T]
    parents = np.argsort(-np.array(information), kind="stable")[:n_parents]
    joint = np.zeros((len(rows), len(classes)))
    for r, row in enumerate(rows):
        for c, label in enumerate(classes):
            for i in parents:
                with_parent = X[:, i] == row[i]
                if with_parent.sum() < m:
                    continue
                both = with_parent & (y == label)
                n_cells = len(classes) * n_states[i]
                alpha = added(n_cells, 1)
                term = (both.sum() + alpha) / (len(y) + alpha * n_cells)
                for j in range(len(row)):
                    if j != i:
                        together = (both & (X[:, j] == row[j])).sum()
                        alpha = added(n_states[j], n_cells)
                        term *= (together + alpha) / (both.sum() + alpha * n_states[j])
                joint[r, c] += term
    return joint / joint.sum(axis=1, keepdims=True)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    n_states=st.lists(st.integers(2, 4), min_size=2, max_size=5),
    m=st.sampled_from([0, 1, 5]),
    n_parents=st.sampled_from([None, 1, 2]),
    smoothing=st.sampled_from(SMOOTHINGS),
)
def test_aode_is_its_formula(seed, n_states, m, n_parents, smoothing):
    X, y = random_codes(seed, 60, n_states, 3)
    fitted = AODEClassifier(
        m=m, n_parents=n_parents, discretizer=None, smoothing=smoothing, alpha=0.5
    ).fit(X, y)
    added = {
        "laplace": lambda n_own, n_configurations: 0.5,
        "m-estimate": lambda n_own, n_configurations: 0.5 / n_own,
        "bdeu": lambda n_own, n_configurations: 0.5 / (n_own * n_configurations),
    }[smoothing]
    expected = aode_formula(X, y, X[:4], m, n_parents, added)
    np.testing.assert_allclose(fitted.predict_proba(X[:4]), expected, rtol=1e-9)


def test_aode_without_a_value_seen_often_enough_is_naive_bayes():
    X, y = random_codes(0, 50, [3, 3, 2], 2)
    aode = AODEClassifier(m=51, discretizer=None).fit(X, y)
    naive = NaiveBayesClassifier(discretizer=None).fit(X, y)
    np.testing.assert_allclose(aode.predict_joint_log_proba(X), naive.predict_joint_log_proba(X))
    with pytest.raises(ValueError, match="naive Bayes"):
        aode.to_pgmpy()


def test_a_value_seen_too_seldom_is_no_parent_in_the_network_either():
    X, y = random_codes(1, 80, [4, 3, 4], 2)
    aode = AODEClassifier(m=20, discretizer=None).fit(X, y)
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


@pytest.mark.parametrize("classifier", ALL)
def test_the_joint_probabilities_of_all_codes_and_classes_sum_to_one(classifier):
    X, y = random_codes(0, 50, [3, 2, 4], 3)
    everything = np.array(list(product(range(3), range(2), range(4))))
    joint = classifier(discretizer=None).fit(X, y).predict_joint_log_proba(everything)
    assert np.exp(joint).sum() == pytest.approx(1)


def test_naive_bayes_agrees_with_scikit_learn():
    X, y = random_codes(0, 300, [2, 5, 3, 4], 3)
    ours = NaiveBayesClassifier(discretizer=None, smoothing="laplace", alpha=0.7).fit(X, y)
    prior = (np.bincount(y) + 0.7) / (len(y) + 3 * 0.7)
    oracle = CategoricalNB(alpha=0.7, class_prior=prior).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), oracle.predict_proba(X), rtol=1e-9)


def test_information_agrees_with_scikit_learn():
    X, y = random_codes(0, 200, [2, 4, 3, 5], 3)
    n_states = X.max(axis=0) + 1
    counts = np.array(
        [
            np.bincount(y[column == code], minlength=3)
            for column, n in zip(X.T, n_states)
            for code in range(n)
        ]
    )
    np.testing.assert_allclose(
        contingency.mutual_information(counts, n_states),
        [mutual_info_score(column, y) for column in X.T],
    )
    information = contingency.conditional_mutual_information(X, y, n_states, counts)
    for i, j in combinations(range(4), 2):
        expected = sum(
            (y == c).mean() * mutual_info_score(X[y == c, i], X[y == c, j]) for c in range(3)
        )
        assert information[i, j] == pytest.approx(expected)
        assert information[j, i] == information[i, j]


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


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": 0}, "alpha"),
        ({"alpha": float("inf")}, "alpha"),
        ({"smoothing": "none"}, "smoothing"),
    ],
)
def test_senseless_smoothing_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        NaiveBayesClassifier(**parameters).fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize("classifier", ALL)
def test_a_network_keeps_names_and_labels_through_bif(classifier, tmp_path):
    from pgmpy.readwrite import BIFReader, BIFWriter, XMLBIFReader, XMLBIFWriter

    X, y = random_codes(0, 40, [2, 3], 2)
    frame = pd.DataFrame(X, columns=["sky", "sea"])
    fitted = classifier(discretizer=None).fit(frame, np.array(["snapshot", "professional"])[y])
    network = fitted.to_pgmpy()
    assert {"class", "sky", "sea"} <= set(network.nodes)
    assert network.get_cpds("class").state_names["class"] == ["professional", "snapshot"]
    for writer, reader in ((XMLBIFWriter, XMLBIFReader), (BIFWriter, BIFReader)):
        writer(network).write(str(tmp_path / "network"))
        read = reader(str(tmp_path / "network")).get_model()
        assert set(read.edges) == set(network.edges)
        assert read.get_cpds("class").state_names["class"] == ["professional", "snapshot"]
        for cpd in network.get_cpds():
            np.testing.assert_allclose(read.get_cpds(cpd.variable).values, cpd.values)
        assert read.check_model()


def test_a_feature_may_not_have_the_name_of_the_class_node():
    frame = pd.DataFrame({"class": [0, 1], "x": [0, 1]})
    with pytest.raises(ValueError, match="'class'"):
        NaiveBayesClassifier(discretizer=None).fit(frame, [0, 1]).to_pgmpy()


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


def test_all_features_are_the_markov_blanket_of_a_class_that_is_their_parent():
    X, y = random_codes(0, 60, [2, 3, 2], 2)
    for classifier in (NaiveBayesClassifier, TANClassifier, KDBClassifier):
        fitted = classifier(discretizer=None).fit(X, y)
        assert fitted.markov_blanket_ == ["x0", "x1", "x2"]
        assert set(fitted.to_pgmpy().get_markov_blanket("class")) == {"x0", "x1", "x2"}
