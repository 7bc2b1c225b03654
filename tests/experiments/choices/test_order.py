import pytest

from experiments.choices import order


@pytest.fixture(scope="module")
def results(run, ava, tmp_path_factory):
    options = ["--backbone", "alexnet-owt", "--blocks", "2", "--size", "own", "--size", "64+128"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "WIDTH", 4)
        patch.setattr(order, "BEFORE", ("alexnet-owt", (), 4, "logistic-regression"))
        return run("order", ava, tmp_path_factory.mktemp("order"), *options)


def test_every_learner_is_compared_with_what_was_before(results):
    table, page = results
    before = table[(table["sizes"] == "own") & (table["head"] == "4")]
    before = before[before["learner"] == "logistic-regression"].iloc[0]
    assert before["gain"] == before["gain_low"] == before["gain_high"] == 0
    other = table[table["sizes"] == "64+128"].iloc[0]
    assert other["gain"] == pytest.approx(other["srcc"] - before["srcc"], abs=1e-4)
    # Two sizes, with and without a head, four learners.
    assert len(table) == 2 * 2 * 4
    assert (table["ms"] > 0).all()
    assert "which is what\n`fit-classifier` did before" in page


def test_two_sizes_take_no_more_weights_but_the_learners_own(results):
    table, _ = results
    plain = table[(table["head"] == "none")].groupby("sizes")["mb"].first()
    n_activations = 64 + 192
    assert plain["64+128"] - plain["own"] == pytest.approx(4e-6 * n_activations, abs=1e-4)
