"""Bursts and copies: what is stacked, and how few photos are in memory meanwhile."""

import numpy as np
import pytest

from decaf.ranking import stacks
from decaf.ranking.stacks import find_stacks, order_frames


class Stored:
    """Activations that note how many of them were read at once."""

    def __init__(self, values, storage_order=None):
        self.values = np.asarray(values)
        self.storage_order = np.arange(len(values)) if storage_order is None else storage_order
        self.most = 0

    def read(self, photos):
        self.most = max(self.most, len(photos))
        return self.values[photos]


def directions(*degrees):
    """Activations whose cosines are those of the angles between them."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def stack(values, times, order, near=0.9):
    return find_stacks(Stored(values), np.array(times), order, near).tolist()


def test_photos_of_one_moment_are_stacked_under_the_best():
    assert stack(directions(0, 5, 10, 80), [0.0, 3.0, 6.0, 0.0], [2, 3, 0, 1]) == [2, 2, 2, 3]


def test_the_same_subject_at_another_time_is_another_photo():
    assert stack(directions(0, 5, 10), [0.0, 11.0, np.nan], [0, 1, 2]) == [0, 1, 2]


def test_copies_of_a_picture_are_stacked_whenever_they_were_made():
    assert stack(directions(0, 1, 2), [np.nan, 0.0, 9e9], [1, 0, 2]) == [1, 1, 1]


def test_a_stack_does_not_grow_from_neighbour_to_neighbour():
    order = [0, 1, 2, 3, 4]
    assert stack(directions(0, 0, 0, 0, 0) * [[1, 0.3]], [0.0] * 5, order) == [0, 0, 0, 0, 0]
    times = [0.0, 6.0, 12.0, 18.0, 24.0]
    assert stack(directions(0, 8, 16, 24, 32), times, order) == [0, 0, 2, 2, 4]


def test_black_photos_without_activations_are_no_copies_of_everything():
    assert stack(np.zeros((2, 3), np.float16), [0.0, 0.0], [0, 1]) == [0, 1]


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_an_album_in_blocks_is_stacked_as_one_in_one_piece(monkeypatch, block):
    monkeypatch.setattr(stacks, "_BLOCK", block)
    random = np.random.default_rng(block)
    n = 300
    # Photos of 30 subjects, some a stack with a few only of the others, some the same picture.
    values = random.normal(size=(30, 16))[random.integers(0, 30, n)]
    values += random.choice([0.01, 0.3, 0.5], n)[:, None] * random.normal(size=(n, 16))
    values = (values * random.uniform(0.1, 10, n)[:, None]).astype(np.float16)
    times = np.where(random.random(n) < 0.2, np.nan, random.uniform(0, 40, n))
    order = random.permutation(n)
    stored = Stored(values, random.permutation(n))
    tops = find_stacks(stored, times, order, near=0.9)
    np.testing.assert_array_equal(tops, in_one_piece(values, times, order, near=0.9))
    assert stored.most <= block
    sizes = np.bincount(tops, minlength=n)
    assert (sizes == 1).sum() > 20 and (sizes > 1).sum() > 20


def in_one_piece(values, times, order, near):
    values = values.astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    tops = np.full(len(values), -1)
    for top in order:
        if tops[top] < 0:
            cosine = values @ values[top]
            in_time = np.abs(times - times[top]) <= stacks.BURST_SECONDS
            together = (cosine >= stacks.SAME) | (in_time & (cosine >= near))
            tops[together & (tops < 0)] = top
            tops[top] = top
    return tops


def test_frames_exchange_the_places_of_their_stack_and_no_others():
    random = np.random.default_rng(0)
    order, tops = random.permutation(60), random.integers(0, 20, 60)
    worth = random.normal(size=60)
    after = order_frames(order.tolist(), tops, worth)
    assert np.array_equal(tops[after], tops[order])
    for top in range(20):
        found = worth[after[tops[after] == top]]
        assert np.all(np.diff(found) < 0)


def test_frames_of_equal_worth_stay_in_their_order():
    order = [4, 2, 0, 3, 1]
    assert order_frames(order, np.zeros(5, int), np.zeros(5)).tolist() == order
