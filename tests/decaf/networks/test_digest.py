"""Networks share cached activations where they compute the same, whatever they are called."""

import json
import zipfile

import keras
import numpy as np
import pytest

from decaf.extraction.activations import cache_folders
from decaf.networks.convolutions import build_activations, set_precision
from decaf.networks.digest import digest_of_graph
from decaf.networks.network import build_network, load_network


@pytest.fixture(scope="module")
def genuine():
    keras.utils.set_random_seed(0)
    return build_network("alexnet-owt", 4, pooling="average", blocks=2, weights=None)


def changed(network, path, change):
    """Save a network with another graph around the same weights; load it in Keras alone."""
    network.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change({layer["name"]: layer["config"] for layer in config["config"]["layers"]})
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"config.json": json.dumps(config)}).items():
            archive.writestr(name, content)
    return load_network(path)


def scale(layers):
    layers["normalisation"]["scale"] = [2 * each for each in layers["normalisation"]["scale"]]


def offset(layers):
    layers["normalisation"]["offset"][0] += 0.1


def stride(layers):
    layers["pool2"]["strides"] = [1, 1]


def activation(layers):
    layers["conv1"]["activation"] = "tanh"


def half_a_pooling(layers):
    layers["average1"]["dtype"]["config"]["name"] = "float16"


@pytest.mark.parametrize("change", [scale, offset, stride, activation, half_a_pooling])
def test_genuine_weights_in_another_graph_share_no_cache_with_the_genuine_network(
    genuine, tmp_path, change
):
    other = changed(genuine, tmp_path / "other.keras", change)
    for before, after in zip(genuine.keras_model.get_weights(), other.keras_model.get_weights()):
        np.testing.assert_array_equal(before, after)
    folders = [
        cache_folders(network.activations_model(), "squash", tmp_path)
        for network in (genuine, other)
    ]
    assert folders[0].keys() == folders[1].keys() == {"average"}
    assert folders[0] != folders[1]


def test_another_size_has_a_cache_of_its_own(tmp_path):
    folders = {
        cache_folders(network, "squash", tmp_path)["average"]
        for network in (
            build_activations("alexnet-owt", ("average",), sizes=sizes)
            for sizes in ((), (192,), (192, 384))
        )
    }
    assert len(folders) == 3


@pytest.mark.parametrize("trained_in", ["float32", "bfloat16"])
@pytest.mark.parametrize("pooling", ["average", "multilevel", "flatten"])
def test_a_network_that_was_saved_shares_the_cache_of_its_backbone(tmp_path, pooling, trained_in):
    network = build_network("alexnet-owt", 4, pooling=pooling, blocks=2)
    set_precision(network.keras_model, trained_in)
    network.save(tmp_path / "saved.keras")
    for precision in ("float32", "bfloat16"):
        saved = load_network(tmp_path / "saved.keras", precision).activations_model()
        built = build_activations("alexnet-owt", (pooling,), 2, precision=precision)
        assert cache_folders(saved, "pad", tmp_path) == cache_folders(built, "pad", tmp_path)


def test_a_network_of_two_sizes_finds_its_activations_again(tmp_path):
    sizes = {"sizes": (96, 192)}
    network = build_network("efficientnet-lite0", 4, pooling="multilevel", weights=None, **sizes)
    network.save(tmp_path / "two.keras")
    folders = [
        cache_folders(each.activations_model(), "squash", tmp_path)
        for each in (network, load_network(tmp_path / "two.keras"))
    ]
    assert folders[0] == folders[1]


def test_names_and_what_is_of_training_only_do_not_count():
    def graph(prefix, **options):
        photo = keras.Input((8, 8, 3), name=f"{prefix}photo")
        convolution = keras.layers.Conv2D(2, 3, name=f"{prefix}conv", **options)
        return keras.Model(photo, convolution(photo))

    first = graph("a", kernel_initializer="zeros")
    assert digest_of_graph(first) == digest_of_graph(graph("b", kernel_initializer="Zeros"))
    frozen = graph("c", kernel_initializer=keras.initializers.Zeros(), trainable=False)
    assert digest_of_graph(first) == digest_of_graph(frozen)
    regularized = graph("d", kernel_initializer="zeros", kernel_regularizer="l2")
    assert digest_of_graph(first) == digest_of_graph(regularized)
    assert digest_of_graph(first) != digest_of_graph(graph("e", kernel_initializer="ones"))


def test_it_matters_which_layers_a_graph_joins():
    photo = keras.Input((8, 8, 3))
    left, right = (keras.layers.ReLU(negative_slope=slope)(photo) for slope in (0.1, 0.2))
    digests = {
        digest_of_graph(keras.Model(photo, keras.layers.Concatenate()(parts)))
        for parts in ([left, right], [right, left], [left, left])
    }
    assert len(digests) == 3
