"""Exported scorers against the Keras network and the scikit-learn classifier they were made of."""

import sys

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from small_model import LABELS, SIZE, make_model, small_network

from decaf.models.export import (
    check_format,
    export_network,
    measure_latency,
    open_scorer,
    predict_photos,
    probability_network,
    softmax_probability,
)
from features.errors import InputError

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow exports"
)
# Rounding: float32's after another order of sums, and of weights in 11 bits, in 8, and of all.
LARGEST_DIFFERENCE = {"float32": 3e-5, "float16": 2e-3, "int8": 0.03, "int8-full": 0.06}


@pytest.fixture(scope="module")
def photos():
    """Noise of many colours and contrasts, (n, size, size, 3)."""
    rng = np.random.default_rng(0)
    colour = rng.uniform(0, 255, (40, 1, 1, 3))
    noise = rng.normal(0, 1, (40, SIZE, SIZE, 3)) * rng.uniform(5, 90, (40, 1, 1, 1))
    return np.clip(colour + noise, 0, 255).astype(np.uint8)


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
    model = make_model(
        photos, classifier, small_network(head=head), outputs=LABELS if head else None
    )
    expected = predict_photos(model, "classifier", photos)
    folded = probability_network(model).predict_on_batch(photos)
    assert np.ptp(expected) > 0.3
    np.testing.assert_allclose(folded[:, 0], expected, atol=1e-5)


def test_scores_beyond_those_that_were_calibrated_keep_the_last_probability(photos):
    model = make_model(photos, make_pipeline(StandardScaler(), LogisticRegression(C=1e6)))
    folded = probability_network(model).predict_on_batch(photos)[:, 0]
    ends = 1 / (1 + np.exp(-(0.7 * np.array([-1.5, 2.0]) + 0.2)))
    assert np.isclose(folded, ends[0], atol=1e-6).any()
    assert np.isclose(folded, ends[1], atol=1e-6).any()
    np.testing.assert_allclose(folded, predict_photos(model, "classifier", photos), atol=1e-5)


def test_the_softmax_gives_the_second_class_or_the_share_of_votes_above_the_midpoint(photos):
    of_labels, of_votes = small_network(), small_network(outputs=5)
    second = of_labels.predict_on_batch(photos)[:, 1]
    given = softmax_probability(of_labels, {"outputs": LABELS}).predict_on_batch(photos)
    np.testing.assert_allclose(given[:, 0], second, atol=1e-6)
    votes = of_votes.predict_on_batch(photos)
    record = {"outputs": [1, 2, 3, 4, 5], "midpoint": 3.0}
    given = softmax_probability(of_votes, record).predict_on_batch(photos)
    np.testing.assert_allclose(given[:, 0], votes[:, 2] / 2 + votes[:, 3:].sum(axis=1), atol=1e-6)


def test_a_classifier_that_is_not_linear_is_refused_with_what_to_do(photos):
    model = make_model(photos, make_pipeline(StandardScaler(), SVC()))
    with pytest.raises(InputError, match=r"is not linear.*--head softmax.*logistic-regression"):
        probability_network(model)
    plain = make_model(photos, SVC(), small_network(head=False), outputs=None)
    with pytest.raises(InputError) as refused:
        probability_network(plain)
    assert "softmax" not in str(refused.value)
    with pytest.raises(InputError, match="plain backbone, without a softmax"):
        probability_network(plain, "softmax")


@pytest.mark.parametrize("precision", LARGEST_DIFFERENCE)
@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_a_file_scores_bytes_as_the_model_does(photos, tmp_path, suffix, precision):
    model = make_model(photos)
    path = tmp_path / f"scorer{suffix}"
    export_network(probability_network(model), path, precision, photos)
    score = open_scorer(path)
    found = np.array([score(rgb) for rgb in photos])
    expected = predict_photos(model, "classifier", photos)
    assert np.abs(found - expected).max() < LARGEST_DIFFERENCE[precision]


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_a_file_shrinks_with_its_precision(tmp_path, suffix):
    photo = keras.Input((SIZE, SIZE, 3), name="photo")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(64, 9, strides=4)(photo))
    x = layers.Dense(1, "sigmoid")(layers.Dense(1000, "relu")(x))
    network = keras.Model(photo, x)
    for layer in network.layers[-2:]:  # with biases of 0 there would be other operations
        layer.bias.assign(layer.bias + 0.01)
    size = {}
    for precision in ("float32", "float16", "int8"):
        path = tmp_path / f"{precision}{suffix}"
        export_network(network, path, precision)
        size[precision] = path.stat().st_size
    assert size["float32"] > 4 * network.count_params()
    assert size["float16"] < 0.53 * size["float32"]
    assert size["int8"] < 0.35 * size["float32"]


def test_names_of_other_formats_and_int8_full_without_photos_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"must end in \.onnx or \.tflite"):
        check_format("scorer.pb")
    with pytest.raises(InputError, match=r"representative photos.*--photos"):
        export_network(small_network(outputs=1), tmp_path / "scorer.onnx", "int8-full")


def test_a_missing_converter_is_one_line_that_names_the_extra(monkeypatch):
    for name, suffix in (("tf2onnx", ".onnx"), ("ai_edge_litert", ".tflite")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            with pytest.raises(InputError, match=rf"{name} is not installed.*decaf\[export\]"):
                check_format(f"scorer{suffix}")


def test_latency_is_the_median_of_the_runs():
    scored = []
    assert measure_latency(scored.append, "a photo", runs=20) >= 0
    assert scored == ["a photo"] * 22
