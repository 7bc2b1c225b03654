"""A folder of shards, each a feature store of its own, with a manifest that makes one of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from features.errors import InputError
from features.files import whole_file, writing
from features.records import parse_json
from features.store.file import Layout, StoreFile, check_version
from features.store.schema import DIGEST, SCHEMA_VERSION

MANIFEST = "shards.json"


@dataclass(frozen=True)
class Shard:
    """What the manifest says of a shard.

    Attributes
    ----------
    name : str
        Of its file, in the manifest's folder.
    rows, bytes : int
        Photos in it, and the size of its file.
    photos : str
        A digest of its photos' digests.
    """

    name: str
    rows: int
    bytes: int
    photos: str


class ShardFolder:
    """The shards of a folder as if they were one `features.store.file.StoreFile`.

    One shard is open at a time, and checked to be the one that the manifest means.

    Parameters
    ----------
    path : str or path
        Of the folder.

    Raises
    ------
    InputError
        When there is no manifest, or not all of its shards; from any method when a shard is not the
        one that it means.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._shards, self.attributes = self._read_manifest()
        for shard, file in zip(self._shards, self.shards):
            if not file.is_file():
                raise InputError(f"{self.path}: its shard {shard.name} is missing")
            if file.stat().st_size != shard.bytes:
                raise self._foreign(shard)
        self._ends = np.cumsum([shard.rows for shard in self._shards])
        with StoreFile(self.shards[0]) as first:
            self.names = first.names
            self._layouts = {name: first.layout(name) for name in first.names}

    def __enter__(self) -> ShardFolder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return int(self._ends[-1])

    def close(self) -> None:
        """Nothing: no shard stays open."""

    @cached_property
    def shards(self) -> list[Path]:
        """The shards' files."""
        return [self.path / shard.name for shard in self._shards]

    def layout(self, name: str) -> Layout:
        """As `features.store.file.StoreFile.layout`; texts of other shards may be wider."""
        return self._layouts[name]

    def read(self, name: str, rows: Any = slice(None)) -> np.ndarray:
        """As `features.store.file.StoreFile.read`."""
        wanted = np.arange(len(self))[rows]
        row_shape, dtype = self._layouts[name]
        values = np.empty((wanted.size, *row_shape), dtype)
        owners = np.searchsorted(self._ends, wanted.ravel(), side="right")
        order = np.argsort(owners, kind="stable")
        for places in np.split(order, np.flatnonzero(np.diff(owners[order])) + 1):
            if not len(places):
                continue
            number = owners[places[0]]
            first = self._ends[number] - self._shards[number].rows
            with self._open(number) as shard:
                found = shard.read(name, wanted.ravel()[places] - first)
            if found.dtype.itemsize > values.dtype.itemsize:
                values = values.astype(found.dtype)
            values[places] = found
        return values.reshape(*wanted.shape, *row_shape)

    @cached_property
    def failed(self) -> list[tuple[str, str]]:
        """Photos that could not be read: names and reasons."""
        failed = []
        for number in range(len(self._shards)):
            with self._open(number) as shard:
                failed += shard.failed
        return failed

    def _open(self, number: int) -> StoreFile:
        shard = StoreFile(self.shards[number])
        try:
            said = self._shards[number]
            if (
                len(shard) != said.rows
                or shard.names != self.names
                or any(
                    not _alike(shard.layout(name), layout) for name, layout in self._layouts.items()
                )
                or _digest_of_photos(shard) != said.photos
            ):
                raise self._foreign(said)
        except BaseException:
            shard.close()
            raise
        return shard

    def _read_manifest(self) -> tuple[list[Shard], dict[str, Any]]:
        try:
            manifest = parse_json((self.path / MANIFEST).read_bytes())
            check_version(self.path, manifest["schema_version"])
            shards = [Shard(**shard) for shard in manifest["shards"]]
            attributes = manifest["made_by"]
        except FileNotFoundError:
            raise InputError(
                f"{self.path}: is not a feature store (it has no {MANIFEST}, which is written when "
                "all its shards are there)"
            ) from None
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        except InputError:
            raise
        except (ValueError, TypeError, KeyError):
            shards, attributes = [], None
        if not (shards and all(map(_is_right, shards)) and isinstance(attributes, dict)):
            raise InputError(f"{self.path}: is not a whole feature store: see {MANIFEST} in it")
        return shards, attributes

    def _foreign(self, shard: Shard) -> InputError:
        return InputError(
            f"{self.path}: its shard {shard.name} is not the one it was made of; extract the "
            "features anew"
        )


