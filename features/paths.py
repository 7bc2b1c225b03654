"""Paths of photos as scikit-learn's transformers take them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data


class PathTransformer(TransformerMixin, BaseEstimator):
    """A transformer of paths of photo files; it tells scikit-learn that it takes text."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags


def check_paths(estimator: BaseEstimator, X: Any, *, reset: bool) -> list[str]:
    """Check the paths that a scikit-learn transformer of photos is given.

    Parameters
    ----------
    estimator : estimator
    X : array-like of str or path, shape (n_photos,) or (n_photos, 1)
    reset : bool
        Whether `X` is what the estimator is fitted on.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        When `X` is no such thing, or holds no photo.
    """
    if np.ndim(X) == 1:
        X = np.asarray(X, dtype=object)[:, None]
    X = validate_data(estimator, X, reset=reset, dtype=None)
    if X.shape[1] != 1 or not all(isinstance(path, str | os.PathLike) for path in X[:, 0]):
        raise ValueError("X must be paths of photo files, of shape (n_photos,) or (n_photos, 1)")
    return [os.fspath(path) for path in X[:, 0]]
