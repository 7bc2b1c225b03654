import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest
from network_record import RECORD

from decaf.networks.backbones import list_backbones
from decaf.networks.convolutions import build_activations, set_precision
from decaf.networks.head import build_head, features_model
from decaf.networks.network import (
    Network,
    attach_head,
    build_network,
    build_plain_network,
    load_network,
)
from decaf.networks.network_file import add_record, check_harmless, read_record
from decaf.networks.record import NetworkRecord
from features.errors import AlreadyThere, InputError
from features.photo_set import PhotoSet


@pytest.fixture(scope="module")
def small_network():
    return build_network("alexnet-owt", 8, blocks=2, weights=None)


@pytest.fixture
def photos():
    return np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("backbone", "width", "n_parameters"),
    [
        # The paper's Table I, exactly (it rounds to millions).
        ("alexnet", 4096, 58_289_538),
        ("alexnet", 1000, 13_967_202),
        ("alexnet", 500, 8_607_202),
        ("alexnet", 250, 6_114_702),
        ("vgg16", 4096, 134_268_738),
        ("vgg16", 1000, 40_806_690),
        ("vgg16", 500, 27_510_690),
        ("vgg16", 250, 21_050_190),
    ],
)
def test_parameters_are_counted_as_in_the_paper(backbone, width, n_parameters):
    network = build_network(backbone, width, weights=None)
    assert network.keras_model.count_params() == n_parameters


@pytest.mark.parametrize(
    ("pooling", "blocks"), [("flatten", None), ("multilevel", 3), ("average", 2)]
)
def test_an_attached_head_sees_the_activations_it_was_trained_on(photos, pooling, blocks):
    activations = build_activations("alexnet-owt", (pooling,), blocks).predict_on_batch(photos)
    head = build_head(activations[pooling].shape[1], 6, n_outputs=3, dropout=0.1)
    record = NetworkRecord(
        "votes", "alexnet-owt", pooling, width=6, blocks=blocks, n_grades=3, midpoint=2
    )
    network = attach_head(head, record)
    keras_model = network.keras_model
    assert network.record == replace(record, parameters=keras_model.count_params())
    np.testing.assert_allclose(
        keras_model.predict_on_batch(photos),
        head.predict_on_batch(activations[pooling]),
        rtol=1e-5,
    )
    assert keras_model.get_layer("drop6").rate == 0.1
    np.testing.assert_allclose(
        network.features_model().predict_on_batch(photos),
        features_model(head).predict_on_batch(activations[pooling]),
        rtol=1e-4,
        atol=1e-5,
    )


def test_features_are_fc7_after_relu(small_network, photos):
    features = small_network.features_model().predict_on_batch(photos)
    assert features.shape == (2, 8)
    assert features.min() == 0 < features.max()
    kernel, bias = small_network.keras_model.get_layer("output").get_weights()
    logits = np.exp(features @ kernel + bias)
    np.testing.assert_allclose(
        small_network.keras_model.predict_on_batch(photos),
        logits / logits.sum(axis=1, keepdims=True),
        rtol=1e-4,
    )


def test_a_network_in_two_parts_gives_the_same(small_network, photos):
    activations = small_network.activations_model().predict_on_batch(photos)["flatten"]
    given = small_network.head_model().predict_on_batch(activations)
    expected = {
        "features": small_network.features_model().predict_on_batch(photos),
        "output": small_network.keras_model.predict_on_batch(photos),
    }
    assert given.keys() == expected.keys()
    for part in given:
        np.testing.assert_allclose(given[part], expected[part], rtol=1e-5)


def test_the_features_of_a_plain_backbone_are_its_activations(photos, tmp_path):
    build_plain_network("alexnet-owt", "average", 1, weights=None).save(tmp_path / "plain.keras")
    plain = load_network(tmp_path / "plain.keras")
    assert (plain.record.kind, plain.record.width) == ("backbone", 64)
    features = plain.features_model().predict_on_batch(photos)
    activations = plain.activations_model().predict_on_batch(photos)["average"]
    np.testing.assert_array_equal(features, activations)
    for part in plain.head_model().predict_on_batch(activations).values():
        np.testing.assert_array_equal(part, activations)


@pytest.mark.parametrize(
    "changed",
    [
        {"width": 9},
        {"kind": "votes", "n_grades": 3, "midpoint": 2.0},
        {"kind": "backbone"},
        {"finetuned_on": 2},
    ],
)
def test_a_network_that_is_not_what_its_record_says_is_refused(small_network, tmp_path, changed):
    record = replace(small_network.record, **changed)
    with pytest.raises(InputError, match="the network is not what its record says"):
        Network(small_network.keras_model, record)
    path = tmp_path / "small.keras"
    small_network.keras_model.save(path)
    add_record(path, record)
    with pytest.raises(InputError, match=r"small\.keras: the network is not what its record"):
        load_network(path)


