"""Networks are finetuned, judged on photos that they have not seen, and kept."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from decaf.extraction.feature_network import PlainBackbone
from decaf.networks.network import load_network
from decaf.networks.votes import mean_and_spread
from decaf.training.batches import predict
from decaf.training.networks import divide, finetune_network, finetune_networks
from decaf.training.settings import RECIPES
from decaf.training.training_photos import read_training_photos
from features.errors import AlreadyThere, InputError
from features.photo_set import PhotoSet
from features.ratings import read_ratings

SHORT = replace(RECIPES["decaf"], epochs=2)
NAME = "alexnet-owt-multilevel-blocks2-{}.keras"


@pytest.fixture(scope="module")
def photos(samples):
    rated = read_ratings(samples / "ratings.csv")
    backbone = PlainBackbone("alexnet-owt", "multilevel", blocks=2)
    return read_training_photos(rated, backbone, precision="float32", progress=False)


def finetune(photos, widths, folder, settings=SHORT, **options):
    return finetune_networks(photos, widths, folder, settings, progress=False, **options)


def test_every_width_gives_a_file_with_what_it_was_made_of(photos, tmp_path):
    files = finetune(photos, [4, 3, 4], tmp_path / "networks", delta=0.1)
    assert [file.path.name for file in files] == [NAME.format(4), NAME.format(3)]
    assert not any(file.was_there for file in files)
    for file, width in zip(files, (4, 3)):
        network = load_network(file.path)
        assert network.record == file.record
        record = network.record
        assert (record.kind, record.width, record.midpoint) == ("label", width, 5)
        assert record.training == SHORT.to_json() | {"delta": 0.1}
        assert len(record.history) == 2
        assert 0 < record.test["photos"] <= 60 - record.finetuned_on
        assert record.parameters == network.keras_model.count_params()
        assert {"decaf", "keras", "numpy"} <= set(record.versions)


def test_a_network_is_judged_on_the_photos_that_it_has_not_seen(photos):
    train, test = np.arange(0, 60, 2), np.arange(1, 60, 2)
    network = finetune_network(photos, 4, SHORT, train=train, test=test, progress=False)
    assert network.finetuned_on == PhotoSet.of(photos.rated.digests[train])
    head, activations = network.head_model(), photos.activations.read(test).astype(np.float32)
    professional = head.predict_on_batch(activations)["output"][:, 1] > 0.5
    accuracy = np.mean(professional == photos.rated.label[test])
    assert network.record.test["accuracy"] == pytest.approx(accuracy)
    assert finetune_network(photos, 4, SHORT, progress=False).record.test is None


def test_labels_are_softened_by_the_scores(photos):
    losses = {}
    for softness in (0.001, 10.0):
        settings = replace(
            SHORT,
            optimizer="adam",
            learning_rate=0.01,
            dropout=0.0,
            class_weight=None,
            epochs=20,
            softness=softness,
        )
        network = finetune_network(photos, 4, settings, progress=False)
        losses[softness] = network.record.history[-1]["loss"]
    # Labels that are all nearly 0.5 leave no less than the entropy of a coin.
    assert losses[10.0] == pytest.approx(np.log(2), abs=0.02)
    assert losses[0.001] < 0.6


def test_a_network_that_is_there_is_kept_if_it_is_the_same(photos, tmp_path):
    (made,) = finetune(photos, [4], tmp_path)
    before = made.path.read_bytes()
    (kept,) = finetune(photos, [4], tmp_path)
    assert kept.was_there and kept.record == made.record
    with pytest.raises(AlreadyThere, match="is there already, with other training; choose"):
        finetune(photos, [4], tmp_path, replace(SHORT, epochs=3))
    with pytest.raises(AlreadyThere, match="with other training and finetuned_on"):
        finetune(photos, [4], tmp_path, replace(SHORT, seed=1))
    assert made.path.read_bytes() == before
    (other,) = finetune(photos, [4], tmp_path, replace(SHORT, epochs=3), force=True)
    assert not other.was_there
    assert len(load_network(made.path).record.history) == 3


def test_a_network_of_votes_is_judged_by_the_votes(photos, tmp_path):
    (file,) = finetune(photos, [4], tmp_path, kind="votes")
    assert file.path.name == "alexnet-owt-multilevel-blocks2-votes-4.keras"
    assert (file.record.kind, file.record.n_grades) == ("votes", 10)
    assert {"emd", "srcc_mean", "lcc_mean", "srcc_spread", "lcc_spread"} <= set(file.record.test)


def test_a_network_of_scores_tells_them_in_the_units_of_the_ratings(photos, tmp_path):
    fit = {"learning_rate": 0.01, "weight_decay": 0.0, "dropout": 0.0, "validation_fraction": 0.0}
    settings = replace(SHORT, epochs=60, **fit)
    (file,) = finetune(photos, [16], tmp_path, settings, kind="score")
    assert file.path.name == "alexnet-owt-multilevel-blocks2-score-16.keras"
    network, rows = load_network(file.path), np.arange(len(photos))
    levels, rated = network.record.levels, photos.rated
    trained = network.finetuned_on.holds(rated.digests)
    assert np.mean(levels) == pytest.approx(rated.score[trained].mean())
    given = predict(network.head_model(), photos.activations, rows)["output"]
    mean, _ = mean_and_spread(given, levels)
    assert np.corrcoef(mean[trained], rated.score[trained])[0, 1] > 0.9
    assert np.abs(mean - rated.score)[trained].mean() < 0.5 * rated.score.std()
    test = file.record.test
    held_back = np.isin(rated.digests, rated.digests[~trained])
    assert test["srcc"] == pytest.approx(
        spearmanr(mean[held_back], rated.score[held_back]).statistic, abs=0.02
    )
    (kept,) = finetune(photos, [16], tmp_path, settings, kind="score")
    assert kept.was_there


def test_what_cannot_be_learnt_is_refused_before_anything_is_written(photos, tmp_path):
    without = replace(photos, rated=replace(photos.rated, votes=None))
    with pytest.raises(InputError, match="there are no votes to learn"):
        finetune(without, [4], tmp_path, kind="votes")
    of_labels = replace(photos, rated=replace(photos.rated, score=None))
    with pytest.raises(InputError, match="there are no scores to learn"):
        finetune(of_labels, [4], tmp_path, kind="score")
    with pytest.raises(InputError, match="width 0: it must be a whole number, 1 or more"):
        finetune(photos, [4, 0], tmp_path)
    assert not list(tmp_path.iterdir())


def test_copies_of_training_photos_do_not_test_and_the_margin_does_not_train(photos):
    train, test = divide(photos, 0.5, 0.0, seed=0)
    assert len(train) + len(test) == 60
    doubled = photos.activations.digests.copy()
    doubled[test[0]] = doubled[train[0]]
    with_a_copy = replace(photos, activations=replace(photos.activations, digests=doubled))
    assert set(divide(with_a_copy, 0.5, 0.0, seed=0)[1]) == set(test[1:])
    some, same = divide(photos, 0.5, 0.5, seed=0)
    assert set(same) >= set(test)
    assert set(some) == {row for row in train if abs(photos.rated.score[row] - 5) >= 0.5}


def test_an_album_of_one_photo_again_and_again_has_none_to_judge_by(photos):
    digests = np.full(len(photos), photos.activations.digests[0])
    same = replace(photos, activations=replace(photos.activations, digests=digests))
    with pytest.raises(InputError, match=r"the 0 photos that are held back.*\d others are copies"):
        divide(same, 0.5, 0.0, seed=0)
