import csv
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

from features import samples
from features.errors import InputError
from features.photos import find_photos, read_photo
from features.samples import LONGEST_SIDE, main, make_samples


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_samples(tmp_path_factory.mktemp("samples") / "photos", n=300, seed=0).parent


def read(folder):
    with open(folder / "ratings.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    votes = np.array([[int(row[f"count{step}"]) for step in range(1, 11)] for row in rows])
    mean = votes @ np.arange(1, 11) / votes.sum(axis=1)
    return [row["file"] for row in rows], votes, mean > 5, np.array([row["group"] for row in rows])


def test_every_photo_is_a_small_jpeg_with_a_row(folder):
    files, votes, _, _ = read(folder)
    assert sorted([*files, "ratings.csv"]) == sorted(path.name for path in folder.iterdir())
    assert files == find_photos(folder / "ratings.csv")
    assert votes.shape == (300, 10)
    for file in files:
        with Image.open(folder / file) as image:
            assert image.format == "JPEG" and 100 < max(image.size) <= LONGEST_SIDE


def test_votes_are_as_many_as_avas_and_seven_in_ten_photos_are_positive(folder):
    _, votes, label, _ = read(folder)
    assert votes.sum(axis=1).min() >= 78 and votes.sum(axis=1).max() <= 549
    assert 180 < votes.sum(axis=1).mean() < 240
    assert 0.6 < label.mean() < 0.8


def test_groups_allow_stratified_grouped_folds(folder):
    _, _, label, group = read(folder)
    _, sizes = np.unique(group, return_counts=True)
    assert len(sizes) == 28 and sizes.max() - sizes.min() <= 1
    for train, test in StratifiedGroupKFold(5).split(label, label, group):
        assert not set(group[train]) & set(group[test])
        assert 40 < len(test) < 80
        assert 0.5 < label[test].mean() < 0.9


def test_the_groups_of_a_source_share_no_pixel():
    quarters = samples._load_quarters()
    by_source = {}
    for name, image in quarters.items():
        by_source.setdefault(name.split("-")[0], []).append(np.asarray(image).shape[:2])
    assert len(by_source) == 7
    coffee = by_source["coffee"]
    assert sum(height * width for height, width in coffee) == 400 * 600


def test_labels_can_be_learnt_from_the_photos_but_not_without_error(folder):
    files, _, label, group = read(folder)

    def measure(name):
        rgb = read_photo(folder / name)[0].astype(float)
        grey = rgb.mean(axis=2)
        detail = np.abs(np.diff(grey, axis=1))
        blocks = detail[:, 7::8].mean() / (detail.mean() + 1)
        colours = [*rgb.mean(axis=(0, 1)), *rgb.std(axis=(0, 1))]
        return [*colours, *np.percentile(detail, [20, 50, 99]), blocks]

    scores = cross_val_predict(
        RandomForestClassifier(200, random_state=0),
        np.array([measure(name) for name in files]),
        label,
        groups=group,
        cv=StratifiedGroupKFold(5, shuffle=True, random_state=0),
        method="predict_proba",
    )[:, 1]
    assert 0.7 < roc_auc_score(label, scores) < 0.97


def spoil(**strengths):
    quarter = samples._load_quarters()["coffee-top-right"]
    strengths = dict.fromkeys(samples._DEFECTS, 0) | strengths
    content = samples._spoil(quarter, strengths, np.random.default_rng(0))
    rgb = np.asarray(Image.open(io.BytesIO(content))).astype(float)
    return content, rgb, np.abs(np.diff(rgb, axis=0)).mean()


def test_each_defect_spoils_the_photo_in_its_way():
    content, rgb, detail = spoil()
    assert spoil(tilt=0.5)[1].shape < rgb.shape
    assert spoil(blur=0.5)[2] < 0.5 * detail
    assert spoil(noise=0.5)[2] > 2 * detail
    assert len(spoil(compression=0.5)[0]) < 0.3 * len(content)
    assert abs(spoil(exposure=0.5)[1].mean() / rgb.mean() - 1) > 0.3
    red, green, blue = spoil(cast=1)[1].mean(axis=(0, 1)) / rgb.mean(axis=(0, 1))
    assert max(red, green, blue) > 1.8 * min(red, green, blue)


def test_worse_photos_get_lower_votes():
    def mean(strength):
        strengths = {"blur": strength, "noise": strength / 2}
        votes = [samples._draw_votes(strengths, np.random.default_rng(i)) for i in range(30)]
        return np.average(np.arange(1, 11), weights=np.sum(votes, axis=0))

    assert mean(0) > 5 > mean(0.5) > mean(1) > 1


def test_tilting_leaves_no_blank_corner():
    white = Image.new("RGB", (200, 120), "white")
    for degrees in (-18, -4, 4, 18):
        tilted = samples._tilt(white, degrees)
        assert np.asarray(tilted).min() > 250 and min(tilted.size) > 50


def test_the_same_seed_gives_the_same_files(tmp_path):
    def contents(folder):
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    for name, seed in [("a", 3), ("b", 3), ("c", 4)]:
        make_samples(tmp_path / name, n=12, seed=seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b") != contents(tmp_path / "c")


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty; name a new folder"):
        make_samples(tmp_path, n=3)
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path)])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert (
        error == f"python -m features.samples: error: {tmp_path}: is not empty; name a new folder\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_wrong_numbers_and_places_are_refused(tmp_path):
    with pytest.raises(InputError, match="0 sample photos: give a number above 0"):
        make_samples(tmp_path / "new", n=0)
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: cannot be written: File exists"):
        make_samples(tmp_path / "file", n=1)


def test_the_command_writes_photos_and_names_the_ratings(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "features.samples", tmp_path / "new", "-n", "3", "--seed", "1"],
        cwd=Path(samples.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(tmp_path / "new" / "ratings.csv")
    assert len(list((tmp_path / "new").iterdir())) == 4
