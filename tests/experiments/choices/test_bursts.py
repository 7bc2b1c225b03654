"""Orders of frames compared: on bursts made of sample photos, and on pairs made by hand."""

import numpy as np
import pandas
import pytest

from experiments.choices import bursts
from experiments.spoilt import STRENGTHS, make_burst, write_bursts
from features.photos import find_photos


@pytest.fixture(scope="module")
def paths(samples):
    return [str(samples / name) for name in find_photos(samples)]


def test_frames_are_ordered_by_what_they_are_made_to_differ_in(samples, tmp_path, run):
    options = ["--group-by", "group", "--folds", "3", "--n-photos", "4"]
    table, page = run("bursts", samples, tmp_path, "--backbone", "alexnet-owt", *options)
    assert set(table["pairs"]) >= set(STRENGTHS)
    assert set(table["order by"]) == {*bursts.RULES, bursts.LEARNT}
    at = table.set_index(["pairs", "order by"])
    assert at.loc[("shake", "score"), "n_pairs"] == 4 * 6
    assert at.loc[("exposure", "score"), "n_pairs"] == 4 * 3
    assert at.loc[("defocus", "sharpness"), "right"] > 0.9
    assert at.loc[("shake", "sharpness"), "right"] > 0.9
    assert np.allclose(
        at["right"] - at["right_minus_score"],
        at["right"].xs("score", level=1)[at.index.get_level_values(0)],
        atol=1e-4,
    )
    assert "made of 4 professional photos" in page


def test_the_frames_of_a_made_burst_are_spoilt_more_and_more(paths, tmp_path):
    frames = pandas.DataFrame(write_bursts(paths, [0, 1], tmp_path, seed=0))
    frames = frames.join(pandas.DataFrame(map(bursts.measure, frames["path"])))
    for (damage, _), burst in frames.groupby(["pairs", "burst"]):
        assert burst["worth"].tolist() == [-strength for strength in STRENGTHS[damage]]
        if damage != "exposure":
            assert burst["sharpness"].is_monotonic_decreasing
        else:
            assert burst["brightness"].is_monotonic_decreasing or (
                burst["brightness"].is_monotonic_increasing
            )


def test_a_shake_of_no_way_and_a_disc_of_no_radius_change_nothing_but_the_noise():
    rgb = np.tile(np.arange(100, dtype=np.uint8)[:, None, None], (1, 80, 3))
    for damage in ("shake", "defocus"):
        _, frame = next(make_burst(rgb, damage, np.random.default_rng(0)))
        assert frame.shape == (96, 76, 3)
        shift = np.mean(frame.mean(axis=(1, 2)) - rgb[:96].mean(axis=(1, 2)))
        assert 0 <= shift < 5


def test_rules_are_judged_by_pairs_and_ties_are_half_right():
    frames = pandas.DataFrame(0.0, range(4), bursts.MEASURES)
    frames["pairs"], frames["row"] = bursts.RATED, range(4)
    frames["score"], frames["sharpness"] = [2.0, 1, 1, 1], [1.0, 2, 2, 1]
    better, worse = np.array([0, 2]), np.array([1, 3])
    rows = bursts.compare_rules(frames, better, worse, np.array(list("aabb")), 0)
    right = {row["order by"]: row["right"] for row in rows}
    assert right["score"] == 0.75 and right["sharpness"] == 0.5
    assert right["score + sharpness"] == 0.75 and right["little clipped"] == 0.5
