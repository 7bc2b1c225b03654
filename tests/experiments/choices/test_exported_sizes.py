import keras
import pytest

from experiments.choices import exported_sizes

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow exports"
)


@pytest.fixture(scope="module")
def results(run, ava, tmp_path_factory):
    options = ["--backbone", "alexnet-owt", "--blocks", "2", "--size", "64", "--size", "64+128"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exported_sizes, "PRECISIONS", ("float32", "int8"))
        return run("exported-sizes", ava, tmp_path_factory.mktemp("exported"), *options)


def test_files_of_every_size_score_as_their_model_does(results):
    table, page = results
    assert list(table["pixels"].unique()) == ["64", "64+128"]
    assert len(table) == 2 * 5
    floats = table[table["file"].isin(["onnx float32", "tflite float32"])]
    assert (floats["difference"] < 1e-4).all()
    assert (table.loc[table["file"] == "onnx int8", "difference"] > 0).all()
    assert table.loc[table["file"] == "onnx int8", "mb"].max() < floats["mb"].min() / 3
    assert "| 64+128 | onnx int8 |" in page
