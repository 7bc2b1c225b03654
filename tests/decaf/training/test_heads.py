"""A head as an estimator of positions among activations."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline

from decaf import ConvNetFeatures
from decaf.extraction.feature_network import PlainBackbone
from decaf.networks.head import features_model
from decaf.training.batches import predict
from decaf.training.finetune import finetune
from decaf.training.heads import FinetunedHead
from decaf.training.settings import RECIPES, TrainingSettings, draw_seed
from decaf.training.targets import Targets
from decaf.training.training_photos import read_training_photos
from features.errors import InputError
from features.ratings import read_ratings

SHORT = TrainingSettings(learning_rate=0.01, epochs=3, batch_size=16, validation_fraction=0.0)


@pytest.fixture
def activations(make_activations, two_classes):
    return make_activations(two_classes[0])


@pytest.fixture
def label(two_classes):
    return two_classes[1]


def test_a_head_is_what_finetuning_the_given_photos_gives(activations, label):
    train, test = np.arange(0, 150, 2), np.arange(1, 150, 2)
    above_midpoint = np.where(label, 0.1, -0.1)
    settings = replace(SHORT, softness=0.1)
    head = FinetunedHead(activations, 6, settings, above_midpoint)
    head.fit(train[:, None], label[train])
    by_hand, _ = finetune(activations, Targets(label, above_midpoint), 6, settings, rows=train)
    probability = predict(by_hand, activations, test)
    np.testing.assert_array_equal(head.predict_proba(test[:, None]), probability)
    np.testing.assert_array_equal(head.predict(test[:, None]), probability.argmax(axis=1))
    np.testing.assert_array_equal(
        head.transform(test[:, None]), predict(features_model(by_hand), activations, test)
    )


def test_a_head_of_scores_calls_professional_what_it_predicts_above_the_midpoint(
    activations, label
):
    positions, above = np.arange(150)[:, None], np.where(label, 0.2, -0.2)
    settings = replace(SHORT, optimizer="adam", epochs=20)
    head = FinetunedHead(activations, 6, settings, above, kind="score").fit(positions, label)
    probability = head.predict_proba(positions)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert np.mean(head.predict(positions) == label) > 0.9
    assert head.transform(positions).shape == (150, 6)
    with pytest.raises(InputError, match="there are no scores to learn"):
        FinetunedHead(activations, 6, settings, kind="score").fit(positions, label)


@pytest.mark.parametrize("kind", ["label", "score"])
def test_positions_give_the_features_that_paths_give(samples, kind):
    rated = read_ratings(samples / "ratings.csv")
    backbone = PlainBackbone("alexnet-owt", "multilevel", blocks=2)
    photos = read_training_photos(rated, backbone, precision="float32", progress=False)
    settings = replace(RECIPES["decaf"], epochs=2, validation_fraction=0.0)
    by_path = ConvNetFeatures(
        "alexnet-owt",
        width=5,
        settings=settings,
        blocks=2,
        precision="float32",
        above_midpoint=dict(zip(rated.paths, rated.above_midpoint)),
        kind=kind,
        random_state=3,
    )
    head = FinetunedHead(
        photos.activations, 5, replace(settings, seed=draw_seed(3)), rated.above_midpoint, kind
    )
    train, test = np.arange(0, 60, 2), np.arange(1, 60, 2)
    expected = by_path.fit(rated.paths[train], rated.label[train]).transform(rated.paths[test])
    found = head.fit(train[:, None], rated.label[train]).transform(test[:, None])
    np.testing.assert_array_equal(found, expected)


def test_the_classes_are_those_of_the_labels(activations, label):
    words = np.where(label, "professional", "snapshot")
    positions = np.arange(150)[:, None]
    head = FinetunedHead(activations, 4, replace(SHORT, momentum=0.9, epochs=20))
    head.fit(positions, words)
    assert head.classes_.tolist() == ["professional", "snapshot"]
    assert set(head.predict(positions)) <= {"professional", "snapshot"}
    assert head.score(positions, words) > 0.7


def test_cross_validation_and_grid_search_take_it_as_any_estimator(activations, label):
    positions = np.arange(150)[:, None]
    pipeline = make_pipeline(FinetunedHead(activations, 4, SHORT), LogisticRegression())
    probability = cross_val_predict(pipeline, positions, label, cv=3, method="predict_proba")
    assert probability.shape == (150, 2)
    search = GridSearchCV(FinetunedHead(activations, 4, SHORT), {"width": [2, 5]}, cv=2)
    search.fit(positions, label)
    assert search.best_estimator_.transform(positions).shape == (150, search.best_params_["width"])


def test_a_clone_shares_the_activations_and_learns_anew(activations, label):
    head = FinetunedHead(activations, 4, SHORT).fit(np.arange(150)[:, None], label)
    copy = clone(head)
    assert copy.activations is activations
    assert copy.get_params() == head.get_params()
    assert not hasattr(copy, "head_")


def test_a_pickled_head_gives_the_same(activations, label):
    positions = np.arange(150)[:, None]
    head = FinetunedHead(activations, 4, SHORT).fit(positions, label)
    again = pickle.loads(pickle.dumps(head))
    np.testing.assert_array_equal(again.transform(positions), head.transform(positions))


@pytest.mark.parametrize(
    "positions", [np.arange(4), np.zeros((4, 2), int), np.zeros((4, 1)), [[0], [150]], [[-1], [0]]]
)
def test_what_are_no_positions_is_refused(activations, positions):
    with pytest.raises(ValueError, match="X must be positions"):
        FinetunedHead(activations, 4, SHORT).fit(positions, np.arange(len(positions)) % 2)
