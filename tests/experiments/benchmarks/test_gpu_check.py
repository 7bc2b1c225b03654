"""The check of a GPU, tiny and on the CPU, within one process."""

import json
import os

import numpy as np
import pytest

from experiments.__main__ import main
from experiments.benchmarks import contenders, gpu_check, gpu_packages, gpu_steps
from experiments.benchmarks.gpu_check import make_tables, read_outcome, run_tests
from features.errors import InputError


@pytest.fixture(scope="module", autouse=True)
def one_process():
    """Steps run in this one, where everything is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.measuring.in_child", lambda function, *given: function(*given))
        yield


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Rows and page of alexnet-owt at 64 pixels, and finetuning at one width."""
    out = tmp_path_factory.mktemp("results")
    options = ["--part", "agreement", "--part", "extraction", "--part", "finetuning"]
    options += ["--backbone", "alexnet-owt", "--size", "64", "--n-photos", "3"]
    options += ["--width", "4", "--rows", "60", "--activations", "6", "--out", str(out)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contenders, "matrix_peak", lambda *_: {"flop": 1e12, "seconds": 1.0})
        patch.setattr(os, "cpu_count", lambda: 1)  # else decoding is timed in processes, too
        assert main(["gpu-check", *options]) == 0
    rows = json.loads((out / "gpu-check.json").read_text(encoding="utf-8"))
    return rows, (out / "README.md").read_text(encoding="utf-8")


def test_a_tiny_check_on_a_cpu_finds_that_it_agrees_with_itself(results):
    rows, page = results
    agreement = {row["precision"]: row for row in rows if row["step"] == "agreement"}
    assert agreement["float32"]["difference"] <= gpu_check.DIFFERENCE
    assert agreement["bfloat16"]["cosine"] >= gpu_check.COSINE
    assert agreement["bfloat16"]["difference"] > agreement["float32"]["difference"]
    assert "run on a GPU: no" in page


def test_activations_that_are_no_numbers_agree_with_nothing(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 3)))
    np.save(tmp_path / "b.npy", np.array([[1, 1, 1], [1, np.nan, 1]]))
    with pytest.raises(InputError, match="no numbers"):
        gpu_steps.compare(tmp_path / "a.npy", tmp_path / "b.npy")


def test_the_json_has_what_the_tables_tell(results):
    rows, page = results
    (extraction,) = (row for row in rows if row["step"] == "extraction")
    share = extraction["memory"] * extraction["flop"] / 1e12
    assert f"| {extraction['memory']:,.1f} | {share:.0%} |" in page
    (epoch,) = (row for row in rows if row["step"] == "finetuning")
    assert f"| 4 | {epoch['seconds']:.1f} |" in page
    assert "| To reach |" not in page


def test_the_operations_are_those_of_the_convolutions():
    from decaf.networks.convolutions import build_activations

    network = build_activations("alexnet-owt", ("average",), 1, None)
    # 55 × 55 places, 64 channels, 11 × 11 × 3 numbers of the photo.
    assert gpu_steps.count_flop(network) == 2 * 55 * 55 * 64 * 11 * 11 * 3


def test_targets_are_judged_on_a_gpu_and_one_that_is_missed_is_told():
    rows = [
        {"step": "agreement", "backbone": "vgg16", "precision": "float32"}
        | {"difference": 2e-3, "cosine": 1.0},
        {"step": "agreement", "backbone": "vgg16", "precision": "bfloat16"}
        | {"difference": 0.1, "cosine": 0.99},
        {"step": "matrix peak", "precision": "bfloat16", "flop": 8e14, "seconds": 1.0},
        {"step": "decoding", "size": 224, "processes": 1, "photos a second": 2000.0},
        {"step": "decoding", "size": 224, "processes": 16, "photos a second": 4000.0},
        *(
            {"step": "extraction", "backbone": backbone, "size": 224, "precision": "bfloat16"}
            | {"files": files, "memory": memory, "flop": 30e9, "transfer": 9e4, "writing": 9e5}
            | {"batch": 256, "engine": "keras", "preparation": 1.0}
            for backbone, files, memory in (("vgg16", 3500.0, 1.4e4), ("alexnet-owt", 1400.0, 9e4))
        ),
    ]
    wanted = {line[0]: (line[1], line[-1]) for line in make_tables(rows, "gpu")["To reach"].lines}
    assert wanted == {
        "vgg16, float32: difference": ("2.0e-03", "no"),
        "vgg16, bfloat16: cosine": ("0.9900", "no"),
        "vgg16 224, of the peak": ("52%", "yes"),
        "vgg16 224, of what is allowed": ("88%", "yes"),
        "alexnet-owt 224, of what is allowed": ("35%", "no"),
        "alexnet-owt 224, photos a second": ("1,400", "no"),
    }
    assert make_tables(rows, "cpu")["To reach"].lines == []


