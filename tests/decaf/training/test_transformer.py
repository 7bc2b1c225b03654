import pickle
from dataclasses import replace

import numpy as np
import pytest
from estimator_checks import parametrize_with_path_checks
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline

from decaf import ConvNetFeatures
from decaf.extraction import activations as activations_module
from decaf.extraction import digests as digests_module
from decaf.networks.head import build_head
from decaf.networks.network import attach_head
from decaf.networks.record import NetworkRecord
from decaf.training.settings import RECIPES
from features import photos as photos_module
from features.errors import InputError
from features.photos import read_photo, resize_photo
from features.ratings import read_ratings

SMALL = {"blocks": 2, "precision": "float32"}
SHORT = replace(RECIPES["decaf"], epochs=2, validation_fraction=0.0)


@parametrize_with_path_checks([ConvNetFeatures("alexnet-owt", width=4, settings=SHORT, **SMALL)])
def test_scikit_learn_estimator_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def photos(samples):
    ratings = read_ratings(samples / "ratings.csv")
    return ratings.paths, ratings.label


def features(settings=SHORT, width=8, **parameters):
    return ConvNetFeatures(
        "alexnet-owt", width=width, settings=settings, random_state=0, **SMALL | parameters
    )


def test_features_are_fc7_after_relu(photos, tmp_path):
    paths, _ = photos
    head = build_head(256, 8, seed=5)
    record = NetworkRecord("label", "alexnet-owt", "multilevel", width=8, blocks=2)
    network = attach_head(head, record)
    network.save(tmp_path / "network.keras")
    found = ConvNetFeatures(network=tmp_path / "network.keras", precision="float32").fit_transform(
        paths[:6]
    )
    rgb = np.stack([resize_photo(read_photo(path)[0], 224) for path in paths[:6]])
    expected = network.features_model().predict_on_batch(rgb)
    assert found.dtype == np.float32
    assert found.shape == (6, 8)
    assert (found >= 0).all()
    np.testing.assert_allclose(found, expected, rtol=5e-3, atol=5e-3)  # float16 in between


def test_fitting_learns_from_the_labels(photos):
    paths, label = photos
    settings = replace(SHORT, epochs=20, learning_rate=0.01)
    fitted = features(settings).fit(paths, label)
    assert fitted.history_[-1]["loss"] < fitted.history_[0]["loss"]
    assert fitted.classes_.tolist() == [0, 1]
    words = np.where(label, "professional", "snapshot")
    named = features(settings).fit(paths, words)
    assert named.classes_.tolist() == ["professional", "snapshot"]


def test_labels_are_as_soft_as_scores_are_near_to_the_midpoint(photos):
    paths, label = photos

    settings = replace(SHORT, class_weight=None)

    def loss(label, far):
        above_midpoint = dict(zip(paths, np.where(label, far, -far)))
        soft = features(settings, above_midpoint=above_midpoint)
        return soft.fit(paths, label).history_[-1]["loss"]

    hard = features(settings).fit(paths, label).history_[-1]["loss"]
    assert loss(label, 100.0) == pytest.approx(hard, rel=1e-3)
    assert loss(label, 0.0) == pytest.approx(loss(1 - label, 0.0), rel=1e-3)
    assert loss(label, 0.0) != pytest.approx(hard, rel=1e-3)
    with pytest.raises(InputError, match="is not in above_midpoint, which must hold every photo"):
        features(above_midpoint={}).fit(paths, label)


def test_a_recipe_is_its_settings_and_its_pooling(photos):
    paths, label = photos
    fitted = ConvNetFeatures("alexnet-owt", width=3, recipe="paper", random_state=0, **SMALL)
    assert len(fitted.fit(paths, label).history_) == RECIPES["paper"].epochs
    assert "val_loss" not in fitted.history_[0]
    by_hand = features(
        replace(RECIPES["paper"], validation_fraction=0.0), width=3, pooling="flatten"
    ).fit(paths, label)
    np.testing.assert_array_equal(fitted.transform(paths[:4]), by_hand.transform(paths[:4]))
    with pytest.raises(InputError, match="recipe 'pape': unknown"):
        fitted.set_params(recipe="pape").fit(paths, label)


