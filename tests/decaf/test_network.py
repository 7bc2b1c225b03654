import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from decaf.backbones import build_activations
from decaf.network import (
    attach_head,
    build_head,
    build_network,
    features_model,
    load_network,
    save_network,
    split_network,
)
from decaf.network_file import read_record
from features.errors import InputError


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
    assert build_network(backbone, width, weights=None).count_params() == n_parameters


def test_a_head_is_two_relu_layers_with_dropout_and_a_softmax():
    head = build_head(10, 4, outputs=3, dropout=0.25)
    names = [layer.name for layer in head.layers]
    assert names == ["activations", "fc6", "drop6", "fc7", "drop7", "output"]
    assert [head.get_layer(name).rate for name in ("drop6", "drop7")] == [0.25, 0.25]
    x = np.random.default_rng(0).normal(size=(5, 10)).astype("float32")
    found = head.predict_on_batch(x)
    fc6, fc7, output = (head.get_layer(name).get_weights() for name in ("fc6", "fc7", "output"))
    x = np.maximum(x @ fc6[0] + fc6[1], 0)
    x = np.maximum(x @ fc7[0] + fc7[1], 0)
    x = np.exp(x @ output[0] + output[1])
    np.testing.assert_allclose(found, x / x.sum(axis=1, keepdims=True), rtol=1e-5)


def test_the_same_seed_gives_the_same_head():
    first, same, other = (build_head(10, 4, seed=seed) for seed in (1, 1, 2))
    for weights, same_weights in zip(first.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, same_weights)
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])


def test_the_layers_of_a_head_start_from_different_weights():
    head = build_head(4, 4, seed=0)
    fc6, fc7 = (head.get_layer(name).get_weights()[0] for name in ("fc6", "fc7"))
    assert not np.array_equal(fc6, fc7)


@pytest.mark.parametrize(
    ("pooling", "blocks"), [("flatten", None), ("multilevel", 3), ("average", 2)]
)
def test_an_attached_head_sees_the_activations_it_was_trained_on(photos, pooling, blocks):
    activations = build_activations("alexnet-owt", (pooling,), blocks).predict_on_batch(photos)
    head = build_head(activations[pooling].shape[1], 6, outputs=3, dropout=0.1)
    network = attach_head("alexnet-owt", head, pooling, blocks)
    np.testing.assert_allclose(
        network.predict_on_batch(photos), head.predict_on_batch(activations[pooling]), rtol=1e-5
    )
    assert network.get_layer("drop6").rate == 0.1
    np.testing.assert_allclose(
        features_model(network).predict_on_batch(photos),
        features_model(head).predict_on_batch(activations[pooling]),
        rtol=1e-4,
        atol=1e-5,
    )


def test_features_are_fc7_after_relu(small_network, photos):
    features = features_model(small_network).predict_on_batch(photos)
    assert features.shape == (2, 8)
    assert features.min() == 0 < features.max()
    kernel, bias = small_network.get_layer("output").get_weights()
    logits = np.exp(features @ kernel + bias)
    np.testing.assert_allclose(
        small_network.predict_on_batch(photos),
        logits / logits.sum(axis=1, keepdims=True),
        rtol=1e-4,
    )


def test_a_split_network_gives_the_same_features(small_network, photos):
    activations, features = split_network(small_network, "flatten")
    np.testing.assert_allclose(
        features.predict_on_batch(activations.predict_on_batch(photos)["flatten"]),
        features_model(small_network).predict_on_batch(photos),
        rtol=1e-5,
    )


