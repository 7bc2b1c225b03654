"""Counting by matrix products: contingency tables and the information in them.

Codes are the numbers 0, 1 … of a feature's states. The *state columns* of some features are their
states one after the other: column `state_offsets(n_states)[i] + a` stands for "feature i is in
state a".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse import csr_array

# Numbers in a temporary array: 2**23 float64 are 64 MiB. Blocks of rows and features are as large
# as this allows.
BLOCK_SIZE = 2**23
# Float32 counts whole numbers exactly to 2**24; products over fewer rows than this stay far below.
_PAIR_ROWS = 2**13
# State columns of one side of a pair table: large enough for a fast matrix product.
_PAIR_COLUMNS = 2**11


def state_offsets(n_states: np.ndarray) -> np.ndarray:
    """Give the first state column of every feature.

    Parameters
    ----------
    n_states : ndarray of shape (n_features,)

    Returns
    -------
    offsets : ndarray of shape (n_features,)
    """
    return np.cumsum(n_states) - n_states


def row_blocks(n_rows: int, row_size: int) -> list[slice]:
    """Cut rows into slices whose temporary arrays hold at most `BLOCK_SIZE` numbers.

    Parameters
    ----------
    n_rows : int
    row_size : int
        Numbers that a row takes.

    Returns
    -------
    blocks : list of slice
    """
    step = max(1, BLOCK_SIZE // row_size)
    return [slice(start, start + step) for start in range(0, n_rows, step)]


def one_hot(columns: np.ndarray, n_columns: int, dtype: DTypeLike = np.float64) -> csr_array:
    """Set the given columns of every row to 1.

    Parameters
    ----------
    columns : ndarray of shape (n_rows, n_ones), int
    n_columns : int

    Returns
    -------
    ones : sparse array of shape (n_rows, n_columns)
    """
    n_rows, n_ones = columns.shape
    starts = np.arange(0, columns.size + 1, n_ones)
    ones = np.ones(columns.size, dtype=dtype)
    return csr_array((ones, columns.ravel(), starts), shape=(n_rows, n_columns))


def count_pairs(
    codes: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    n_states: np.ndarray,
    weight: np.ndarray | None = None,
) -> np.ndarray:
    """Count how often two states occur together.

    Parameters
    ----------
    codes : ndarray of shape (n_rows, n_features), int
    left, right : ndarray of int
        The features on the two sides of the table.
    n_states : ndarray of shape (n_features,)
    weight : ndarray of shape (n_rows,), optional

    Returns
    -------
    counts : ndarray of shape (state columns of `left`, state columns of `right`), float64
        Exact without weights. Beside it at most 8,192 rows of both sides are in memory.
    """
    dtype = np.float32 if weight is None else np.float64
    counts = np.zeros((n_states[left].sum(), n_states[right].sum()))
    for start in range(0, len(codes), _PAIR_ROWS):
        rows = slice(start, start + _PAIR_ROWS)
        left_ones = _dense_one_hot(codes[rows], left, n_states, dtype)
        # The same array twice lets NumPy compute one triangle only.
        right_ones = (
            left_ones if right is left else _dense_one_hot(codes[rows], right, n_states, dtype)
        )
        if weight is not None:
            left_ones = left_ones * weight[rows, None]
        counts += left_ones.T @ right_ones
    return counts


def feature_blocks(
    features: np.ndarray, n_states: np.ndarray, n_columns: int | None = None
) -> list[np.ndarray]:
    """Cut features into blocks of about so many state columns (or one feature).

    Parameters
    ----------
    features : ndarray of int
    n_states : ndarray of shape (n_features,)
    n_columns : int, optional
        2,048 if not given, which is meant for `count_pairs`.

    Returns
    -------
    blocks : list of ndarray of int
    """
    n_columns = max(1, _PAIR_COLUMNS if n_columns is None else n_columns)
    block = (np.cumsum(n_states[features]) - 1) // n_columns
    return np.split(features, np.flatnonzero(np.diff(block)) + 1)


def mutual_information(counts: np.ndarray, n_states: np.ndarray) -> np.ndarray:
    """Mutual information of every feature with the class, in nats.

    Parameters
    ----------
    counts : ndarray of shape (state columns of all features, n_classes)
    n_states : ndarray of shape (n_features,)

    Returns
    -------
    information : ndarray of shape (n_features,)
    """
    offsets = state_offsets(n_states)
    class_counts = counts[: n_states[0]].sum(axis=0)
    n_rows = class_counts.sum()
    joint = np.add.reduceat(_xlogx(counts).sum(axis=1), offsets)
    marginal = np.add.reduceat(_xlogx(counts.sum(axis=1)), offsets)
    information = (joint - marginal - _xlogx(class_counts).sum() + _xlogx(n_rows)) / n_rows
    return np.maximum(information, 0)


def conditional_mutual_information(
    codes: np.ndarray,
    labels: np.ndarray,
    n_states: np.ndarray,
    counts: np.ndarray,
    weight: np.ndarray | None = None,
) -> np.ndarray:
    """Mutual information of every pair of features given the class, in nats.

    Parameters
    ----------
    codes : ndarray of shape (n_rows, n_features), int
    labels : ndarray of shape (n_rows,), int
        Class of every row, 0 … n_classes - 1.
    n_states : ndarray of shape (n_features,)
    counts : ndarray of shape (state columns of all features, n_classes)
        How often every state occurs in every class.
    weight : ndarray of shape (n_rows,), optional

    Returns
    -------
    information : ndarray of shape (n_features, n_features)
        Symmetric, 0 on the diagonal. Memory beside it: the rows of one class, and less than 400 MB
        whatever the size (as long as a feature has at most 2,048 states).

    References
    ----------
    Friedman, Geiger, Goldszmidt: Bayesian network classifiers. Machine Learning 29, 1997, section
    4.1.
    """
    n_features = len(n_states)
    pair_terms = np.zeros((n_features, n_features))
    blocks = feature_blocks(np.arange(n_features), n_states)
    for label in range(counts.shape[1]):
        of_class = labels == label
        class_codes = codes[of_class]
        class_weight = None if weight is None else weight[of_class]
        for number, left in enumerate(blocks):
            for right in blocks[number:]:
                pairs = count_pairs(class_codes, left, right, n_states, class_weight)
                terms = np.add.reduceat(_xlogx(pairs), state_offsets(n_states[left]), axis=0)
                terms = np.add.reduceat(terms, state_offsets(n_states[right]), axis=1)
                pair_terms[left[0] : left[-1] + 1, right[0] : right[-1] + 1] += terms
    # One triangle for both, so that rounding cannot make the two differ.
    pair_terms = np.triu(pair_terms, 1)
    pair_terms += pair_terms.T
    class_counts = counts[: n_states[0]].sum(axis=0)
    feature_terms = np.add.reduceat(_xlogx(counts).sum(axis=1), state_offsets(n_states))
    information = pair_terms - feature_terms[:, None] - feature_terms + _xlogx(class_counts).sum()
    np.fill_diagonal(information, 0)
    return np.maximum(information / class_counts.sum(), 0)


def _dense_one_hot(codes, features, n_states, dtype):
    columns = codes[:, features] + state_offsets(n_states[features]).astype(np.int32)
    return one_hot(columns, n_states[features].sum(), dtype).toarray()


def _xlogx(counts):
    # Three times as fast as scipy.special.xlogy, which is not vectorised, and this is most of what
    # is not BLAS.
    return counts * np.log(np.where(counts > 0, counts, 1))
