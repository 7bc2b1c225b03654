"""Stacks: photos of one burst, and copies of one picture, under the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

if TYPE_CHECKING:
    from decaf.extraction.activations import Activations

# From this cosine of two photos' activations on they may be of one burst, by pooling. Chosen on
# BIQ2021's near-duplicate groups with experiments/choices/near_duplicates.py.
NEAR = {"multilevel": 0.9, "average": 0.85, "flatten": 0.75}
# From this cosine on they are the same picture, whenever it was taken: 0 false pairs there.
SAME = 0.998
# Photographers stack bursts by this many seconds in Lightroom's "Auto-Stack by Capture Time".
BURST_SECONDS = 10.0
# Photos that are compared with as many others at once, as one product of matrices. Of VGG16's
# flattened activations these are 103 MB; those of a whole album would not fit into memory.
_BLOCK = 1024


def find_stacks(
    activations: Activations,
    times: np.ndarray,
    order: Sequence[int],
    near: float,
    *,
    progress: bool = True,
) -> np.ndarray:
    """Stack photos of one burst, and copies of one picture, under the best of them.

    Best first, each photo that lies in no stack yet takes those that are near to it and were taken
    within `BURST_SECONDS`, or are the same picture. A stack cannot grow from neighbour to
    neighbour through a whole day.

    Parameters
    ----------
    activations : Activations
        Of the photos; never more than two blocks of them are in memory.
    times : ndarray of float, shape (n_photos,)
        Seconds; NaN where it is not known.
    order : sequence of int
        The photos, the best first.
    near : float
        Least cosine.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    ndarray of int, shape (n_photos,)
        The photo that lies on top of each one; itself for a photo by itself.
    """
    tops = np.full(len(order), -1)
    stored = activations.storage_order
    waiting = np.asarray(order, dtype=int)
    with tqdm(
        desc="stacks", total=len(waiting), unit="photo", delay=1, disable=not progress
    ) as bar:
        while len(waiting):
            block, waiting = waiting[:_BLOCK], waiting[_BLOCK:]
            directions = unit_rows(activations, block)
            together = _are_together(directions, directions, times[block], times[block], near)
            for top, others in zip(block, together):
                if tops[top] < 0:
                    tops[block[others & (tops[block] < 0)]] = top
                    tops[top] = top
            # All better photos lie in stacks: only those of this block take others now.
            is_top = tops[block] == block
            block_tops, directions = block[is_top], directions[is_top]
            # On disk neighbours are read together.
            later = stored[tops[stored] < 0]
            for start in range(0, len(later), _BLOCK):
                others = later[start : start + _BLOCK]
                other_directions = unit_rows(activations, others)
                together = _are_together(
                    directions, other_directions, times[block_tops], times[others], near
                )
                is_taken = together.any(axis=0)
                tops[others[is_taken]] = block_tops[together.argmax(axis=0)[is_taken]]
            waiting = waiting[tops[waiting] < 0]
            bar.update(len(order) - len(waiting) - bar.n)
    return tops


def order_frames(order: Sequence[int], tops: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """Have the photos of each stack exchange the places that they hold among all.

    Parameters
    ----------
    order : sequence of int
        The photos, the best first.
    tops : ndarray of int, shape (n_photos,)
        Photos of one stack have the same, as `find_stacks` gives them.
    worth : ndarray of float, shape (n_photos,)
        Of two photos of a stack, that of more worth comes first; of equals the better one.

    Returns
    -------
    ndarray of int, shape (n_photos,)
        The photos in their new order.

    Examples
    --------
    >>> order_frames([3, 0, 1, 2], np.array([3, 1, 1, 3]), np.array([9, 1, 2, 3])).tolist()
    [0, 3, 2, 1]
    """
    before = np.asarray(order, dtype=int)
    after = np.empty_like(before)
    stack = tops[before]
    after[np.argsort(stack, kind="stable")] = before[np.lexsort((-worth[before], stack))]
    return after


def unit_rows(activations: Activations, photos: np.ndarray) -> np.ndarray:
    """Give the activations of photos, each of length 1; those of a black photo may be all 0.

    Parameters
    ----------
    activations : Activations
    photos : ndarray of int

    Returns
    -------
    ndarray of float32, shape (n_photos, n_numbers)
    """
    values = activations.read(photos).astype(np.float32)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    values /= np.where(length > 0, length, 1)
    return values


def _are_together(
    directions: np.ndarray,
    others: np.ndarray,
    times: np.ndarray,
    other_times: np.ndarray,
    near: float,
) -> np.ndarray:
    """Whether each photo and each of the others belong to one stack."""
    cosines = directions @ others.T
    in_time = np.abs(times[:, None] - other_times) <= BURST_SECONDS
    return (cosines >= SAME) | (in_time & (cosines >= near))
