import os
import pickle
from dataclasses import replace

import numpy as np
import pytest

from decaf.extraction.feature_network import PlainBackbone, load_feature_network, portable
from decaf.networks.network import Network, build_network, build_plain_network, load_network
from features.errors import InputError
from features.photo_set import PhotoSet

PLAIN = PlainBackbone("alexnet-owt", blocks=1, weights=None)


@pytest.fixture(scope="module")
def network():
    return build_network("alexnet-owt", 4, pooling="average", blocks=1, weights=None)


def features(loaded, seed=0):
    (activations,) = loaded.convolutions.output.values()
    batch = np.random.default_rng(seed).random((3, activations.shape[1]), np.float32)
    return loaded.to_features(batch.astype(np.float16))


def test_a_file_and_the_network_in_memory_give_the_same(network, tmp_path):
    network.save(tmp_path / "n.keras")
    from_file = load_feature_network(tmp_path / "n.keras", "float32")
    in_memory = load_feature_network(network)
    np.testing.assert_array_equal(features(from_file)[0], features(in_memory)[0])
    assert from_file.n_features == in_memory.n_features == 4
    named = ("network", "network_digest")
    assert from_file.settings | dict.fromkeys(named) == in_memory.settings | dict.fromkeys(named)
    assert from_file.settings["network"] == "n.keras"
    assert in_memory.settings["network"] == "alexnet-owt-average-blocks1-4"
    assert from_file.attributes == in_memory.attributes
    assert load_feature_network(str(tmp_path / "n.keras"), "bfloat16").settings["precision"] == (
        "bfloat16"
    )


def test_another_head_in_memory_has_another_digest(network):
    head = build_network("alexnet-owt", 4, pooling="average", blocks=1, weights=None).keras_model
    other = Network(head, network.record)
    one, again, two = (
        load_feature_network(each).settings["network_digest"] for each in (network, network, other)
    )
    assert one == again != two


def test_photos_of_the_finetuning_are_remembered_and_their_number_told(network):
    record, photos = replace(network.record, finetuned_on=1), PhotoSet.of(["0" * 32])
    loaded = load_feature_network(Network(network.keras_model, record, photos))
    assert loaded.finetuned_on == photos
    assert loaded.attributes["finetuned_on"] == 1


def test_a_network_of_votes_predicts_their_mean_and_spread():
    network = build_network("alexnet-owt", 4, n_grades=5, pooling="average", blocks=1, weights=None)
    given, predicted = features(load_feature_network(network))
    assert given.shape == (3, 4)
    assert predicted.keys() == {"predicted_mean", "predicted_spread"}
    assert ((predicted["predicted_mean"] > 1) & (predicted["predicted_mean"] < 5)).all()


def test_a_network_of_scores_predicts_them_and_their_spread():
    levels = (1.0, 1.5, 4.0)
    network = build_network(
        "alexnet-owt", 4, levels=levels, pooling="average", blocks=1, weights=None
    )
    given, predicted = features(load_feature_network(network))
    shares = network.head_model().predict_on_batch(
        np.random.default_rng(0).random((3, 64), np.float32).astype(np.float16).astype(np.float32)
    )["output"]
    np.testing.assert_allclose(predicted["predicted_mean"], shares @ levels, rtol=1e-5)
    assert given.shape == (3, 4) and (predicted["predicted_spread"] > 0).all()


def test_a_plain_backbone_is_told_by_its_settings_however_it_is_given(tmp_path):
    named = load_feature_network(PLAIN, "float32")
    network = build_plain_network("alexnet-owt", blocks=1, weights=None)
    network.save(tmp_path / "plain.keras")
    for given in (network, tmp_path / "plain.keras"):
        loaded = load_feature_network(given, "float32")
        assert loaded.settings == named.settings
        values, predicted = features(loaded)
        np.testing.assert_array_equal(values, np.float32(features(named)[0]))
        assert predicted == {} and values.dtype == np.float32
    assert "network" not in named.settings
    assert load_feature_network(named) is named


def test_a_name_alone_is_a_plain_backbone():
    with pytest.raises(InputError, match="alexnet-otw: unknown; did you mean alexnet-owt"):
        load_feature_network("alexnet-otw")
    with pytest.raises(InputError, match=r"gone\.keras: no such network file"):
        load_feature_network("gone.keras")


def test_what_workers_get_holds_in_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.npy").touch()
    here = [portable("n.keras"), portable(replace(PLAIN, weights="own.npy")), portable(PLAIN)]
    named = portable("alexnet-owt")
    monkeypatch.chdir(os.sep)
    file, own, plain = pickle.loads(pickle.dumps(here))
    assert file == tmp_path / "n.keras"
    assert own.weights == str(tmp_path / "own.npy")
    assert plain == PLAIN
    assert named == PlainBackbone("alexnet-owt")


def test_a_network_that_was_loaded_computes_in_its_own_precision(network, tmp_path):
    network.save(tmp_path / "n.keras")
    half = load_network(tmp_path / "n.keras", "bfloat16")
    assert load_feature_network(half, "float32").settings["precision"] == "bfloat16"
