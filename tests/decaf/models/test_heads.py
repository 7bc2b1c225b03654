"""Heads of several widths on the activations of rated photos."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from decaf import ConvNetFeatures
from decaf.models.heads import head_sources
from decaf.training.settings import RECIPES, TrainingSettings
from features.errors import InputError
from features.photos import read_photo, resize_photo
from features.ratings import read_ratings

SETTINGS = replace(RECIPES["decaf"], epochs=2)
SMALL = {"backbone": "alexnet-owt", "blocks": 2, "precision": "float32", "progress": False}


@pytest.fixture(scope="module")
def rated(samples):
    return read_ratings(samples / "ratings.csv")


@pytest.fixture(scope="module")
def sources(rated):
    return head_sources(rated, widths=[8, 4, 8], settings=SETTINGS, seed=3, **SMALL)


def test_there_is_a_head_of_every_width(sources):
    names = [f"alexnet-owt-multilevel-blocks2-{width}" for width in (8, 4)]
    assert list(sources.by_name) == names
    record = sources.by_name[names[1]].record
    assert (record.kind, record.width, record.midpoint, record.scale) == ("label", 4, 5, (1, 10))
    assert record.training["epochs"] == 2 and record.training["seed"] == 3
    assert sources.facts == {"photos": "60, 72% professional", "could not be read": "0"}


def test_a_head_in_a_fold_gives_the_features_that_convnetfeatures_gives(sources, rated):
    feature_set = sources.by_name["alexnet-owt-multilevel-blocks2-4"].feature_set
    train = np.arange(40)
    head = feature_set.transformer.fit(feature_set.X[train], rated.label[train])
    of_paths = ConvNetFeatures(
        "alexnet-owt",
        width=4,
        blocks=2,
        precision="float32",
        settings=replace(SETTINGS, validation_fraction=0.0),
        above_midpoint=dict(zip(rated.paths, rated.above_midpoint)),
        random_state=3,
    ).fit(rated.paths[train], rated.label[train])
    assert_allclose(
        head.transform(feature_set.X), of_paths.transform(rated.paths), rtol=1e-4, atol=1e-5
    )


def test_the_network_that_is_kept_is_finetuned_on_the_training_photos(sources, rated):
    rows = np.arange(30, 60)
    network, features = sources.by_name["alexnet-owt-multilevel-blocks2-8"].fit_network(rows)
    assert features.shape == (30, 8)
    assert set(network.record.finetuned_on) == set(sources.rated.digests[rows])
    assert len(network.record.history) == 2
    assert network.record.parameters == network.keras_model.count_params()
    photos = [resize_photo(read_photo(path, min_side=224)[0], 224) for path in rated.paths[rows]]
    given = network.features_model().predict(np.stack(photos), verbose=0)
    assert_allclose(features, given, rtol=0.02, atol=0.02)  # activations are kept in float16


def test_a_photo_that_cannot_be_read_leaves(rated, samples, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    paths = rated.paths.copy()
    paths[5] = str(tmp_path / "broken.jpg")
    broken = type(rated)(**vars(rated) | {"paths": paths})
    sources = head_sources(broken, widths=[4], settings=SETTINGS, **SMALL)
    assert len(sources.rated) == 59
    ((name, reason),) = sources.rated.failed
    assert name == rated.names[5] and reason.startswith("no photo in a known format")
    assert sources.facts["could not be read"] == "1"
    assert len(sources.by_name["alexnet-owt-multilevel-blocks2-4"].feature_set.X) == 59


def test_wrong_settings_are_refused_before_a_photo_is_read(rated, monkeypatch):
    monkeypatch.setattr("decaf.training.training_photos.cached_activations", None)
    with pytest.raises(InputError, match="width 0: it must be a whole number, 1 or more"):
        head_sources(rated, widths=[0], **SMALL)
    with pytest.raises(InputError, match="epochs must be a whole number, 1 or more"):
        head_sources(rated, settings=TrainingSettings(epochs=0), **SMALL)
    with pytest.raises(InputError, match="did you mean vgg16"):
        head_sources(rated, "vgg-16")


def test_the_recipe_says_what_heads_are_fed_with(rated):
    (source,) = head_sources(rated, widths=[4], recipe="paper", **SMALL).by_name.values()
    assert source.record.pooling == "flatten"
    assert source.settings.optimizer == "sgd"
    assert source.settings.validation_fraction == 0  # the folds judge
    averages = head_sources(rated, widths=[4], recipe="paper", pooling="average", **SMALL)
    (source,) = averages.by_name.values()
    assert source.record.pooling == "average"
