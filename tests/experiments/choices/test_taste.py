import numpy as np
import pytest

from experiments.choices.taste import CHOSEN, PAIRS, RANDOM, WAYS, Person, pairs_of_groups


def test_a_person_without_noise_gives_fifths_and_one_with_noise_wavers():
    score = np.arange(100.0)
    sure, wavering = Person(score, 0, 0), Person(score, 0.5, 0)
    np.testing.assert_array_equal(sure.grade(np.arange(100)), 1 + np.arange(100) // 20)
    assert sure.compare((3, 70)) == sure.compare((70, 3)) == (70, 3)
    first, second = wavering.grade(np.arange(100)), wavering.grade(np.arange(100))
    assert 0.5 < np.corrcoef(first, second)[0, 1] < 0.95


def test_pairs_are_of_one_group():
    assert pairs_of_groups(np.array(["a", "b", "a", "a"])) == [(0, 2), (0, 3), (2, 3)]


def test_every_way_is_judged_on_the_same_draws(run, ava, tmp_path):
    options = ["--backbone", "alexnet-owt", "--size", "own", "--blocks", "2", "--draws", "2"]
    table, page = run("taste", ava, tmp_path, *options, "--keys", "8", "16")
    assert list(zip(table["way"], table["keys"])) == [(way, n) for way in WAYS for n in (8, 16)]
    rows = table.set_index(["way", "keys"])
    chosen, before = rows.loc[(CHOSEN, 16)], rows.loc[(RANDOM, 16)]
    assert chosen["srcc_minus_random"] == pytest.approx(chosen["srcc"] - before["srcc"], abs=1e-4)
    # These photos have no groups, so that there are no pairs.
    assert rows.loc[(PAIRS, 16)]["srcc"] == chosen["srcc"]
    assert "16 keys" in page
