import keras
import numpy as np
import pandas
import pytest

from experiments.__main__ import main
from experiments.choices import exported

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow exports"
)


@pytest.fixture(scope="module")
def results(ava, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported")
    command = ["--data", str(ava), "--out", str(out), "--skip-missing"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exported, "WIDTH", 4)
        patch.setattr("decaf.models.formats.FORMATS", (".onnx",))
        patch.setattr("decaf.models.formats.PRECISIONS", ("float32", "int8"))
        assert main(["exported", *command]) == 0
        # What is finished is not finetuned again.
        patch.setattr(exported, "score_unseen", None)
        assert main(["exported", *command, "--force"]) == 0
    return pandas.read_csv(out / "results.csv"), (out / "README.md").read_text("utf-8")


def test_every_file_is_judged_beside_its_network_on_the_test_photos(results):
    table = results[0].set_index("file")
    assert list(table.index) == [exported.NETWORK, "onnx float32", "onnx int8"]
    assert (table["n_test"] == 20).all()
    assert table["largest_difference"].iloc[0] == 0
    assert 0 < table["largest_difference"]["onnx float32"] < 1e-4
    assert table["largest_difference"]["onnx float32"] < table["largest_difference"]["onnx int8"]
    np.testing.assert_allclose(
        table["auc_minus_network"], table["auc"] - table["auc"].iloc[0], atol=1e-4
    )
    assert table["auc_minus_network"]["onnx float32"] == 0


def test_int8_is_about_a_byte_a_parameter(results):
    size = results[0].set_index("file")["bytes"]
    n_parameters = 2_469_696 + 1152 * 4 + 4 + 4 * 4 + 4 + 4 * 2 + 2  # convolutions; head
    assert size["onnx float32"] == pytest.approx(4 * n_parameters, rel=0.01)
    assert size["onnx int8"] == pytest.approx(n_parameters, rel=0.02)
