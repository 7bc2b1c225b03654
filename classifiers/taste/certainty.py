"""How well a taste has been learnt, told by photos that were drawn at random, and in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau, norm, rankdata

from classifiers.evaluation.bootstrap import CONFIDENCE
from classifiers.evaluation.ordering import rank_correlation

# Of a rank correlation, below which nothing is gained; and of checks, below which nothing is said.
_LEAST_GAIN = 0.01
_LEAST_CHECKS = 8
_LEAST_CORRELATED = 4
_WIDE = float(norm.ppf((1 + CONFIDENCE) / 2))


@dataclass(frozen=True)
class Judged:
    """How well predictions agree with what a person gave.

    Attributes
    ----------
    n : int
        Photos that were compared.
    srcc, srcc_low, srcc_high : float
        Spearman's rank correlation, as it is of many photos, and its interval (95 %); -1 to 1 where
        it cannot be told.
    auc, auc_low, auc_high : float
        How probably of a good photo and another the good one is predicted to be better; NaN, and 0
        to 1, where all are of one kind.
    """

    n: int
    srcc: float
    srcc_low: float
    srcc_high: float
    auc: float
    auc_low: float
    auc_high: float


@dataclass(frozen=True)
class Agreement:
    """How well a person agrees with themselves.

    Attributes
    ----------
    n : int
        Photos that were rated twice.
    agreement, low, high : float
        Spearman's rank correlation of first and second ratings, and its interval (95 %).
    ceiling : float
        The highest rank correlation that predictions can have with single ratings, about: its
        square root, since predictions do not waver.
    """

    n: int
    agreement: float
    low: float
    high: float
    ceiling: float


def judge_checks(predicted: np.ndarray, given: np.ndarray, good: float) -> Judged:
    """Compare predictions with the grades of photos that were drawn at random.

    Parameters
    ----------
    predicted : ndarray of shape (n_checks,)
        Such as worth, predicted without the photo's own grade.
    given : ndarray of shape (n_checks,)
        Grades.
    good : float
        The least grade of a good photo.

    Examples
    --------
    >>> stars = np.array([1, 5, 2, 3, 4])
    >>> judged = judge_checks(np.array([0.1, 0.9, 0.4, 0.3, 0.8]), stars, good=4)
    >>> judged.auc, round(judged.srcc, 1)
    (1.0, 1.0)
    """
    srcc = _correlation(predicted, given)
    is_good = np.asarray(given) >= good
    auc, low, high = _auc(rankdata(predicted), is_good)
    return Judged(len(given), srcc, *_correlation_interval(srcc, len(given)), auc, low, high)


def judge_repeats(first: np.ndarray, second: np.ndarray) -> Agreement:
    """Compare first and second grades of the same photos.

    Parameters
    ----------
    first, second : ndarray of shape (n_photos,)
    """
    agreement = _correlation(first, second)
    low, high = _correlation_interval(agreement, len(first))
    return Agreement(len(first), agreement, low, high, float(np.sqrt(max(agreement, 0))))


def tell_more(judged: Judged, factor: float, n_more: int = 20) -> str:
    """Say in words what more ratings would bring.

    Parameters
    ----------
    judged : Judged
    factor : float
        From `classifiers.taste.album.AlbumTaste.foresee`.
    n_more : int

    Returns
    -------
    str

    Examples
    --------
    >>> tell_more(Judged(20, 0.5, 0.1, 0.8, 0.7, 0.5, 0.9), 1.1)
    '20 more ratings would take the order of the others from .50 to about .55 (1 would be yours).'
    """
    if judged.n < _LEAST_CHECKS or not np.isfinite(factor) or judged.srcc <= 0:
        return f"It is too early to tell: {n_more} more ratings will show."
    # Of few checks the correlation may be small by chance.
    if judged.srcc_high * (factor - 1) < _LEAST_GAIN:
        return f"It is enough: {n_more} more ratings would bring hardly anything."
    after = min(judged.srcc * factor, 1.0)
    before, then = (f"{value:.2f}".removeprefix("0") for value in (judged.srcc, after))
    return (
        f"{n_more} more ratings would take the order of the others from {before} to about {then} "
        "(1 would be yours)."
    )


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation of all photos, of which these were drawn at random.

    That of these alone lies too near to 0: in a pair of them a third photo is more often one of the
    two. Kendall's tau tells by how much (Hoeffding, Annals of Mathematical Statistics 19, 1948).
    """
    x, y = np.asarray(x), np.asarray(y)
    n = len(x)
    srcc = rank_correlation(x, y) if n else 0.0
    if n < _LEAST_CORRELATED or not srcc:
        return srcc
    tau = kendalltau(x, y).statistic
    return float(np.clip(((n + 1) * srcc - 3 * tau) / (n - 2), -1, 1))


def _correlation_interval(srcc: float, n: int) -> tuple[float, float]:
    """Of Fisher's transform, with the variance of Bonett and Wright (Psychometrika 65, 2000)."""
    if n < _LEAST_CORRELATED:
        return -1.0, 1.0
    half = _WIDE * np.sqrt((1 + srcc**2 / 2) / (n - 3))
    # An order that is right of few photos may still be wrong of many.
    centre = np.arctanh(np.clip(srcc, -1 + 1 / n**2, 1 - 1 / n**2))
    return float(np.tanh(centre - half)), float(np.tanh(centre + half))


def _auc(ranks: np.ndarray, is_good: np.ndarray) -> tuple[float, float, float]:
    """AUC and its interval: Newcombe's method 5 (Statistics in Medicine 25, 2006)."""
    n_good, n_other = is_good.sum(), (~is_good).sum()
    if not n_good or not n_other:
        return np.nan, 0.0, 1.0
    auc = (ranks[is_good].sum() - n_good * (n_good + 1) / 2) / (n_good * n_other)
    true = np.linspace(0, 1, 2001)
    mean_size = (n_good + n_other) / 2 - 1
    spread = 1 + mean_size * ((1 - true) / (2 - true) + true / (1 + true))
    deviation = np.sqrt(true * (1 - true) * spread / (n_good * n_other))
    held = true[np.abs(auc - true) <= _WIDE * deviation]
    return float(auc), float(min(held, default=auc)), float(max(held, default=auc))
