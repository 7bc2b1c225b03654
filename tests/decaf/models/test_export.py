"""A model as one file: checked against the model before it is put in its place."""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest
import tifffile
from device_photos import make_device_photos
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_model import SIZE, make_model, noise, small_network
from starred import star_album

import decaf
from classifiers import GaussianProcessRegression, SignedLogarithm
from decaf.models import check_photos, device
from decaf.models.export import Decoding, ScoresDiffer, export_model
from decaf.models.runtime import open_scorer
from decaf.models.scorer import predict_photos
from decaf.networks.convolutions import set_precision
from features.errors import AlreadyThere, InputError, NoRepresentativePhotos
from features.photo_set import PhotoSet
from features.photos import file_digest, read_photo, resize_photo
from features.ratings import read_ratings
from features.samples import make_samples

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
    assert {file.name for file in tmp_path.iterdir()} == {name, f"{name}.json"}
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


@pytest.mark.parametrize("name", ["scorer.onnx", "scorer.tflite"])
def test_a_gaussian_process_becomes_a_file_too(samples, tmp_path, name):
    process = make_pipeline(StandardScaler(), SignedLogarithm(), GaussianProcessRegression())
    model = make_model(noise(), process, small_network(head=False))
    exported = export_model(model, tmp_path / name, photos=samples, progress=False)
    assert exported.difference < 1e-4


def trained_on(model, digests, finetuned_on=()):
    """The same model, trained on photos of these digests."""
    photos = PhotoSet.of(finetuned_on)
    record = replace(model.network.record, finetuned_on=len(photos) or None)
    network = replace(model.network, record=record, finetuned_on=photos)
    return replace(model, network=network, trained_on=PhotoSet.of(digests))


def test_photos_that_the_model_has_not_seen_check_the_file(model, samples, tmp_path):
    rated = read_ratings(samples / "ratings.csv")
    digests = [file_digest(path) for path in rated.paths]
    seen = trained_on(model, digests[:10], digests[5:15])
    exported = export_model(seen, tmp_path / "s.onnx", photos=rated, progress=False)
    assert (exported.photos, exported.n_seen) == (45, 0)
    unseen = rated.take(np.arange(15, 60))
    scores = model.predict_proba(list(unseen.paths))[:, 1]
    assert exported.auc[0] == pytest.approx(roc_auc_score(unseen.label, scores), abs=0.01)


def test_where_few_are_unseen_all_photos_check_the_file_and_those_seen_are_counted(
    model, samples, tmp_path
):
    digests = [file_digest(path) for path in sorted(samples.glob("*.*g"))]
    seen = trained_on(model, digests[:21])
    exported = export_model(seen, tmp_path / "s.onnx", photos=samples, progress=False)
    assert (exported.photos, exported.n_seen) == (60, 21)


def test_photos_that_a_device_decodes_otherwise_are_told(model, samples, tmp_path, monkeypatch):
    album = tmp_path / "album"
    album.mkdir()
    for path in sorted(samples.glob("*.jpg"))[:3]:
        shutil.copy(path, album / os.fsdecode(b"caf\xe9 " + os.fsencode(path.name)))
    levels = np.full((40, 40), 65535, np.uint16)
    tifffile.imwrite(album / "negative.tif", levels, photometric="miniswhite")
    exported = export_model(model, tmp_path / "s.onnx", photos=album, progress=False)
    score = open_scorer(tmp_path / "s.onnx")
    black, white = (np.full((SIZE, SIZE, 3), level, np.uint8) for level in (0, 255))
    assert exported.decoding.photo == "negative.tif"
    assert exported.decoding.difference == pytest.approx(abs(score(white) - score(black)))
    assert exported.decoding.unread == 0

    def refuse(path, size):
        raise OSError(f"{path}: no reader")

    monkeypatch.setattr(check_photos, "open_photo", refuse)
    exported = export_model(model, tmp_path / "u.onnx", photos=album, progress=False)
    assert exported.decoding == Decoding(0.0, None, 4)


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_a_file_and_the_one_beside_it_say_how_it_is_used(
    model, samples, tmp_path, suffix, precision
):
    path = tmp_path / f"scorer{suffix}"
    exported = export_model(model, path, precision=precision, photos=samples, progress=False)
    if suffix == ".onnx":
        texts = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
        assert texts["output"] == exported.description.output
        values = {
            name: text if isinstance(getattr(exported.description, name), str) else json.loads(text)
            for name, text in texts.items()
        }
    else:
        values = json.loads(zipfile.ZipFile(path).read("decaf.json"))
    assert values["input"].startswith(f"photo: 1 × {SIZE} × {SIZE} × 3, uint8")
    assert "how probable it is that a photo is professional" in values["output"]
    assert (values["size"], values["channels"], values["resize"]) == (SIZE, "RGB", "squash")
    assert values["calibration"]["slope"] == model.record.calibration.slope
    assert values["trained_on"]["photos"] == model.record.trained_on.photos
    assert values["licence"] == model.network.record.licence == "weights of the tests' own (MIT)"
    assert values["precision"] == precision and values["decaf"] == decaf.__version__
    beside = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
    assert values.items() <= beside.items()
    score = open_scorer(path)
    assert len(beside["test_vector"]) == 20
    for row in beside["test_vector"]:
        rgb, digest = read_photo(samples / row["photo"], min_side=SIZE)
        assert row["digest"] == digest
        assert row["probability"] == pytest.approx(score(resize_photo(rgb, SIZE)), abs=1e-5)


