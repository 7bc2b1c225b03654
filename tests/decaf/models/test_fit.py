"""From rated photos to a model in one call, and no photo read twice."""

from collections import Counter

import numpy as np
import pytest
from feature_stores import NETWORK, N, write_network, write_store

from decaf import load_model
from decaf.extraction import activations, digests
from decaf.models.fit import fit_model, fit_model_on_features
from decaf.training.settings import RECIPES, TrainingSettings
from features import photos
from features.errors import InputError, NoNetworkFile
from features.ratings import read_ratings

SETTINGS = TrainingSettings(**vars(RECIPES["decaf"]) | {"epochs": 2})
QUICK = {"classifiers": ["logistic-regression", "naive-bayes"], "progress": False}
ALEXNET = {"backbone": "alexnet-owt"}


@pytest.fixture(scope="module")
def rated(samples):
    return read_ratings(samples / "ratings.csv")


@pytest.fixture(scope="module")
def model(rated):
    return fit_model(rated, **ALEXNET, width=[8, 4], settings=SETTINGS, n_folds=3, **QUICK)


def test_rated_photos_become_a_model_that_was_judged(model):
    table = model.evaluation.to_pandas()
    assert table.features.nunique() == 3 and len(table) == 1 + 2 * 2
    assert set(table.n_test) == {60}
    best = table.loc[table.srcc.idxmax()]
    assert (model.record.classifier, model.record.features) == (best.classifier, best.features)
    assert model.network.record.name == best.features
    assert model.network.record.finetuned_on == 60
    assert "torchvision's ImageNet weights (BSD-3-Clause)" in model.record.licence
    assert model.record.judged.design == "3 stratified folds, groups kept together"


def test_a_model_that_was_saved_scores_as_the_fitted_one(model, rated, tmp_path):
    model.save(tmp_path / "taste")
    precision = model.network.record.precision
    loaded = load_model(tmp_path / "taste", precision)
    assert loaded.record == model.record and loaded.evaluation is None
    paths = list(rated.paths[:10])
    np.testing.assert_allclose(
        loaded.predict_proba(paths), model.predict_proba(paths), rtol=1e-4, atol=1e-5
    )


@pytest.fixture
def n_reads(monkeypatch):
    """How often each photo's file was read, from now on."""
    counts = Counter()
    read_bytes = photos._read_bytes

    def count(path):
        counts[str(path)] += 1
        return read_bytes(path)

    monkeypatch.setattr(photos, "_read_bytes", count)
    monkeypatch.setattr(digests, "_remembered", {})
    return counts


def test_in_a_cross_validation_no_photo_is_read_and_no_weight_is_hashed_twice(
    rated, monkeypatch, tmp_path, n_reads
):
    hashed = Counter()
    cache_folders = activations.cache_folders

    def count(*arguments, **options):
        hashed["weights"] += 1
        return cache_folders(*arguments, **options)

    monkeypatch.setattr(activations, "cache_folders", count)
    fit_model(rated, **ALEXNET, width=[8, 4], settings=SETTINGS, n_folds=5, cache=tmp_path, **QUICK)
    assert n_reads == dict.fromkeys(rated.paths, 1)
    assert hashed == {"weights": 1}


def test_with_activations_at_hand_a_cross_validation_reads_every_photo_once(model, rated, n_reads):
    fit_model(rated, **ALEXNET, width=[8, 4], settings=SETTINGS, n_folds=5, **QUICK)
    assert n_reads == dict.fromkeys(rated.paths, 1)


def test_wrong_names_are_refused_before_a_photo_is_read(rated, monkeypatch):
    monkeypatch.setattr("decaf.training.training_photos.cached_activations", None)
    for options, message in (
        ({"classifiers": ["tam"]}, "no classifier is called 'tam'; try tan"),
        ({"backbone": "vgg-16"}, "did you mean vgg16"),
        ({"width": [250, 0]}, "width 0: it must be a whole number, 1 or more"),
        ({"recipe": "cake"}, "recipe 'cake': unknown; one of paper, decaf"),
        ({"recipe": "paper"}, "the paper's recipe needs a backbone"),
    ):
        with pytest.raises(InputError, match=message):
            fit_model(rated, **options)


def test_the_recipe_says_what_heads_are_fed_with(rated):
    model = fit_model(
        rated, **ALEXNET, width=4, recipe="paper", settings=SETTINGS, n_folds=2, **QUICK
    )
    assert model.network.record.pooling == "flatten"


def test_feature_files_become_a_model_with_their_network(tmp_path):
    store = write_store(tmp_path / "features.h5", n_features=8, attributes=NETWORK)
    with pytest.raises(NoNetworkFile):
        fit_model_on_features([store], **QUICK)
    network = write_network(tmp_path / "net.keras")
    model = fit_model_on_features([store], [network], **QUICK)
    assert model.record.trained_on.photos == N
    model.save(tmp_path / "model")
    assert load_model(tmp_path / "model").network.record == model.network.record
