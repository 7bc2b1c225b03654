"""Networks that predict how people vote, and how well they do.

Talebi and Milanfar, "NIMA: neural image assessment", IEEE Transactions on Image Processing 2018: a
softmax over the rating scale, trained with the earth mover's distance, so that a vote one step off
costs less than one three steps off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

# The root of 0 has no finite gradient; far below any distance between votes.
TINY = 1e-12


def earth_movers_distance(shares: Any, predicted: Any, r: int) -> Any:
    """How far predicted shares lie from the given ones (NIMA, equation 1).

    Parameters
    ----------
    shares, predicted : array or tensor, shape (n_photos, n_grades)
        Shares of the steps of the scale, of sum 1.
    r : int
        2 for training, 1 for judging, as NIMA does.

    Returns
    -------
    tensor, shape (n_photos,)
        From 0 to below 1: the r-norm of the difference between the cumulative shares, each step
        weighing ``1 / n_grades``.
    """
    difference = ops.cumsum(ops.subtract(shares, predicted), axis=-1)
    mean = ops.mean(ops.abs(difference) ** r, axis=-1)
    return ops.maximum(mean, TINY) ** (1 / r)


def emd_loss(shares: Any, predicted: Any) -> Any:
    """NIMA's loss: the earth mover's distance with r = 2."""
    return earth_movers_distance(shares, predicted, 2)


def vote_shares(votes: np.ndarray) -> np.ndarray:
    """Turn counts into shares.

    Parameters
    ----------
    votes : ndarray of int, shape (n_photos, n_grades)

    Returns
    -------
    ndarray of float32, shape (n_photos, n_grades)

    Examples
    --------
    >>> vote_shares(np.array([[1, 3, 0]]))
    array([[0.25, 0.75, 0.  ]], dtype=float32)
    """
    return (votes / votes.sum(axis=1, keepdims=True)).astype(np.float32)


def mean_and_spread(
    votes: np.ndarray, grades: Sequence[float] | np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of votes, or of a score of which each level is so probable.

    Parameters
    ----------
    votes : ndarray, shape (n_photos, n_grades)
        Counts, or shares. Of counts the mean is exact, so that equal means stay equal.
    grades : sequence of float, optional
        What is voted for; 1, 2, … n_grades by default.

    Returns
    -------
    mean, spread : ndarray of float64, shape (n_photos,)
        In the units of the grades.

    Examples
    --------
    >>> mean, spread = mean_and_spread(np.array([[1, 0, 1], [0, 4, 0]]))
    >>> mean.tolist(), spread.tolist()
    ([2.0, 2.0], [1.0, 0.0])
    """
    votes = votes.astype(np.float64)
    steps = np.arange(1, votes.shape[1] + 1) if grades is None else np.asarray(grades)
    total = votes.sum(axis=1)
    mean = votes @ steps / total
    return mean, np.sqrt((votes * (steps - mean[:, None]) ** 2).sum(axis=1) / total)


def share_above(above_midpoint: np.ndarray) -> np.ndarray:
    """What grades that lie so far above the midpoint count towards professional: at it, half."""
    return (np.sign(above_midpoint) + 1) / 2


def mean_distance(shares: np.ndarray, predicted: np.ndarray) -> float:
    """Mean earth mover's distance with r = 1, as NIMA judges.

    Parameters
    ----------
    shares, predicted : ndarray, shape (n_photos, n_grades)

    Returns
    -------
    float
    """
    return float(ops.mean(earth_movers_distance(shares, predicted, 1)))


def judge_votes(votes: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """NIMA's measures of predicted votes (its tables 1 to 3).

    Parameters
    ----------
    votes : ndarray of int, shape (n_photos, n_grades)
    predicted : ndarray of float, shape (n_photos, n_grades)
        Predicted shares.

    Returns
    -------
    dict of str to float
        ``emd``, the mean earth mover's distance with r = 1; ``srcc_mean`` and ``lcc_mean``,
        Spearman's and Pearson's correlation of the predicted with the true mean; ``srcc_spread``
        and ``lcc_spread``, those of the standard deviation.
    """
    from scipy.stats import pearsonr, spearmanr

    judged = {"emd": mean_distance(vote_shares(votes), predicted)}
    for name, true, guess in zip(
        ("mean", "spread"), mean_and_spread(votes), mean_and_spread(predicted)
    ):
        judged[f"srcc_{name}"] = float(spearmanr(true, guess).statistic)
        judged[f"lcc_{name}"] = float(pearsonr(true, guess).statistic)
    return judged