@pytest.mark.parametrize("n_inputs", [0, 2])
def test_a_network_of_other_inputs_than_one_photo_is_refused(n_inputs):
    inputs = [keras.Input((8, 8, 3)) for _ in range(n_inputs)] or [keras.Input((8, 8))]
    x = keras.layers.Flatten()(sum(inputs))
    graph = keras.Model(inputs if n_inputs else inputs[0], x)
    record = NetworkRecord("backbone", "strange", "flatten", width=x.shape[1])
    with pytest.raises(InputError, match="the network is not what its record says"):
        Network(graph, record)


def test_a_saved_network_is_loaded_with_its_record(small_network, photos, tmp_path):
    path = tmp_path / "small.keras"
    record, photos_seen = replace(RECORD, midpoint=5.0, finetuned_on=1), PhotoSet.of(["00ff" * 8])
    replace(small_network, record=record, finetuned_on=photos_seen).save(path)
    network = load_network(path)
    assert network.record == record == read_record(path)
    assert network.finetuned_on == photos_seen
    np.testing.assert_array_equal(
        network.keras_model.predict_on_batch(photos),
        small_network.keras_model.predict_on_batch(photos),
    )
    assert [path.name for path in tmp_path.iterdir()] == ["small.keras"]


def test_a_network_of_two_sizes_is_loaded_as_it_was_saved(tmp_path):
    network = build_network(
        "alexnet-owt", 4, pooling="multilevel", blocks=2, weights=None, sizes=(96, 192)
    )
    network.save(tmp_path / "two.keras")
    loaded = load_network(tmp_path / "two.keras", "bfloat16")
    assert loaded.input_size == 192 and loaded.record == network.record
    photos = np.random.default_rng(0).integers(0, 256, (2, 192, 192, 3), np.uint8)
    given = [each.keras_model.predict_on_batch(photos) for each in (network, loaded)]
    np.testing.assert_allclose(*given, atol=0.02)
    assert loaded.keras_model.get_layer("conv1").compute_dtype == "bfloat16"
    assert loaded.keras_model.get_layer("photo96").compute_dtype == "float32"


def test_a_network_loaded_in_bfloat16_keeps_its_exact_weights(small_network, photos, tmp_path):
    small_network.save(tmp_path / "exact.keras")
    rough = load_network(tmp_path / "exact.keras", "bfloat16")
    assert rough.keras_model.get_layer("conv1").compute_dtype == "bfloat16"
    assert rough.keras_model.get_layer("fc6").compute_dtype == "float32"
    found, expected = (net.keras_model.predict_on_batch(photos) for net in (rough, small_network))
    assert found.dtype == np.float32
    assert 0 < np.abs(found - expected).max() < 0.02
    rough.save(tmp_path / "rough.keras")
    again = load_network(tmp_path / "rough.keras")
    np.testing.assert_array_equal(again.keras_model.predict_on_batch(photos), expected)


def test_another_back_end_that_imports_only_decaf_network_gives_the_same(photos, tmp_path):
    keras.utils.set_random_seed(0)  # with some others all of the few features are 0
    network = build_network("alexnet", 8, blocks=2, weights=None)
    photos = np.resize(photos, (2, 227, 227, 3))
    network.save(tmp_path / "small.keras")
    np.save(tmp_path / "photos.npy", photos)
    # Features, since the softmax of random weights may be 1e-20, which no two back ends agree on.
    code = (
        "import keras, numpy as np, decaf.networks.network\n"
        "network = decaf.networks.network.features_model(keras.saving.load_model('small.keras'))\n"
        "np.save('torch.npy', network.predict_on_batch(np.load('photos.npy')))"
    )
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    expected = network.features_model().predict_on_batch(photos)
    assert expected.max() > 0
    np.testing.assert_allclose(
        np.load(tmp_path / "torch.npy"), expected, rtol=1e-4, atol=1e-4 * expected.max()
    )


def test_an_existing_file_is_overwritten_only_with_force(small_network, tmp_path):
    path = tmp_path / "small.keras"
    first, second = (
        replace(small_network, record=replace(RECORD, test={"photos": number})) for number in (1, 2)
    )
    first.save(path)
    with pytest.raises(AlreadyThere, match=r"small\.keras: is there already"):
        second.save(path)
    assert read_record(path) == first.record
    second.save(path, force=True)
    assert read_record(path) == second.record


def test_a_save_that_fails_leaves_the_old_file_and_no_other(small_network, tmp_path):
    path = tmp_path / "small.keras"
    small_network.save(path)
    unfit = replace(RECORD, training={"epochs": object()})
    with pytest.raises(TypeError):
        replace(small_network, record=unfit).save(path, force=True)
    assert read_record(path) == small_network.record
    assert [path.name for path in tmp_path.iterdir()] == ["small.keras"]


