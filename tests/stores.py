"""Feature stores of random rows."""

import numpy as np
import pytest

from features.errors import InputError
from features.store import FeatureStore, StoreWriter

RANDOM = np.random.default_rng(0)


def batch(n, n_features=6, first=0):
    return (
        RANDOM.normal(size=(n, n_features)).astype(np.float32),
        [f"folder/photo {first + i}.jpg" for i in range(n)],
        [f"{first + i:032x}" for i in range(n)],
    )


def write(
    path, n=10, n_features=6, first=0, failures=(), attributes=None, dtype="float32", **columns
):
    rows = batch(n, n_features, first)
    with StoreWriter(path, n_features, dtype=dtype, attributes=attributes) as writer:
        writer.append(*rows, **columns)
        for failure in failures:
            writer.fail(*failure)
    return rows


def complaint(path):
    """What a store that is refused is refused for, in one line."""
    with pytest.raises(InputError) as caught:
        FeatureStore(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text
    return text
