"""The benchmark of finetuning on 40 photos, within one process."""

import pandas
import pytest

from experiments.__main__ import main
from experiments.benchmarks import contenders
from experiments.benchmarks.bench_finetuning import count_training_flop


@pytest.fixture(scope="module")
def results(samples, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    options = ["--backbone", "alexnet-owt", "--blocks", "1", "--width", "3", "--width", "6"]
    options += ["--n-photos", "40", "--epochs", "2", "--batch", "8", "--part", "20"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.measuring.in_child", lambda function, *given: function(*given))
        patch.setattr(contenders, "matrix_peak", lambda *_: {"flop": 1e12, "seconds": 1.0})
        command = ["--data", str(samples), "--out", str(out), *options]
        assert main(["bench-finetuning", *command]) == 0
    return pandas.read_csv(out / "results.csv"), (out / "README.md").read_text(encoding="utf-8")


def test_the_page_compares_all_widths_with_the_whole_network(results):
    table, page = results
    assert list(table["width"]) == [6, 3]
    ours = table["activations"].iloc[0] + table["heads"].sum()
    assert f"| {table['whole_float32'].sum() / ours:.1f} | 20 | " in page
    assert "timed on 16 photos of one epoch" in page
    assert "to 4 epochs of all photos" in page


def test_the_share_of_the_peak_counts_the_heads_matrix_products(results):
    table, _ = results
    # The first block of alexnet-owt gives 27 × 27 × 64 activations.
    flop = 2 * 40 * count_training_flop(27 * 27 * 64, 6)
    assert table["share_of_peak"][0] == pytest.approx(flop / table["heads"][0] / 1e12, rel=1e-3)


def test_a_training_step_goes_forward_and_back_but_not_into_the_convolutions():
    forward = 2 * (10 * 3 + 3 * 3 + 3 * 2)
    to_weights = forward
    to_the_layer_before = 2 * (3 * 3 + 3 * 2)
    assert count_training_flop(10, 3) == forward + to_weights + to_the_layer_before


def test_less_than_a_batch_is_not_timed(samples, tmp_path, capsys):
    command = ["--data", str(samples), "--out", str(tmp_path / "out"), "--part", "100"]
    assert main(["bench-finetuning", *command]) == 2
    assert "--part 100: at least a batch is timed (128)" in capsys.readouterr().err
