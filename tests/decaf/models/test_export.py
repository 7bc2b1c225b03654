"""A model as one file: checked against the model before it is put in its place."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from small_model import SIZE, make_model, noise
from starred import star_album

from decaf.models.export import ScoresDiffer, export_model
from decaf.models.runtime import open_scorer
from decaf.models.scorer import predict_photos
from decaf.networks.convolutions import set_precision
from features.errors import AlreadyThere, InputError, NoRepresentativePhotos
from features.photos import read_photo, resize_photo
from features.ratings import read_ratings

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow exports"
)
ROOT = Path(__file__).parents[3]
# Python does not import what stands as None among its modules.
BLOCK = """\
import sys
sys.path = [path for path in sys.path if path]
for name in ("keras", "tensorflow", "torch", "jax", "sklearn", "decaf", "features", "classifiers"):
    sys.modules[name] = None"""


@pytest.fixture(scope="module")
def model(samples):
    """A model of the sample photos."""
    paths = sorted(samples.glob("*.*g"))
    return make_model(np.array([resize_photo(read_photo(path)[0], SIZE) for path in paths]))


@pytest.mark.parametrize("name", ["scorer.onnx", "scorer.tflite"])
def test_a_model_becomes_a_file_that_scores_rated_photos_as_it_does(model, samples, tmp_path, name):
    rated = read_ratings(samples / "ratings.csv")
    exported = export_model(model, tmp_path / name, photos=rated, progress=False)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert exported.path == tmp_path / name
    assert exported.bytes == exported.path.stat().st_size
    assert (exported.size, exported.resize) == (SIZE, "squash")
    assert exported.photos == 60 and not exported.failed
    assert exported.difference <= exported.tolerance == 0.001
    assert exported.auc[0] == pytest.approx(exported.auc[1], abs=exported.auc_tolerance)
    photos = noise(10)
    score = open_scorer(exported.path)
    expected = predict_photos(model, "classifier", photos)
    np.testing.assert_allclose([score(rgb) for rgb in photos], expected, atol=1e-3)


def test_a_model_that_computes_in_bfloat16_is_exported_in_float32_and_stays_as_it_is(
    model, samples, tmp_path
):
    keras_model = keras.models.clone_model(model.network.keras_model)
    keras_model.set_weights(model.network.keras_model.get_weights())
    set_precision(keras_model, "bfloat16")
    in_bfloat16 = replace(model, network=replace(model.network, keras_model=keras_model))
    rated = read_ratings(samples / "ratings.csv")
    exported = export_model(in_bfloat16, tmp_path / "s.onnx", photos=rated, progress=False)
    photos = noise(10)
    score = open_scorer(exported.path)
    expected = predict_photos(model, "classifier", photos)
    np.testing.assert_allclose([score(rgb) for rgb in photos], expected, atol=1e-4)
    assert {layer.compute_dtype for layer in keras_model.layers} == {"bfloat16", "float32"}


def test_without_photos_sample_photos_check_the_file(model, tmp_path):
    exported = export_model(model, tmp_path / "s.onnx", precision="int8", progress=False)
    assert exported.photos == 40 and exported.auc is None
    assert exported.runtime.startswith("onnxruntime ")


def test_a_file_that_differs_too_much_is_not_left(model, samples, tmp_path):
    output = tmp_path / "scorer.onnx"
    rated = read_ratings(samples / "ratings.csv")
    with pytest.raises(ScoresDiffer, match=r"scorer\.onnx not written: a probability differs by"):
        export_model(model, output, precision="int8", photos=samples, tolerance=0, progress=False)
    with pytest.raises(ScoresDiffer, match="not written: the AUC changes by"):
        export_model(model, output, photos=rated, auc_tolerance=-1, progress=False)
    assert not list(tmp_path.iterdir())


def test_photos_that_cannot_be_read_are_told_and_the_others_check_the_file(
    model, samples, tmp_path
):
    album = star_album(samples, tmp_path / "album")
    (album / "1.jpg").write_bytes(b"no photo")
    rated = read_ratings("xmp", album)
    exported = export_model(model, tmp_path / "s.onnx", photos=rated, progress=False)
    assert exported.photos == 7
    ((name, reason),) = exported.failed
    assert name.endswith("1.jpg") and reason.startswith("no photo in a known format")


def test_what_is_there_stays_unless_it_is_to_be_replaced(model, tmp_path):
    output = tmp_path / "scorer.onnx"
    output.write_text("mine")
    with pytest.raises(AlreadyThere, match=r"scorer\.onnx is there already"):
        export_model(model, output, progress=False)
    assert output.read_text() == "mine"
    export_model(model, output, force=True, progress=False)
    assert output.stat().st_size > 1000


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(model, tmp_path):
    with pytest.raises(InputError, match="no such folder; make it first"):
        export_model(model, tmp_path / "none" / "scorer.onnx")
    with pytest.raises(NoRepresentativePhotos, match="int8-full needs representative photos"):
        export_model(model, tmp_path / "scorer.onnx", precision="int8-full")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no photos found"):
        export_model(model, tmp_path / "scorer.onnx", photos=tmp_path / "empty")
    (tmp_path / "empty" / "broken.jpg").write_bytes(b"no photo")
    with pytest.raises(InputError, match=r"broken\.jpg: no photo could be read"):
        export_model(model, tmp_path / "scorer.onnx", photos=tmp_path / "empty", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_the_readmes_examples_score_as_the_model_does_without_keras(model, samples, tmp_path):
    examples = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S
    )
    (tmp_path / "photos").symlink_to(samples)
    paths = [str(path) for path in sorted(samples.glob("*.jpg"))]
    expected = model.predict_proba(paths)[:, 1]
    for runtime, name in (("onnxruntime", "scorer.onnx"), ("ai_edge_litert", "scorer.tflite")):
        (example,) = (example for example in examples if runtime in example)
        assert len(example.splitlines()) <= 20
        export_model(model, tmp_path / name, progress=False)
        code = f"{BLOCK}\n{example}\nprint(*map(score, {paths}))"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found = [float(number) for number in done.stdout.splitlines()[-1].split()]
        # Decoding at a fraction of a JPEG's scale, and float16 activations, round the model's.
        np.testing.assert_allclose(found, expected, atol=0.02)
