"""The activation cache: a frozen backbone sees every photo once, whatever is learnt on it later.

A cache folder holds write-once FeatureStores ("shards") of float16 activations, looked up by the
photos' digests. New photos make new shards; nothing is ever appended to, so an interruption costs
a shard at most, which is half a minute of work. A damaged shard is set aside, and its photos are
computed anew.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import joblib
import numpy as np
from tqdm import tqdm

from decaf.extraction.digests import FileKey, file_key, remember_digest, remembered_digest
from decaf.extraction.engines import batch_size_of
from decaf.extraction.forward_pass import ShardActivations, run_network, write_behind
from decaf.extraction.index import Index
from decaf.networks.digest import digest_of_graph
from features.errors import Damaged, InputError
from features.files import PARTIAL, is_part, remove_unlocked
from features.store import FeatureStore, StoreWriter
from features.store.schema import DIGEST

if TYPE_CHECKING:
    import keras

# 1,024 rows of VGG16's flattened activations are 51 MB: small enough to lose, large enough to read
# at full speed.
SHARD_ROWS = 1024
# So often what there is goes to a shard, however few rows: an interruption costs no more.
SHARD_SECONDS = 15.0
# Batches after which the clock is looked at; two, so that decoding does not wait.
_PIECE = 2
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
    def identity(self) -> str:
        """A digest of what they depend on: the photos, the convolutions, precision and resizing."""
        # Shards lie in a folder of the pooling, in one of the network.
        places = {shard.parent.parts[-2:] for shard in self._shards}
        return joblib.hash((sorted(places), self.digests))

    @property
    def storage_order(self) -> np.ndarray:
        """The photos in the order in which they lie on disk, shape (n_photos,)."""
        return np.lexsort(self._places.T[::-1])

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Read the activations of some photos.

        Parameters
        ----------
        rows : ndarray of int, shape (n,)
            In 0 … n_photos - 1. Fast when they lie near to each other on disk.

        Returns
        -------
        ndarray of float16, shape (n, n_activations)
        """
        return _read(self._shards, self._places[rows], self.shape[1])


def cached_activations(
    paths: Sequence[str],
    convolutions: keras.Model,
    *,
    resize: str = "squash",
    cache: str | os.PathLike | None = None,
    batch_size: int | None = None,
    n_photos: int | None = None,
    progress: bool = True,
) -> dict[str, Activations]:
    """Activations of photos, from the cache where they are there, else computed and kept.

    A photo's file is read once in the life of the process, unless it changes.

    Parameters
    ----------
    paths : sequence of str
        Photo files.
    convolutions : keras.Model
        Gives activations by pooling, as `decaf.networks.convolutions.build_activations` builds it.
        One pass over the photos fills the caches of all its poolings.
    resize : {"squash", "crop", "pad"}
        How photos are brought to the network's input size.
    cache : path, optional
        The cache folder; `default_cache` by default.
    batch_size : int, optional
        Photos in a forward pass; by default what suits the device, as
        `decaf.extraction.engines.batch_size_of` tells.
    n_photos : int, optional
        How many there are in all, where these are a part of them: few are not worth the
        preparation of an engine.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    dict of str to Activations
        By pooling.
    """
    folders = cache_folders(convolutions, resize, cache)
    batch_size = batch_size or batch_size_of(convolutions)
    files = [file_key(path) for path in paths]
    digests = [remembered_digest(file) or "" for file in files]
    failed: dict[int, str] = {}
    stored, _ = _stored(folders, convolutions, digests)
    missing = _missing(digests, failed, stored)
    with tqdm(
        desc="activations", total=len(missing), unit="photo", delay=1, disable=not progress
    ) as bar:
        # More than once only for copies of a photo that could not be decoded, and for what was
        # damaged.
        while missing:
            run = functools.partial(
                run_network,
                convolutions=convolutions,
                resize=resize,
                batch_size=batch_size,
                n_photos=n_photos or len(missing),
            )
            waiting = [paths[i] for i in missing]
            filled, unread = _fill(folders, waiting, run, _PIECE * batch_size, stored, bar)
            for position, digest in filled.items():
                digests[missing[position]] = digest
                remember_digest(files[missing[position]], digest)
            failed |= {missing[position]: reason for position, reason in unread.items()}
            before = len(missing)
            stored, was_damaged = _stored(folders, convolutions, digests)
            missing = _missing(digests, failed, stored)
            if len(missing) == before and not was_damaged:
                lost = " and ".join(map(str, folders.values()))
                raise InputError(f"{lost}: activations that were written there are gone")
    positions = np.array([i for i in range(len(paths)) if i not in failed], dtype=int)
    return {
        pooling: Activations(
            positions=positions,
            digests=np.array([digests[i] for i in positions]),
            failed=sorted(failed.items()),
            shape=(len(positions), convolutions.output[pooling].shape[1]),
            _shards=shards,
            _places=index.places([digests[i] for i in positions]),
        )
        for pooling, (shards, index) in stored.items()
    }


