import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Six small photos: blocks of noise, coarser from photo to photo."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for i in range(6):
        noise = random.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        block = np.repeat(np.repeat(noise, i + 1, axis=0), i + 1, axis=1)[:48, :64]
        Image.fromarray(block).save(folder / f"{i}.png")
    return np.array(sorted(map(str, folder.iterdir())), dtype=object)