def test_a_votes_network_says_that_its_softmax_is_a_share_of_votes(samples, tmp_path):
    network = small_network(n_grades=5)
    votes = make_model(noise(), network=network)
    path = tmp_path / "s.onnx"
    exported = export_model(votes, path, head="softmax", photos=samples, progress=False)
    assert "share of the votes above the midpoint" in exported.description.output
    assert exported.description.calibration is None
    assert exported.description.trained_on.midpoint == 3


def test_a_network_of_scores_is_exported_with_its_own_output(samples, tmp_path):
    scores = make_model(noise(), network=small_network(levels=(1.0, 2.0, 3.0)))
    path = tmp_path / "s.onnx"
    exported = export_model(scores, path, head="softmax", photos=samples, progress=False)
    assert "by the levels of the score" in exported.description.output


def test_sample_photos_of_a_test_vector_can_be_made_again(model, tmp_path):
    export_model(model, tmp_path / "s.onnx", progress=False)
    beside = json.loads((tmp_path / "s.onnx.json").read_text(encoding="utf-8"))
    n, seed = re.search(
        r"features\.samples FOLDER -n (\d+) --seed (\d+)", beside["test_photos"]
    ).groups()
    make_samples(tmp_path / "samples", int(n), int(seed))
    made = {file_digest(path) for path in (tmp_path / "samples").glob("*.*g")}
    assert {row["digest"] for row in beside["test_vector"]} <= made


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
    beside = output.rename(tmp_path / "scorer.onnx.json")
    with pytest.raises(AlreadyThere, match=r"scorer\.onnx\.json is there already"):
        export_model(model, output, progress=False)
    assert beside.read_text() == "mine"
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


def readme_examples():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", readme, re.M | re.S)


def test_the_readmes_examples_score_as_the_model_does_without_keras(model, samples, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    paths = make_device_photos(samples, photos)
    (decoding,) = (example for example in readme_examples() if example.startswith("# photo.py\n"))
    (tmp_path / "photo.py").write_text(decoding)
    expected = model.predict_proba(paths)[:, 1]
    for runtime, name in (("onnxruntime", "scorer.onnx"), ("ai_edge_litert", "scorer.tflite")):
        (example,) = (example for example in readme_examples() if runtime in example)
        assert len(example.splitlines()) <= 20
        export_model(model, tmp_path / name, progress=False)
        code = (
            f"{BLOCK}\nsys.path.append({str(tmp_path)!r})\n{example}\nprint(*map(score, {paths}))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found = np.array([float(number) for number in done.stdout.splitlines()[-1].split()])
        differing = np.flatnonzero(np.abs(found - expected) > 0.01)
        assert not len(differing), [(Path(paths[i]).name, found[i], expected[i]) for i in differing]


def test_the_readme_shows_the_code_that_the_check_decodes_with():
    (shown,) = (example for example in readme_examples() if example.startswith("# photo.py\n"))
    code = inspect.getsource(device).split('"""', 2)[2]
    code = code.replace("from __future__ import annotations", "")
    assert shown.removeprefix("# photo.py").strip() == code.strip()