def read_or_run(
    shards: Iterable[Sequence[str]],
    convolutions: keras.Model,
    cached: tuple[list[Path], Index],
    *,
    resize: str = "squash",
    batch_size: int = 32,
    advance: Callable[[int], object] = lambda n_photos: None,
) -> Iterator[ShardActivations]:
    """Activations of one pooling from the cache where they are there, else computed and not kept.

    A shard of whose photos the cache holds a damaged part is computed anew.

    Parameters
    ----------
    shards, resize, batch_size, advance
        As in `decaf.extraction.forward_pass.run_network`.
    convolutions : keras.Model
        With one pooling.
    cached : tuple
        What `index_shards` gives for it.

    Yields
    ------
    ShardActivations
        Of each shard; all photos that can be read have a row.
    """
    stored, index = cached
    shards, of_paths = tee(shards)
    run = functools.partial(
        run_network, convolutions=convolutions, resize=resize, batch_size=batch_size
    )
    computed_shards = run(shards, wanted=lambda digest: digest not in index, advance=advance)
    for paths, shard in zip(of_paths, computed_shards):
        ((pooling, computed),) = shard.activations.items()
        places = index.places(list(shard.unwanted.values()))
        try:
            known = _read(stored, places, computed.shape[1])
        except Damaged:
            yield from run([paths])
            continue
        positions = [*shard.unwanted, *shard.positions]
        digests = [*shard.unwanted.values(), *shard.digests]
        order = np.argsort(positions)
        yield ShardActivations(
            positions=[positions[i] for i in order],
            digests=[digests[i] for i in order],
            activations={pooling: np.concatenate([known, computed])[order]},
            failed=shard.failed,
        )


def default_cache() -> Path:
    """The folder of cached activations: ``$DECAF_CACHE``, else the user's cache folder."""
    if "DECAF_CACHE" in os.environ:
        return Path(os.environ["DECAF_CACHE"])
    # The XDG base directory specification: where a program keeps what it can compute again.
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "decaf"


def cache_folders(
    convolutions: keras.Model, resize: str, cache: str | os.PathLike | None = None
) -> dict[str, Path]:
    """Where a network's activations are kept: all that they depend on is in the folder's name.

    A network that computes anything otherwise than another one, be it that its photos are scaled
    or a stride is longer, finds none of its activations and leaves it none.

    Parameters
    ----------
    convolutions : keras.Model
        As in `cached_activations`.
    resize : {"squash", "crop", "pad"}
    cache : path, optional
        `default_cache` by default.

    Returns
    -------
    dict of str to Path
        By pooling.
    """
    from decaf.networks.convolutions import precision_of

    settings = f"{precision_of(convolutions)}-{resize}"
    return {
        pooling: Path(cache or default_cache()) / f"{digest}-{settings}" / pooling
        for pooling, digest in digests_of(convolutions).items()
    }


def digests_of(convolutions: keras.Model) -> dict[str, str]:
    """Digests of all that a network's activations depend on, by pooling; taken once."""
    import keras

    from decaf.networks.convolutions import precision_of

    digests = _digests.setdefault(convolutions, {})
    precision = precision_of(convolutions)
    if precision not in digests:
        digests[precision] = {
            pooling: digest_of_graph(keras.Model(convolutions.input, activations))
            for pooling, activations in convolutions.output.items()
        }
    return digests[precision]


