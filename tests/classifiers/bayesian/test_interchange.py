"""The way to pgmpy: its exact inference says what our classifiers say."""

import numpy as np
import pandas as pd
import pytest
from bayesian_networks import ALL, pgmpy_proba, random_codes
from hypothesis import given, settings
from hypothesis import strategies as st

from classifiers import (
    NaiveBayesClassifier,
)
from classifiers.bayesian.tables import SMOOTHINGS


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
