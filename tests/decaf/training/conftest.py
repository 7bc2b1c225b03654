"""Activations at hand, in shards on disk as the cache keeps them."""

import numpy as np
import pytest

from decaf.extraction.activations import Activations
from features.store import StoreWriter


@pytest.fixture
def make_activations(tmp_path_factory):
    """Activations that lie in shards on disk, in an order that is not theirs."""

    def make(values, shard_rows=16):
        folder = tmp_path_factory.mktemp("shards")
        values = values.astype(np.float16)
        on_disk = np.random.default_rng(1).permutation(len(values))
        places, shards = np.empty((len(values), 2), int), []
        for start in range(0, len(values), shard_rows):
            photos = on_disk[start : start + shard_rows]
            shards.append(folder / f"{len(shards)}.h5")
            with StoreWriter(shards[-1], values.shape[1], dtype="float16") as writer:
                writer.append(values[photos], [str(i) for i in photos], ["0" * 32] * len(photos))
            places[photos] = [(len(shards) - 1, row) for row in range(len(photos))]
        return Activations(
            positions=np.arange(len(values)),
            digests=np.array([f"{i:032}" for i in range(len(values))]),
            failed=[],
            shape=values.shape,
            _shards=shards,
            _places=places,
        )

    return make


@pytest.fixture
def two_classes():
    """150 rows of 20 numbers whose class shows in the first three; 70 % positive."""
    random = np.random.default_rng(0)
    label = (random.random(150) < 0.7).astype(int)
    values = random.normal(size=(150, 20))
    values[:, :3] += 2 * label[:, None]
    return values, label