def index_shards(folder: Path) -> tuple[list[Path], Index]:
    """List what a folder of the cache holds; it is gone through again only when that has changed.

    Damaged shards are set aside.

    Parameters
    ----------
    folder : Path
        Of one pooling.

    Returns
    -------
    shards : list of Path
    index : Index
    """
    whole = (path for path in folder.glob("*.h5") if not is_part(path.name))
    return _index(tuple(map(file_key, sorted(whole))))


# Of frozen convolutions, which nobody trains; by precision and pooling.
_digests: WeakKeyDictionary[keras.Model, dict[str, dict[str, str]]] = WeakKeyDictionary()


# Those of two poolings, before and after they were filled.
@functools.lru_cache(maxsize=4)
def _index(files: tuple[FileKey, ...]) -> tuple[list[Path], Index]:
    shards: list[Path] = []
    digests: list[np.ndarray] = []
    for path in (Path(path) for path, *_ in files):
        with contextlib.suppress(Damaged), _opened(path) as store:
            digests.append(store.digests.astype(DIGEST))
            shards.append(path)
    return shards, Index(digests)


@contextlib.contextmanager
def _opened(shard: Path) -> Iterator[FeatureStore]:
    """A shard to read; set aside where it turns out to be damaged."""
    try:
        if not shard.is_file():
            raise Damaged(
                f"{shard}: is no file of the cache any more; start again, and what it held is "
                "computed anew"
            )
        with FeatureStore(shard) as store:
            yield store
    except Damaged:
        # Renamed, not removed: it may be a folder, or another's.
        aside = shard.with_name(f"{shard.name}.{secrets.token_hex(4)}.damaged")
        with contextlib.suppress(OSError):
            os.replace(shard, aside)
            tqdm.write(f"{shard}: is damaged; its photos are computed anew", file=sys.stderr)
        raise


# Rows that this process has read once without a fault, ascending.
_sound: dict[FileKey, np.ndarray] = {}


def _stored(
    folders: dict[str, Path], convolutions: keras.Model, digests: Sequence[str]
) -> tuple[dict[str, tuple[list[Path], Index]], bool]:
    """What is kept, of which the rows of these photos can be read; whether some could not."""
    was_damaged = False
    while True:
        stored = {pooling: index_shards(folder) for pooling, folder in folders.items()}
        if all(
            _are_sound(shards, index, digests, convolutions.output[pooling].shape[1])
            for pooling, (shards, index) in stored.items()
        ):
            return stored, was_damaged
        was_damaged = True


def _are_sound(
    shards: list[Path], index: Index, digests: Sequence[str], n_activations: int
) -> bool:
    """Read the rows of photos once; False where a shard turns out to be damaged."""
    places = index.places(digests)
    places = places[places[:, 0] >= 0]
    try:
        for number, here in _by_shard(places):
            sound = _sound.get(file := file_key(shards[number]), np.zeros(0, int))
            rows = np.setdiff1d(places[here, 1], sound)
            _read(shards, np.column_stack([np.full(len(rows), number), rows]), n_activations)
            _sound[file] = np.union1d(sound, rows)
    except Damaged:
        return False
    return True


def _missing(
    digests: Sequence[str],
    failed: dict[int, str],
    stored: dict[str, tuple[list[Path], Index]],
) -> list[int]:
    """Positions of the photos that the cache does not hold, as far as their digests are known."""
    known = np.ones(len(digests), bool)
    for _, index in stored.values():
        known &= index.places(digests)[:, 0] >= 0
    known[list(failed)] = True
    return np.flatnonzero(~known).tolist()


def _is_stored(digest: str, stored: dict[str, tuple[list[Path], Index]]) -> bool:
    return all(digest in index for _, index in stored.values())


