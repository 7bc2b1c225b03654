"""Intervals of accuracy, balanced accuracy and AUC, from paired bootstrap resamples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from classifiers.evaluation.folds import Folds

CONFIDENCE = 0.95
N_RESAMPLES = 1000


def bootstrap_weights(folds: Folds, n_resamples: int, seed: int) -> np.ndarray:
    """Draw resamples of test rows within their folds; photos of one group are drawn together.

    Parameters
    ----------
    folds : Folds
    n_resamples : int
    seed : int

    Returns
    -------
    ndarray of float32, shape (n_resamples, n_test)
        How often each row occurs in each resample; float for the matrix products, exact up to
        2**24.
    """
    test_rows = folds.test_rows
    unit = test_rows if folds.group is None else folds.group[test_rows]
    random = np.random.default_rng(seed)
    weights = np.empty((n_resamples, len(test_rows)), np.float32)
    for number in range(len(folds)):
        rows = np.flatnonzero(folds.number_of_test_row == number)
        units, unit_of_row = np.unique(unit[rows], return_inverse=True)
        for resample in weights:
            drawn = random.integers(len(units), size=len(units))
            resample[rows] = np.bincount(drawn, minlength=len(units))[unit_of_row]
    return weights


def resampled_auc(
    label: np.ndarray, score: np.ndarray, weights: np.ndarray, block: int = 100
) -> np.ndarray:
    """AUC of each resample, as the Mann–Whitney statistic of weighted rows, ties counting half.

    Parameters
    ----------
    label : ndarray of shape (n_test,)
        0 or 1.
    score : ndarray of shape (n_test,)
    weights : ndarray of shape (n_resamples, n_test)
        Of `bootstrap_weights`.
    block : int
        Resamples that are computed at once, which bounds the memory.

    Returns
    -------
    ndarray of shape (n_resamples,)
        NaN where a resample holds one class only.
    """
    order = np.argsort(score)
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    positive = label[order] == 1
    aucs = []
    for start in range(0, len(weights), block):
        drawn = weights[start : start + block, order].astype(float)
        of_positive = np.add.reduceat(drawn * positive, starts, axis=1)
        of_negative = np.add.reduceat(drawn * ~positive, starts, axis=1)
        below = np.cumsum(of_negative, axis=1) - of_negative / 2
        pairs = of_positive.sum(axis=1) * of_negative.sum(axis=1)
        with np.errstate(invalid="ignore"):
            aucs.append((of_positive * below).sum(axis=1) / pairs)
    return np.concatenate(aucs)


def resampled_accuracies(
    label: np.ndarray, prediction: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Accuracy and balanced accuracy of each resample, from its confusion matrix.

    Parameters
    ----------
    label, prediction : ndarray of shape (n_test,)
        0 or 1.
    weights : ndarray of shape (n_resamples, n_test)
        Of `bootstrap_weights`.

    Returns
    -------
    dict of str to ndarray of shape (n_resamples,)
    """
    cells = [(label == true) & (prediction == called) for true in (0, 1) for called in (0, 1)]
    counts = weights @ np.stack(cells, axis=1).astype(np.float32)
    right = counts[:, [0, 3]]
    of_class = counts.reshape(-1, 2, 2).sum(axis=2)
    with np.errstate(invalid="ignore"):
        recall = right / of_class
    return {
        "accuracy": right.sum(axis=1) / counts.sum(axis=1),
        "balanced_accuracy": recall.mean(axis=1),
    }


def interval(resampled: np.ndarray) -> tuple[float, float]:
    """Percentile interval of `CONFIDENCE`.

    Parameters
    ----------
    resampled : ndarray of shape (n_resamples,)
        Resamples in which a fold lost one of its classes are NaN, and do not count.

    Returns
    -------
    low, high : float
        NaN where all resamples are.
    """
    tail = (1 - CONFIDENCE) / 2
    if np.isnan(resampled).all():
        return np.nan, np.nan
    low, high = np.nanquantile(resampled, [tail, 1 - tail])
    return low, high
