"""FeatureStore: one HDF5 file with one row per photo, written once and read by anything.

Plain h5py reads it in three lines::

    import h5py
    store = h5py.File("features.h5")
    X, y, paths = store["features"][:], store["label"][:], store["path"].asstr()[:]
"""

import contextlib
import io
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

from features.errors import InputError, NoRatings
from features.files import whole_file, writing
from features.ratings import RatedPhotos
from features.text_heaps import TextHeaps

SCHEMA_VERSION = 1

# Bytes, since a file's name need not be UTF-8: `os.fsencode` and `os.fsdecode` keep any name.
_TEXT = h5py.string_dtype()
_COLUMN_TYPES = {
    "score": np.dtype("float64"),
    "label": np.dtype("int8"),
    "votes": np.dtype("int64"),
    "split": _TEXT,
    "group": _TEXT,
    "finetuned": np.dtype("bool"),
    "predicted_mean": np.dtype("float64"),
    "predicted_spread": np.dtype("float64"),
}
_FAILED_TYPE = np.dtype([("path", _TEXT), ("reason", _TEXT)])

_SHARD_TYPE = np.dtype([("path", _TEXT), ("rows", "int64"), ("bytes", "int64")])

# A chunk is the least that HDF5 reads: a quarter of its default chunk cache (1 MiB), so that
# reading single rows costs little and reading blocks is not many small reads.
_CHUNK_BYTES = 2**18
_COLUMN_CHUNK_ROWS = 1024
_COPY_BYTES = 2**24
# About what a row's name, digest and ratings take as Python objects.
_OBJECT_BYTES = 256


