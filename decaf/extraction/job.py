"""What is to be extracted: the photos, and the job that all their shards have in common."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from decaf.extraction.activations import cache_folders, index_shards
from decaf.extraction.feature_network import FeatureNetwork
from decaf.extraction.index import Index
from features.errors import InputError


@dataclass(frozen=True)
class NamedPhotos:
    """Photos by the names that a feature file gives them.

    Attributes
    ----------
    names, paths : sequence of str, length n_photos
        What they are called there, and where they are.
    ratings : dict of str to ndarray, shape (n_photos, ...)
        Any of `features.store.RATINGS`.
    attributes : dict
        What else the file is to tell of them, such as the scores' scale; JSON values.
    """

    names: Sequence[str]
    paths: Sequence[str]
    ratings: dict[str, np.ndarray] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def take(self, rows: slice) -> NamedPhotos:
        """Return some of the photos."""
        ratings = {name: values[rows] for name, values in self.ratings.items()}
        return replace(self, names=self.names[rows], paths=self.paths[rows], ratings=ratings)

    def in_shards(self, folder: Path, shard_rows: int) -> dict[Path, NamedPhotos]:
        """The photos of each shard, by where it is to be."""
        return {
            folder / f"{number:06}.h5": self.take(slice(start, start + shard_rows))
            for number, start in enumerate(range(0, len(self), shard_rows))
        }

    def digest_of_ratings(self) -> str:
        """A digest of all that is said of the photos."""
        content = json.dumps(self.attributes, sort_keys=True).encode()
        digest = hashlib.blake2b(content, digest_size=16)
        for name, values in sorted(self.ratings.items()):
            digest.update(name.encode())
            are_texts = values.dtype == object
            digest.update(os.fsencode("\0".join(values)) if are_texts else values.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Job:
    """What all shards of a run have in common; two of the same run are equal.

    Attributes
    ----------
    run : str
        What this run alone is called.
    load : callable
        Loads the network, once in every process. Workers of a cluster get it pickled.
    cache : str or None
        Absolute path of the cache of activations.
    settings : dict or None
        What the machine that began the run found the features to depend on.
    """

    run: str
    load: Callable[[], FeatureNetwork] = field(compare=False)
    cache: str | None = field(compare=False)
    settings: dict[str, Any] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class OpenJob:
    """A job in a process that works on it.

    Attributes
    ----------
    network : FeatureNetwork
    settings : dict
        What the features depend on.
    cached : tuple
        The index of cached activations, as `decaf.extraction.activations.index_shards` gives it.
    """

    network: FeatureNetwork
    settings: dict[str, Any]
    cached: tuple[list[Path], Index]

    def attributes(self, photos: NamedPhotos) -> dict[str, Any]:
        """What a store of these features says of their making."""
        return self.network.attributes | self.settings | photos.attributes


@functools.lru_cache(maxsize=1)
def open_job(job: Job) -> OpenJob:
    """Load a job's network, and look up what is cached.

    Raises
    ------
    InputError
        When this machine has another network than the one that began the run.
    """
    network = job.load()
    (folder,) = cache_folders(network.convolutions, network.settings["resize"], job.cache).values()
    # The digest of the convolutions, with precision and resize mode.
    settings = network.settings | {"convolutions": folder.parent.name}
    if job.settings not in (None, settings):
        raise InputError(
            f"{socket.gethostname()}: {difference(job.settings, settings)}; give all machines the "
            "same files"
        )
    return OpenJob(network, settings, index_shards(folder))


@contextlib.contextmanager
def opening(job: Job) -> Iterator[OpenJob]:
    """A job in this process, which forgets the network after it."""
    try:
        yield open_job(job)
    finally:
        open_job.cache_clear()


def difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """What differs between two settings, such as "width 250, not 500"."""
    return " and ".join(
        f"{key} {before.get(key)!r}, not {now.get(key)!r}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    )
