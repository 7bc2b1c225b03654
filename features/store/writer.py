"""StoreWriter: write a feature store in batches, whole or not at all."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from features.files import whole_file, writing
from features.store.schema import (
    COLUMN_TYPES,
    DIGEST,
    FAILED,
    PROVENANCE,
    SCHEMA_VERSION,
    TEXT,
    failed_type,
    text_type,
    to_bytes,
    to_stored,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

# A chunk is the least that HDF5 reads: a quarter of its default chunk cache (1 MiB), so that
# reading single rows costs little and reading blocks is not many small reads.
_CHUNK_BYTES = 2**18
_CHUNK_ROWS = 1024
_COPY_ROWS = 2**16


class StoreWriter:
    """Write a feature store in batches; the file is there whole or not at all.

    Rows go to a temporary file beside `path`, which takes its name when the ``with`` block ends
    well, and is removed when it does not. Of what is written only the failures stay in memory.

    Parameters
    ----------
    path : str or path
    n_features : int
    dtype : {"float32", "float16"}
        Type of the features.
    attributes : dict, optional
        What made these features: JSON values, nested ones too.
    force : bool
        Replace a file that is there.

    Raises
    ------
    AlreadyThere
        When the file is there.
    InputError
        When it cannot be written (as from any method).

    Examples
    --------
    >>> import tempfile
    >>> from features.store import FeatureStore, StoreWriter
    >>> path = Path(tempfile.mkdtemp(), "features.h5")
    >>> with StoreWriter(path, 2, attributes={"backbone": "vgg16"}) as writer:
    ...     writer.append([[1, 0], [0, 2]], ["a.jpg", "b.jpg"], ["0" * 32, "1" * 32], label=[0, 1])
    ...     writer.fail("c.jpg", "an empty file")
    >>> with FeatureStore(path) as store:
    ...     store.features[1], store.label.tolist(), store.failed
    (array([0., 2.], dtype=float32), [0, 1], [('c.jpg', 'an empty file')])
    """

    def __init__(
        self,
        path: str | os.PathLike,
        n_features: int,
        *,
        dtype: DTypeLike = "float32",
        attributes: Mapping[str, Any] | None = None,
        force: bool = False,
    ):
        self.path = Path(path)
        self._columns: set[str] | None = None
        self._failed: list[tuple[bytes, bytes]] = []
        # Kept open: a dataset that Python closes of itself cannot say that its last write failed.
        self._datasets: dict[str, h5py.Dataset] = {}
        self._file: h5py.File = None  # once it is open
        with writing(self.path), contextlib.ExitStack() as stack:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part = stack.enter_context(whole_file(self.path, force=force))
            self._disk = stack.enter_context(_Disk(part, "w+"))
            # Writing in a thread of its own keeps Ctrl-C out of HDF5, which crashes on it in
            # mid-write.
            self._thread = stack.enter_context(ThreadPoolExecutor(max_workers=1))
            stack.push(self._close)
            self._run(self._open, n_features, np.dtype(dtype), dict(attributes or {}))
            self._stack = stack.pop_all()

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        with writing(self.path):
            self._stack.__exit__(*error)

    def append(
        self,
        features: ArrayLike,
        paths: Sequence[str],
        digests: Sequence[str],
        **columns: ArrayLike | None,
    ) -> None:
        """Add a row for each of a batch of photos.

        Parameters
        ----------
        features : array, shape (n_photos, n_features)
        paths : sequence of str, length n_photos
            The photos' names.
        digests : sequence of str, length n_photos
            As `features.photos.photo_digest` gives them.
        **columns : arrays of n_photos rows
            Any of score (float), label (int), votes (int, one column per step of the scale),
            split (str), group (str), finetuned (bool: the network saw this photo while it was
            finetuned), predicted_mean and predicted_spread (float: what a network that predicts
            votes gives); None stands for a column that is not there. Every batch has the same ones.

        Raises
        ------
        ValueError
            When the lengths, the number of features or the columns do not fit.
        """
        given = {name: values for name, values in columns.items() if values is not None}
        unknown = sorted(set(given) - set(COLUMN_TYPES))
        if unknown:
            raise ValueError(f"columns {unknown} are none of {sorted(COLUMN_TYPES)}")
        self.append_stored(
            {
                "features": np.asarray(features, self._datasets["features"].dtype),
                "path": to_stored(paths, TEXT),
                "digest": to_stored(digests, DIGEST),
                **{name: to_stored(values, COLUMN_TYPES[name]) for name, values in given.items()},
            }
        )

    def append_stored(self, rows: Mapping[str, np.ndarray]) -> None:
        """Add rows as they are stored: an array for each dataset, texts as bytes."""
        self._check(rows)
        self._run(self._extend_all, rows)

    def fail(self, path: str, reason: str) -> None:
        """Record a photo that could not be read, and why."""
        self._failed.append((to_bytes(str(path)), to_bytes(reason)))

    def _run(self, function: Callable, *arguments: Any) -> None:
        with writing(self.path):
            self._thread.submit(function, *arguments).result()
            self._disk.check()

    def _open(self, n_features: int, dtype: np.dtype, attributes: dict[str, Any]) -> None:
        self._file = h5py.File(self._disk, "w")
        # No compression: on features of which half are zeros gzip saves 45 %, lzf 35 %, and reading
        # takes 13 and 11 times as long (measured, 20,000 × 1,000); others hardly shrink.
        self._create("features", (n_features,), dtype)
        self._create("path", (), text_type(1))
        self._create("digest", (), DIGEST)
        provenance = {"schema_version": SCHEMA_VERSION, "made_by": attributes}
        content = json.dumps(provenance).encode()
        self._file[PROVENANCE] = np.array(content, text_type(len(content)))

    def _extend_all(self, rows: Mapping[str, np.ndarray]) -> None:
        if self._columns is None:
            self._columns = set(rows) & set(COLUMN_TYPES)
            for name in sorted(self._columns):
                dtype = text_type(1) if COLUMN_TYPES[name] == TEXT else COLUMN_TYPES[name]
                self._create(name, rows[name].shape[1:], dtype)
        for name, values in rows.items():
            if values.dtype.kind == "S":
                if values.itemsize > self._datasets[name].dtype.itemsize:
                    self._widen(name, values.itemsize)
                # h5py writes texts only where the type says that they are UTF-8.
                values = values.astype(self._datasets[name].dtype)
            dataset = self._datasets[name]
            n_rows = dataset.shape[0]
            dataset.resize(n_rows + len(values), axis=0)
            dataset[n_rows:] = values

    def _widen(self, name: str, width: int) -> None:
        """Write a column of texts anew for longer ones, which come in a later batch."""
        narrow = self._datasets[name]
        # At least twice as wide, so that names that grow letter by letter are not written anew
        # again and again.
        if len(narrow):
            width = max(width, 2 * narrow.dtype.itemsize)
        del self._file[name]
        wide = self._create(name, (), text_type(width))
        wide.resize(len(narrow), axis=0)
        for start in range(0, len(narrow), _COPY_ROWS):
            rows = slice(start, start + _COPY_ROWS)
            wide[rows] = narrow[rows].astype(wide.dtype)

    def _finish(self) -> None:
        widths = [max(1, *map(len, column)) for column in zip(*self._failed)] or [1, 1]
        self._file[FAILED] = np.array(self._failed, failed_type(*widths))
        self._file.close()

    def _close(self, kind: type[BaseException] | None, *error: object) -> None:
        if self._file is None:
            return
        if kind is None:
            self._run(self._finish)
        else:
            self._thread.submit(self._file.close).result()

    def _create(self, name: str, row_shape: tuple[int, ...], dtype: np.dtype) -> h5py.Dataset:
        row_bytes = math.prod(row_shape) * dtype.itemsize
        chunk_rows = max(1, min(_CHUNK_ROWS, _CHUNK_BYTES // max(1, row_bytes)))
        self._datasets[name] = self._file.create_dataset(
            name,
            shape=(0, *row_shape),
            maxshape=(None, *row_shape),
            chunks=(chunk_rows, *row_shape),
            dtype=dtype,
            fletcher32=True,  # damage shows when it is read: nearly as fast (measured, 1 GB/s)
        )
        return self._datasets[name]

    def _check(self, rows: Mapping[str, np.ndarray]) -> None:
        lengths = {name: len(values) for name, values in rows.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"a batch needs columns of one length, got {lengths}")
        columns = set(rows) & set(COLUMN_TYPES)
        if self._columns is not None and columns != self._columns:
            raise ValueError(f"every batch needs {sorted(self._columns)}, got {sorted(columns)}")
        for name, values in rows.items():
            wanted = self._datasets[name].shape[1:] if name in self._datasets else values.shape[1:]
            if values.shape[1:] != wanted:
                raise ValueError(f"{name} needs rows of shape {wanted}, got {values.shape[1:]}")


class _Disk(io.FileIO):
    """A file that notes its first failed write, for HDF5 goes on to crash the process on one."""

    error: OSError | None = None

    def write(self, data: Buffer) -> int:
        """Write all, or nothing more once something went wrong."""
        rest = memoryview(data)
        n_bytes = rest.nbytes
        while rest and self.error is None:
            try:
                rest = rest[super().write(rest) :]
            except OSError as error:
                self.error = error
        return n_bytes

    def truncate(self, size: int | None = None) -> int:
        """Change the file's size, and note it where that fails."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return 0

    def check(self) -> None:
        """Raise the error that was noted."""
        if self.error is not None:
            raise self.error