class StoreWriter:
    """Write a feature store in batches; the file is there whole or not at all.

    Rows go to a temporary file beside `path`, which takes its name when the ``with`` block ends
    well, and is removed when it does not.

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
    """

    def __init__(self, path, n_features, *, dtype="float32", attributes=None, force=False):
        self.path = Path(path)
        self._columns = None
        # Kept open: a dataset that Python closes of itself cannot say that its last write failed.
        self._datasets = {}
        self._file = None
        with writing(self.path), contextlib.ExitStack() as stack:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part = stack.enter_context(whole_file(self.path, force=force))
            self._disk = stack.enter_context(_Disk(part, "x+"))
            # Writing in a thread of its own keeps Ctrl-C out of HDF5, which crashes on it in
            # mid-write.
            self._thread = stack.enter_context(ThreadPoolExecutor(max_workers=1))
            stack.push(self._close)
            self._run(self._open, n_features, np.dtype(dtype), attributes or {})
            self._stack = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        with writing(self.path):
            self._stack.__exit__(*error)

    def append(self, features, paths, digests, **columns):
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
        columns = {name: values for name, values in columns.items() if values is not None}
        unknown = sorted(set(columns) - set(_COLUMN_TYPES))
        if unknown:
            raise ValueError(f"columns {unknown} are none of {sorted(_COLUMN_TYPES)}")
        self._append_rows(
            {
                "features": np.asarray(features, dtype=self._datasets["features"].dtype),
                "path": _to_stored(paths, _TEXT),
                "digest": np.asarray(digests, dtype="S32"),
                **{
                    name: _to_stored(values, _COLUMN_TYPES[name])
                    for name, values in columns.items()
                },
            }
        )

    def fail(self, path, reason):
        """Record a photo that could not be read, and why."""
        row = np.array([(_to_bytes(str(path)), _to_bytes(reason))], dtype=_FAILED_TYPE)
        self._run(_extend, self._datasets["failed"], row)

    def _append_rows(self, rows):
        """Add rows as they are stored: a dictionary of arrays, one per dataset."""
        self._check(rows)
        self._run(self._extend_all, rows)

    def _link_features(self, shards, shape, dtype):
        """Have the features read from shards, (path, rows, bytes) each."""
        self._run(self._link, shards, shape, dtype)

    def _run(self, function, *arguments):
        with writing(self.path):
            self._thread.submit(function, *arguments).result()
            self._disk.check()

    def _open(self, n_features, dtype, attributes):
        self._file = h5py.File(self._disk, "w")
        self._file.attrs["schema_version"] = SCHEMA_VERSION
        for name, value in attributes.items():
            self._file.attrs[name] = _encode_attribute(value)
        # No compression: on features of which half are zeros gzip saves 45 %, lzf 35 %, and reading
        # takes 13 and 11 times as long (measured, 20,000 × 1,000); others hardly shrink.
        chunk_rows = max(1, _CHUNK_BYTES // max(1, n_features * dtype.itemsize))
        self._create("features", (n_features,), dtype, chunk_rows)
        self._create("path", (), _TEXT)
        self._create("digest", (), "S32")
        self._create("failed", (), _FAILED_TYPE)

    def _extend_all(self, rows):
        if self._columns is None:
            self._columns = set(rows) & set(_COLUMN_TYPES)
            for name in sorted(self._columns):
                self._create(name, rows[name].shape[1:], _COLUMN_TYPES[name])
        for name, values in rows.items():
            _extend(self._datasets[name], values)

    def _link(self, shards, shape, dtype):
        layout = h5py.VirtualLayout(shape, dtype)
        start = 0
        for path, n_rows, _ in shards:
            if n_rows:
                # HDF5 puts a number in the place of %b.
                source = h5py.VirtualSource(path.replace("%", "%%"), "features", (n_rows, shape[1]))
                layout[start : start + n_rows] = source
            start += n_rows
        del self._file["features"]
        self._datasets["features"] = self._file.create_virtual_dataset("features", layout, np.nan)
        self._file["shards"] = np.array(
            [(_to_bytes(path), *sizes) for path, *sizes in shards], _SHARD_TYPE
        )

    def _close(self, kind, error, traceback):
        if self._file is None:
            return
        if kind is None:
            self._run(self._file.close)
        else:
            self._thread.submit(self._file.close).result()

    def _create(self, name, row_shape, dtype, chunk_rows=_COLUMN_CHUNK_ROWS):
        self._datasets[name] = self._file.create_dataset(
            name,
            shape=(0, *row_shape),
            maxshape=(None, *row_shape),
            chunks=(chunk_rows, *row_shape),
            dtype=dtype,
        )

    def _check(self, rows):
        lengths = {name: len(values) for name, values in rows.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"a batch needs columns of one length, got {lengths}")
        columns = set(rows) & set(_COLUMN_TYPES)
        if self._columns is not None and columns != self._columns:
            raise ValueError(f"every batch needs {sorted(self._columns)}, got {sorted(columns)}")
        for name, values in rows.items():
            wanted = self._datasets[name].shape[1:] if name in self._datasets else values.shape[1:]
            if values.shape[1:] != wanted:
                raise ValueError(f"{name} needs rows of shape {wanted}, got {values.shape[1:]}")


class FeatureStore:
    """Read a feature store; any number of processes may read one at the same time.

    Columns that are not in the file are None.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    InputError
        When the file is missing, truncated, newer than this program, or no feature store.
    """

    def __init__(self, path):
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"{self.path}: there is no such file")
        self._heaps = None
        with self._reading():
            self._file = h5py.File(self.path, "r")
        try:
            with self._reading():
                self._heaps = TextHeaps(self.path)
                self._check()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def __len__(self):
        return self._file["path"].shape[0]

    def close(self):
        """Close the file; what was not read of it cannot be read any more."""
        self._file.close()
        if self._heaps is not None:
            self._heaps.close()

    @cached_property
    def features(self):
        """Of shape (n_photos, n_features), float32 or float16; read when indexed by rows.

        An h5py.Dataset; for an index (`index_stores`) what reads the rows from its shards.
        """
        if self.shards is None:
            return self._file["features"]
        return _ShardedFeatures(self)

    @cached_property
    def shards(self):
        """The stores that an index (`index_stores`) presents: list of Path, or None."""
        if "shards" not in self._file:
            return None
        with self._reading():
            return [self.path.parent / os.fsdecode(path) for path in self._take("shards")["path"]]

    @cached_property
    def paths(self):
        """The photos' names: ndarray of str objects, shape (n_photos,)."""
        return self._read_text("path")

    @cached_property
    def digests(self):
        """The digests of the photos' bytes: ndarray of str, shape (n_photos,)."""
        with self._reading():
            return self._file["digest"][:].astype(str)

    @cached_property
    def score(self):
        """Mean scores: ndarray of float, shape (n_photos,), or None."""
        return self._read("score")

    @cached_property
    def label(self):
        """Labels, 1 is professional: ndarray of int8, shape (n_photos,), or None."""
        return self._read("label")

    @cached_property
    def votes(self):
        """Votes for each step of the scale: ndarray of int, shape (n_photos, n_steps), or None."""
        return self._read("votes")

    @cached_property
    def split(self):
        """Given splits, "train" or "test": ndarray of str objects, shape (n_photos,), or None."""
        return self._read_text("split")

    @cached_property
    def group(self):
        """Photos of a group stay together: ndarray of str objects, shape (n_photos,), or None."""
        return self._read_text("group")

    @cached_property
    def finetuned(self):
        """Whether the network was finetuned on the photo: ndarray of bool, (n_photos,), or None."""
        return self._read("finetuned")

    @cached_property
    def predicted_mean(self):
        """Means of the votes that the network predicts: ndarray of float, (n_photos,), or None."""
        return self._read("predicted_mean")

    @cached_property
    def predicted_spread(self):
        """Their standard deviations: ndarray of float, shape (n_photos,), or None."""
        return self._read("predicted_spread")

    @cached_property
    def failed(self):
        """Photos that could not be read: list of (name, reason)."""
        with self._reading():
            rows = self._take("failed")
        return [(os.fsdecode(path), os.fsdecode(reason)) for path, reason in rows]

    @cached_property
    def attributes(self):
        """What made the features: dict."""
        with self._reading():
            # All of them first: while they are gone through, h5py keeps its lock, and an error in
            # between would keep it for as long as the error's traceback lives.
            values = dict(self._file.attrs)
            del values["schema_version"]
            return {name: _decode_attribute(value) for name, value in values.items()}

    def rated(self):
        """The photos with their ratings, as they were read when the features were extracted.

        Returns
        -------
        features.ratings.RatedPhotos
            Without paths: a store keeps names.

        Raises
        ------
        InputError
            When there are no ratings, or the store cannot be read.
        """
        if self.label is None:
            raise NoRatings(f"{self.path}: holds no ratings")
        scale = self.attributes.get("scale")
        return RatedPhotos(
            names=self.paths,
            label=self.label,
            score=self.score,
            votes=self.votes,
            split=self.split,
            group=self.group,
            digests=self.digests,
            finetuned=self.finetuned,
            scale=scale and tuple(scale),
            midpoint=self.attributes.get("midpoint"),
            failed=tuple(self.failed),
        )

    def _read(self, name):
        if name not in self._file:
            return None
        with self._reading():
            return self._take(name)

    def _take(self, name, rows=slice(None)):
        """Rows of a dataset as they are stored; `rows` is a slice or increasing numbers."""
        dataset = self._file[name]
        self._heaps.check_rows(dataset, rows)
        return dataset[rows]

    def _read_text(self, name):
        values = self._read(name)
        if values is None:
            return None
        return np.array([os.fsdecode(value) for value in values], dtype=object)

    def _check(self):
        self._heaps.check_superblock()
        self._heaps.check_header(h5py.h5o.get_info(self._file.id).addr)
        version = self._file.attrs.get("schema_version")
        if not isinstance(version, np.integer):
            raise InputError(f"{self.path}: is not a feature store (it has no schema version)")
        if version > SCHEMA_VERSION:
            raise InputError(
                f"{self.path}: has schema version {version}, this program reads up to "
                f"{SCHEMA_VERSION}; update it"
            )
        # A link may lead to any file of whoever opens the store.
        names = list(self._file)
        for name in names:
            if not isinstance(self._file.get(name, getlink=True), h5py.HardLink):
                raise InputError(f"{self.path}: is not a feature store: {name!r} in it is a link")
        wanted = {"path": "O", "features": "f", "digest": "S", "failed": "V"}
        wanted |= {name: dtype.kind for name, dtype in _COLUMN_TYPES.items() if name in self._file}
        # Opening a virtual dataset reads a heap, too.
        for name in {*wanted, "shards"}.intersection(names):
            self._heaps.check_header(self._file.id.links.get_info(name.encode()).u)
        for name, kind in wanted.items():
            dataset = self._file.get(name)
            n_axes = 2 if name in ("features", "votes") else 1
            if (
                not isinstance(dataset, h5py.Dataset)
                or not _is_of_kind(dataset.dtype, kind)
                or not _is_stored(dataset)
                or dataset.ndim != n_axes
                or (name != "failed" and dataset.shape[0] != len(self))
            ):
                raise InputError(f"{self.path}: is not a whole feature store: see {name!r} in it")
        if "shards" in self._file:
            self._check_shards()

    def _check_shards(self):
        # HDF5 itself says nothing of a shard that it cannot open, and gives NaN for its rows.
        shards = self._file["shards"]
        if (
            getattr(shards, "dtype", None) != _SHARD_TYPE
            or not _is_stored(shards)
            or shards.ndim != 1
            or np.sum(self._take("shards")["rows"]) != len(self)
        ):
            raise InputError(f"{self.path}: is not a whole feature store: see 'shards' in it")
        for path, n_bytes in zip(self.shards, shards["bytes"]):
            if not path.is_file():
                raise InputError(
                    f"{self.path}: its shard {path} is missing; the index and its folder of shards "
                    "belong together"
                )
            if path.stat().st_size != n_bytes:
                raise self._not_its_shard(path)

    def _check_photos(self, shard, first, rows):
        """Check that a slice of a shard's rows is of the photos that the index says.

        The shard's rows are those of the index from `first` on.
        """
        with self._reading():
            digests = self._file["digest"][first + rows.start : first + rows.stop]
        if not np.array_equal(shard._file["digest"][rows], digests):
            raise self._not_its_shard(shard.path)

    def _not_its_shard(self, path):
        return InputError(
            f"{self.path}: its shard {path} is not the one it was made of; extract the features "
            "anew"
        )

    @contextlib.contextmanager
    def _reading(self):
        try:
            yield
        except InputError:
            raise
        # What h5py raises on damaged files depends on where the damage is.
        except Exception as error:
            reason = _reason(error)
            raise InputError(f"{self.path}: is damaged or not HDF5: {reason}") from error


