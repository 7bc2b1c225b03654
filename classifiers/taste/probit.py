"""Grades and comparisons as probits of a linear function of features; its posterior by Laplace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import ndtr, ndtri

from classifiers.ordinal import normal_log_mass

# The deviation of what rows are worth, over that of a person from themselves: what is assumed
# beforehand, and for how many features' weights that assumption counts.
USUAL_SIGNAL = 2.5
_SIGNAL_WEIGHT = 5.0
# Ratings of unknown rows, as many of each grade: grades that were never given have their place.
_PSEUDO_RATINGS = 1.0
_MOST_STEPS = 100
# Of log density: what a step must be expected to gain, and the share of that which will do.
_LEAST_GAIN = 1e-6
_ENOUGH = 1e-4
_SAME_SIGNAL = 1e-3
_PAIRS_AT_ONCE = 20_000


class Told(NamedTuple):
    """What a person has told.

    Attributes
    ----------
    rows : ndarray of shape (n_ratings, n_features)
        Of what was rated.
    levels : ndarray of int, shape (n_ratings,)
        Places of the grades on their scale, from 0.
    differences : ndarray of shape (n_pairs, n_features)
        Of pairs: the better row less the other.
    """

    rows: np.ndarray
    levels: np.ndarray
    differences: np.ndarray


@dataclass(frozen=True)
class Posterior:
    """What is known of the worth of rows, ``row @ weights``, and of where grades end.

    A grade is where ``worth + noise`` falls between thresholds, with normal noise of variance 1; of
    a pair the better one is that with the larger sum. Beforehand weights are normal, each with the
    variance ``signal²``; afterwards weights and thresholds together are taken to be (Laplace).

    Attributes
    ----------
    weights : ndarray of shape (n_features,)
    thresholds : ndarray of shape (n_levels - 1,)
        Ascending.
    covariance : ndarray of shape (n_features + n_levels - 1, n_features + n_levels - 1)
        Of weights, then thresholds.
    signal : float
    log_evidence : float
        Of what was told, given the signal; but for a constant.
    """

    weights: np.ndarray
    thresholds: np.ndarray
    covariance: np.ndarray
    signal: float
    log_evidence: float = 0.0

    @property
    def of_weights(self) -> np.ndarray:
        """The weights' part of the covariance."""
        n = len(self.weights)
        return self.covariance[:n, :n]

    def worth(self, rows: np.ndarray, unexplained: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give mean and variance of the worth of rows.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)
        unexplained : ndarray of shape (n_rows,)
            Of their variance beforehand, over signal²: what their features leave out.
        """
        variance = np.einsum("ij,ij->i", rows @ self.of_weights.astype(rows.dtype), rows)
        variance = np.maximum(variance, 0) + self.signal**2 * unexplained
        return rows @ self.weights.astype(rows.dtype), variance

    def level_probabilities(self, rows: np.ndarray, unexplained: np.ndarray) -> np.ndarray:
        """Give the probability of every level, (n_rows, n_levels)."""
        n = len(self.weights)
        mean, variance = self.worth(rows, unexplained)
        spread = 1 + variance[:, None] + np.diag(self.covariance)[n:]
        spread = spread - 2 * rows @ self.covariance[:n, n:].astype(rows.dtype)
        below = ndtr((self.thresholds - mean[:, None]) / np.sqrt(np.maximum(spread, 1)))
        # What is not known of thresholds differs, so that far away they may cross.
        below = np.maximum.accumulate(below, axis=1)
        return np.diff(below, axis=1, prepend=0, append=1)


def know_nothing(mean: np.ndarray, n_levels: int) -> Posterior:
    """Give what is known before anything was told: each grade is as probable as any other.

    Parameters
    ----------
    mean : ndarray of shape (n_features,)
        Of the weights.
    n_levels : int
    """
    thresholds = np.hypot(1, USUAL_SIGNAL) * ndtri(np.arange(1, n_levels) / n_levels)
    variances = np.repeat([USUAL_SIGNAL**2, 0], [len(mean), n_levels - 1])
    return Posterior(mean, thresholds, np.diag(variances), USUAL_SIGNAL)


def learn(
    told: Told, mean: np.ndarray, start: Posterior, rounds: int, signal: float | None = None
) -> Posterior:
    """Find the posterior of weights and thresholds, and the signal.

    Parameters
    ----------
    told : Told
    mean : ndarray of shape (n_features,)
        Of the weights beforehand.
    start : Posterior
        Where the search begins: the nearer, the shorter.
    rounds : int
        How often the signal is bettered at most; it ends where it changes no more.
    signal : float, optional
        If it is known.

    Returns
    -------
    Posterior
    """
    found = start
    for _ in range(rounds):
        chosen = _better_signal(found, mean) if signal is None else signal
        found = _climb(told, mean, replace(found, signal=chosen))
        if signal is not None or abs(_better_signal(found, mean) / chosen - 1) < _SAME_SIGNAL:
            break
    return found


def leave_out(posterior: Posterior, left: Told) -> Posterior:
    """Give weights and thresholds as they were without some of what was told.

    It is one step of Newton's from where they are; the covariance stays that of all.

    Parameters
    ----------
    posterior : Posterior
    left : Told
        What is left out: a part of what the posterior was learnt from.
    """
    n = len(posterior.weights)
    told = _removed(left, posterior)
    along = posterior.covariance @ told.ends.T
    size = len(told.slopes)
    step = along @ np.linalg.solve(np.eye(size) - told.curvature @ (told.ends @ along), told.slopes)
    weights, thresholds = posterior.weights - step[:n], posterior.thresholds - step[n:]
    return replace(posterior, weights=weights, thresholds=thresholds)


def compare_left_out(
    posterior: Posterior, told: Told, rows: np.ndarray, is_own: np.ndarray
) -> np.ndarray:
    """By how much rows are worth more than each other, without what was told of either.

    Each pair is left out as by `leave_out`, all at once.

    Parameters
    ----------
    posterior : Posterior
    told : Told
        What it was learnt from.
    rows : ndarray of shape (n_rows, n_features)
    is_own : ndarray of bool, shape (n_rows, n_ratings + n_pairs)
        Which of the ratings, and of the pairs, tell of a row.

    Returns
    -------
    ndarray of shape (n_rows, n_rows)
        Row of the first, column of the second; the transpose turns signs.
    """
    n, n_ratings = len(posterior.weights), len(told.levels)
    concerned = np.flatnonzero(is_own.any(axis=0))
    is_rating = concerned < n_ratings
    ratings, pairs = concerned[is_rating], concerned[~is_rating] - n_ratings
    of_rows = Told(told.rows[ratings], told.levels[ratings], told.differences[pairs])
    left = _removed(of_rows, posterior)
    n_sites = len(concerned)
    # One site more, of which nothing was told, fills up those of which fewer things were.
    ends = np.insert(left.ends, [n_sites, 2 * n_sites], 0, axis=0)
    slopes = np.insert(left.slopes, [n_sites, 2 * n_sites], 0)
    curvature = np.insert(left.curvature, [n_sites, 2 * n_sites], 0, axis=0)
    curvature = np.insert(curvature, [n_sites, 2 * n_sites], 0, axis=1)
    along = posterior.covariance @ ends.T
    between, to_rows = ends @ along, rows @ along[:n]
    worth = rows @ posterior.weights
    difference = worth[:, None] - worth
    first, second = np.triu_indices(len(rows), 1)
    for start in range(0, len(first), _PAIRS_AT_ONCE):
        block = slice(start, start + _PAIRS_AT_ONCE)
        one, other = first[block], second[block]
        sites = _filled(is_own[one][:, concerned] | is_own[other][:, concerned], n_sites)
        sites = np.hstack([sites, sites + n_sites + 1])
        inner = sites[:, :, None], sites[:, None, :]
        system = np.eye(sites.shape[1]) - curvature[inner] @ between[inner]
        share = np.linalg.solve(system, slopes[sites][..., None])[..., 0]
        pairwise = to_rows[one[:, None], sites] - to_rows[other[:, None], sites]
        difference[one, other] -= np.einsum("ij,ij->i", pairwise, share)
    difference[second, first] = -difference[first, second]
    return difference


def _filled(chosen: np.ndarray, filling: int) -> np.ndarray:
    """The places of what is true in each row, and then the filling up to the longest."""
    row, place = np.nonzero(chosen)
    counts = chosen.sum(axis=1)
    filled = np.full((len(chosen), counts.max(initial=0)), filling)
    filled[row, np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)] = place
    return filled


class _Removed(NamedTuple):
    """Sites that are left out: their ends' directions, first all upper, and what these told."""

    ends: np.ndarray
    slopes: np.ndarray
    curvature: np.ndarray


