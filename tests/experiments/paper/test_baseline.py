import numpy as np
import pytest

from experiments.paper import baseline
from experiments.paper.described import describe, describe_keypoints
from features.descriptors.keypoints import SiftDescriptors
from features.errors import InputError
from features.ratings import read_ratings


def test_baseline_judges_every_family_and_all_together(run, ava, tmp_path):
    options = ["--words", "8", "--gaussians", "2", "--jobs", "1", "--folds", "2"]
    classifiers = ["--classifier", "gaussian-naive-bayes", "--classifier", "logistic-regression"]
    table, page = run("baseline", ava, tmp_path, *options, *classifiers, "--group-by", "challenge")
    n_features = table.groupby("features", sort=False)["n_features"].first()
    assert list(n_features.index) == list(baseline.FAMILIES)
    assert n_features["sift words"] == 8
    assert n_features["sift fisher"] == 2 * (2 * 64 + 1)
    assert n_features["all"] == n_features[:-1].sum()
    assert (table["n_test"] == 59).all()
    assert "2 stratified folds, groups kept together; 59 photos judged" in page
    assert len(list((tmp_path / "cells").glob("*.json"))) == len(baseline.FAMILIES)


def test_descriptors_are_measured_once(ava, tmp_path, monkeypatch):
    rated = read_ratings(ava / "AVA.txt", skip_missing=True).take(slice(0, 3))
    found, measured = describe(rated, cache=tmp_path)
    assert [name for name, _ in found.failed] == ["images/95001.jpg"]
    assert "95001" not in found.failed[0][1]
    assert list(found.names) == ["images/95002.jpg", "images/95003.jpg"]
    monkeypatch.setattr("experiments.paper.described._measure", None)
    again, measured_again = describe(rated, cache=tmp_path)
    assert again.failed == found.failed
    for family, values in measured.items():
        np.testing.assert_array_equal(measured_again[family], values)


def test_keypoints_stay_in_the_cache_until_they_are_asked_for(ava, tmp_path, monkeypatch):
    rated = read_ratings(ava / "AVA.txt", skip_missing=True).take(slice(2, 6))
    rated, _ = describe(rated, cache=tmp_path)
    monkeypatch.setattr("experiments.paper.described.SHARD_PHOTOS", 3)
    kept = describe_keypoints(rated, cache=tmp_path)
    expected = SiftDescriptors().fit_transform(rated.paths)
    assert list(map(len, kept)) == list(map(len, expected))
    for of_photo, local in zip(kept, expected):
        np.testing.assert_array_equal(np.asarray(of_photo), local)
    for path in (tmp_path / "keypoints").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"\.npz: damaged; remove it"):
        describe_keypoints(rated, cache=tmp_path)
