import keras
import pandas
import pytest

from experiments.__main__ import main
from experiments.choices import devices

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow exports"
)


def test_the_networks_are_all_backbones_and_the_papers_smallest_first():
    rows = devices.list_networks(["alexnet", "alexnet-owt"], (250, 4096), 30)
    networks = [(row["backbone"], row["pooling"], row["width"]) for row in rows]
    assert networks == [
        ("alexnet-owt", "multilevel", 250),
        ("alexnet", "multilevel", 250),
        ("alexnet", "flatten", 250),
        ("alexnet-owt", "multilevel", 4096),
        ("alexnet", "multilevel", 4096),
    ]
    assert [row.get("paper_millions") for row in rows] == [None, None, 6.1, None, None]


def test_files_are_measured_once_and_set_beside_the_reference(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "REFERENCE", ("alexnet-owt", "average", 4))
    monkeypatch.setattr(devices, "TARGET", ("alexnet-owt", "multilevel", 4))
    monkeypatch.setattr("decaf.models.formats.PRECISIONS", ("float32", "int8"))
    command = ["--backbone", "alexnet-owt", "--width", "4", "--runs", "3", "--out", str(tmp_path)]
    assert main(["devices", *command]) == 0
    monkeypatch.setattr(devices, "measure_files", None)
    assert main(["devices", *command, "--force"]) == 0
    table = pandas.read_csv(tmp_path / "results.csv").set_index(["format", "precision"])
    kinds = [(suffix, kind) for suffix in ("onnx", "tflite") for kind in ("float32", "int8")]
    assert list(table.index) == kinds
    assert (table["seconds"] > 0).all() and (table["ratio"] > 0).all()
    for suffix in ("onnx", "tflite"):
        assert table["bytes"][suffix, "int8"] < 0.27 * table["bytes"][suffix, "float32"]
    page = (tmp_path / "README.md").read_text("utf-8")
    size = table["bytes"]["onnx", "int8"] / 1e6
    assert f"`alexnet-owt multilevel 4` in int8 in at most 3.5 MB: {size:.2f} MB and" in page