def open_source(path: str | os.PathLike) -> StoreFile | ShardFolder:
    """Open a feature store, be it a file or a folder of shards."""
    return ShardFolder(path) if os.path.isdir(path) else StoreFile(path)


def write_manifest(
    folder: str | os.PathLike, names: Iterable[str], attributes: Mapping[str, Any]
) -> None:
    """Make one feature store of a folder of shards.

    Parameters
    ----------
    folder : str or path
    names : iterable of str
        Of the shards in it, feature stores of the same datasets, in the order of their rows.
    attributes : dict
        What made the features of all of them; JSON values.

    Raises
    ------
    InputError
        When a shard cannot be read, or has other datasets than the first; when there is none; when
        the manifest cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from features.store import FeatureStore, StoreWriter, write_manifest
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("0.h5", "1.h5"):
    ...     with StoreWriter(folder / name, 2) as writer:
    ...         writer.append(np.eye(2), [f"a {name}", f"b {name}"], ["0" * 32] * 2)
    >>> write_manifest(folder, ["0.h5", "1.h5"], {"backbone": "vgg16"})
    >>> with FeatureStore(folder) as store:
    ...     store.features.shape, store.attributes, store.paths[2]
    ((4, 2), {'backbone': 'vgg16'}, 'a 1.h5')
    """
    folder = Path(folder)
    paths = [folder / name for name in names]
    if not paths:
        raise InputError(f"{folder}: there are no shards")
    shards = []
    with StoreFile(paths[0]) as first:
        for path in paths:
            with StoreFile(path) as shard:
                check_alike(shard, first)
                photos = _digest_of_photos(shard)
                shards.append(Shard(path.name, len(shard), path.stat().st_size, photos))
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "made_by": dict(attributes),
        "shards": [asdict(shard) for shard in shards],
    }
    with writing(folder), whole_file(folder / MANIFEST) as part:
        part.write_text(json.dumps(manifest, indent=1))


def check_alike(store: StoreFile | ShardFolder, first: StoreFile | ShardFolder) -> None:
    """Refuse a store whose datasets are not those of the first, but for their rows."""
    ours, theirs = ({name: each.layout(name) for name in each.names} for each in (store, first))
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in ours or name not in theirs or not _alike(ours[name], theirs[name]):
            raise InputError(
                f"{store.path}: has {_describe(name, ours)}, but {first.path} has "
                f"{_describe(name, theirs)}; they cannot be merged"
            )


def _alike(layout: Layout, other: Layout) -> bool:
    (shape, dtype), (other_shape, other_dtype) = layout, other
    # Texts are as wide as they need to be.
    return shape == other_shape and (dtype == other_dtype or dtype.kind == other_dtype.kind == "S")


def _describe(name: str, layouts: Mapping[str, Layout]) -> str:
    if name not in layouts:
        return f"no {name}"
    shape, dtype = layouts[name]
    return f"{name} of {'text' if dtype.kind == 'S' else dtype} × {shape}"


def _digest_of_photos(shard: StoreFile) -> str:
    digests = shard.read("digest").astype(DIGEST)
    return hashlib.blake2b(digests.tobytes(), digest_size=16).hexdigest()


def _is_right(shard: Shard) -> bool:
    return (
        isinstance(shard.name, str)
        # A path might lead out of the folder, to any file of whoever opens the store.
        and os.path.basename(shard.name) == shard.name
        # A row takes more than a byte: memory for more rows would be asked for in vain.
        and all(isinstance(n, int) for n in (shard.rows, shard.bytes))
        and 0 <= shard.rows <= shard.bytes
        and isinstance(shard.photos, str)
    )
