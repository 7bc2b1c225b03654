"""Photos to be judged."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def photos():
    """Features, labels and groups of 200 photos; 60 % are professional."""
    random = np.random.default_rng(0)
    label = (random.random(200) < 0.6).astype(np.int8)
    X = random.normal(size=(200, 5)) + label[:, None] * 0.4
    return X, label, random.integers(0, 60, 200).astype(str)