def test_cross_validation_runs_the_convolutions_once_a_photo(photos, tmp_path, monkeypatch):
    paths, label = photos
    ran = []
    run_network = activations_module.run_network

    def spy(shards, *args, **kwargs):
        for paths in shards:
            ran.extend(paths)
            yield from run_network([paths], *args, **kwargs)

    monkeypatch.setattr(activations_module, "run_network", spy)
    pipeline = make_pipeline(features(cache=tmp_path), LogisticRegression())
    probability = cross_val_predict(pipeline, paths, label, cv=3, method="predict_proba")
    assert probability.shape == (len(paths), 2)
    assert sorted(ran) == sorted(paths)


def test_grid_search_tries_widths(photos):
    paths, label = photos
    pipeline = make_pipeline(features(), LogisticRegression())
    search = GridSearchCV(pipeline, {"convnetfeatures__width": [2, 5]}, cv=2).fit(paths, label)
    width = search.best_params_["convnetfeatures__width"]
    assert search.best_estimator_[:-1].transform(paths[:3]).shape == (3, width)


def test_pandas_output_names_the_features(photos):
    paths, label = photos
    frame = features(width=3).set_output(transform="pandas").fit(paths, label).transform(paths[:2])
    assert frame.columns.tolist() == ["convnetfeatures0", "convnetfeatures1", "convnetfeatures2"]


def test_a_pickled_transformer_gives_the_same_features(photos):
    paths, label = photos
    fitted = features().fit(paths, label)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(paths[:4]), fitted.transform(paths[:4]))


def test_clones_keep_the_parameters_and_nothing_else(photos):
    paths, label = photos
    fitted = features(width=6).fit(paths, label)
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "classes_")


def test_the_same_random_state_gives_the_same_features(photos):
    paths, label = photos
    first, again = (features().fit(paths, label).transform(paths[:4]) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_a_photo_that_cannot_be_read_is_named(photos, tmp_path):
    paths, label = photos
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    with pytest.raises(InputError, match=r"broken\.jpg: .*; leave it out"):
        features().fit([str(broken), *paths[:5]], [0, *label[:5]])


def test_numbers_in_place_of_paths_are_refused():
    with pytest.raises(ValueError, match="X must be paths of photo files"):
        features().fit(np.zeros((4, 3)), [0, 1, 0, 1])


def test_finetuning_without_labels_is_refused(photos):
    with pytest.raises(ValueError, match="requires y to be passed"):
        features().fit(photos[0])


def test_cross_validation_reads_each_photo_and_hashes_the_weights_once(
    samples, tmp_path, monkeypatch
):
    """Two widths and five folds: ten heads, each fitted and asked for features twice."""
    paths = sorted(str(path) for path in samples.glob("*.jpg"))
    label = np.arange(60) % 2
    read, hashed = [], []
    read_bytes, digest_of_graph = photos_module._read_bytes, activations_module.digest_of_graph
    monkeypatch.setattr(
        photos_module, "_read_bytes", lambda path: read.append(path) or read_bytes(path)
    )
    monkeypatch.setattr(
        activations_module,
        "digest_of_graph",
        lambda network: hashed.append(network) or digest_of_graph(network),
    )
    scans = activations_module._index.cache_info().misses
    monkeypatch.setattr(digests_module, "_remembered", {})
    for width in (2, 3):
        given = features(width=width, blocks=1, weights=None, cache=tmp_path)
        pipeline = make_pipeline(given, LogisticRegression())
        assert len(cross_val_score(pipeline, paths, label, cv=5)) == 5
    assert sorted(read) == paths
    assert len(hashed) == 1
    # The empty cache, and the cache after the training and after the test photos of the first fold.
    assert activations_module._index.cache_info().misses - scans <= 3
