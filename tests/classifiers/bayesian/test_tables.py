"""Probability tables; pgmpy is the oracle."""

import numpy as np
import pandas as pd
import pytest
from bayesian_networks import NETWORKS, random_codes

from classifiers import (
    NaiveBayesClassifier,
)
from classifiers.bayesian.tables import SMOOTHINGS


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
