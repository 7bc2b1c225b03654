"""Files of every format and precision, as their runtimes score with them."""

import sys

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers
from onnxruntime import InferenceSession
from small_model import SIZE, make_model, noise, small_network

from decaf.models.formats import check_format, write_scorer
from decaf.models.runtime import measure_latency, open_scorer
from decaf.models.scorer import predict_photos, probability_network
from features.errors import InputError, NoRepresentativePhotos

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow exports"
)
# Rounding: float32's after another order of sums, and of weights in 11 bits, in 8, and of all.
LARGEST_DIFFERENCE = {"float32": 3e-5, "float16": 2e-3, "int8": 0.03, "int8-full": 0.06}


@pytest.fixture(scope="module")
def photos():
    return noise()


@pytest.mark.parametrize("precision", LARGEST_DIFFERENCE)
@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_a_file_scores_bytes_as_the_model_does(photos, tmp_path, suffix, precision):
    model = make_model(photos)
    path = tmp_path / f"scorer{suffix}"
    write_scorer(probability_network(model), path, precision, photos)
    score = open_scorer(path)
    found = np.array([score(rgb) for rgb in photos])
    expected = predict_photos(model, "classifier", photos)
    assert np.abs(found - expected).max() < LARGEST_DIFFERENCE[precision]


@pytest.mark.parametrize("precision", LARGEST_DIFFERENCE)
def test_a_file_with_a_dynamic_batch_scores_any_number_of_photos_at_once(
    photos, tmp_path, precision
):
    model = make_model(photos)
    network, expected = probability_network(model), predict_photos(model, "classifier", photos)
    for suffix in (".onnx", ".tflite"):
        path = tmp_path / f"scorer{suffix}"
        write_scorer(network, path, precision, photos, dynamic_batch=True)
        if suffix == ".onnx":
            session = InferenceSession(path)
            found = session.run(["probability"], {"photo": photos})[0]
        else:
            found = Interpreter(str(path)).get_signature_runner()(photo=photos)["probability"]
        assert found.shape == (len(photos), 1)
        assert np.abs(found[:, 0] - expected).max() < LARGEST_DIFFERENCE[precision]
        assert abs(open_scorer(path)(photos[0]) - expected[0]) < LARGEST_DIFFERENCE[precision]


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
        write_scorer(network, path, precision)
        size[precision] = path.stat().st_size
    assert size["float32"] > 4 * network.count_params()
    assert size["float16"] < 0.53 * size["float32"]
    assert size["int8"] < 0.35 * size["float32"]


def test_names_of_other_formats_and_int8_full_without_photos_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"must end in \.onnx or \.tflite"):
        check_format("scorer.pb")
    with pytest.raises(NoRepresentativePhotos, match="needs representative photos"):
        write_scorer(small_network().keras_model, tmp_path / "scorer.onnx", "int8-full")


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