class _ShardedFeatures:
    """The features of an index, read shard by shard, and checked to be of the index's photos.

    HDF5 keeps every shard open that its virtual dataset has read, and beyond the system's limit of
    open files it gives the fill value without a word.
    """

    def __init__(self, index):
        self._index = index
        self._ends = np.cumsum(index._file["shards"]["rows"])
        features = index._file["features"]
        self.shape, self.dtype = features.shape, features.dtype

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        if isinstance(rows, slice | int | np.integer):
            wanted = np.asarray(range(len(self))[rows])
        else:
            wanted = np.arange(len(self))[rows]
        if not wanted.size:
            return np.empty((0, self.shape[1]), self.dtype)
        index, names = self._index, ["features"]
        read = _read_rows(index.shards, self._ends, wanted.ravel(), names, index)
        return read["features"].reshape(*wanted.shape, self.shape[1])


def merge_stores(parts, path, *, columns=None, attributes=None, force=False):
    """Write the rows of several stores to one, a block at a time.

    Parameters
    ----------
    parts : sequence of str or path
        Stores of the same features and columns.
    path : str or path
        Of the store to write.
    columns : dict of arrays, optional
        Columns for the rows that are written, as in `StoreWriter.append`; they come beside or
        instead of those of the parts.
    attributes : dict, optional
        Those of the first part by default.
    force : bool
        Replace a file that is there.

    Raises
    ------
    InputError
        When a part cannot be read, differs in features or columns from the first, or the store
        cannot be written.
    """
    parts = list(parts)
    lengths = _check_alike(parts, path)
    with FeatureStore(parts[0]) as first:
        n_features, dtype = first.features.shape[1], first.features.dtype
        names = _row_datasets(first)
        attributes = first.attributes if attributes is None else attributes
    with StoreWriter(path, n_features, dtype=dtype, attributes=attributes, force=force) as writer:
        _copy_rows(writer, parts, lengths, names, columns)


