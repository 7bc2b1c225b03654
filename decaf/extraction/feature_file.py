"""Photos → feature file: shard by shard, so that an interrupted run goes on where it stopped.

Beside the output, ``<output>.parts`` holds a feature store and a JSON status for every finished
shard. On one machine they are merged in the end; on a cluster they stay, behind an index.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import tee
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from tqdm import tqdm

from decaf.extraction.activations import cache_folder, index_shards, read_or_run
from decaf.extraction.cluster import map_on_cluster, on_cluster
from decaf.extraction.feature_network import (
    FeatureNetwork,
    PlainBackbone,
    load_feature_network,
    portable,
)
from decaf.extraction.forward_pass import write_behind
from features.errors import AlreadyThere, InputError
from features.files import write_file, writing
from features.photos import PhotoError, file_digest, find_photos, photo_root
from features.ratings import RatedPhotos
from features.store import FeatureStore, StoreWriter, index_stores, merge_stores

# What an interruption costs at most: under two minutes at 5 photos/s (VGG16 in float32 on two
# cores).
SHARD_ROWS = 512
# On a cluster shards stay files, and a lost worker costs one shard: 24,000 for 100 million photos.
CLUSTER_SHARD_ROWS = 4096
# What a shard keeps of the ratings; whether the network was finetuned on a photo it tells itself.
RATINGS = ("score", "label", "votes", "split", "group")
# NFS shows a file that another machine has made after a minute at most (its option acdirmax).
VISIBLE_SECONDS = 90


@dataclass(frozen=True)
class NamedPhotos:
    """Photos by the names that a feature file gives them.

    Attributes
    ----------
    names, paths : sequence of str, length n_photos
        What they are called there, and where they are.
    columns : dict of str to ndarray, shape (n_photos, ...)
        Their ratings: ``score``, ``label``, ``votes``, ``split``, ``group``.
    attributes : dict
        What else the file is to tell of them, such as the scores' scale; JSON values.
    """

    names: Sequence[str]
    paths: Sequence[str]
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Extraction:
    """What an extraction has written.

    Attributes
    ----------
    n_rows : int
        Photos in the store.
    n_features : int
    failed : list of (str, str)
        Names of the photos that could not be read, and why.
    changed : list of str
        Names of the photos that have changed since an interrupted run had extracted them; they
        were extracted again.
    shards : Path or None
        The folder of the shards, where the output is an index of them.
    """

    n_rows: int
    n_features: int
    failed: list[tuple[str, str]]
    changed: list[str]
    shards: Path | None


def extract_features(
    photos: str | os.PathLike | RatedPhotos | NamedPhotos,
    network: str | os.PathLike | PlainBackbone | FeatureNetwork,
    output: str | os.PathLike,
    *,
    precision: str = "auto",
    cache: str | os.PathLike | None = None,
    scheduler: str | None = None,
    force: bool = False,
    progress: bool = True,
) -> Extraction:
    """Write the features of photos to a FeatureStore.

    Finished shards are kept in ``<output>.parts`` until all are there; the same call goes on from
    them, and extracts those anew whose photos have changed. Activations that the cache holds are
    read from it; others are computed, and not kept.

    Parameters
    ----------
    photos : path-like, RatedPhotos or NamedPhotos
        A folder or a list, as `features.photos.find_photos` takes it; or rated photos, whose
        ratings become columns.
    network : path-like, PlainBackbone or FeatureNetwork
        A file of a finetuned network, a backbone whose activations are the features, or whatever
        else makes features of activations.
    output : path-like
    precision : {"auto", "float32", "bfloat16"}
        Of the convolutions.
    cache, progress
        As in `decaf.extraction.activations.cached_activations`.
    scheduler : str, optional
        Address of a Dask scheduler: its workers write the shards, and the output is an index.
        ``output``'s folder, photos and network must have the same paths on all machines.
    force : bool
        Replace an ``output`` that is there.

    Returns
    -------
    Extraction

    Raises
    ------
    AlreadyThere
        If ``output`` is there.
    InputError
        If an unfinished run with other settings is there, or another run is writing ``output``, or
        it cannot be written; if there are no photos, or no such network.
    """
    photos = _named_photos(photos)
    names, paths, columns, attributes = (
        photos.names,
        photos.paths,
        photos.columns,
        photos.attributes,
    )
    output = Path(output).absolute()
    parts = output.with_name(output.name + ".parts")
    if output.exists() and not force and not parts.exists():
        raise _there_already(output)
    with _locked(parts, output):
        written = _read_json(parts / "written.json")
        # A run that was killed while it was cleaning up; perhaps this one.
        left = isinstance(written, dict) and written["output"] == _stamp(output)
        if output.exists() and not force and not left:
            raise _there_already(output)
        with on_cluster(scheduler):
            pass  # A scheduler that does not answer shows now, not once the network is loaded.
        cache = None if cache is None else os.path.abspath(cache)
        job = _Job(secrets.token_hex(), _loader(network, precision, scheduler), cache)
        opened, settings, _ = _open(job)
        made_by = opened.attributes
        job = replace(job, settings=settings)
        run = {"settings": settings, "photos": _digest_of(names, columns, attributes)}
        if left:
            extraction = _finish(output, parts, [])
            if written["run"] == run:
                return extraction
            if not force:
                raise _there_already(output)
        rows = _open_parts(parts, settings, CLUSTER_SHARD_ROWS if scheduler else SHARD_ROWS)
        starts = range(0, len(names), rows)
        shards = {
            parts / f"{number:06}.h5": slice(start, start + rows)
            for number, start in enumerate(starts)
        }
        changed = _extract_shards(job, shards, names, paths, scheduler, progress)
        kept = np.concatenate([_readable(shard) for shard in shards])
        merged = parts / "merged.h5"
        options = {
            "columns": {name: np.asarray(values)[kept] for name, values in columns.items()},
            "attributes": made_by | settings | attributes,
            "force": True,
        }
        if scheduler is None:
            merge_stores(shards, merged, **options)
        else:
            index_stores(shards, merged, folder=parts.parent, **options)
        if output.exists() and not force:
            raise _there_already(output)
        with writing(output):
            _write_json(parts / "written.json", {"output": _stamp(merged), "run": run})
            os.replace(merged, output)
        return _finish(output, parts, changed)


def _named_photos(photos: str | os.PathLike | RatedPhotos | NamedPhotos) -> NamedPhotos:
    if isinstance(photos, NamedPhotos):
        return photos
    if isinstance(photos, RatedPhotos):
        if photos.paths is None:
            raise ValueError("these rated photos have no paths")
        columns = {name: column for name, column in photos.columns().items() if name in RATINGS}
        scale = {"scale": photos.scale and list(photos.scale), "midpoint": photos.midpoint}
        return NamedPhotos(list(photos.names), list(photos.paths), columns, scale)
    names, root = find_photos(photos), photo_root(photos)
    return NamedPhotos(names, [str(root / name) for name in names])


def _loader(network, precision, scheduler) -> Callable[[], FeatureNetwork]:
    """What loads the network in this process, or in those of a cluster's workers."""
    if not isinstance(network, FeatureNetwork):
        return functools.partial(load_feature_network, portable(network), precision)
    if scheduler is not None:
        raise InputError(f"{scheduler}: its workers load networks from files; give the file")
    return lambda: network


