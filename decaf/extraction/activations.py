"""The activation cache: a frozen backbone sees every photo once, whatever is learnt on it later.

A cache folder holds write-once FeatureStores ("shards") of float16 activations, looked up by the
photos' digests. New photos make new shards; nothing is ever appended to, so an interruption costs
one shard at most.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import tee
from pathlib import Path

import numpy as np
from tqdm import tqdm

from decaf.extraction.forward_pass import Rows, run_network, write_behind
from features.photos import PhotoError, file_digest
from features.store import FeatureStore, StoreWriter

# 1,024 rows of VGG16's flattened activations are 51 MB: small enough to lose, large enough to read
# at full speed.
SHARD_ROWS = 1024
# Rows at most this far apart are read together: a few rows too many cost less than another read.
NEAR_ROWS = 16


@dataclass(frozen=True)
class Activations:
    """Cached activations of the photos that could be read.

    Attributes
    ----------
    positions : ndarray of int, shape (n_photos,)
        Where these photos stand in the sequence of paths that was asked for.
    digests : ndarray of str, shape (n_photos,)
    failed : list of (int, str)
        Positions of the photos that could not be read, and why.
    shape : tuple of int
        (n_photos, n_activations).
    """

    positions: np.ndarray
    digests: np.ndarray
    failed: list[tuple[int, str]]
    shape: tuple[int, int]
    _shards: list[Path]
    _places: np.ndarray  # (n_photos, 2): shard, row

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def storage_order(self) -> np.ndarray:
        """The photos in the order in which they lie on disk, shape (n_photos,)."""
        return np.lexsort(self._places.T[::-1])

    def read(self, photos: np.ndarray) -> np.ndarray:
        """Read the activations of some photos.

        Parameters
        ----------
        photos : ndarray of int, shape (n,)
            In 0 … n_photos - 1. Fast when they lie near to each other on disk.

        Returns
        -------
        ndarray of float16, shape (n, n_activations)
        """
        return _read(self._shards, self._places[photos], self.shape[1])


def cached_activations(
    paths: Sequence[str],
    model,
    *,
    resize: str = "squash",
    cache: str | os.PathLike | None = None,
    batch_size: int = 32,
    progress: bool = True,
) -> dict[str, Activations]:
    """Activations of photos, from the cache where they are there, else computed and kept.

    Parameters
    ----------
    paths : sequence of str
        Photo files.
    model : keras.Model
        Gives activations by pooling, as `decaf.networks.convolutions.build_activations` builds it.
        One pass over the photos fills the caches of all its poolings.
    resize : {"squash", "crop", "pad"}
        How photos are brought to the model's input size.
    cache : path, optional
        The cache folder; `default_cache` by default.
    batch_size : int
        Photos in a forward pass.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    dict of str to Activations
        By pooling.
    """
    folder = cache_folder(model, resize, cache)
    digests, failed = digest_files(paths, progress)
    stored = {pooling: index_shards(folder / pooling) for pooling in model.output}
    missing = {
        digest: path
        for path, digest in zip(paths, digests)
        if digest and not all(digest in index for _, index in stored.values())
    }
    if missing:
        with tqdm(
            desc="activations", total=len(missing), unit="photo", disable=not progress
        ) as bar:
            reasons = _fill(folder, missing, model, resize, batch_size, bar)
        failed.update((i, reasons[d]) for i, d in enumerate(digests) if d in reasons)
        stored = {pooling: index_shards(folder / pooling) for pooling in model.output}
    positions = np.array([i for i in range(len(paths)) if i not in failed], dtype=int)
    return {
        pooling: Activations(
            positions=positions,
            digests=np.array([digests[i] for i in positions]),
            failed=sorted(failed.items()),
            shape=(len(positions), model.output[pooling].shape[1]),
            _shards=shards,
            _places=np.array([index[digests[i]] for i in positions], int).reshape(-1, 2),
        )
        for pooling, (shards, index) in stored.items()
    }


def read_or_run(
    shards: Iterable[Sequence[str]],
    model,
    cached: tuple[list[Path], dict[str, tuple[int, int]]],
    *,
    resize: str = "squash",
    batch_size: int = 32,
    advance: Callable[[int], object] = lambda n_photos: None,
) -> Iterator[Rows]:
    """Activations of one pooling from the cache where they are there, else computed and not kept.

    Parameters
    ----------
    shards, resize, batch_size, advance
        As in `decaf.extraction.forward_pass.run_network`.
    model : keras.Model
        With one pooling.
    cached : tuple
        What `index_shards` gives for it.

    Yields
    ------
    Rows
        Of each shard.
    """
    stored, index = cached

    def look_up(paths):
        digests, _ = digest_files(paths, progress=False) if index else ([""] * len(paths), {})
        return paths, digests, np.array([digest in index for digest in digests], bool)

    found, to_run = tee(map(look_up, shards))
    missing = ([paths[i] for i in np.flatnonzero(~known)] for paths, _, known in to_run)
    computed = run_network(missing, model, resize=resize, batch_size=batch_size, advance=advance)
    for (_, digests, known), rows in zip(found, computed):
        (known,), (others,) = known.nonzero(), (~known).nonzero()
        ((pooling, values),) = rows.activations.items()
        places = np.array([index[digests[i]] for i in known], int).reshape(-1, 2)
        positions = np.concatenate([known, others[rows.positions]])
        order = np.argsort(positions)
        advance(len(known))
        yield Rows(
            positions=positions[order].tolist(),
            digests=[([digests[i] for i in known] + rows.digests)[i] for i in order],
            activations={
                pooling: np.concatenate([_read(stored, places, values.shape[1]), values])[order]
            },
            failed={int(others[i]): reason for i, reason in rows.failed.items()},
        )


def default_cache() -> Path:
    """The folder of cached activations: ``$DECAF_CACHE``, else the user's cache folder."""
    if "DECAF_CACHE" in os.environ:
        return Path(os.environ["DECAF_CACHE"])
    # The XDG base directory specification: where a program keeps what it can compute again.
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "decaf"