def _fill(
    folders: dict[str, Path],
    paths: Sequence[str],
    run: Callable[..., Iterator[ShardActivations]],
    piece: int,
    stored: dict[str, tuple[list[Path], Index]],
    bar: tqdm,
) -> tuple[dict[int, str], dict[int, str]]:
    """Compute and keep what is not stored; give digests and reasons of failures, by position."""
    digests: dict[int, str] = {}
    failed: dict[int, str] = {}
    asked: set[str] = set()

    def wanted(digest: str) -> bool:
        # Copies of a photo are run once.
        if digest in asked or _is_stored(digest, stored):
            return False
        asked.add(digest)
        return True

    starts = range(0, len(paths), piece)
    shards = (paths[start : start + piece] for start in starts)
    computed = run(shards, wanted=wanted, advance=bar.update)

    def noted() -> Iterator[tuple[list[str], ShardActivations]]:
        for start, shard in zip(starts, computed):
            digests.update((start + i, digest) for i, digest in shard.unwanted.items())
            digests.update((start + i, d) for i, d in zip(shard.positions, shard.digests))
            failed.update((start + i, reason) for i, reason in shard.failed.items())
            yield [os.path.basename(paths[start + i]) for i in shard.positions], shard

    for _ in write_behind(functools.partial(_write, folders), _full_shards(noted())):
        pass
    return digests, failed


def _full_shards(
    computed: Iterable[tuple[list[str], ShardActivations]],
) -> Iterator[tuple[list[str], list[str], dict[str, np.ndarray]]]:
    """Names, digests and activations of as many rows as a shard of the cache is to hold.

    Fewer, where it took `SHARD_SECONDS` to compute them.
    """
    began = time.monotonic()
    names: list[str] = []
    digests: list[str] = []
    activations: dict[str, np.ndarray] = {}
    for names_of_shard, shard in computed:
        names += names_of_shard
        digests += shard.digests
        for pooling, values in shard.activations.items():
            waiting = activations.get(pooling, values[:0])
            activations[pooling] = np.concatenate([waiting, values]) if len(waiting) else values
        if len(names) >= SHARD_ROWS or (names and time.monotonic() - began >= SHARD_SECONDS):
            full = {pooling: values[:SHARD_ROWS] for pooling, values in activations.items()}
            yield names[:SHARD_ROWS], digests[:SHARD_ROWS], full
            names, digests = names[SHARD_ROWS:], digests[SHARD_ROWS:]
            activations = {p: values[SHARD_ROWS:] for p, values in activations.items()}
            began = time.monotonic()
    if names:
        yield names, digests, activations


def _write(
    folders: dict[str, Path],
    names: list[str],
    digests: list[str],
    activations: dict[str, np.ndarray],
) -> None:
    shard = hashlib.blake2b("".join(digests).encode(), digest_size=16).hexdigest()
    for pooling, values in activations.items():
        # force: another process may have computed the same shard meanwhile.
        path = folders[pooling] / f"{shard}.h5"
        remove_unlocked(folders[pooling].glob(PARTIAL))  # what a kill has left
        with StoreWriter(path, values.shape[1], dtype="float16", force=True) as writer:
            writer.append(values, names, digests)


def _read(shards: list[Path], places: np.ndarray, n_activations: int) -> np.ndarray:
    """The rows at ``places`` (shard, row), each shard opened once, neighbours read together."""
    activations = np.empty((len(places), n_activations), np.float16)
    for shard, here in _by_shard(places):
        far_apart = np.flatnonzero(np.diff(places[here, 1]) > NEAR_ROWS) + 1
        with _opened(shards[shard]) as store:
            if store.features.shape[1:] != (n_activations,) or store.features.dtype != np.float16:
                raise Damaged(f"{shards[shard]}: is of other activations")
            for near in np.split(here, far_apart):
                rows = places[near, 1]
                activations[near] = store.features[rows[0] : rows[-1] + 1][rows - rows[0]]
    return activations


def _by_shard(places: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Every shard that is there, and which places it has, in the order of their rows."""
    order = np.lexsort(places.T[::-1])
    for here in np.split(order, np.flatnonzero(np.diff(places[order, 0])) + 1):
        if len(here):
            yield places[here[0], 0], here
