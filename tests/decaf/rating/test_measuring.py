"""Bursts among the photos of an album that is being rated."""

from types import SimpleNamespace

import numpy as np
import pytest

from decaf.ranking.stacks import find_stacks
from decaf.rating import measuring
from decaf.rating.measuring import Measuring


class Activations:
    """Of photos in the order in which they were asked for, all of which could be read."""

    def __init__(self, values, digests):
        self.values, self.digests = values, np.array(digests)
        self.positions = self.storage_order = np.arange(len(values))

    def read(self, photos):
        return self.values[photos]


class Measured(Measuring):
    """An album whose photos were measured."""

    def __init__(self, values, times, digests):
        self.network = SimpleNamespace(record=SimpleNamespace(pooling="average"))
        self._times, self._values, self._digests = dict(enumerate(times)), values, digests

    def _activations(self, photos):
        return Activations(self._values[photos], [self._digests[photo] for photo in photos])


def along(*degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


@pytest.mark.parametrize("block", [1, 2, 1024])
def test_pairs_follow_each_other_look_alike_and_are_no_copies(monkeypatch, block):
    monkeypatch.setattr(measuring, "_BLOCK", block)
    #                0    1     2      3      4     5     6       7
    times = np.array([3.0, 0.0, 40.0, np.nan, 6.0, 0.0, 41.0, np.nan])
    album = Measured(along(0, 10, 0, 0, 20, 10, 60, 0), times, list("abcdebgh"))
    assert sorted(album.bursts([7, 6, 5, 4, 3, 2, 1, 0])) in ([(0, 4), (1, 0)], [(0, 4), (5, 0)])


def test_they_are_of_the_stacks_that_an_album_is_ranked_by():
    random = np.random.default_rng(0)
    values = np.repeat(random.normal(size=(60, 30)), 3, axis=0)
    values += 0.1 * random.normal(size=values.shape)
    times = np.repeat(np.arange(60) * 100.0, 3) + random.uniform(0, 4, 180)
    album = Measured(values, times, [str(photo) for photo in range(180)])
    photos = list(range(180))
    tops = find_stacks(album._activations(photos), times, photos, 0.85)
    bursts = album.bursts(photos)
    assert len(bursts) == 120
    assert all(tops[first] == tops[second] for first, second in bursts)