@dataclass(frozen=True)
class _Job:
    """What all shards of a run have in common; two of the same run are equal."""

    run: str
    load: Callable[[], FeatureNetwork] = field(compare=False)
    cache: str | None = field(compare=False)
    settings: dict | None = field(default=None, compare=False)


@functools.lru_cache(maxsize=1)
def _open(job: _Job) -> tuple[FeatureNetwork, dict, tuple]:
    """The network, what its features depend on, and the index of cached activations."""
    network = job.load()
    (pooling,) = network.convolutions.output
    folder = cache_folder(network.convolutions, network.settings["resize"], job.cache)
    # The digest of all weights of the convolutions, with precision and resize mode.
    settings = network.settings | {"convolutions": folder.name}
    if job.settings not in (None, settings):
        raise InputError(
            f"{socket.gethostname()}: {_difference(job.settings, settings)}; give all machines the "
            "same files"
        )
    return network, settings, index_shards(folder / pooling)


@contextlib.contextmanager
def _locked(parts: Path, output: Path) -> Iterator[None]:
    """The folder of shards, for one run at a time; what a killed one was writing is removed."""
    lock = FileLock(parts / "lock", blocking=False)
    with writing(output):
        parts.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            raise InputError(
                f"{output}: another run is writing it; wait for that, or choose another name"
            ) from None
    try:
        for unfinished in parts.glob(".*.part*"):
            unfinished.unlink(missing_ok=True)
        yield
    finally:
        if not (parts / "settings.json").exists():
            (parts / "lock").unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                parts.rmdir()
        lock.release()


