from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import get_tags

from features.paths import PathTransformer, check_paths


class Lengths(PathTransformer):
    """Of paths: the least that takes them."""

    def fit(self, X, y=None):
        self.paths_ = check_paths(self, X, reset=True)
        return self


def test_paths_come_as_list_column_series_or_path_objects():
    paths = np.array(["a/b.jpg", "ü.png"], dtype=object)
    for same in (list(paths), paths, paths[:, None], pd.Series(paths), list(map(Path, paths))):
        assert Lengths().fit(same).paths_ == ["a/b.jpg", "ü.png"]


@pytest.mark.parametrize("X", [[], [1.0], [["a.jpg", "b.jpg"]], "a.jpg"])
def test_what_is_no_array_of_paths_is_refused(X):
    with pytest.raises(ValueError, match=r"paths of photo files|0 sample|Expected 2D array"):
        Lengths().fit(X)


def test_the_transformer_says_that_it_takes_text():
    assert get_tags(Lengths()).input_tags.string