def test_a_saved_network_is_loaded_with_its_record(small_network, photos, tmp_path):
    path = tmp_path / "small.keras"
    record = {"backbone": "alexnet-owt", "width": 8, "midpoint": 5.0, "digests": ["00ff"]}
    save_network(small_network, path, record)
    network, loaded = load_network(path)
    assert loaded == record == read_record(path)
    np.testing.assert_array_equal(
        network.predict_on_batch(photos), small_network.predict_on_batch(photos)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["small.keras"]


def test_a_network_loaded_in_bfloat16_keeps_its_exact_weights(small_network, photos, tmp_path):
    save_network(small_network, tmp_path / "exact.keras", {})
    rough, _ = load_network(tmp_path / "exact.keras", dtype="bfloat16")
    assert rough.get_layer("conv1").compute_dtype == "bfloat16"
    assert rough.get_layer("fc6").compute_dtype == "float32"
    found, expected = (net.predict_on_batch(photos) for net in (rough, small_network))
    assert found.dtype == np.float32
    assert 0 < np.abs(found - expected).max() < 0.02
    save_network(rough, tmp_path / "rough.keras", {})
    again, _ = load_network(tmp_path / "rough.keras")
    np.testing.assert_array_equal(again.predict_on_batch(photos), expected)


def test_another_back_end_that_imports_only_decaf_network_gives_the_same(photos, tmp_path):
    network = build_network("alexnet", 8, blocks=2, weights=None)
    photos = np.resize(photos, (2, 227, 227, 3))
    save_network(network, tmp_path / "small.keras", {})
    np.save(tmp_path / "photos.npy", photos)
    code = (
        "import keras, numpy as np, decaf.network\n"
        "network = keras.saving.load_model('small.keras')\n"
        "np.save('torch.npy', network.predict_on_batch(np.load('photos.npy')))"
    )
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    np.testing.assert_allclose(
        np.load(tmp_path / "torch.npy"), network.predict_on_batch(photos), rtol=1e-4
    )


def test_an_existing_file_is_overwritten_only_with_force(small_network, tmp_path):
    path = tmp_path / "small.keras"
    save_network(small_network, path, {"number": 1})
    with pytest.raises(InputError, match=r"small\.keras: exists already.*--force"):
        save_network(small_network, path, {"number": 2})
    assert read_record(path) == {"number": 1}
    save_network(small_network, path, {"number": 3}, force=True)
    assert read_record(path) == {"number": 3}


def test_a_save_that_fails_leaves_the_old_file_and_no_other(small_network, tmp_path):
    path = tmp_path / "small.keras"
    save_network(small_network, path, {"number": 1})
    with pytest.raises(TypeError):
        save_network(small_network, path, {"number": object()}, force=True)
    assert read_record(path) == {"number": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["small.keras"]


def test_another_suffix_is_refused(small_network, tmp_path):
    with pytest.raises(InputError, match=r"small\.h5: .* must end in \.keras"):
        save_network(small_network, tmp_path / "small.h5", {})


@pytest.fixture
def saved(small_network, tmp_path):
    path = tmp_path / "small.keras"
    save_network(small_network, path, {})
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
def test_an_altered_network_is_refused(small_network, tmp_path, member):
    path = tmp_path / "small.keras"
    save_network(small_network, path, {"backbone": "alexnet-owt"})
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
    content = bytearray(path.read_bytes())
    content[info.header_offset + 30 + len(member) + info.compress_size - 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"small\.keras: .*{member}"):
        load_network(path)


def test_a_foreign_file_is_refused(tmp_path):
    (tmp_path / "small.keras").write_text("network")
    with pytest.raises(InputError, match=r"small\.keras: not a whole network file"):
        load_network(tmp_path / "small.keras")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a whole network file"):
        load_network(tmp_path)


def test_a_network_of_keras_without_a_record_is_refused(small_network, tmp_path):
    small_network.save(tmp_path / "small.keras")
    with pytest.raises(InputError, match=r"small\.keras: not a network of decaf's"):
        load_network(tmp_path / "small.keras")


@pytest.mark.parametrize("record", ["{", "[1]"])
def test_a_record_that_is_no_dictionary_is_refused(small_network, tmp_path, record):
    small_network.save(tmp_path / "small.keras")
    with zipfile.ZipFile(tmp_path / "small.keras", "a") as archive:
        archive.writestr("decaf.json", record)
    with pytest.raises(InputError, match=r"small\.keras: its decaf\.json"):
        load_network(tmp_path / "small.keras")


def test_a_record_without_a_network_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "small.keras", "w") as archive:
        archive.writestr("decaf.json", "{}")
    with pytest.raises(InputError, match=r"small\.keras: not a network that Keras can load"):
        load_network(tmp_path / "small.keras")


def test_code_in_a_network_is_refused_and_not_run(tmp_path):
    made = tmp_path / "made"
    photo = keras.Input((8, 8, 3))
    # Keras keeps a lambda's byte code, but not its closure or defaults.
    make_folder = eval(f"lambda x: __import__('os').mkdir({str(made)!r}) or x")
    harmful = keras.layers.Lambda(make_folder)
    network = keras.Model(photo, harmful(photo))
    made.rmdir()
    save_network(network, tmp_path / "small.keras", {})
    with pytest.raises(InputError, match=r"small\.keras: not a network that Keras can load"):
        load_network(tmp_path / "small.keras")
    assert not made.exists()
