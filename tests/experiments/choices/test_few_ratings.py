import numpy as np
import pytest

from experiments.choices.few_ratings import BEFORE, LEARNERS, choose_rated


def test_more_ratings_hold_the_fewer_which_are_of_both_classes():
    label = np.array([1] * 28 + [0] * 2)
    for seed in range(5):
        few, more = choose_rated(label, [4, 12], seed)
        assert set(label[few]) == {0, 1}
        assert len(more) == len(set(more)) == 12
        np.testing.assert_array_equal(more[:4], few)
    assert not np.array_equal(few, choose_rated(label, [4], 0)[0])


def test_every_learner_is_judged_on_the_same_draws(run, ava, tmp_path):
    options = ["--backbone", "alexnet-owt", "--size", "own", "--blocks", "2", "--draws", "2"]
    table, page = run("few-ratings", ava, tmp_path, *options, "--rated", "8", "16")
    assert list(zip(table["learner"], table["ratings"])) == [
        (learner, n) for learner in LEARNERS for n in (8, 16)
    ]
    rows = table.set_index(["learner", "ratings"])
    ridge, before = rows.loc[("ridge", 16)], rows.loc[(BEFORE, 16)]
    assert ridge["srcc_minus_before"] == pytest.approx(ridge["srcc"] - before["srcc"], abs=1e-4)
    assert (table["auc_low"] <= table["auc"]).all() and (table["auc"] <= table["auc_high"]).all()
    assert "8 ratings" in page
    again, _ = run("few-ratings", ava, tmp_path, *options, "--rated", "8", "16", "--force")
    assert again.equals(table)