def test_another_suffix_is_refused(small_network, tmp_path):
    with pytest.raises(InputError, match=r"small\.h5: .* must end in \.keras"):
        small_network.save(tmp_path / "small.h5")


@pytest.fixture
def saved(small_network, tmp_path):
    path = tmp_path / "small.keras"
    small_network.save(path)
    return path


def test_a_missing_network_is_named(tmp_path):
    with pytest.raises(InputError, match=r"small\.keras: no such network file"):
        load_network(tmp_path / "small.keras")


@pytest.mark.parametrize("length", [0, 100, -1, -1000])
def test_a_truncated_network_is_refused(saved, length):
    saved.write_bytes(saved.read_bytes()[:length])
    with pytest.raises(InputError, match=r"small\.keras: not a whole network file"):
        load_network(saved)


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5", "decaf.json"])
def test_an_altered_network_is_refused(saved, member):
    with zipfile.ZipFile(saved) as archive:
        info = archive.getinfo(member)
    content = bytearray(saved.read_bytes())
    content[info.header_offset + 30 + len(member) + info.compress_size - 2] ^= 1
    saved.write_bytes(content)
    with pytest.raises(InputError, match=rf"small\.keras: .*{member}"):
        load_network(saved)


def test_a_foreign_file_is_refused(tmp_path):
    (tmp_path / "small.keras").write_text("network")
    with pytest.raises(InputError, match=r"small\.keras: not a whole network file"):
        load_network(tmp_path / "small.keras")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load_network(tmp_path)


def test_a_network_of_keras_without_a_record_is_refused(small_network, tmp_path):
    small_network.keras_model.save(tmp_path / "small.keras")
    with pytest.raises(InputError, match=r"small\.keras: not a network of decaf's"):
        load_network(tmp_path / "small.keras")


@pytest.mark.parametrize("record", ["{", "[1]"])
def test_a_record_that_is_no_dictionary_is_refused(small_network, tmp_path, record):
    small_network.keras_model.save(tmp_path / "small.keras")
    with zipfile.ZipFile(tmp_path / "small.keras", "a") as archive:
        archive.writestr("decaf.json", record)
    with pytest.raises(InputError, match=r"small\.keras: its decaf\.json"):
        load_network(tmp_path / "small.keras")


def test_a_record_that_is_none_is_refused_with_the_file_and_what_is_wrong(saved):
    whole = RECORD.to_json()
    for values, told in (
        (whole | {"width": 0}, "width must be a whole number, 1 or more, not 0"),
        ({name: value for name, value in whole.items() if name != "kind"}, "does not tell kind"),
    ):
        repack(saved, **{"decaf.json": json.dumps(values)})
        for read in (read_record, load_network):
            with pytest.raises(
                InputError, match=rf"small\.keras: its decaf\.json: {told}; make it anew"
            ):
                read(saved)


def test_a_network_that_cannot_be_written_is_named(small_network, saved, tmp_path):
    with pytest.raises(InputError, match=r"small\.keras/a\.keras: cannot be written: File exists"):
        small_network.save(saved / "a.keras")
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(InputError, match=r"folder\.keras: cannot be written: Is a directory"):
        small_network.save(tmp_path / "folder.keras", force=True)


def test_a_record_without_a_network_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "small.keras", "w") as archive:
        archive.writestr("decaf.json", json.dumps(RECORD.to_json()))
    with pytest.raises(InputError, match=r"small\.keras: not a network that Keras can load"):
        load_network(tmp_path / "small.keras")


def test_code_in_a_network_is_refused_and_not_run(tmp_path):
    made = tmp_path / "made"
    photo = keras.Input((8, 8, 3))
    # Keras keeps a lambda's byte code, but not its closure or defaults.
    make_folder = eval(f"lambda x: __import__('os').mkdir({str(made)!r}) or x")
    harmful = keras.layers.Lambda(make_folder, output_shape=(8, 8, 3))
    network = keras.Model(photo, harmful(photo))
    network(np.zeros((1, 8, 8, 3)))
    made.rmdir()
    network.save(tmp_path / "small.keras")
    add_record(tmp_path / "small.keras", RECORD)
    with pytest.raises(
        InputError, match=r"small\.keras: has parts .*: Lambda, __lambda__; it is not opened"
    ):
        load_network(tmp_path / "small.keras")
    assert not made.exists()


def repack(path, **members):
    """Replace members of a network's file, or add them."""
    with zipfile.ZipFile(path) as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (whole | members).items():
            archive.writestr(name, content)


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "assets/words.txt", "a\nb"])
def test_a_member_that_networks_do_not_have_is_refused(saved, tmp_path, name):
    repack(saved, **{name: b"x"})
    with pytest.raises(InputError, match=r"small\.keras: not a network of decaf's \(it holds"):
        load_network(saved)
    assert os.listdir(tmp_path) == ["small.keras"]


