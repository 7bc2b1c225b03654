"""A photographer's own stars, from sidecars to a judged model, and stars by percentile back."""

import re
from dataclasses import replace
from pathlib import Path

import pyexiv2
import pytest

from decaf.extraction.feature_file import extract_features
from decaf.extraction.feature_network import PlainBackbone
from decaf.models.comparison import compare_classifiers, make_classifiers
from decaf.models.feature_files import file_sources
from decaf.models.heads import head_sources
from decaf.ranking.ranking import rank_photos
from decaf.training.networks import finetune_networks
from decaf.training.settings import RECIPES
from decaf.training.training_photos import read_training_photos
from features.errors import InputError
from features.ratings import read_ratings
from features.samples import make_samples
from features.stars import stars_of
from features.store import FeatureStore

SETTINGS = replace(RECIPES["decaf"], epochs=2)
EMPTY = """<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>
</x:xmpmeta>
"""


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


@pytest.fixture(scope="module")
def photos(album):
    backbone = PlainBackbone("alexnet-owt", "multilevel", blocks=2)
    return read_training_photos(read_ratings("xmp", album), backbone, progress=False)


def compare(sources):
    """Judge one classifier in three folds, where there is no other division."""
    classifiers = make_classifiers(["logistic-regression"])
    return compare_classifiers(sources, sources.divide(3), classifiers, n_jobs=1, progress=False)


@pytest.fixture(scope="module")
def comparison(photos):
    return compare(head_sources(photos, [8], SETTINGS, progress=False))


def test_stars_make_a_network_its_features_and_a_classifier(album, photos, tmp_path):
    (file,) = finetune_networks(photos, [8], tmp_path, SETTINGS, progress=False)
    assert (file.record.scale, file.record.midpoint) == ((1, 5), 3)
    assert file.record.finetuned_on + file.record.test["photos"] == 50

    rated, features = read_ratings("xmp", album), tmp_path / "features.h5"
    extract_features(rated, file.path, features, progress=False)
    with FeatureStore(features) as store:
        assert sorted(store.score) == sorted([1.0, 2.0, 3.0, 4.0, 5.0] * 10)
        assert store.label.tolist() == [score > 3 for score in store.score]

    compared = compare(file_sources([features], [file.path]))
    compared.write(tmp_path)
    # A head that has seen all of its training photos tells nothing of fewer.
    assert "What more ratings would bring" not in (tmp_path / "report.html").read_text("utf-8")
    assert compared.fit_best().network.record == file.record


def test_fifty_stars_say_what_more_would_bring(comparison, tmp_path):
    comparison.write(tmp_path)
    sentence, _ = comparison.learning_curve.describe()
    assert re.match(r"From 1[67] to 33 training photos the AUC ", sentence)
    assert sentence in (tmp_path / "report.html").read_text("utf-8")


def test_the_ranking_gives_stars_to_the_photos_that_have_none(album, comparison):
    before = {path.name: path.read_bytes() for path in album.iterdir()}
    ranking = rank_photos(album, comparison.fit_best(), progress=False)
    ranking.write_stars(dry_run=True)
    assert {path.name: path.read_bytes() for path in album.iterdir()} == before
    outcomes = [given.outcome for given in ranking.write_stars()]
    assert sorted(outcomes) == ["kept"] * 50 + ["written"] * 4
    percentiles = {photo.name: photo.percentile for photo in ranking}
    new = sorted(path.name for path in album.iterdir() if path.name not in before)
    assert len(new) == 4
    for name in new:
        with pyexiv2.Image(str(album / name)) as sidecar:
            stars = sidecar.read_xmp()["Xmp.xmp.Rating"]
        (album / name).unlink()
        assert stars == str(stars_of(percentiles[name.removesuffix(".xmp")]))
    assert {path.name: path.read_bytes() for path in album.iterdir()} == before


def test_the_midpoint_of_stars_can_be_given(album):
    rated = read_ratings("xmp", album, midpoint=2.5)
    assert (rated.midpoint, rated.label.sum()) == (2.5, 30)
    with pytest.raises(InputError, match="the midpoint 9 must lie between 1 and 5"):
        read_ratings("xmp", album, midpoint=9)
