import numpy as np
import pytest

from experiments.choices import maps


@pytest.fixture(scope="module")
def results(run, ava, tmp_path_factory):
    options = ["--backbone", "alexnet-owt", "--blocks", "3", "--size", "64+128"]
    return run("maps", ava, tmp_path_factory.mktemp("maps"), *options)


def test_every_way_is_compared_with_the_first(results):
    table, page = results
    rows = table.set_index("way")
    assert list(rows.index) == list(maps.ways((64, 128), 3))
    first, other = rows.iloc[0], rows.loc["without a transform"]
    assert first["srcc_minus_first"] == 0
    assert other["auc_minus_first"] == pytest.approx(other["auc"] - first["auc"], abs=1e-4)
    n = {"where all begin": 2 * (64 + 192 + 384), "without the last block": 2 * (64 + 192)}
    n |= {"standard deviations beside": 4 * (64 + 192 + 384), "64 pixels alone": 64 + 192 + 384}
    n |= {"3×3 averages of the last block beside": 2 * (64 + 192 + 384 + 9 * 384)}
    assert {way: rows.loc[way, "n_activations"] for way in n} == n
    assert "less the first's" in page


def test_cells_of_the_grid_are_averages_of_a_ninth():
    block = np.arange(36.0).reshape(1, 6, 6, 1)
    found = maps._grid(block)
    assert found.shape == (1, 9)
    assert found[0, 0] == block[0, :2, :2].mean() and found[0, 5] == block[0, 2:4, 4:].mean()


def test_at_one_all_blocks_count_alike():
    block = np.array([0, 0, 1, 1, 1, 1, 0, 0])
    learner = maps._make_learner(maps.Way(alike=1.0, learner="ridge"), block, 0)
    weights = learner[-2].kw_args["weights"]
    shares = [np.sum(weights[block == each] ** 2) for each in (0, 1)]
    assert shares[0] == pytest.approx(shares[1])
    assert np.mean(weights**2) == pytest.approx(1)