def digest_files(paths: Sequence[str], progress: bool) -> tuple[list[str], dict[int, str]]:
    """Identify photos by the digests of their bytes.

    Parameters
    ----------
    paths : sequence of str
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    digests : list of str
        "" where a file cannot be read.
    failed : dict of int to str
        Reasons by position.
    """
    digests, failed = [], {}

    def digest(path: str) -> str | PhotoError:
        try:
            return file_digest(path)
        except PhotoError as error:
            return error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(digest, paths)
        bar = tqdm(found, "digests", len(paths), unit="photo", delay=1, disable=not progress)
        for position, result in enumerate(bar):
            digests.append("" if isinstance(result, PhotoError) else result)
            if isinstance(result, PhotoError):
                failed[position] = str(result)
    return digests, failed


def cache_folder(model, resize: str, cache: str | os.PathLike | None = None) -> Path:
    """Where a model's activations are kept: other weights, precision or resizing, other folder.

    Parameters
    ----------
    model : keras.Model
        As in `cached_activations`.
    resize : {"squash", "crop", "pad"}
    cache : path, optional
        `default_cache` by default.

    Returns
    -------
    Path
        It holds a folder for each pooling.
    """
    weights = hashlib.blake2b(digest_size=8)
    for values in model.get_weights():
        weights.update(np.ascontiguousarray(values).view(np.uint8))
    precision = max((layer.compute_dtype for layer in model.layers), key="bfloat16".__eq__)
    return Path(cache or default_cache()) / f"{weights.hexdigest()}-{precision}-{resize}"


def index_shards(folder: Path) -> tuple[list[Path], dict[str, tuple[int, int]]]:
    """List what a folder of the cache holds.

    Parameters
    ----------
    folder : Path
        Of one pooling.

    Returns
    -------
    shards : list of Path
    index : dict of str to (int, int)
        Digest → (shard, row).
    """
    shards = sorted(folder.glob("*.h5"))
    index = {}
    for number, shard in enumerate(shards):
        with FeatureStore(shard) as store:
            index.update((digest, (number, row)) for row, digest in enumerate(store.digests))
    return shards, index


def _fill(
    folder: Path, missing: dict[str, str], model, resize: str, batch_size: int, bar: tqdm
) -> dict[str, str]:
    """Compute the activations of ``missing`` (digest → path); give the failed's reasons."""
    reasons = {}
    digests = list(missing)
    starts = range(0, len(digests), SHARD_ROWS)
    planned = [digests[start : start + SHARD_ROWS] for start in starts]
    paths = ([missing[digest] for digest in shard] for shard in planned)
    computed = run_network(paths, model, resize=resize, batch_size=batch_size, advance=bar.update)

    def write(asked: list[str], rows: Rows) -> None:
        reasons.update((asked[i], reason) for i, reason in rows.failed.items())
        reasons.update(
            (asked[i], "changed while it was read")
            for i, digest in zip(rows.positions, rows.digests)
            if digest != asked[i]
        )
        if not rows.positions:
            return
        name = hashlib.blake2b("".join(rows.digests).encode(), digest_size=16).hexdigest()
        names = [os.path.basename(missing[asked[i]]) for i in rows.positions]
        for pooling, values in rows.activations.items():
            # force: another process may have computed the same shard meanwhile.
            shard = folder / pooling / f"{name}.h5"
            with StoreWriter(shard, values.shape[1], dtype="float16", force=True) as writer:
                writer.append(values, names, rows.digests)

    for _ in write_behind(write, zip(planned, computed)):
        pass
    return reasons


def _read(shards: list[Path], places: np.ndarray, n_activations: int) -> np.ndarray:
    """The rows at ``places`` (shard, row), each shard opened once, neighbours read together."""
    activations = np.empty((len(places), n_activations), np.float16)
    for shard in np.unique(places[:, 0]):
        here = np.flatnonzero(places[:, 0] == shard)
        here = here[np.argsort(places[here, 1])]
        far_apart = np.flatnonzero(np.diff(places[here, 1]) > NEAR_ROWS) + 1
        with FeatureStore(shards[shard]) as store:
            for near in np.split(here, far_apart):
                rows = places[near, 1]
                activations[near] = store.features[rows[0] : rows[-1] + 1][rows - rows[0]]
    return activations
