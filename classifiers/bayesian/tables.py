"""Probability tables of the nodes of a Bayesian network, counted and looked up all at once.

A *family* is a node and its parents among the features; its table has a row for every joint state
of these, the own node's varying slowest, and a column for every class. The tables of all families
stand one below the other, so that a row's joint log probability is the sum of one table row a
family: a product of a one-hot matrix with the tables, just as counting is one with its transpose.
"""

from __future__ import annotations

import numpy as np

from classifiers.bayesian.contingency import one_hot, row_blocks

SMOOTHINGS = ("laplace", "m-estimate", "bdeu")
# In a family, in place of a feature's number: the class as the own node, and among the parents the
# place of one that is not there. Both index two more columns, of one state, behind the features'.
CLASS = -1
NO_PARENT = -2


def count_families(
    codes: np.ndarray,
    labels: np.ndarray,
    families: np.ndarray,
    n_states: np.ndarray,
    n_classes: int,
    weight: np.ndarray | None = None,
) -> np.ndarray:
    """Count the joint states of every family in every class.

    Parameters
    ----------
    codes : ndarray of shape (n_rows, n_features), int
    labels : ndarray of shape (n_rows,), int
    families : ndarray of shape (n_nodes, 1 + most parents), int
    n_states : ndarray of shape (n_features,)
    n_classes : int
    weight : ndarray of shape (n_rows,), optional

    Returns
    -------
    counts : ndarray of shape (n_table_rows, n_classes)
    """
    n_table_rows = _family_sizes(families, n_states).sum()
    in_class = np.eye(n_classes)[labels]
    if weight is not None:
        in_class *= weight[:, None]
    counts = np.zeros((n_table_rows, n_classes))
    for rows in row_blocks(len(codes), len(families)):
        table_rows = family_table_rows(codes[rows], families, n_states)
        counts += one_hot(table_rows, n_table_rows).T @ in_class[rows]
    return counts


def log_tables(
    counts: np.ndarray,
    families: np.ndarray,
    class_is_parent: np.ndarray,
    n_states: np.ndarray,
    smoothing: str,
    alpha: float,
) -> np.ndarray:
    """Estimate the conditional probabilities of every family.

    Parameters
    ----------
    counts : ndarray of shape (n_table_rows, n_classes)
    families : ndarray of shape (n_nodes, 1 + most parents), int
    class_is_parent : ndarray of shape (n_nodes,), bool
    n_states : ndarray of shape (n_features,)
    smoothing, alpha : see `pseudo_counts`

    Returns
    -------
    log_probability : ndarray of shape (n_table_rows, n_classes)
    """
    n_classes = counts.shape[1]
    is_class = families[:, 0] == CLASS
    sizes = _family_sizes(families, n_states)
    n_own = _with_class_and_no_parent(n_states)[families[:, 0]]
    n_configurations = sizes // n_own
    family = np.repeat(np.arange(len(families)), sizes)

    without_class = ~(class_is_parent | is_class)[family, None]
    cells = np.where(without_class, counts.sum(axis=1, keepdims=True), counts)
    added = pseudo_counts(
        smoothing,
        alpha,
        np.where(is_class, n_classes, n_own),
        n_configurations * np.where(class_is_parent, n_classes, 1),
    )
    cells += np.broadcast_to(added, sizes.shape)[family, None]

    row_in_family = np.arange(len(cells)) - family_offsets(families, n_states)[family]
    first_configuration = np.cumsum(n_configurations) - n_configurations
    configuration = first_configuration[family] + row_in_family % n_configurations[family]
    totals = np.zeros((n_configurations.sum(), n_classes))
    np.add.at(totals, configuration, cells)
    whole = np.where(
        is_class[family, None], cells.sum(axis=1, keepdims=True), totals[configuration]
    )
    return np.log(cells) - np.log(whole)


def pseudo_counts(
    smoothing: str,
    alpha: float,
    n_own: int | np.ndarray,
    n_configurations: int | np.ndarray,
) -> float | np.ndarray:
    """Count that is added to every cell of a probability table.

    Parameters
    ----------
    smoothing : {"laplace", "m-estimate", "bdeu"}
        `alpha` in every cell; `alpha` spread over the own states, for every configuration of the
        parents; `alpha` spread over the whole table, which makes it BDeu's equivalent sample size.
    alpha : float
    n_own, n_configurations : int or ndarray
        States of the node, and joint states of its parents.

    Returns
    -------
    count : float or ndarray
    """
    if smoothing == "laplace":
        return alpha
    if smoothing == "m-estimate":
        return alpha / n_own
    return alpha / (n_own * n_configurations)


def family_table_rows(codes: np.ndarray, families: np.ndarray, n_states: np.ndarray) -> np.ndarray:
    """Find the table row of every family for the codes of every photo.

    Parameters
    ----------
    codes : ndarray of shape (n_rows, n_features), int
    families : ndarray of shape (n_nodes, 1 + most parents), int
    n_states : ndarray of shape (n_features,)

    Returns
    -------
    table_rows : ndarray of shape (n_rows, n_nodes), int32
    """
    codes = np.column_stack([codes, np.zeros((len(codes), 2), dtype=codes.dtype)])
    n_states_or_one = _with_class_and_no_parent(n_states).astype(np.int32)
    table_rows = codes[:, families[:, 0]].astype(np.int32)
    for parents in families[:, 1:].T:
        table_rows *= n_states_or_one[parents]
        table_rows += codes[:, parents]
    return table_rows + family_offsets(families, n_states).astype(np.int32)


def family_offsets(families: np.ndarray, n_states: np.ndarray) -> np.ndarray:
    """Find the first table row of every family.

    Parameters
    ----------
    families : ndarray of shape (n_nodes, 1 + most parents), int
    n_states : ndarray of shape (n_features,)

    Returns
    -------
    offsets : ndarray of shape (n_nodes,)
    """
    sizes = _family_sizes(families, n_states)
    return np.cumsum(sizes) - sizes


def _family_sizes(families, n_states):
    """Give the number of joint states of the features of every family."""
    return _with_class_and_no_parent(n_states)[families].prod(axis=1)


def _with_class_and_no_parent(n_states):
    return np.append(n_states, [1, 1])
