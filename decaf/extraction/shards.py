"""The shards of an extraction: each a feature store, and beside it a status that says it is whole.

A status is written last. It tells the photos' sizes, times and digests, so that a run that goes on
knows which shards hold the photos as they are now.
"""

from __future__ import annotations

import functools
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import tee
from pathlib import Path
from typing import Any

import numpy as np

from decaf.extraction.activations import read_or_run
from decaf.extraction.feature_network import FeatureNetwork
from decaf.extraction.forward_pass import ShardActivations, write_behind
from decaf.extraction.job import Job, NamedPhotos, OpenJob, open_job
from features.errors import InputError
from features.files import write_file, writing
from features.photos import PhotoError, file_digest
from features.store import StoreWriter, merge_stores
from features.store.schema import unusable_rows


@dataclass(frozen=True)
class Status:
    """What is known of a shard that is finished.

    Attributes
    ----------
    photos : list of (str, list of int or None, str or None)
        Name, size and time of each photo before it was read, and the digest of its bytes, None
        where it could not be read.
    rows : int
        Photos that could be read.
    failed : list of (str, str)
        Names of the others, and why.
    ratings : str
        As `NamedPhotos.digest_of_ratings`.
    bytes : int
        Size of the shard's file.
    began, seconds : float
        When it was begun, and how long it took.
    worker : str
        Machine and process.
    """

    photos: list[tuple[str, list[int] | None, str | None]]
    rows: int
    failed: list[tuple[str, str]]
    ratings: str
    bytes: int
    began: float
    seconds: float
    worker: str

    def write(self, shard: Path) -> None:
        """Write it beside its shard, as the mark that this is finished."""
        write_file(status_file(shard), json.dumps(asdict(self)))


def status_file(shard: Path) -> Path:
    """Where a shard's status is."""
    return shard.with_suffix(".json")


def read_status(shard: Path) -> Status | None:
    """The status of a shard; None where it is not finished, or not by this version of decaf."""
    try:
        return Status(**read_json(status_file(shard)))
    except TypeError:
        return None


def finished_shard(
    shard: Path, photos: NamedPhotos, attributes: dict[str, Any]
) -> tuple[bool, list[str]]:
    """Tell whether a shard is finished; if only its ratings are others, they are replaced.

    Parameters
    ----------
    shard : Path
    photos : NamedPhotos
        Those that it is to hold.
    attributes : dict
        What made its features.

    Returns
    -------
    finished : bool
        Whether it holds these photos as they are now. A photo's digest is only taken anew when its
        size or its time of modification differs.
    changed : list of str
        Names of the photos that have changed.
    """
    status, stamp = read_status(shard), stamp_of(shard)
    if (
        status is None
        or stamp is None
        or stamp[0] != status.bytes
        or [name for name, _, _ in status.photos] != list(photos.names)
    ):
        return False, []
    changed = other_photos(status, photos)
    if not changed and status.ratings != photos.digest_of_ratings():
        _rate(shard, photos, attributes, status)
    return not changed, changed


def other_photos(status: Status, photos: NamedPhotos) -> list[str]:
    """Names of the photos of a shard that are others here and now than where it was made.

    Those of another size or time of modification whose digest is another, too.
    """
    return [
        name
        for (name, stamp, digest), path in zip(status.photos, photos.paths)
        if stamp_of(path) != stamp and _digest(path) != digest
    ]


def write_shards(
    job: Job,
    tasks: Iterable[tuple[Path, NamedPhotos]],
    advance: Callable[[int], object] = lambda n_photos: None,
) -> Iterator[tuple[Path, float]]:
    """Write shards and their statuses.

    While one goes through the network, the photos of the next are decoded, and the one before is
    written.

    Parameters
    ----------
    job : Job
    tasks : iterable of (Path, NamedPhotos)
        Shards, and the photos of each; one is asked for ahead.
    advance : callable
        As in `decaf.extraction.forward_pass.run_network`.

    Yields
    ------
    (Path, float)
        Each shard, and when it was begun.
    """
    opened = open_job(job)
    network = opened.network
    # Stamps are taken before the photos are read: what changes from then on shows when the run is
    # gone on with.
    begun, decoded = tee((*task, [stamp_of(path) for path in task[1].paths]) for task in tasks)
    computed = read_or_run(
        (photos.paths for _, photos, _ in decoded),
        network.convolutions,
        opened.cached,
        resize=network.settings["resize"],
        batch_size=network.batch_size,
        advance=advance,
    )

    def with_features():
        for shard, photos, stamps in begun:
            began = time.time()
            found = next(computed)
            yield shard, photos, stamps, began, found, *_features(network, found)

    yield from write_behind(functools.partial(_write_shard, opened), with_features())


