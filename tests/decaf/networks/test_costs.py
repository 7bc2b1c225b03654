"""What a file would have Keras build is bounded before Keras builds it."""

import json
import zipfile

import keras
import pytest

from decaf.networks.backbones import list_backbones
from decaf.networks.convolutions import LARGEST_SIZE
from decaf.networks.costs import check_costs
from decaf.networks.graph import calls_of
from decaf.networks.network import build_network, load_network
from decaf.networks.network_file import Described, check_harmless
from features.errors import InputError


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("networks") / "small.keras"
    build_network("alexnet-owt", 4, pooling="multilevel", blocks=2, weights=None).save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path, saved, change):
    config = json.loads(saved["config.json"])
    change(config["config"]["layers"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (saved | {"config.json": json.dumps(config)}).items():
            archive.writestr(name, content)
    return path


def set_config(name, **values):
    def change(layers):
        (layer,) = (each for each in layers if each["name"] == name)
        layer["config"].update(values)

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (set_config("conv1", filters=10**9), "layer conv1 computes more than any network"),
        (set_config("photo", batch_shape=[None, 10**6, 10**6, 3]), "layer photo computes more"),
        (set_config("fc6", units=10**6), "layers have more weights than its file holds"),
        (set_config("conv2", kernel_size=[99, 99]), "layers have more weights than its file holds"),
        (set_config("conv2", kernel_size=[999, 999]), "computes more than any network"),
        (set_config("conv2", filters=10**4), "layers have more weights than its file holds"),
        (set_config("pool1", pool_size=[10**6, 10**6], padding="same"), "computes more than any"),
    ],
)
def test_absurd_sizes_are_refused_before_keras_builds_a_layer(
    saved, tmp_path, change, told, monkeypatch
):
    path = written(tmp_path / "absurd.keras", saved, change)
    monkeypatch.setattr(keras.saving, "load_model", None)
    with pytest.raises(InputError, match=rf"absurd\.keras: its .*{told}.*; it is not opened"):
        load_network(path)


def cycle(layers):
    names = [layer["name"] for layer in layers]
    first, last = names.index("conv1"), names.index("conv2")
    layers[first]["inbound_nodes"] = layers[last]["inbound_nodes"]


def taking_a_call_that_is_not_there(layers):
    (node,) = layers[2]["inbound_nodes"]
    node["args"][0]["config"]["keras_history"][1] = 1


def of_one_name(layers):
    layers[2]["name"] = layers[2]["config"]["name"] = layers[1]["name"]


def of_two_names(layers):
    layers[2]["config"]["name"] = "another"


def taking_nothing(layers):
    (node,) = layers[2]["inbound_nodes"]
    node["args"][0]["config"]["keras_history"] = ""


def too_many(layers):
    last = layers[-1]
    for number in range(1_000):
        layer = json.loads(json.dumps(last).replace(last["name"], f"more{number}"))
        layer["inbound_nodes"] = last["inbound_nodes"]
        layers.append(layer)


@pytest.mark.parametrize(
    "change",
    [cycle, taking_a_call_that_is_not_there, of_one_name, of_two_names, taking_nothing, too_many],
)
def test_a_graph_that_decaf_does_not_build_is_refused(saved, tmp_path, change, monkeypatch):
    path = written(tmp_path / "strange.keras", saved, change)
    monkeypatch.setattr(keras.saving, "load_model", lambda *args, **more: pytest.fail("loaded"))
    with pytest.raises(InputError, match=r"strange\.keras: not a network that Keras can load"):
        load_network(path)


def test_a_graph_that_no_photo_passes_is_refused_when_it_is_loaded(saved, tmp_path):
    change = set_config("normalisation", scale=[1, 2], offset=0)
    path = written(tmp_path / "two.keras", saved, change)
    with pytest.raises(InputError, match=r"two\.keras: not a network that Keras can load"):
        load_network(path)


def test_the_largest_network_that_decaf_builds_is_within_bounds():
    network = build_network("vgg16", 4, pooling="average", weights=None, sizes=(512, LARGEST_SIZE))
    calls = list(calls_of(network.keras_model.get_config()).values())
    check_costs(Described(calls, 4 * network.keras_model.count_params()))


@pytest.mark.parametrize("backbone", list_backbones())
def test_every_backbone_is_within_bounds_and_has_as_many_weights_as_it_says(backbone, tmp_path):
    network = build_network(backbone, 4, pooling="average", weights=None).keras_model
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", network.to_json())
        archive.writestr("model.weights.h5", b"")
        archive.writestr("decaf.json", "{}")
    calls = check_harmless(tmp_path / "a.keras").calls
    kernels = [v for v in network.weights if v.name in ("kernel", "depthwise_kernel")]
    n_kernels = sum(int(keras.ops.size(kernel)) for kernel in kernels)
    check_costs(Described(calls, 4 * n_kernels))
    with pytest.raises(InputError, match="more weights"):
        check_costs(Described(calls, 4 * n_kernels - 4))