def index_stores(parts, path, *, folder=None, columns=None, attributes=None, force=False):
    """Write an index that presents several stores as one: their features stay where they are.

    All else is copied. The features are an HDF5 virtual dataset, which plain h5py reads, too, so
    long as the system lets it open all the parts (``ulimit -n``); rows that it cannot read are NaN.

    Parameters
    ----------
    parts, path, columns, attributes, force
        As in `merge_stores`.
    folder : str or path, optional
        Where the index will be read from; that of `path` by default. The index finds the parts
        relative to it, so that both can be moved together.

    Raises
    ------
    InputError
        As from `merge_stores`.
    """
    parts = list(parts)
    lengths = _check_alike(parts, path)
    folder = Path(path).parent if folder is None else folder
    with FeatureStore(parts[0]) as first:
        shape, dtype = (sum(lengths), first.features.shape[1]), first.features.dtype
        names = [name for name in _row_datasets(first) if name != "features"]
        attributes = first.attributes if attributes is None else attributes
    shards = [
        (os.path.relpath(part, folder), length, os.path.getsize(part))
        for part, length in zip(parts, lengths)
    ]
    with StoreWriter(path, shape[1], dtype=dtype, attributes=attributes, force=force) as writer:
        writer._link_features(shards, shape, dtype)
        _copy_rows(writer, parts, lengths, names, columns)


