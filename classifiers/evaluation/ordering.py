"""How well predictions put photos in the order of their scores, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.stats import kendalltau

# What of an album is shown first, and what of it is good: a photographer shows a tenth, and is
# content with what is among the best three tenths.
SHOWN, BEST = 0.1, 0.3
# Kendall's tau compares all pairs of rows: a second for all resamples of so many.
MOST_ROWS_OF_PAIRS = 5_000
ORDER_METRICS = ("srcc", "tau", "best_first", "group_pairs")


def judge_order(
    score: np.ndarray, predicted: np.ndarray, group: np.ndarray | None, weights: np.ndarray
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Judge an order by the scores that people gave.

    Parameters
    ----------
    score : ndarray of shape (n_test,)
    predicted : ndarray of shape (n_test,)
        The higher, the better the photo is taken to be.
    group : ndarray of shape (n_test,) or None
        Such as the burst, or the theme, that a photo is of.
    weights : ndarray of shape (n_resamples, n_test)
        Of `classifiers.evaluation.bootstrap.bootstrap_weights`.

    Returns
    -------
    metrics : dict of str to float
        ``srcc``, Spearman's rank correlation, and ``tau``, Kendall's τ-b, from -1 to 1;
        ``best_first``, the share of the tenth shown first that belongs to the best three tenths;
        ``group_pairs``, the share of pairs of one group that are in the right order, equal
        predictions counting half. NaN where it cannot be told.
    resampled : dict of str to ndarray of shape (n_resamples,)
        The same of each resample; tau's is NaN beyond `MOST_ROWS_OF_PAIRS` rows.
    """
    measures: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "srcc": lambda drawn: _srcc(score, predicted, drawn),
        "best_first": lambda drawn: _best_first(score, predicted, drawn),
    }
    if group is not None:
        right, pairs = _pairs_in_groups(score, predicted, group)
        measures["group_pairs"] = lambda drawn: _quotient(drawn @ right, drawn @ pairs)
    once = np.ones((1, len(score)))
    metrics = {name: float(measure(once)[0]) for name, measure in measures.items()}
    resampled = {
        name: np.concatenate([measure(block) for block in _blocks(weights)])
        for name, measure in measures.items()
    }
    metrics["tau"] = float(kendalltau(score, predicted).statistic)
    resampled["tau"] = _resampled_tau(score, predicted, weights)
    if group is None:
        metrics["group_pairs"] = np.nan
        resampled["group_pairs"] = np.full(len(weights), np.nan)
    return metrics, resampled


def rank_correlation(score: np.ndarray, predicted: np.ndarray) -> float:
    """Spearman's rank correlation; 0 where all of either are equal, which is no order."""
    return float(np.nan_to_num(_srcc(score, predicted, np.ones((1, len(score))))[0]))


def _blocks(weights: np.ndarray, size: int = 100) -> Iterator[np.ndarray]:
    """Some resamples at a time, which bounds the memory."""
    for start in range(0, len(weights), size):
        yield weights[start : start + size].astype(float)


def _srcc(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    x, y = _ranks(x, weights), _ranks(y, weights)
    # The mean rank of a resample is half of its rows.
    middle = weights.sum(axis=1, keepdims=True) / 2
    x, y = x - middle, y - middle
    covariance = (weights * x * y).sum(axis=1)
    return _quotient(
        covariance, np.sqrt((weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1))
    )


def _ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Ranks of rows that occur so often; equal ones have the middle of theirs."""
    of_level, level = _levels(values, weights)
    return (np.cumsum(of_level, axis=1) - of_level / 2)[:, level]


def _levels(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How often each of the rising distinct values occurs in each resample; which one a row has."""
    distinct, level = np.unique(values, return_inverse=True)
    order = np.argsort(level, kind="stable")
    starts = np.searchsorted(level[order], np.arange(len(distinct)))
    return np.add.reduceat(weights[:, order], starts, axis=1), level


def _best_first(score: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    shown = weights * _among_top(predicted, weights, SHOWN)
    return _quotient((shown * _among_top(score, weights, BEST)).sum(axis=1), shown.sum(axis=1))


def _among_top(values: np.ndarray, weights: np.ndarray, share: float) -> np.ndarray:
    """Whether a row is among this share with the highest values, or what part of its level is."""
    of_level, level = _levels(values, weights)
    above = of_level.sum(axis=1, keepdims=True) - np.cumsum(of_level, axis=1)
    room = share * weights.sum(axis=1, keepdims=True) - above
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(of_level > 0, np.clip(room / of_level, 0, 1), 0)
    return part[:, level]


def _pairs_in_groups(
    score: np.ndarray, predicted: np.ndarray, group: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each row, in how many pairs of its group with another score it is, and is in order."""
    right, pairs = np.zeros((2, len(score)))
    order = np.argsort(group, kind="stable")
    for rows in np.split(order, np.flatnonzero(group[order][1:] != group[order][:-1]) + 1):
        for start in range(0, len(rows), 1_000):  # a few lines of the square at a time
            lines = rows[start : start + 1_000]
            higher = np.sign(score[lines, None] - score[rows])
            guessed = np.sign(predicted[lines, None] - predicted[rows])
            pairs[lines] = (higher != 0).sum(axis=1)
            right[lines] = ((1 + higher * guessed) / 2 * (higher != 0)).sum(axis=1)
    return right, pairs


def _resampled_tau(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    if len(x) > MOST_ROWS_OF_PAIRS:
        return np.full(len(weights), np.nan)
    agreement = (np.sign(x[:, None] - x) * np.sign(y[:, None] - y)).astype(np.float32)
    return np.concatenate(
        [
            _quotient(
                (drawn.astype(np.float32) @ agreement * drawn).sum(axis=1),
                np.sqrt(_unequal_pairs(x, drawn) * _unequal_pairs(y, drawn)),
            )
            for drawn in _blocks(weights)
        ]
    )


def _unequal_pairs(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    of_level, _ = _levels(values, weights)
    return weights.sum(axis=1) ** 2 - (of_level**2).sum(axis=1)


def _quotient(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, above / below, np.nan)