def test_two_members_of_one_name_are_refused(saved):
    with zipfile.ZipFile(saved, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("config.json", "{}")
    with pytest.raises(InputError, match=r"small\.keras: not a whole network file"):
        load_network(saved)


def test_members_that_unpack_to_more_than_the_file_are_not_unpacked(saved):
    with zipfile.ZipFile(saved) as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (whole | {"decaf.json": b" " * 10**8 + b"{}"}).items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match=r"small\.keras: not a whole network file"):
        read_record(saved)
    with pytest.raises(InputError, match=r"small\.keras: not a whole network file"):
        load_network(saved)


def test_a_record_nested_without_end_is_refused(saved):
    repack(saved, **{"decaf.json": b"[" * 100_000})
    with pytest.raises(InputError, match=r"small\.keras: its decaf\.json"):
        load_network(saved)


@pytest.mark.parametrize(
    "part",
    [
        {"module": "builtins", "class_name": "function", "config": "eval"},
        {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {}},
        {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc"}},
        {"module": "keras.utils", "class_name": "get_file", "config": {}},
        {"module": "os", "class_name": "Dense", "config": {}},
        {"module": "keras.layers", "class_name": "Dense", "registered_name": "Lambda"},
        {"class_name": ["Dense"], "config": {}},
        {"module": {}, "class_name": "Dense"},
    ],
)
def test_parts_that_no_network_of_decafs_has_are_refused_before_keras_sees_them(
    saved, part, monkeypatch
):
    with zipfile.ZipFile(saved) as archive:
        config = json.loads(archive.read("config.json"))
    config["config"]["layers"][-1]["config"]["kernel_regularizer"] = part
    repack(saved, **{"config.json": json.dumps(config)})
    monkeypatch.setattr(keras.saving, "load_model", None)
    with pytest.raises(InputError, match=r"small\.keras: (has parts|not a network that)") as error:
        load_network(saved)
    assert "\n" not in str(error.value)


def hostile_weights(kind, folder):
    """Replace a kernel in a file of weights."""

    def change(content):
        file = io.BytesIO(content)
        with h5py.File(file, "r+") as weights:
            names = []
            weights.visit(names.append)
            name = next(name for name in names if name.endswith("vars/0"))
            shape = weights[name].shape
            del weights[name]
            if kind == "external link":
                weights[name] = h5py.ExternalLink(str(folder / "secret.h5"), "kernel")
            elif kind == "external storage":
                size = 4 * int(np.prod(shape))
                (folder / "secret.txt").write_bytes(b"x" * size)
                weights.create_dataset(
                    name, shape, "f4", external=[(folder / "secret.txt", 0, size)]
                )
            elif kind == "rows that are not there":
                weights.create_dataset(name, (10**9, 100), "f4", chunks=(1024, 10))
            elif kind == "references":
                weights.create_dataset(name, shape, h5py.ref_dtype)
        with h5py.File(folder / "secret.h5", "w") as secret:
            secret["kernel"] = np.ones(shape, "f4")
        return file.getvalue()

    return change


@pytest.mark.parametrize(
    "kind", ["external link", "external storage", "rows that are not there", "references"]
)
def test_weights_that_are_not_in_the_file_are_refused(saved, tmp_path, kind):
    with zipfile.ZipFile(saved) as archive:
        weights = archive.read("model.weights.h5")
    repack(saved, **{"model.weights.h5": hostile_weights(kind, tmp_path)(weights)})
    with pytest.raises(InputError, match=r"small\.keras: not a network that Keras can load"):
        load_network(saved)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(small_network, tmp_path, number):
    other = keras.models.clone_model(small_network.keras_model)
    kernel, bias = other.get_layer("fc7").get_weights()
    bias[3] = number
    other.get_layer("fc7").set_weights([kernel, bias])
    replace(small_network, keras_model=other).save(tmp_path / "small.keras")
    with pytest.raises(
        InputError, match=r"small\.keras: its layer fc7 has weights that are no num"
    ):
        load_network(tmp_path / "small.keras")


@pytest.mark.parametrize("backbone", list_backbones())
def test_every_backbones_network_has_only_parts_that_are_admitted(backbone, tmp_path):
    poolings = ("multilevel", "flatten") if backbone in ("alexnet", "vgg16") else ("average",)
    for pooling in poolings:
        network = build_network(backbone, 4, pooling=pooling, weights=None).keras_model
        set_precision(network, "bfloat16")
        config = {"config.json": network.to_json(), "decaf.json": "{}", "model.weights.h5": ""}
        with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
            for name, content in config.items():
                archive.writestr(name, content)
        check_harmless(tmp_path / "a.keras")