def _check_alike(parts, path):
    """How many rows each part has; all have the same datasets."""
    lengths = []
    for part in parts:
        with FeatureStore(part) as store:
            layout = {name: _describe(store._file[name]) for name in _row_datasets(store)}
            if not lengths:
                first_layout = layout
            elif layout != first_layout:
                differing = min(set(layout.items()) ^ set(first_layout.items()))[0]
                raise InputError(
                    f"{part}: has {layout.get(differing, f'no {differing}')}, but {parts[0]} has "
                    f"{first_layout.get(differing, f'no {differing}')}; they cannot be merged"
                )
            lengths.append(len(store))
    if not lengths:
        raise InputError(f"{path}: there are no stores to merge")
    return lengths


def _copy_rows(writer, parts, lengths, names, columns):
    """Write the datasets of these names, a block of rows at a time, and the failures."""
    ends = np.cumsum(lengths)
    n_rows = ends[-1]
    columns = {
        name: _to_stored(values, _COLUMN_TYPES[name]) for name, values in (columns or {}).items()
    }
    for name, values in columns.items():
        if len(values) != n_rows:
            raise ValueError(f"{name} has {len(values)} rows, the merged store {n_rows}")
    features = writer._datasets["features"]
    block = max(1, _COPY_BYTES // (features.shape[1] * features.dtype.itemsize + _OBJECT_BYTES))
    for start in range(0, n_rows, block):
        stop = min(start + block, n_rows)
        rows = _read_rows(parts, ends, np.arange(start, stop), names)
        rows.update((name, values[start:stop]) for name, values in columns.items())
        writer._append_rows(rows)
    for part in parts:
        with FeatureStore(part) as store:
            for photo, reason in store.failed:
                writer.fail(photo, reason)


def _read_rows(parts, ends, wanted, names, index=None):
    """Rows, counted through all the parts, as they are stored: a dictionary of arrays.

    Where the parts are the shards of an index, their rows have to be of its photos.
    """
    rows = {}
    owners = np.searchsorted(ends, wanted, side="right")
    for owner in np.unique(owners):
        places = np.flatnonzero(owners == owner)
        first = ends[owner - 1] if owner else 0
        # h5py reads increasing rows only, each once; a slice is much faster than a list.
        chosen, positions = np.unique(wanted[places] - first, return_inverse=True)
        span = slice(chosen[0], chosen[-1] + 1)
        if span.stop - span.start == len(chosen):
            chosen = span
        with FeatureStore(parts[owner]) as store, store._reading():
            if index is not None:
                index._check_photos(store, first, span)
            for name in names:
                values = store.features[chosen] if name == "features" else store._take(name, chosen)
                if name not in rows:
                    rows[name] = np.empty((len(wanted), *values.shape[1:]), values.dtype)
                rows[name][places] = values[positions]
    return rows


def _row_datasets(store):
    return ["features", "path", "digest", *(name for name in _COLUMN_TYPES if name in store._file)]


def _describe(dataset):
    return f"{dataset.name[1:]} of {dataset.dtype} × {dataset.shape[1:]}"


def _to_stored(values, dtype):
    if dtype is _TEXT:
        return np.array([_to_bytes(str(value)) for value in values], dtype=object)
    return np.asarray(values, dtype=dtype)


def _to_bytes(text):
    # HDF5 ends a string at its first NUL, which no file's name holds, but a list of names may.
    return os.fsencode(text.replace("\0", "\\0"))


def _extend(dataset, values):
    n_rows = dataset.shape[0]
    dataset.resize(n_rows + len(values), axis=0)
    dataset[n_rows:] = values


def _encode_attribute(value):
    """A value as HDF5 keeps it: numbers and plain text as they are, anything else as JSON text."""
    if isinstance(value, (bool, int, float)):
        return value
    # HDF5 cannot hold NULs and lone surrogates (of names that are not UTF-8), JSON escapes them.
    if isinstance(value, str) and value.isprintable() and _decode_attribute(value) == value:
        return value
    return json.dumps(value)


def _decode_attribute(value):
    if isinstance(value, str):
        # Text that JSON reads as a number was written as text: numbers are kept as numbers.
        if value[:1] in '[{"' or value == "null":
            with contextlib.suppress(ValueError):
                return json.loads(value)
        return value
    if isinstance(value, np.bool | np.number):
        return value.item()
    raise TypeError(f"an attribute is {type(value).__name__}, which no feature store has")


def _is_of_kind(dtype, kind):
    if kind == "V":
        return dtype.names == ("path", "reason") and all(_is_of_kind(dtype[i], "O") for i in (0, 1))
    # HDF5's references are objects, too.
    return dtype.kind == kind and (kind != "O" or h5py.check_string_dtype(dtype) is not None)


def _is_stored(dataset):
    """Whether a dataset's rows are in its file, all of them, as a StoreWriter puts them there.

    External storage would show any file of whoever opens the store. Rows that are declared only, or
    packed a thousand to one, would fill the memory.
    """
    if dataset.is_virtual:
        return dataset.name == "/features" and "shards" in dataset.parent
    plan = dataset.id.get_create_plist()
    return (
        plan.get_external_count() == 0
        and plan.get_nfilters() == 0
        and dataset.id.get_storage_size() >= dataset.nbytes
    )


class _Disk(io.FileIO):
    """A file that notes its first failed write, for HDF5 goes on to crash the process on one."""

    error = None

    def write(self, data):
        rest = memoryview(data)
        while rest and self.error is None:
            try:
                rest = rest[super().write(rest) :]
            except OSError as error:
                self.error = error
        return len(data)

    def truncate(self, size):
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error

    def check(self):
        """Raise the error that was noted."""
        if self.error is not None:
            raise self.error


def _reason(error):
    """What the system said, in one line: h5py packs it into a longer sentence."""
    text = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    inner = re.search(r"error message = '([^']*)'", text)
    return inner[1] if inner else " ".join(text.split())[:200]
