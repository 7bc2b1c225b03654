import numpy as np
import pytest
from stores import write


@pytest.fixture
def parts(tmp_path):
    paths = [tmp_path / "0.h5", tmp_path / "1.h5", tmp_path / "2.h5"]
    rows = [
        write(paths[0], 4, first=0, attributes={"width": 6}, failures=[("x", "no")], label=[0] * 4),
        write(paths[1], 1, first=4, attributes={"width": 6}, label=[1]),
        write(paths[2], 5, first=5, attributes={"width": 6}, failures=[("y", "no")], label=[1] * 5),
    ]
    features = np.vstack([features for features, _, _ in rows])
    names = np.concatenate([names for _, names, _ in rows]).astype(object)
    digests = np.concatenate([digests for _, _, digests in rows])
    return paths, features, names, digests
