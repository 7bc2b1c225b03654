"""export-network: what it prints, its refusals, its exit statuses."""

import sys
from dataclasses import replace

import keras
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_model import SIZE, make_model, noise
from starred import star_album

from classifiers import KernelSVMClassifier
from decaf.commands.export_network import main
from features.photo_set import PhotoSet
from features.photos import file_digest

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow exports"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model's folder."""
    folder = tmp_path_factory.mktemp("models") / "model"
    make_model(noise()).save(folder)
    return folder


def refuse(capsys, *arguments, status=2):
    """Run the command, expect a refusal, return its one line."""
    assert main([str(argument) for argument in arguments]) == status
    lines = capsys.readouterr().err.strip().splitlines()
    assert sum("error" in line for line in lines) == 1
    return lines[-1]


def test_what_is_in_the_file_and_how_it_was_checked_is_printed(folder, samples, tmp_path, capsys):
    output = tmp_path / "scorer.onnx"
    ratings = samples / "ratings.csv"
    assert main([str(folder), "-o", str(output), "--ratings", str(ratings)]) == 0
    printed = capsys.readouterr().out
    assert all(len(line) <= 80 for line in printed.splitlines())
    assert "checked on 60 photos that the model has not seen, with onnxruntime" in printed
    assert "AUC" in printed and "decoded by the README's code: 0.00000\n" in printed
    assert "weights: weights of the tests' own (MIT)" in printed
    assert f"squashed to {SIZE} × {SIZE}: 1 × {SIZE}" in printed
    assert "scorer.onnx.json" in printed
    assert f"{output.stat().st_size / 1e6:.2f} MB" in printed


def test_a_file_that_differs_too_much_gives_status_1(folder, samples, tmp_path, capsys):
    arguments = [folder, "-o", tmp_path / "scorer.onnx", "--precision", "int8"]
    message = refuse(capsys, *arguments, "--photos", samples, "--tolerance", "0", status=1)
    assert "differs by" in message and "not written" in message
    assert not list(tmp_path.iterdir())


def test_photos_that_trained_the_model_are_told_where_the_others_are_too_few(
    samples, tmp_path, capsys
):
    model = make_model(noise())
    digests = sorted(file_digest(path) for path in samples.glob("*.*g"))
    replace(model, trained_on=PhotoSet.of(digests[:30])).save(tmp_path / "model")
    output = tmp_path / "scorer.tflite"
    arguments = [tmp_path / "model", "-o", output, "--photos", samples, "--dynamic-batch"]
    assert main([str(argument) for argument in arguments]) == 0
    printed = capsys.readouterr().out
    assert "checked on 60 photos with ai-edge-litert" in printed
    assert "30 of them trained the model, and fewer than 40 others are there" in printed
    assert f"squashed to {SIZE} × {SIZE}: n × {SIZE}" in printed
    assert all(len(line) <= 80 for line in printed.splitlines())


def test_photos_that_cannot_be_read_and_those_whose_stars_cannot_are_told(
    folder, samples, tmp_path, capsys
):
    album = star_album(samples, tmp_path / "album")
    (album / "0.jpg.xmp").write_text("damaged")
    (album / "1.jpg").write_bytes(b"no photo")
    arguments = [folder, "-o", tmp_path / "s.onnx", "--ratings", "xmp", "--photos", album]
    assert main([str(argument) for argument in arguments]) == 0
    out, err = capsys.readouterr()
    assert "checked on 6 photos that the model has not seen" in out
    assert "7 photos have stars: 4 above 3, 3 not; 0 unrated are left out" in err
    assert err.count("1 photos could not be read:") == 2
    assert "0.jpg" in err and "1.jpg': no photo in a known format" in err


def test_wrong_input_is_one_line_that_names_the_option_that_helps(
    folder, tmp_path, capsys, monkeypatch
):
    onnx = tmp_path / "scorer.onnx"
    assert "must end in .onnx or .tflite" in refuse(capsys, folder, "-o", tmp_path / "scorer.pb")
    assert "no such folder; make a model" in refuse(capsys, tmp_path / "none", "-o", onnx)
    assert "--photos" in refuse(capsys, folder, "-o", onnx, "--precision", "int8-full")
    onnx.write_text("mine")
    assert "add --force" in refuse(capsys, folder, "-o", onnx)
    onnx.unlink()
    bent = make_model(noise(), make_pipeline(StandardScaler(), KernelSVMClassifier()))
    bent.save(tmp_path / "bent")
    message = refuse(capsys, tmp_path / "bent", "-o", onnx)
    assert "does not fit into a file" in message and "--head softmax" in message
    assert "logistic-regression" in message
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    message = refuse(capsys, folder, "-o", onnx)
    assert "tf2onnx is not installed: pip install 'decaf[export]'" in message
    assert not onnx.exists()


def test_an_output_that_is_a_folder_becomes_a_page(folder, samples, tmp_path, capsys):
    page = tmp_path / "camera"
    assert "--photos" in refuse(capsys, folder, "-o", f"{page}/")
    assert main([str(folder), "-o", f"{page}/", "--photos", str(samples)]) == 0
    printed = capsys.readouterr().out
    assert f"python -m http.server --directory {page}" in printed and "scorer.tflite" in printed
    assert (page / "index.html").exists()
    (page / "index.html").write_text("mine")
    assert "add --force" in refuse(capsys, folder, "-o", page, "--photos", samples)
    assert "leave --dynamic-batch out" in refuse(capsys, folder, "-o", page, "--dynamic-batch")
    onnx = tmp_path / "scorer.onnx"
    assert "--runtime needs a page" in refuse(capsys, folder, "-o", onnx, "--runtime", tmp_path)
    arguments = ["-o", f"{tmp_path}/a.b/", "--photos", samples, "--runtime", tmp_path]
    assert "npm pack" in refuse(capsys, folder, *arguments)