def test_a_step_that_fails_is_told_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    def fail(*given):
        raise RuntimeError("CUDA out of memory\nTried to allocate")

    monkeypatch.setattr(gpu_steps, "time_finetuning", fail)
    options = ["--part", "finetuning", "--width", "4", "--width", "2", "--n-photos", "1"]
    assert main(["gpu-check", *options, "--out", str(tmp_path / "failed")]) == 1
    assert capsys.readouterr().out.count("RuntimeError: CUDA out of memory Tried to allocate") == 2
    late = ["--minutes", "0", "--out", str(tmp_path / "late")]
    assert main(["gpu-check", *late]) == 2
    assert "the time was up" in capsys.readouterr().err


def test_the_tests_are_counted_and_those_without_weights_for_themselves():
    said = """
FAILED tests/a.py::test_one - features.errors.InputError: vgg16: … which is not installed; run: …
ERROR tests/a.py::test_two[x] - RuntimeError: no
2 failed, 40 passed, 3 skipped, 1 error in 8.08s
"""
    counts = {"passed": 40, "skipped": 3, "without weights": 1, "fell": 1}
    assert read_outcome(said) == counts | {"failed": "tests/a.py::test_two[x]"}
    assert read_outcome("3 passed in 1s") == dict.fromkeys(counts, 0) | {"passed": 3}
    assert "failed" in read_outcome("Segmentation fault")


def test_tests_run_on_the_back_end_and_the_device_of_the_check(tmp_path, monkeypatch):
    import keras

    monkeypatch.setattr(gpu_check, "N_TESTERS", 0)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    (tmp_path / "test_device.py").write_text(f"""
import os

def test_device():
    assert os.environ["KERAS_BACKEND"] == {keras.backend.backend()!r}
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"

def test_what_fails():
    assert False
""")
    outcome = run_tests([str(tmp_path)], 60)
    assert outcome["passed"] == 1
    assert outcome["failed"].endswith("test_device.py::test_what_fails")
    with pytest.raises(InputError, match="the tests took longer than 0 s"):
        run_tests([str(tmp_path)], 0.01)


def test_what_cannot_be_measured_is_one_line(capsys, tmp_path):
    for options, told in (
        (["--n-photos", "0"], "--n-photos 0: it must be 1 or more"),
        (["--size", "100"], "size 100; it takes 224, and multiples of 32"),
        (["--data", str(tmp_path / "gone")], "there is no such folder or file"),
    ):
        command = ["gpu-check", *options, "--part", "finetuning", "--out", str(tmp_path / "out")]
        assert main(command) == 2
        assert told in capsys.readouterr().err.splitlines()[-1]


def test_packages_that_are_not_installed_are_named_in_one_line(monkeypatch, capsys):
    assert gpu_packages.missing_packages("numpy") == []
    monkeypatch.setattr(gpu_packages, "MORE", ("no-such-package",))
    assert gpu_packages.main(["no-back-end"]) == 2
    told = "gpu-check: not installed here: no-back-end, no-such-package\n"
    assert capsys.readouterr().err == told


def test_the_photos_are_of_the_size_of_avas(tmp_path):
    from PIL import Image

    paths = gpu_steps.make_photos(tmp_path / "photos", 34)
    assert len(paths) == 34
    with Image.open(paths[-1]) as photo:
        assert photo.size == (640, 480)
    assert 60_000 < np.mean([os.path.getsize(path) for path in paths]) < 250_000
