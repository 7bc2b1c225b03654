"""Heads of several widths on the activations of rated photos."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from decaf import ConvNetFeatures
from decaf.extraction.feature_network import PlainBackbone
from decaf.models.heads import head_sources
from decaf.training.settings import RECIPES
from decaf.training.training_photos import read_training_photos
from features.errors import InputError
from features.photo_set import PhotoSet
from features.photos import read_photo, resize_photo
from features.ratings import read_ratings

SETTINGS = replace(RECIPES["decaf"], epochs=2, seed=3)


@pytest.fixture(scope="module")
def rated(samples):
    return read_ratings(samples / "ratings.csv")


@pytest.fixture(scope="module")
def photos(rated):
    backbone = PlainBackbone("alexnet-owt", "multilevel", blocks=2)
    return read_training_photos(rated, backbone, precision="float32", progress=False)


@pytest.fixture(scope="module")
def sources(photos):
    return head_sources(photos, [8, 4, 8], SETTINGS, delta=0.5, progress=False)


def test_there_is_a_head_of_every_width(sources):
    names = [f"alexnet-owt-multilevel-blocks2-{width}" for width in (8, 4)]
    assert list(sources.by_name) == names
    record = sources.by_name[names[1]].record
    assert (record.kind, record.width, record.midpoint, record.scale) == ("label", 4, 5, (1, 10))
    told = {"epochs": 2, "seed": 3, "delta": 0.5}
    assert {name: record.training[name] for name in told} == told
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
    assert network.finetuned_on == PhotoSet.of(sources.rated.digests[rows])
    assert len(network.record.history) == 2
    assert network.record.parameters == network.keras_model.count_params()
    photos = [resize_photo(read_photo(path, min_side=224)[0], 224) for path in rated.paths[rows]]
    given = network.features_model().predict(np.stack(photos), verbose=0)
    assert_allclose(features, given, rtol=0.02, atol=0.02)  # activations are kept in float16


def test_a_head_of_scores_is_kept_as_a_network_of_scores(photos, rated):
    (source,) = head_sources(photos, [4], SETTINGS, kind="score").by_name.values()
    network, features = source.fit_network(np.arange(30))
    assert source.name == network.record.name == "alexnet-owt-multilevel-blocks2-score-4"
    assert np.mean(network.record.levels) == pytest.approx(rated.score[:30].mean())
    assert features.shape == (30, 4)
    assert (
        source.feature_set.identity
        != head_sources(photos, [4], SETTINGS)
        .by_name["alexnet-owt-multilevel-blocks2-4"]
        .feature_set.identity
    )


def test_all_training_photos_of_a_fold_are_trained_on(photos):
    settings = replace(SETTINGS, validation_fraction=0.3, patience=1)
    (source,) = head_sources(photos, [4], settings).by_name.values()
    assert source.settings.validation_fraction == 0 and source.settings.patience is None


def test_a_width_that_no_head_can_have_is_refused(photos):
    with pytest.raises(InputError, match="width 0: it must be a whole number, 1 or more"):
        head_sources(photos, [8, 0])
