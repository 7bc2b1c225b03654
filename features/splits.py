"""Which photos train and which test.

The margin delta around the midpoint comes from Murray, Marchesotti and Perronnin, "AVA: a
large-scale database for aesthetic visual analysis", CVPR 2012.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.errors import InputError, NoMidpoint, NoScores

if TYPE_CHECKING:
    from features.ratings import RatedPhotos


def outside_margin(score: np.ndarray | None, midpoint: float | None, delta: float) -> np.ndarray:
    """Tell which photos are clearly good or clearly bad.

    The margin serves training rows only: test photos near the midpoint stay (the paper's figures 4
    and 5).

    Parameters
    ----------
    score : ndarray of float, shape (n_photos,)
    midpoint : float
    delta : float
        Half the margin's width, 0 or more, in the units of the score; 0 leaves every photo in.

    Returns
    -------
    ndarray of bool, shape (n_photos,)
        Where ``|score - midpoint| >= delta``.

    Raises
    ------
    NoScores
        If there is no score, as with ratings that are labels only.
    NoMidpoint
        If there is no midpoint.

    Examples
    --------
    >>> outside_margin(np.array([3.0, 4.9, 6.0]), 5, 0.5)
    array([ True, False,  True])
    """
    if score is None:
        raise NoScores("a margin around the midpoint needs ratings with scores")
    if midpoint is None:
        raise NoMidpoint("a margin needs the midpoint of the scores")
    return np.abs(np.asarray(score) - midpoint) >= delta


def choose_test_photos(rated: RatedPhotos, fraction: float, seed: int) -> np.ndarray:
    """Choose the test photos: those of the given split, else a stratified sample of whole groups.

    Parameters
    ----------
    rated : features.ratings.RatedPhotos
    fraction : float
        The share of test photos, between 0 and 1; of no account when `rated` has a split.
    seed : int
        The same seed gives the same photos.

    Returns
    -------
    ndarray of bool, shape (n_photos,)

    Raises
    ------
    InputError
        If a class would be missing among the training or the test photos.
    """
    if rated.split is None:
        return sample_rows(rated.label, rated.group, fraction, seed)
    rows = rated.split == "test"
    if not _both_sides_have_both_classes(rated.label, rows):
        raise InputError("the split column or test list leaves train or test without one class")
    return rows


def sample_rows(
    label: np.ndarray, group: np.ndarray | None, fraction: float, seed: int
) -> np.ndarray:
    """Sample rows with the label balance of all, in whole groups.

    Parameters
    ----------
    label : ndarray of int, shape (n_rows,)
    group : ndarray, shape (n_rows,), or None
    fraction : float
        The share of the rows, between 0 and 1.
    seed : int
        The same seed gives the same rows.

    Returns
    -------
    ndarray of bool, shape (n_rows,)

    Raises
    ------
    InputError
        If a class would be missing among these rows or the others.
    """
    from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit

    if group is None:
        splitter = StratifiedShuffleSplit(1, test_size=fraction, random_state=seed)
        groups = None
    else:
        # Whole groups rarely add up to the very fraction and balance: take the best of 100.
        splitter = GroupShuffleSplit(100, test_size=fraction, random_state=seed)
        groups = np.unique(group, return_inverse=True)[1]
    best, best_distance = None, np.inf
    try:
        draws = list(splitter.split(label, label, groups))
    except ValueError as error:
        raise InputError(f"cannot split {len(label):,} photos: {error}") from error
    for _, sampled in draws:
        rows = np.zeros(len(label), dtype=bool)
        rows[sampled] = True
        distance = abs(rows.mean() - fraction) + abs(label[rows].mean() - label.mean())
        if distance < best_distance and _both_sides_have_both_classes(label, rows):
            best, best_distance = rows, distance
    if best is None:
        raise InputError(
            f"no split of {len(label):,} photos into whole groups has both classes on both "
            "sides: use smaller groups, or a split column"
        )
    return best


def _both_sides_have_both_classes(label: np.ndarray, test: np.ndarray) -> bool:
    return len(np.unique(label[test])) == 2 and len(np.unique(label[~test])) == 2
