"""How much memory the fit of a classifier takes, and whether the machine has it."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from features.errors import InputError

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

# Of the discretiser that the catalogue's Bayesian-network classifiers have.
_BINS = 5


def bytes_of_fit(classifier: BaseEstimator, n_rows: int, n_features: int) -> int:
    """What the fit of a classifier of the catalogue takes at most beside its features.

    Parameters
    ----------
    classifier : estimator
    n_rows, n_features : int

    Returns
    -------
    int
        0 for those that take little more than the features.
    """
    needed = getattr(classifier, "bytes_needed", None)
    return 0 if needed is None else needed(n_rows, np.full(n_features, _BINS))


def check_memory(name: str, n_bytes: int, n_features: int) -> None:
    """Refuse what the machine cannot hold, before it is begun.

    Raises
    ------
    InputError
        If it has less memory.
    """
    has = machine_bytes()
    if n_bytes > has:
        raise InputError(
            f"{name} on {n_features:,} features takes {n_bytes / 1e9:,.1f} GB of memory, and this "
            f"machine has {has / 1e9:,.1f}; take narrower features, or another classifier"
        )


def machine_bytes() -> float:
    """Memory of the machine, or what its container may take of it; infinity where none tells."""
    try:
        has = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError):
        return math.inf
    try:
        return min(has, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no such limit
        return has