def write_shard(job: Job, shard: Path, photos: NamedPhotos) -> tuple[Path, float]:
    """Write one shard and its status, as a task of a cluster; give what `write_shards` yields."""
    # A worker of several threads works on one shard at a time: that uses all its cores.
    with _one_at_a_time:
        ((_, began),) = write_shards(job, [(shard, photos)])
        return shard, began


_one_at_a_time = threading.Lock()


def stamp_of(path: str | os.PathLike) -> list[int] | None:
    """Size and time of modification of a file; None where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return [status.st_size, status.st_mtime_ns]


def read_json(path: Path) -> Any:
    """What a JSON file holds; None where there is none, or half of one after a power failure."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _features(
    network: FeatureNetwork, found: ShardActivations
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Features and predicted columns, in padded batches, so that nothing is traced twice."""
    (activations,) = found.activations.values()
    n_rows, batch_size = len(activations), network.batch_size
    batches = []
    # A batch of padding alone, where no photo could be read, tells the columns all the same.
    for start in range(0, max(n_rows, 1), batch_size):
        batch = np.zeros((batch_size, activations.shape[1]), activations.dtype)
        some = activations[start : start + batch_size]
        batch[: len(some)] = some
        batches.append(network.to_features(batch))
    features, predicted = zip(*batches)
    if len(unusable_rows(np.concatenate(features))):
        raise InputError(
            "the network gives features that are no numbers, or too large ones; take another"
        )
    return np.concatenate(features)[:n_rows], {
        column: np.concatenate([values[column] for values in predicted])[:n_rows]
        for column in predicted[0]
    }


def _write_shard(
    opened: OpenJob,
    shard: Path,
    photos: NamedPhotos,
    stamps: list[list[int] | None],
    began: float,
    found: ShardActivations,
    features: np.ndarray,
    predicted: dict[str, np.ndarray],
) -> tuple[Path, float]:
    """Write a shard and its status; give the shard, and when it was begun."""
    network, names = opened.network, photos.names
    failed = [(names[position], reason) for position, reason in found.failed.items()]
    with writing(shard):
        status_file(shard).unlink(missing_ok=True)
    attributes = opened.attributes(photos)
    with StoreWriter(shard, network.n_features, attributes=attributes, force=True) as writer:
        writer.append(
            features,
            [names[position] for position in found.positions],
            found.digests,
            finetuned=network.finetuned_on.holds(found.digests),
            **{name: values[found.positions] for name, values in photos.ratings.items()},
            **predicted,
        )
        for name, reason in failed:
            writer.fail(name, reason)
    digests = dict(zip(found.positions, found.digests))
    Status(
        photos=[
            (name, stamp, digests.get(position))
            for position, (name, stamp) in enumerate(zip(names, stamps))
        ],
        rows=len(digests),
        failed=failed,
        ratings=photos.digest_of_ratings(),
        bytes=shard.stat().st_size,
        began=began,
        seconds=time.time() - began,
        worker=f"{socket.gethostname()}:{os.getpid()}",
    ).write(shard)
    return shard, began


def _rate(shard: Path, photos: NamedPhotos, attributes: dict[str, Any], status: Status) -> None:
    """Replace the ratings in a finished shard."""
    readable = np.array([digest is not None for _, _, digest in status.photos], bool)
    ratings = {name: values[readable] for name, values in photos.ratings.items()}
    merge_stores([shard], shard, ratings=ratings, attributes=attributes, force=True)
    replace(status, ratings=photos.digest_of_ratings(), bytes=shard.stat().st_size).write(shard)


def _digest(path: str) -> str | None:
    try:
        return file_digest(path)
    except PhotoError:
        return None
