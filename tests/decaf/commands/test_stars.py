"""A photographer's own stars, from sidecars to a judged model, and stars by percentile back."""

import contextlib
import csv
import io
import re
from pathlib import Path

import h5py
import pyexiv2
import pytest

from decaf.commands import extract_features, finetune_network, fit_classifier, rank_photos
from decaf.networks.network_file import read_record
from features.ratings import read_ratings
from features.samples import make_samples
from features.stars import stars_of

SMALL = ["--backbone", "alexnet-owt", "--blocks", "2", "--pooling", "multilevel"]
SMALL += ["--width", "8", "--epochs", "2"]
EMPTY = """<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>
</x:xmpmeta>
"""
QUICK = ["--classifier", "logistic-regression", "--folds", "3", "--jobs", "1"]


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """50 photos with stars, as Exiv2 puts them into 40 sidecars and 10 JPEGs; 4 have none."""
    folder = tmp_path_factory.mktemp("album") / "photos"
    make_samples(folder, n=54)
    ratings = read_ratings(folder / "ratings.csv")
    (folder / "ratings.csv").unlink()
    for place, row in enumerate(ratings.score.argsort()[2:-2]):
        rated = ratings.paths[row]
        if place % 5:
            rated = f"{rated}.xmp"
            Path(rated).write_text(EMPTY)
        with pyexiv2.Image(rated) as file:
            file.modify_xmp({"Xmp.xmp.Rating": str(1 + place // 10)})
    return folder


def run(command, *argv):
    return command.main([str(each) for each in argv])


def test_stars_make_a_network_its_features_and_a_classifier(album, tmp_path, capsys):
    networks, features = tmp_path / "networks", tmp_path / "features.h5"
    assert run(finetune_network, album, "--ratings", "xmp", *SMALL, "-o", networks) == 0
    told = "50 photos have stars: 20 above 3, 30 not; 4 unrated are left out"
    assert told in capsys.readouterr().err.splitlines()
    (network,) = networks.iterdir()
    record = read_record(network)
    assert (record.scale, record.midpoint) == ((1, 5), 3)
    assert len(record.finetuned_on) + record.test["photos"] == 50

    assert (
        run(extract_features, album, "--ratings", "xmp", "--network", network, "-o", features) == 0
    )
    with h5py.File(features) as store:
        assert sorted(store["score"][:]) == sorted([1.0, 2.0, 3.0, 4.0, 5.0] * 10)
        assert store["label"][:].tolist() == [score > 3 for score in store["score"][:]]

    model = tmp_path / "model"
    assert run(fit_classifier, features, *QUICK, "--network", network, "-o", model) == 0
    # A head that has seen all of its training photos tells nothing of fewer.
    assert "What more ratings would bring" not in (model / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def model(album, tmp_path_factory):
    """A model of the stars, and what fit-classifier printed."""
    folder = tmp_path_factory.mktemp("models") / "model"
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert run(fit_classifier, album, "--ratings", "xmp", *SMALL, *QUICK, "-o", folder) == 0
    return folder, out.getvalue(), err.getvalue()


def test_fifty_stars_say_how_sure_they_are_and_what_more_would_bring(model):
    folder, out, err = model
    assert "50 photos have stars: 20 above 3, 30 not; 4 unrated are left out" in err
    told = " ".join(out.split())
    assert re.search(r"logistic-regression \S+ 0\.\d{3} \(0\.\d{3}–[01]\.\d{3}\)", told)
    sentence = re.search(r"From 1[67] to 33 training photos the AUC .*?\)\.", told)[0]
    assert sentence in (folder / "report.html").read_text("utf-8")


def test_the_ranking_gives_stars_to_the_photos_that_have_none(album, model, tmp_path, capsys):
    before = {path.name: path.read_bytes() for path in album.iterdir()}
    argv = [album, "--model", model[0], "-o", tmp_path / "ranking"]
    assert run(rank_photos, *argv, "--xmp", "--dry-run") == 0
    assert {path.name: path.read_bytes() for path in album.iterdir()} == before
    assert run(rank_photos, *argv, "--xmp", "--force") == 0
    assert "stars: 4 written, 0 there already, 50 kept as a person rated, 0 refused" in (
        capsys.readouterr().out
    )
    with (tmp_path / "ranking" / "ranking.csv").open() as file:
        percentiles = {row["file"]: float(row["percentile"]) for row in csv.DictReader(file)}
    new = sorted(path.name for path in album.iterdir() if path.name not in before)
    assert len(new) == 4
    for name in new:
        with pyexiv2.Image(str(album / name)) as sidecar:
            stars = sidecar.read_xmp()["Xmp.xmp.Rating"]
        (album / name).unlink()
        assert stars == str(stars_of(percentiles[name.removesuffix(".xmp")]))
    assert {path.name: path.read_bytes() for path in album.iterdir()} == before


def test_the_midpoint_of_stars_can_be_given(album, tmp_path, capsys):
    argv = [album, "--ratings", "xmp", "--backbone", "alexnet-owt", "-o", tmp_path / "f.h5"]
    assert run(extract_features, *argv, "--midpoint", "2.5") == 0
    assert "50 photos have stars: 30 above 2.5, 20 not" in capsys.readouterr().err
    assert run(extract_features, *argv, "--midpoint", "9", "--force") == 2
    assert "the midpoint 9 must lie between 1 and 5" in capsys.readouterr().err
