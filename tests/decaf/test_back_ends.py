"""The same network files under every back end of Keras that is installed, and without most."""

import importlib.util
import json
import os
import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest

from decaf.networks.network import build_network
from features.photos import read_photo, resize_photo

OTHERS = [
    name
    for name in ("tensorflow", "torch", "jax")
    if importlib.util.find_spec(name) and name != keras.backend.backend()
]
# Local response normalisation; strided and depthwise convolutions; their other padding.
BACKBONES = ("alexnet", "mobilenet-v2", "efficientnet-lite0")
RUN = """
import sys
import numpy as np
from decaf.networks.network import load_network
from decaf.backend import choose_precision
from decaf.extraction.engines import forward_pass

assert choose_precision("auto") in ("float32", "bfloat16")
for name in sys.argv[1:]:
    network, photos = load_network(f"{name}.keras"), np.load(f"{name}-photos.npy")
    features = network.features_model().predict_on_batch(photos)
    convolutions = network.activations_model()
    exact, found = convolutions.predict_on_batch(photos), forward_pass(convolutions, 2)(photos)
    np.testing.assert_allclose(found["multilevel"], exact["multilevel"], rtol=1e-4, atol=1e-5)
    np.save(f"{name}-features.npy", features)
"""


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """A folder of small random networks, of photos for them, and of the features that they give."""
    folder = tmp_path_factory.mktemp("networks")
    photos = np.random.default_rng(0)
    for name in BACKBONES:
        network = build_network(name, 8, pooling="multilevel", blocks=2, weights=None)
        shape = (2, network.input_size, network.input_size, 3)
        np.save(folder / f"{name}-photos.npy", photos.integers(0, 256, shape, np.uint8))
        network.save(folder / f"{name}.keras")
    return folder


def run(networks, back_end):
    """Features of the networks' photos, by a process with another back end."""
    environment = os.environ | {"KERAS_BACKEND": back_end, "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-c", RUN, *BACKBONES]
    subprocess.run(command, cwd=networks, env=environment, check=True)
    return {name: np.load(networks / f"{name}-features.npy") for name in BACKBONES}


@pytest.fixture(scope="module")
def expected(networks):
    return run(networks, keras.backend.backend())


@pytest.mark.parametrize("back_end", OTHERS)
def test_features_differ_between_back_ends_by_less_than_a_thousandth(back_end, networks, expected):
    found = run(networks, back_end)
    for name in BACKBONES:
        largest = expected[name].max()
        assert largest > 0
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-4 * largest)


WITHOUT_TENSORFLOW = """
import json
import os
import sys
from importlib.machinery import PathFinder

find, absent = PathFinder.find_spec, ("tensorflow", "torch", "jax")
PathFinder.find_spec = lambda name, path=None, target=None: (
    None if name in absent else find(name, path, target)
)

from decaf.commands import export_network, extract_features, finetune_network

photos, ratings, network, out = sys.argv[1:]
statuses = [
    extract_features.main([photos, "--network", network, "--precision", "float32", "-o", out]),
    finetune_network.main([photos, "--ratings", ratings, "--backbone", "alexnet-owt", "-o", "n"]),
]
reporting = [name for name in sys.modules if name.startswith("openvino_telemetry.")]
print(json.dumps([statuses, os.environ["KERAS_BACKEND"], reporting]))
"""


def test_openvino_alone_extracts_the_same_features_and_says_that_it_trains_none(samples, tmp_path):
    if not importlib.util.find_spec("openvino"):
        pytest.skip("the extra fast is not installed")
    network = build_network("alexnet-owt", 8, pooling="multilevel", blocks=2, weights=None)
    network.save(tmp_path / "network.keras")
    paths = sorted(map(str, samples.glob("*.jpg")))[:3]
    (tmp_path / "photos.txt").write_text("\n".join(paths))
    given = ["photos.txt", str(samples / "ratings.csv"), "network.keras", "found.h5"]
    without_choice = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, *given],
        cwd=tmp_path,
        env=without_choice | {"PYTHONPATH": os.getcwd(), "DECAF_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
    )
    told = ended.stdout.splitlines()[-1:] or [ended.stderr]
    assert json.loads(told[0]) == [[0, 2], "openvino", []]
    assert "trains none: pip install 'decaf[cpu]'" in ended.stderr
    rgb = [resize_photo(read_photo(path, min_side=224)[0], 224) for path in paths]
    expected = network.features_model().predict_on_batch(np.stack(rgb))
    with h5py.File(tmp_path / "found.h5") as store:
        found = store["features"][:]
    assert expected.max() > 0
    # The activations in between are float16.
    np.testing.assert_allclose(found, expected, rtol=5e-3, atol=2e-3 * expected.max())
