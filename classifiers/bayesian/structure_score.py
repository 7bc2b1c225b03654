"""Scores for pgmpy's structure search from our own counts, which may be weighted."""

from __future__ import annotations

from functools import cache

import numpy as np
from pgmpy.structure_score import BaseStructureScore
from scipy.special import gammaln, xlogy


class CountScore(BaseStructureScore):
    """BDeu or BIC of a family, for columns of codes.

    Parameters
    ----------
    columns : ndarray of shape (n_rows, n_nodes), int
        Codes. A node is named by its column's number; -1 is the last column.
    n_states : ndarray of shape (n_nodes,)
    structure_score : {"bdeu", "bic"}
    weight : ndarray of shape (n_rows,), optional
    equivalent_sample_size : float, default=10
        Of BDeu; pgmpy's default.
    """

    def __init__(
        self,
        columns: np.ndarray,
        n_states: np.ndarray,
        structure_score: str,
        weight: np.ndarray | None = None,
        equivalent_sample_size: float = 10,
    ):
        self.columns = columns
        self.n_states = n_states
        self.structure_score = structure_score
        self.weight = weight
        self.equivalent_sample_size = equivalent_sample_size
        # Instead of pgmpy's __init__, which prepares a data frame.
        self._cached_local_score = cache(self._local_score)

    def _local_score(self, variable, parents):
        n_own = self.n_states[variable]
        n_configurations = self.n_states[list(parents)].prod(dtype=int)
        cell = np.zeros(len(self.columns), dtype=int)
        for node in (*parents, variable):
            cell = cell * self.n_states[node] + self.columns[:, node]
        counts = np.bincount(cell, self.weight, minlength=n_own * n_configurations)
        counts = counts.reshape(n_configurations, n_own)
        if self.structure_score == "bdeu":
            return _bdeu(counts, self.equivalent_sample_size)
        return _bic(counts)


def _bdeu(counts, equivalent_sample_size):
    in_configuration = equivalent_sample_size / len(counts)
    in_cell = equivalent_sample_size / counts.size
    return (gammaln(in_configuration) - gammaln(counts.sum(axis=1) + in_configuration)).sum() + (
        gammaln(counts + in_cell) - gammaln(in_cell)
    ).sum()


def _bic(counts):
    totals = counts.sum(axis=1)
    log_likelihood = xlogy(counts, counts).sum() - xlogy(totals, totals).sum()
    n_parameters = len(counts) * (counts.shape[1] - 1)
    return log_likelihood - 0.5 * np.log(totals.sum()) * n_parameters