def _open_parts(parts: Path, settings: dict, shard_rows: int) -> int:
    """Rows of a shard; the settings are those of the unfinished run, or it is a new one."""
    path = parts / "settings.json"
    before = _read_json(path)
    if before is None:
        with writing(parts):
            _write_json(path, {"settings": settings, "shard_rows": shard_rows})
        return shard_rows
    if before["settings"] != settings:
        raise InputError(
            f"{parts}: holds an unfinished run with {_difference(before['settings'], settings)}; "
            "remove it or choose another output"
        )
    return before["shard_rows"]


def _difference(before: dict, now: dict) -> str:
    return " and ".join(
        f"{key} {before.get(key)!r}, not {now.get(key)!r}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    )


def _extract_shards(job, shards, names, paths, scheduler, progress) -> list[str]:
    """Write the shards that are not there yet; give the names of the photos that have changed."""
    changed = []
    with tqdm(desc="features", total=len(names), unit="photo", disable=not progress) as bar:

        def unfinished():
            for shard, some in shards.items():
                done, changed_here = _check_shard(shard, names[some], paths[some])
                changed.extend(changed_here)
                if done:
                    bar.update(len(names[some]))
                else:
                    yield shard, names[some], [os.path.abspath(path) for path in paths[some]]

        if scheduler is None:
            for _ in _write_shards(job, unfinished(), bar.update):
                pass
        else:
            for shard, began in map_on_cluster(
                scheduler, functools.partial(_extract_shard, job), unfinished()
            ):
                _check_visible(shard, began)
                bar.update(len(names[shards[shard]]))
    return changed


def _check_visible(shard: Path, began: float) -> None:
    """Make sure that the shard that a worker has written is to be seen here."""
    deadline = time.monotonic() + VISIBLE_SECONDS
    while (_read_json(shard.with_suffix(".json")) or {}).get("began") != began:
        if time.monotonic() > deadline:
            raise InputError(
                f"{shard.parent}: a worker wrote its shard elsewhere; the output must lie in a "
                "folder that all machines share"
            )
        time.sleep(0.1)


def _check_shard(shard: Path, names, paths) -> tuple[bool, list[str]]:
    """Whether a shard is finished and holds these photos as they are now; those that changed.

    A photo's digest is only taken anew when its size or its time of modification differs.
    """
    status = _read_json(shard.with_suffix(".json"))
    stamp = _stamp(shard)
    if (
        status is None
        or stamp is None
        or stamp[0] != status["bytes"]
        or [name for name, _, _ in status["photos"]] != list(names)
    ):
        return False, []
    changed = [
        name
        for (name, stamp, digest), path in zip(status["photos"], paths)
        if _stamp(path) != stamp and _digest(path) != digest
    ]
    return not changed, changed


def _extract_shard(job, shard, names, paths) -> tuple[Path, float]:
    """A task of a cluster: write a shard and its status; give the shard, and when it was begun."""
    # A worker of several threads works on one shard at a time: that uses all its cores.
    with _one_at_a_time:
        ((_, began),) = _write_shards(job, [(shard, names, paths)])
        return shard, began


_one_at_a_time = threading.Lock()


def _write_shards(job, tasks, advance=lambda n_photos: None) -> Iterator[tuple[Path, float]]:
    """Write shards and their statuses; give each shard, and when it was begun.

    While one goes through the network, the photos of the next are decoded, and the one before is
    written.
    """
    network, _, cached = _open(job)
    # Stamps are taken before the photos are read: what changes from then on shows when the run is
    # gone on with.
    begun, decoded = tee((*task, [_stamp(path) for path in task[-1]]) for task in tasks)
    computed = read_or_run(
        (paths for _, _, paths, _ in decoded),
        network.convolutions,
        cached,
        resize=network.settings["resize"],
        batch_size=network.batch_size,
        advance=advance,
    )

    def with_features():
        for shard, names, _, stamps in begun:
            began = time.time()
            rows = next(computed)
            features, predicted = _features(network, rows)
            yield shard, names, stamps, began, rows, features, predicted

    yield from write_behind(functools.partial(_write_shard, network), with_features())


def _features(network, rows) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Features and predicted columns, in padded batches, so that nothing is traced twice."""
    (activations,) = rows.activations.values()
    n_rows, batch_size = len(activations), network.batch_size
    batches = []
    # A batch of padding alone, where no photo could be read, tells the columns all the same.
    for start in range(0, max(n_rows, 1), batch_size):
        batch = np.zeros((batch_size, activations.shape[1]), activations.dtype)
        some = activations[start : start + batch_size]
        batch[: len(some)] = some
        batches.append(network.to_features(batch))
    features, predicted = zip(*batches)
    return np.concatenate(features)[:n_rows], {
        column: np.concatenate([values[column] for values in predicted])[:n_rows]
        for column in predicted[0]
    }


def _write_shard(
    network, shard, names, stamps, began, rows, features, predicted
) -> tuple[Path, float]:
    """Write a shard's features and its status, the mark that it is finished."""
    with writing(shard):
        shard.with_suffix(".json").unlink(missing_ok=True)
    with StoreWriter(shard, network.n_features, force=True) as writer:
        writer.append(
            features,
            [names[position] for position in rows.positions],
            rows.digests,
            finetuned=np.array([digest in network.finetuned for digest in rows.digests], bool),
            **predicted,
        )
        for position, reason in rows.failed.items():
            writer.fail(names[position], reason)
    digests = dict(zip(rows.positions, rows.digests))
    status = {
        "photos": [
            (name, stamp, digests.get(position))
            for position, (name, stamp) in enumerate(zip(names, stamps))
        ],
        "rows": len(digests),
        "failed": [(names[position], reason) for position, reason in rows.failed.items()],
        "bytes": shard.stat().st_size,
        "began": began,
        "seconds": time.time() - began,
        "worker": f"{socket.gethostname()}:{os.getpid()}",
    }
    with writing(shard):
        _write_json(shard.with_suffix(".json"), status)
    return shard, began


def _readable(shard: Path) -> np.ndarray:
    """Which photos of a finished shard are rows: bool, shape (n_photos,)."""
    photos = _read_json(shard.with_suffix(".json"))["photos"]
    return np.array([digest is not None for _, _, digest in photos], bool)


def _finish(output: Path, parts: Path, changed: list[str]) -> Extraction:
    """Remove what is not needed any more, now that the output is there."""
    with FeatureStore(output) as store:
        extraction = Extraction(
            n_rows=len(store),
            n_features=store.features.shape[1],
            failed=store.failed,
            changed=changed,
            shards=None if store.shards is None else parts,
        )
    _sync_folder(output.parent)
    # The mark that this run was finished goes last.
    if extraction.shards is None:
        for path in parts.iterdir():
            if path.name not in ("written.json", "lock"):
                path.unlink()
    (parts / "written.json").unlink()
    return extraction


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder outlast a power failure, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _digest_of(names, columns: dict, attributes: dict) -> str:
    """A digest of the photos' names and of all that is said of their ratings."""
    digest = hashlib.blake2b(json.dumps(attributes, sort_keys=True).encode(), digest_size=16)
    for column, values in (("path", names), *sorted(columns.items())):
        digest.update(column.encode())
        are_numbers = isinstance(values, np.ndarray) and values.dtype != object
        digest.update(values.tobytes() if are_numbers else os.fsencode("\0".join(values)))
    return digest.hexdigest()


def _there_already(output: Path) -> AlreadyThere:
    return AlreadyThere(f"{output}: is there already; choose another name")


def _stamp(path) -> list[int] | None:
    """Size and time of modification of a file; None where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return [status.st_size, status.st_mtime_ns]


def _digest(path) -> str | None:
    try:
        return file_digest(path)
    except PhotoError:
        return None


def _read_json(path: Path):
    """What a JSON file holds; None where there is none, or half of one after a power failure."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _write_json(path: Path, content) -> None:
    write_file(path, json.dumps(content))
