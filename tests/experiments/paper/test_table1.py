import pandas
import pytest

from decaf.networks.network import build_network
from experiments.__main__ import main
from experiments.paper import table1


def test_counts_are_those_of_networks_that_are_built():
    for backbone in ("alexnet-owt", "mobilenet-v2"):
        for row in table1.count_networks(backbone, "multilevel", (7, 3)):
            network = build_network(
                backbone, row["width"], pooling="multilevel", weights=None
            ).keras_model
            assert row["parameters"] == network.count_params()


@pytest.mark.parametrize(("backbone", "widths"), [("alexnet", 4), ("vgg16", 4)])
def test_the_papers_networks_have_the_papers_rounded_numbers_of_parameters(backbone, widths):
    rows = table1.count_networks(backbone, "flatten", table1.PAPER_WIDTHS)
    assert len(rows) == widths
    for row in rows:
        # The paper prints two digits; its 60 M for AlexNet is rounded to one.
        assert row["parameters"] / 1e6 == pytest.approx(row["paper_millions"], rel=0.03)


def test_int8_is_a_byte_a_weight_and_four_a_scale_or_other_number():
    # Units in the layers of a small network, reckoned by hand from its summary.
    (row,) = table1.count_networks("mobilenet-v2", "average", [4])
    network = build_network("mobilenet-v2", 4, pooling="average", weights=None).keras_model
    expected = 0
    for layer in network.layers:
        for variable in layer.weights:
            if variable.name == "kernel":
                channels = layer.output.shape[-1]  # a scale for each
                expected += variable.numpy().size + 4 * channels
            else:
                expected += 4 * variable.numpy().size
    assert row["int8_bytes"] == expected


def test_the_page_tells_saved_sizes_from_computed_ones(tmp_path):
    command = ["--backbone", "alexnet-owt", "--width", "8", "--width", "300", "--save-up-to", "2.6"]
    assert main(["table1", *command, "--out", str(tmp_path)]) == 0
    table = pandas.read_csv(tmp_path / "results.csv").set_index(["pooling", "width"])
    saved = table["saved_bytes"].dropna()
    assert list(saved.index) == [("flatten", 8), ("multilevel", 8)]
    # A file's own structure comes to little beside the weights.
    assert (saved / table["float32_bytes"].loc[saved.index]).between(1, 1.02).all()
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "python -m experiments table1 --backbone alexnet-owt" in page
    assert "![Table I: parameters and file size](figure.svg)" in page
    assert (tmp_path / "figure.svg").read_text(encoding="utf-8").lstrip().startswith("<?xml")


def test_results_that_are_there_stay_without_force(tmp_path, capsys):
    (tmp_path / "README.md").write_text("mine")
    assert main(["table1", "--backbone", "alexnet-owt", "--out", str(tmp_path)]) == 2
    assert "holds results already" in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text() == "mine"
