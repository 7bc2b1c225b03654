import numpy as np
import pandas
import pytest


def test_delta_takes_photos_from_training_only(run, ava, quick, tmp_path):
    options = ["--delta", "0.3", "--delta", "4", "--width", "4", "--jobs", "1", *quick]
    table, page = run("delta", ava, tmp_path, *options, "--classifier", "gaussian-naive-bayes")
    assert list(table["features"]) == ["descriptors"] * 2 + ["alexnet-owt fc7"] * 2
    assert list(table["delta"]) == [0, 0.3] * 2
    assert (table["n_test"] == 20).all()
    votes = np.loadtxt(ava / "AVA.txt", dtype=int)[1:60]
    test = np.isin(
        votes[:, 1], np.loadtxt(ava / "aesthetics_image_lists/generic_test.jpgl", dtype=int)
    )
    score = votes[:, 2:12] @ np.arange(1, 11) / votes[:, 2:12].sum(axis=1)
    left = (np.abs(score - 5) >= 0.3) & ~test
    assert list(table["n_train"]) == [39, left.sum()] * 2
    assert "not judged: δ of 4: leaves training photos of one class only" in page


def test_delta_is_scaled_to_other_scales(run, ava, tmp_path):
    """Scores from 0 to 1: a ninth of AVA's."""
    votes = np.loadtxt(ava / "AVA.txt", dtype=int)[:60]
    score = (votes[:, 2:12] @ np.arange(1, 11) / votes[:, 2:12].sum(axis=1) - 1) / 9
    files = [f"images/{image}.jpg" for image in votes[:, 1]]
    ratings = tmp_path / "ratings.csv"
    pandas.DataFrame({"file": files, "score": score}).to_csv(ratings, index=False)
    options = ["--blocks", "2", "--epochs", "1", "--delta", "0.3", "--jobs", "1", "--width", "8"]
    options += ["--ratings", str(ratings), "--midpoint", str(4 / 9)]
    table, page = run("delta", ava, tmp_path / "out", *options)
    assert sorted(set(table["delta_in_scale"])) == pytest.approx([0, 0.3 / 9], rel=1e-3)
    assert "here, from 0 to 1, it is multiplied by 0.111" in page
