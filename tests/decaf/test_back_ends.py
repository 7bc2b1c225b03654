"""The same network files under every back end of Keras that is installed."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from decaf.networks.network import build_network

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

assert choose_precision("auto") in ("float32", "bfloat16")
for name in sys.argv[1:]:
    network = load_network(f"{name}.keras")
    features = network.features_model().predict_on_batch(np.load(f"{name}-photos.npy"))
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
