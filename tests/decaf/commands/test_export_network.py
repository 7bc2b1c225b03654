"""export-network, from the command line to the file that was checked."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from network_record import RECORD
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from small_model import SIZE, make_model

from decaf.commands.export_network import main
from decaf.models.model import load_model, save_model
from features.photos import read_photo, resize_photo

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow exports"
)
ROOT = Path(__file__).parents[3]
STARS = """\
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{}"/></rdf:RDF>"""
# Python does not import what stands as None among its modules.
BLOCK = """\
import sys
sys.path = [path for path in sys.path if path]
for name in ("keras", "tensorflow", "torch", "jax", "sklearn", "decaf", "features", "classifiers"):
    sys.modules[name] = None"""


@pytest.fixture(scope="module")
def photos(samples):
    """The sample photos in the model's size."""
    paths = sorted(samples.glob("*.*g"))
    return np.array([resize_photo(read_photo(path)[0], SIZE) for path in paths])


@pytest.fixture(scope="module")
def folder(photos, tmp_path_factory):
    """A model's folder."""
    return save(make_model(photos), tmp_path_factory.mktemp("models") / "model")


def save(model, folder):
    network_record = RECORD | model.network_record
    error = {"calibration_error": {"before": None, "after": None}}
    record = model.record | {
        "features": "small",
        "calibration": model.record["calibration"] | error,
        "judged": {"photos": 60, "auc": {"value": 0.9, "low": 0.8, "high": 1.0}},
        "trained_on": {"photos": 60, "digests": []},
    }
    save_model(folder, model.network, network_record, model.classifier, record)
    return folder


def refuse(capsys, *arguments, status=2):
    """Run the command, expect a refusal, return its one line."""
    assert main([str(argument) for argument in arguments]) == status
    lines = capsys.readouterr().err.strip().splitlines()
    assert sum("error" in line for line in lines) == 1
    return lines[-1]


@pytest.mark.parametrize("name", ["scorer.onnx", "scorer.tflite"])
def test_a_model_becomes_a_file_that_scores_rated_photos_as_it_does(
    folder, samples, tmp_path, capsys, name
):
    output = tmp_path / name
    ratings = samples / "ratings.csv"
    assert main([str(folder), "-o", str(output), "--ratings", str(ratings)]) == 0
    printed = capsys.readouterr().out
    assert all(len(line) <= 80 for line in printed.splitlines())
    assert "checked on 60 photos" in printed and "AUC" in printed
    assert f"squashed to {SIZE} × {SIZE}" in printed
    assert f"{output.stat().st_size / 1e6:.2f} MB" in printed
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_without_photos_sample_photos_check_the_file(folder, tmp_path, capsys):
    assert main([str(folder), "-o", str(tmp_path / "s.onnx"), "--precision", "int8"]) == 0
    assert "checked on 40 photos with onnxruntime" in capsys.readouterr().out


def test_a_file_that_differs_too_much_is_not_left_and_the_status_is_1(
    folder, samples, tmp_path, capsys
):
    output = tmp_path / "scorer.onnx"
    arguments = [folder, "-o", output, "--precision", "int8", "--photos", samples]
    message = refuse(capsys, *arguments, "--tolerance", "0", status=1)
    assert "differs by" in message and "not written" in message
    ratings = ["--ratings", samples / "ratings.csv", "--auc-tolerance", "-1"]
    assert "the AUC changes by" in refuse(capsys, *arguments, *ratings, status=1)
    assert not list(tmp_path.iterdir())


def test_photos_that_cannot_be_read_and_those_whose_stars_cannot_are_told(
    folder, samples, tmp_path, capsys
):
    album = tmp_path / "album"
    album.mkdir()
    for number, photo in enumerate(sorted(samples.glob("*.jpg"))[:8]):
        shutil.copy(photo, album / f"{number}.jpg")
        (album / f"{number}.jpg.xmp").write_text(STARS.format(1 + 4 * (number % 2)))
    (album / "0.jpg.xmp").write_text("damaged")
    (album / "1.jpg").write_bytes(b"no photo")
    arguments = [folder, "-o", tmp_path / "s.onnx", "--ratings", "xmp", "--photos", album]
    assert main([str(argument) for argument in arguments]) == 0
    out, err = capsys.readouterr()
    assert "checked on 6 photos" in out
    assert "7 photos have stars: 4 above 3, 3 not; 0 unrated are left out" in err
    assert err.count("1 photos could not be read:") == 2
    assert "0.jpg" in err and "1.jpg': no photo in a known format" in err


def test_what_is_there_stays_without_force(folder, tmp_path, capsys):
    output = tmp_path / "scorer.onnx"
    output.write_text("mine")
    assert "add --force" in refuse(capsys, folder, "-o", output)
    assert output.read_text() == "mine"
    assert main([str(folder), "-o", str(output), "--force"]) == 0
    assert output.stat().st_size > 1000


def test_wrong_input_is_one_line_that_tells_what_to_do(
    folder, samples, photos, tmp_path, capsys, monkeypatch
):
    onnx = tmp_path / "scorer.onnx"
    assert "must end in .onnx or .tflite" in refuse(capsys, folder, "-o", tmp_path / "scorer.pb")
    assert "no such folder" in refuse(capsys, folder, "-o", tmp_path / "none" / "scorer.onnx")
    assert "no such folder; make a model" in refuse(capsys, tmp_path / "none", "-o", onnx)
    assert "--photos" in refuse(capsys, folder, "-o", onnx, "--precision", "int8-full")
    (tmp_path / "empty").mkdir()
    assert "no photos found" in refuse(capsys, folder, "-o", onnx, "--photos", tmp_path / "empty")
    bent = make_model(photos, make_pipeline(StandardScaler(), SVC()))
    message = refuse(capsys, save(bent, tmp_path / "bent"), "-o", onnx)
    assert "not linear" in message and "--head softmax" in message
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    message = refuse(capsys, folder, "-o", onnx)
    assert "tf2onnx is not installed: pip install 'decaf[export]'" in message
    assert not onnx.exists()


def test_the_readmes_examples_score_as_the_model_does_without_keras(
    folder, samples, tmp_path, capsys
):
    examples = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S
    )
    (tmp_path / "photos").symlink_to(samples)
    paths = sorted(samples.glob("*.jpg"))
    expected = load_model(folder, "float32").predict_proba([str(path) for path in paths])[:, 1]
    for runtime, name in (("onnxruntime", "scorer.onnx"), ("ai_edge_litert", "scorer.tflite")):
        (example,) = (example for example in examples if runtime in example)
        assert len(example.splitlines()) <= 20
        assert main([str(folder), "-o", str(tmp_path / name)]) == 0
        code = f"{BLOCK}\n{example}\nprint(*map(score, {[str(path) for path in paths]}))"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found = [float(number) for number in done.stdout.splitlines()[-1].split()]
        # Decoding at a fraction of a JPEG's scale, and float16 activations, round the model's.
        np.testing.assert_allclose(found, expected, atol=0.02)


def test_help_needs_no_keras():
    code = "import sys; from decaf.commands.export_network import build_parser; build_parser()"
    code += ".format_help(); assert not {'keras', 'numpy', 'onnx'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
