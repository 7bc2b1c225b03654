"""Measures of photos as a scikit-learn transformer of their paths (the paper's figure 6).

    make_pipeline(PhotoDescriptors(), StandardScaler(), LogisticRegression())

takes arrays of photo paths; `features.descriptors.keypoints` has the descriptors that are learnt.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from features.descriptors.composition import MEASURES
from features.descriptors.gist import gist
from features.descriptors.working_size import read_reduced
from features.errors import InputError
from features.paths import PathTransformer, check_paths

ALL_MEASURES: dict[str, Callable[[np.ndarray], Any]] = {**MEASURES, "gist": gist}


class PhotoDescriptors(PathTransformer):
    """Measure colours, textures, layout, composition and technique of photos.

    Parameters
    ----------
    measures : sequence of str, optional
        Keys of `ALL_MEASURES`, in the order wanted; all by default.
    n_jobs : int, optional
        Photos measured at the same time, as joblib counts them.

    Examples
    --------
    >>> from features.descriptors.generic import PhotoDescriptors
    >>> PhotoDescriptors(measures=["contrast", "rule_of_thirds"])
    PhotoDescriptors(measures=['contrast', 'rule_of_thirds'])
    """

    def __init__(self, measures: Sequence[str] | None = None, n_jobs: int | None = None) -> None:
        self.measures = measures
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> PhotoDescriptors:
        """Check the parameters; nothing is learnt from the photos.

        Parameters
        ----------
        X : array of str, shape (n_photos,) or (n_photos, 1)
            Paths of photos.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        InputError
            If a measure is unknown.
        ValueError
            If `X` holds no paths.
        """
        check_paths(self, X, reset=True)
        self.measures_ = list(ALL_MEASURES if self.measures is None else self.measures)
        for name in self.measures_:
            if name not in ALL_MEASURES:
                near = difflib.get_close_matches(name, ALL_MEASURES) or ALL_MEASURES
                raise InputError(f"no measure {name!r}; choose from: {', '.join(near)}")
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Measure photos.

        Parameters
        ----------
        X : array of str, shape (n_photos,) or (n_photos, 1)

        Returns
        -------
        ndarray of float64, shape (n_photos, n_features)

        Raises
        ------
        InputError
            If a photo cannot be read; the message names it and the reason.
        """
        check_is_fitted(self)
        paths = check_paths(self, X, reset=False)
        rows = Parallel(self.n_jobs)(delayed(_measure)(path, self.measures_) for path in paths)
        return np.array(rows)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the features' names: the measure's, numbered where it gives several numbers."""
        check_is_fitted(self)
        blank = np.zeros((1, 1, 3), dtype=np.uint8)
        names = []
        for measure in self.measures_:
            size = np.size(ALL_MEASURES[measure](blank))
            names += [measure] if size == 1 else [f"{measure}{i}" for i in range(size)]
        return np.array(names, dtype=object)


def _measure(path: str, measures: Sequence[str]) -> np.ndarray:
    rgb = read_reduced(path)
    return np.concatenate([np.atleast_1d(ALL_MEASURES[name](rgb)) for name in measures])
