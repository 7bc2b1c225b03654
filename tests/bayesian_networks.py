"""Codes to learn Bayesian-network classifiers from, and pgmpy's exact inference as their oracle."""

from functools import partial

import numpy as np

from classifiers import (
    AODEClassifier,
    BayesianNetworkClassifier,
    KDBClassifier,
    NaiveBayesClassifier,
    TANClassifier,
)

NETWORKS = [NaiveBayesClassifier, TANClassifier, KDBClassifier, BayesianNetworkClassifier]
# Of AODE's averages that which is a Bayesian network.
ALL = [*NETWORKS, partial(AODEClassifier, average="joint")]


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
    """What `predict_proba` must give of rows of codes."""
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
