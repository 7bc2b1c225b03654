"""Photos → feature store: shard by shard, so that an interrupted run goes on where it stopped.

Beside the output, ``<output>.parts`` holds the shards that are finished. On one machine they become
one file in the end; on a cluster they stay files, and their folder becomes the output.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from decaf.extraction.cluster import map_on_cluster, on_cluster
from decaf.extraction.engines import CPU_BATCH
from decaf.extraction.feature_network import (
    FeatureNetwork,
    PlainBackbone,
    load_feature_network,
    portable,
)
from decaf.extraction.job import Job, NamedPhotos, opening
from decaf.extraction.run_folder import RunFolder
from decaf.extraction.shards import (
    Status,
    finished_shard,
    other_photos,
    read_status,
    write_shard,
    write_shards,
)
from features.errors import InputError
from features.photos import find_photos, photo_root
from features.ratings import RatedPhotos
from features.store import RATINGS, FeatureStore

if TYPE_CHECKING:
    from decaf.networks.network import Network

# What an interruption costs at most: under half a minute at 5 photos/s (VGG16 in float32 on two
# cores). On a GPU as many batches.
SHARD_ROWS = 128
# On a cluster shards stay files, and a lost worker costs one shard: 24,000 for 100 million photos.
CLUSTER_SHARD_ROWS = 4096
# NFS shows a file that another machine has made after a minute at most (its option acdirmax).
VISIBLE_SECONDS = 90


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
    n_shards : int or None
        Files in the folder that the output is, where it is one.
    """

    n_rows: int
    n_features: int
    failed: list[tuple[str, str]]
    changed: list[str]
    n_shards: int | None


def extract_features(
    photos: str | os.PathLike | RatedPhotos | NamedPhotos,
    network: str | os.PathLike | PlainBackbone | Network | FeatureNetwork,
    output: str | os.PathLike,
    *,
    precision: str = "auto",
    engine: str = "auto",
    cache: str | os.PathLike | None = None,
    scheduler: str | None = None,
    shard_rows: int | None = None,
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
    network : path-like, str, Network, PlainBackbone or FeatureNetwork
        As in `decaf.extraction.feature_network.load_feature_network`.
    output : path-like
    precision : {"auto", "float32", "bfloat16"}
        Of the convolutions of a network that is yet to be loaded.
    engine : {"auto", "keras", "openvino"}
        What runs them: Keras's back end, OpenVINO, or what a measurement finds to be faster here.
    cache, progress
        As in `decaf.extraction.activations.cached_activations`.
    scheduler : str, optional
        Address of a Dask scheduler: its workers write shards, and the output is the folder of them.
        It, photos and network must have the same paths on all machines.
    shard_rows : int, optional
        Photos of a shard, which one worker makes and an interruption costs at most; 128, on a GPU
        four batches, or 4,096 on a cluster. A run that is gone on with keeps its own.
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
        it cannot be written; if there are no photos, or no such network; if a worker has other
        photos than this machine.
    """
    photos = _named_photos(photos)
    run = RunFolder(output, force)
    if not run.path.exists() and run.written_by() is None:
        run.check_output()
    with run.locked():
        # A run that was killed while it was cleaning up; perhaps this one.
        written_by = run.written_by()
        if written_by is None:
            run.check_output()
        with on_cluster(scheduler):
            pass  # A scheduler that does not answer shows now, not once the network is loaded.
        cache = None if cache is None else os.path.abspath(cache)
        load = functools.partial(
            _loader(network, scheduler), engine=engine, n_photos=len(photos), cache=cache
        )
        job = Job(secrets.token_hex(), functools.partial(load, precision=precision), cache)
        with opening(job) as opened:
            asked = _digest_of(opened.settings, photos)
            if written_by is not None:
                run.clean()
                if written_by == asked:
                    return _extraction(run.output)
                run.check_output()
            if shard_rows is None:
                n_times = max(1, opened.network.batch_size // CPU_BATCH)
                shard_rows = CLUSTER_SHARD_ROWS if scheduler else SHARD_ROWS * n_times
            shards = photos.in_shards(run.path, run.begin(opened.settings, shard_rows))
            attributes = opened.attributes(photos)
            # Workers compute in the precision that was chosen here, each with its fastest engine.
            load = functools.partial(load, precision=opened.settings.get("precision", precision))
            job = replace(job, load=load, settings=opened.settings)
            changed = _extract(job, shards, attributes, scheduler, progress)
        if scheduler is None:
            run.finish_as_file(list(shards), attributes, asked)
        else:
            run.finish_as_folder(list(shards), attributes, asked)
        return _extraction(run.output, changed)


def _named_photos(photos: str | os.PathLike | RatedPhotos | NamedPhotos) -> NamedPhotos:
    if isinstance(photos, NamedPhotos):
        return photos
    if isinstance(photos, RatedPhotos):
        if photos.paths is None:
            raise ValueError("these rated photos have no paths")
        ratings = {name: column for name, column in photos.columns().items() if name in RATINGS}
        scale = {"scale": photos.scale and list(photos.scale), "midpoint": photos.midpoint}
        return NamedPhotos(list(photos.names), list(photos.paths), ratings, scale)
    names, root = find_photos(photos), photo_root(photos)
    return NamedPhotos(names, [str(root / name) for name in names])


def _loader(
    network: str | os.PathLike | PlainBackbone | Network | FeatureNetwork, scheduler: str | None
) -> Callable[..., FeatureNetwork]:
    """What loads the network in this process, or in those of a cluster's workers."""
    if isinstance(network, str | os.PathLike | PlainBackbone):
        return functools.partial(load_feature_network, portable(network))
    if scheduler is not None:
        raise InputError(f"{scheduler}: its workers load networks from files; give the file")
    return functools.partial(load_feature_network, network)


def _digest_of(settings: dict[str, Any], photos: NamedPhotos) -> str:
    """A digest of all that a run was asked for."""
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=16)
    for name in photos.names:
        digest.update(os.fsencode(name) + b"\0")
    digest.update(photos.digest_of_ratings().encode())
    return digest.hexdigest()


