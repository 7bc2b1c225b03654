"""Scorers against the Keras network and the scikit-learn classifier they were made of."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from small_model import make_model, noise, small_network

from classifiers import GaussianProcessRegression, SignedLogarithm
from decaf.models.scorer import predict_photos, probability_network, softmax_probability
from features.errors import InputError, NotExportable


@pytest.fixture(scope="module")
def photos():
    return noise()


@pytest.mark.parametrize(
    "classifier",
    [
        LogisticRegression(C=1e6, max_iter=5000),
        make_pipeline(StandardScaler(), LinearSVC()),
        make_pipeline(StandardScaler(), StandardScaler(), LinearSVC()),
    ],
)
@pytest.mark.parametrize("head", [True, False])
def test_a_linear_classifier_and_its_calibration_are_folded_into_the_network(
    photos, classifier, head
):
    model = make_model(photos, classifier, small_network(head=head))
    expected = predict_photos(model, "classifier", photos)
    folded = probability_network(model).predict_on_batch(photos)
    assert np.ptp(expected) > 0.3
    np.testing.assert_allclose(folded[:, 0], expected, atol=1e-5)


@pytest.mark.parametrize(
    "scalers", [(), (StandardScaler(),), (StandardScaler(), SignedLogarithm())]
)
def test_a_gaussian_process_and_its_scalers_become_layers(photos, scalers):
    process = GaussianProcessRegression(length_scale=0.5, noise=0.01)
    model = make_model(photos, make_pipeline(*scalers, process), small_network(head=False))
    expected = predict_photos(model, "classifier", photos)
    network = probability_network(model)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(network.predict_on_batch(photos)[:, 0], expected, atol=1e-5)


def test_scores_beyond_those_that_were_calibrated_keep_the_last_probability(photos):
    model = make_model(photos, make_pipeline(StandardScaler(), LogisticRegression(C=1e6)))
    folded = probability_network(model).predict_on_batch(photos)[:, 0]
    ends = 1 / (1 + np.exp(-(0.7 * np.array([-1.5, 2.0]) + 0.2)))
    assert np.isclose(folded, ends[0], atol=1e-6).any()
    assert np.isclose(folded, ends[1], atol=1e-6).any()
    np.testing.assert_allclose(folded, predict_photos(model, "classifier", photos), atol=1e-5)


def test_the_softmax_gives_the_second_class_or_the_share_of_votes_above_the_midpoint(photos):
    of_labels, of_votes = small_network(), small_network(n_grades=5)
    second = of_labels.keras_model.predict_on_batch(photos)[:, 1]
    given = softmax_probability(of_labels).predict_on_batch(photos)
    np.testing.assert_allclose(given[:, 0], second, atol=1e-6)
    votes = of_votes.keras_model.predict_on_batch(photos)
    given = softmax_probability(of_votes).predict_on_batch(photos)
    np.testing.assert_allclose(given[:, 0], votes[:, 2] / 2 + votes[:, 3:].sum(axis=1), atol=1e-6)


def test_the_softmax_of_scores_is_the_share_above_the_midpoint(photos):
    of_scores = small_network(levels=(1.0, 2.0, 3.0, 6.0))  # midpoint 3
    shares = of_scores.keras_model.predict_on_batch(photos)
    given = softmax_probability(of_scores).predict_on_batch(photos)
    np.testing.assert_allclose(given[:, 0], shares[:, 2] / 2 + shares[:, 3], atol=1e-6)


def test_a_classifier_that_is_not_linear_is_refused_with_what_to_do(photos):
    model = make_model(photos, make_pipeline(StandardScaler(), SVC()))
    with pytest.raises(
        NotExportable, match=r"does not fit into a file, only ridge, .* and gaussian-process do"
    ):
        probability_network(model)
    plain = make_model(photos, SVC(), small_network(head=False))
    with pytest.raises(InputError) as refused:
        probability_network(plain)
    assert not isinstance(refused.value, NotExportable)  # whose remedy is the network's own output
    with pytest.raises(InputError, match="plain backbone, without a softmax"):
        probability_network(plain, "softmax")
