"""One HDF5 file of a feature store, checked before anything is read of it.

It may come from a stranger: what is wrong with it is said in one line, nothing of the reader's own
files is shown, and no memory is filled.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from features.errors import Damaged, InputError, Shortage
from features.records import parse_json
from features.shortage import shortage_of
from features.store.headers import may_be_virtual
from features.store.schema import COLUMN_TYPES, FAILED, PROVENANCE, SCHEMA_VERSION, to_text

# Letters that NumPy gives the types by, and numbers of axes.
_KINDS = {
    PROVENANCE: ("S", 0),
    # All others have as many rows.
    "path": ("S", 1),
    "features": ("f", 2),
    "digest": ("S", 1),
    **{name: (dtype.kind, 2 if name == "votes" else 1) for name, dtype in COLUMN_TYPES.items()},
    FAILED: ("V", 1),
}
_FAILED_FIELDS = ("path", "reason")

# Shape of a row, and stored type.
Layout = tuple[tuple[int, ...], np.dtype]


class StoreFile:
    """One HDF5 file of a feature store; any number of processes may read one at the same time.

    Parameters
    ----------
    path : str or path

    Attributes
    ----------
    names : tuple of str
        Its datasets of a row a photo: features, path, digest, and the columns that there are.
    attributes : dict
        What made the features.

    Raises
    ------
    InputError
        When the file is missing, damaged, newer than this program, or no feature store.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"{self.path}: there is no such file")
        with reading(self.path):
            self._file = h5py.File(self.path, "r")
        try:
            with reading(self.path):
                self.attributes = self._check()
        except BaseException:
            self.close()
            raise
        self.names = tuple(
            name for name in ("features", "path", "digest", *COLUMN_TYPES) if name in self._file
        )

    def __enter__(self) -> StoreFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self._file["path"].shape[0]

    def close(self) -> None:
        """Close the file; what was not read of it cannot be read any more."""
        self._file.close()

    def layout(self, name: str) -> Layout:
        """The shape of a row of a dataset, and its stored type."""
        dataset = self._file[name]
        return dataset.shape[1:], dataset.dtype

    def read(self, name: str, rows: Any = slice(None)) -> np.ndarray:
        """Rows of a dataset as they are stored, by whatever NumPy takes rows by."""
        dataset = self._file[name]
        if isinstance(rows, slice) and (rows.step is None or rows.step > 0):
            with reading(self.path):
                return dataset[rows]
        # h5py reads increasing rows only, each once; a slice is much faster than a list.
        wanted = np.arange(len(self))[rows]
        chosen, places = np.unique(wanted, return_inverse=True)
        if not len(chosen):
            return np.empty((*wanted.shape, *dataset.shape[1:]), dataset.dtype)
        span = slice(chosen[0], chosen[-1] + 1)
        with reading(self.path):
            values = dataset[span if span.stop - span.start == len(chosen) else chosen]
        return values[places.reshape(wanted.shape)]

    @cached_property
    def failed(self) -> list[tuple[str, str]]:
        """Photos that could not be read: names and reasons."""
        with reading(self.path):
            return [(to_text(path), to_text(reason)) for path, reason in self._file[FAILED][:]]

    def _check(self) -> dict[str, Any]:
        """Make sure that this is a whole feature store; give what made the features."""
        # A link may lead to any file of whoever opens the store.
        names = list(self._file)
        for name in names:
            if not isinstance(self._file.get(name, getlink=True), h5py.HardLink):
                raise Damaged(f"{self.path}: is not a feature store: {name!r} in it is a link")
        if PROVENANCE not in names:
            raise Damaged(f"{self.path}: is not a feature store (it has no {PROVENANCE})")
        with open(self.path, "rb") as file:
            plan = self._file.id.get_create_plist()
            if plan.get_userblock() or plan.get_sizes() != (8, 8):
                raise ValueError("its addresses are not those of a feature store")
            for name in set(names).intersection(_KINDS):
                header = self._file.id.links.get_info(name.encode()).u
                if may_be_virtual(file, header):
                    raise self._not_whole(name)
        self._check_dataset(PROVENANCE)
        attributes = self._read_provenance()
        for name in _KINDS:
            if name in names or name not in COLUMN_TYPES:
                self._check_dataset(name)
        return attributes

    def _check_dataset(self, name: str) -> None:
        dataset = self._file.get(name)
        kind, n_axes = _KINDS[name]
        if (
            not isinstance(dataset, h5py.Dataset)
            # Of this kind first: for texts of any length, the next would read a heap.
            or not _is_of_kind(dataset.dtype, kind)
            or not _is_stored(dataset)
            or dataset.ndim != n_axes
            or (name not in (PROVENANCE, FAILED) and dataset.shape[0] != len(self))
        ):
            raise self._not_whole(name)

    def _read_provenance(self) -> dict[str, Any]:
        provenance = parse_json(self._file[PROVENANCE][()])
        version = provenance.get("schema_version") if isinstance(provenance, dict) else None
        check_version(self.path, version)
        attributes = provenance.get("made_by")
        if not isinstance(attributes, dict):
            raise self._not_whole(PROVENANCE)
        return attributes

    def _not_whole(self, name: str) -> Damaged:
        return Damaged(f"{self.path}: is not a whole feature store: see {name!r} in it")


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a store is read into one line that names it."""
    try:
        yield
    except InputError:
        raise
    # What h5py raises on damaged files depends on where the damage is.
    except Exception as error:
        # Only of what the system refuses h5py tells a number.
        number = error.errno if isinstance(error, OSError) else None
        if number in (errno.EAGAIN, errno.EWOULDBLOCK):
            raise InputError(f"{path}: another program is writing it; close it there") from error
        if number in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise InputError(
                f"{path}: its disk refuses locks; set HDF5_USE_FILE_LOCKING=FALSE where nothing "
                "writes it"
            ) from error
        lacking = shortage_of(error, path)
        if lacking is not None:
            raise Shortage(f"{path}: cannot be read: {lacking}") from error
        if number:
            raise InputError(f"{path}: cannot be read: {_reason(error)}") from error
        raise Damaged(f"{path}: is damaged or not HDF5: {_reason(error)}") from error


def check_version(path: Path, version: object) -> None:
    """Refuse what is no feature store, or newer than this program."""
    if not isinstance(version, int):
        raise InputError(f"{path}: is not a feature store (it has no schema version)")
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{path}: has schema version {version}, this program reads up to {SCHEMA_VERSION}; "
            "update it"
        )


def _is_of_kind(dtype: np.dtype, kind: str) -> bool:
    if kind == "V":
        return dtype.names == _FAILED_FIELDS and all(dtype[i].kind == "S" for i in (0, 1))
    return dtype.kind == kind


def _is_stored(dataset: h5py.Dataset) -> bool:
    """Whether a dataset's rows are in its file, all of them, as a StoreWriter puts them there.

    External storage would show any file of whoever opens the store. Rows that are declared only, or
    packed a thousand to one, would fill the memory. HDF5 reads zeros for a chunk that is not in its
    index, and leaves out the checksum of one that says so.
    """
    plan = dataset.id.get_create_plist()
    return (
        plan.get_external_count() == 0
        and all(
            plan.get_filter(number)[0] == h5py.h5z.FILTER_FLETCHER32
            for number in range(plan.get_nfilters())
        )
        and dataset.id.get_storage_size() >= dataset.nbytes
        and _has_all_chunks(dataset)
    )


def _has_all_chunks(dataset: h5py.Dataset) -> bool:
    if dataset.chunks is None:
        return True
    chunks: list[h5py.h5d.StoreInfo] = []
    dataset.id.chunk_iter(chunks.append)
    starts = (range(0, *sizes) for sizes in zip(dataset.shape, dataset.chunks))
    return {chunk.chunk_offset for chunk in chunks if not chunk.filter_mask} == set(
        itertools.product(*starts)
    )


def _reason(error: Exception) -> str:
    """What the system said, in one line: h5py packs it into a longer sentence."""
    text = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    inner = re.search(r"error message = '([^']*)'", text)
    return inner[1] if inner else " ".join(text.split())[:200]