def _extract(
    job: Job,
    shards: dict[Path, NamedPhotos],
    attributes: dict[str, Any],
    scheduler: str | None,
    progress: bool,
) -> list[str]:
    """Write the shards that are not there yet; give the names of the photos that have changed."""
    changed = []
    n_photos = sum(map(len, shards.values()))
    with tqdm(desc="features", total=n_photos, unit="photo", disable=not progress) as bar:

        def unfinished() -> Iterator[tuple[Path, NamedPhotos]]:
            for shard, photos in shards.items():
                finished, changed_here = finished_shard(shard, photos, attributes)
                changed.extend(changed_here)
                if finished:
                    bar.update(len(photos))
                else:
                    # Workers have another working folder.
                    yield shard, replace(photos, paths=[os.path.abspath(p) for p in photos.paths])

        if scheduler is None:
            for _ in write_shards(job, unfinished(), bar.update):
                pass
        else:
            task = functools.partial(write_shard, job)
            for shard, began in map_on_cluster(scheduler, task, unfinished(), _shard_in_words):
                status = _visible_status(shard, began)
                _check_same_photos(status, shards[shard])
                bar.update(len(shards[shard]))
    return changed


def _shard_in_words(shard: Path, photos: NamedPhotos) -> str:
    return f"{shard.name} ({photos.names[0]!r} to {photos.names[-1]!r})"


def _check_same_photos(status: Status, photos: NamedPhotos) -> None:
    """Make sure that a worker has read the photos that are here, and not others of their names."""
    others = other_photos(status, photos)
    if others:
        raise InputError(
            f"{status.worker}: its {others[0]!r} is not the one of this machine, or has changed "
            f"meanwhile{f'; so have {len(others) - 1:,} more' if others[1:] else ''}; give all "
            "machines the same photos, and start the work again"
        )


def _visible_status(shard: Path, began: float) -> Status:
    """The status of a shard that a worker has written, once it is to be seen here."""
    deadline = time.monotonic() + VISIBLE_SECONDS
    while (status := read_status(shard)) is None or status.began != began:
        if time.monotonic() > deadline:
            raise InputError(
                f"{shard.parent}: a worker wrote its shard elsewhere; the output must lie in a "
                "folder that all machines share"
            )
        time.sleep(0.1)
    return status


def _extraction(output: Path, changed: Sequence[str] = ()) -> Extraction:
    with FeatureStore(output) as store:
        return Extraction(
            n_rows=len(store),
            n_features=store.features.shape[1],
            failed=store.failed,
            changed=list(changed),
            n_shards=None if store.shards is None else len(store.shards),
        )