def _removed(left: Told, posterior: Posterior) -> _Removed:
    sites = _sites(left, posterior, with_pseudo=False)
    at = sites.at(posterior.weights, posterior.thresholds)
    upper, lower = np.hstack([-sites.rows, sites.upper]), np.hstack([-sites.rows, sites.lower])
    ends = np.vstack([upper, lower]) * np.tile(sites.scale, 2)[:, None]
    curvature = np.block(
        [
            [np.diag(at.upper_upper), np.diag(at.upper_lower)],
            [np.diag(at.upper_lower), np.diag(at.lower_lower)],
        ]
    )
    return _Removed(ends, np.concatenate([at.by_upper, at.by_lower]), curvature)


def information(thresholds: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Give how much a grade is expected to tell of a row's worth.

    The covariance of anything with the worth, squared, times this is by how much the variance of
    that thing is expected to fall: on the average of the grades that there may be, after each of
    which the worth is taken to be normal, with its true mean and variance. For a score with noise
    of variance 1 it would be ``1 / (1 + variance)``.

    Parameters
    ----------
    thresholds : ndarray of shape (n_levels - 1,)
    mean, variance : ndarray of shape (n_rows,)
        Of worth.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    total = 1 + variance
    ends = (thresholds - mean[:, None]) / np.sqrt(total)[:, None]
    lower = np.insert(ends, 0, -np.inf, axis=1)
    upper = np.insert(ends, ends.shape[1], np.inf, axis=1)
    # Far from all thresholds but one grade is improbable: of its share only the log has digits.
    log_share, by_lower, by_upper = normal_log_mass(lower, upper)
    return (np.exp(log_share) * (by_lower + by_upper) ** 2).sum(axis=1) / total


class _Slopes(NamedTuple):
    """The log mass of sites, its slopes by their ends, and its curvatures, signs turned."""

    mass: np.ndarray
    by_upper: np.ndarray
    by_lower: np.ndarray
    upper_upper: np.ndarray
    upper_lower: np.ndarray
    lower_lower: np.ndarray


class _Sites(NamedTuple):
    """What was told, all alike: at each site a standard normal number lies between two ends.

    An end is ``scale · (threshold - row @ weights)``. `upper` and `lower` choose the threshold by a
    1 at its place; where there is none it is `ceiling` or `floor`, which are 0 elsewhere.
    """

    rows: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    ceiling: np.ndarray
    floor: np.ndarray
    scale: np.ndarray
    weight: np.ndarray

    def ends(self, weights: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        worth = self.rows @ weights
        upper = self.scale * (self.upper @ thresholds + self.ceiling - worth)
        return upper, self.scale * (self.lower @ thresholds + self.floor - worth)

    def at(self, weights: np.ndarray, thresholds: np.ndarray) -> _Slopes:
        upper, lower = self.ends(weights, thresholds)
        mass, by_lower, by_upper = normal_log_mass(lower, upper)
        # The densities at infinite ends are 0.
        at_upper, at_lower = (np.where(np.isfinite(end), end, 0) for end in (upper, lower))
        weight = self.weight
        return _Slopes(
            weight * mass,
            weight * by_upper,
            weight * by_lower,
            weight * (by_upper**2 + at_upper * by_upper),
            weight * by_upper * by_lower,
            weight * (by_lower**2 + at_lower * by_lower),
        )


def _sites(told: Told, posterior: Posterior, with_pseudo: bool = True) -> _Sites:
    """Ratings, pairs, and a part of a rating of each grade: of a row whose worth is not known."""
    n, n_levels = len(posterior.weights), len(posterior.thresholds) + 1
    n_ratings, n_pairs = len(told.levels), len(told.differences)
    n_pseudo = n_levels if with_pseudo else 0
    levels = np.concatenate([told.levels, np.arange(n_pseudo)])
    ends = np.eye(n_levels + 1)[:, 1:-1]  # of a level those at its place and the next
    infinite = np.zeros(n_levels + 1)
    infinite[-1] = np.inf
    order = np.r_[:n_ratings, n_ratings + n_pairs : n_ratings + n_pairs + n_pseudo]
    upper, lower = np.zeros((2, n_ratings + n_pairs + n_pseudo, n_levels - 1))
    ceiling, floor = np.zeros((2, len(upper)))
    floor[n_ratings : n_ratings + n_pairs] = -np.inf
    upper[order], lower[order] = ends[levels + 1], ends[levels]
    ceiling[order], floor[order] = infinite[levels + 1], -infinite[::-1][levels]
    counts = [n_ratings, n_pairs, n_pseudo]
    unknown = 1 / np.hypot(1, posterior.signal)
    return _Sites(
        np.vstack([told.rows, -told.differences, np.zeros((n_pseudo, n))]),
        upper,
        lower,
        ceiling,
        floor,
        np.repeat([1, np.sqrt(0.5), unknown], counts),
        np.repeat([1, 1, _PSEUDO_RATINGS / n_levels], counts),
    )


def _climb(told: Told, mean: np.ndarray, start: Posterior) -> Posterior:
    """Go to the highest density by Newton's steps: it has one top alone."""
    sites, n = _sites(told, start), len(start.weights)
    precision = start.signal**-2
    weights, thresholds = start.weights, start.thresholds

    def density(at: _Slopes, weights: np.ndarray) -> float:
        return at.mass.sum() - precision * np.sum((weights - mean) ** 2) / 2

    at = sites.at(weights, thresholds)
    height = density(at, weights)
    for _ in range(_MOST_STEPS):
        slope, curvature = _derivatives(sites, at)
        slope[:n] -= precision * (weights - mean)
        curvature[np.diag_indices(n)] += precision
        factor = cho_factor(curvature, lower=True)
        step = cho_solve(factor, slope)
        gain, share = step @ slope, 1.0
        while gain > _LEAST_GAIN:
            there = weights + share * step[:n], thresholds + share * step[n:]
            if (np.diff(there[1]) > 0).all():
                at = sites.at(*there)
                reached = density(at, there[0])
                if reached >= height + _ENOUGH * share * gain:
                    (weights, thresholds), height = there, reached
                    break
            share /= 2
        else:
            break
    log_evidence = height + n * np.log(precision) / 2 - np.log(np.diag(factor[0])).sum()
    covariance = cho_solve(factor, np.eye(len(slope)))
    return Posterior(weights, thresholds, covariance, start.signal, float(log_evidence))


def _derivatives(sites: _Sites, at: _Slopes) -> tuple[np.ndarray, np.ndarray]:
    """Slope of the sites' log mass by weights and thresholds; its curvature, sign turned."""
    scale, rows = sites.scale, sites.rows
    by_upper, by_lower = scale * at.by_upper, scale * at.by_lower
    both, only_upper, only_lower = (
        scale**2 * each for each in (at.upper_lower, at.upper_upper, at.lower_lower)
    )
    of_upper = sites.upper * (only_upper + both)[:, None]
    of_lower = sites.lower * (only_lower + both)[:, None]
    crossed = sites.upper.T @ (sites.lower * both[:, None])
    within = sites.upper.T @ (sites.upper * only_upper[:, None])
    within += sites.lower.T @ (sites.lower * only_lower[:, None]) + crossed + crossed.T
    across = -rows.T @ (of_upper + of_lower)
    # Of one matrix and itself, NumPy computes half of the product.
    weighed = rows * np.sqrt(np.maximum(only_upper + 2 * both + only_lower, 0))[:, None]
    of_weights = weighed.T @ weighed
    slope = [-rows.T @ (by_upper + by_lower), sites.upper.T @ by_upper + sites.lower.T @ by_lower]
    return np.concatenate(slope), np.block([[of_weights, across], [across.T, within]])


def _better_signal(posterior: Posterior, mean: np.ndarray) -> float:
    """MacKay's step towards the highest evidence, from what the weights have become."""
    known = len(mean) - np.trace(posterior.of_weights) / posterior.signal**2
    squares = np.sum((posterior.weights - mean) ** 2)
    above = squares + _SIGNAL_WEIGHT * USUAL_SIGNAL**2
    return float(np.sqrt(above / (known + _SIGNAL_WEIGHT)))
