"""Which photos train and which test.

The margin delta around the midpoint comes from Murray, Marchesotti and Perronnin, "AVA: a
large-scale database for aesthetic visual analysis", CVPR 2012.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from features.errors import InputError, NoMidpoint, NoScores
from features.text import read_text

if TYPE_CHECKING:
    from features.ratings import RatedPhotos

# Where AVA keeps its lists of photos, beside AVA.txt.
AVA_LISTS = ("aesthetics_image_lists", "style_image_lists")


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


def split_by_list(
    files: Iterable[str], test_list: str | os.PathLike, source: str | os.PathLike
) -> np.ndarray:
    """Divide photos by a list of the test photos.

    Parameters
    ----------
    files : iterable of str
        Files of the photos; their folders do not count.
    test_list : path-like
        An image id or a file name a line. Where there is no such file, it is looked up beside
        `source`, and in the folders of `AVA_LISTS` there.
    source : path-like
        Where the photos are named: their ratings, or a feature file of them.

    Returns
    -------
    ndarray of str objects, shape (n_photos,)
        "test" for those that are listed, "train" for all others.

    Raises
    ------
    InputError
        There is no such list, it is no text, or none of the photos is in it.
    """
    source, path = Path(source), Path(test_list)
    beside = source if source.is_dir() else source.parent
    places = [path, *(beside / folder / path for folder in ("", *AVA_LISTS))]
    path = next(filter(Path.is_file, places), path)
    listed = {line.strip() for line in read_text(path).split("\n")}
    bare = [os.path.basename(file) for file in files]
    is_test = [name in listed or os.path.splitext(name)[0] in listed for name in bare]
    if not any(is_test):
        raise InputError(f"{path}: none of its photos is in {source}")
    return np.where(is_test, "test", "train").astype(object)


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
