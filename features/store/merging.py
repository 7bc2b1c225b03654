"""Several feature stores in one file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from features.errors import InputError
from features.store.folder import check_alike, open_source
from features.store.schema import COLUMN_TYPES, RATINGS, to_stored
from features.store.writer import StoreWriter

_COPY_BYTES = 2**24
# About what a row's name, digest and ratings take.
_COLUMN_BYTES = 256


def merge_stores(
    parts: Sequence[str | os.PathLike],
    path: str | os.PathLike,
    *,
    ratings: Mapping[str, ArrayLike] | None = None,
    attributes: Mapping[str, Any] | None = None,
    force: bool = False,
) -> None:
    """Write the rows of several stores to one file, a block at a time.

    Parameters
    ----------
    parts : sequence of str or path
        Stores of the same datasets.
    path : str or path
        Of the file to write; it may be one of the parts.
    ratings : dict of arrays, optional
        Columns of all the rows, as in `StoreWriter.append`, in place of whatever ratings the parts
        hold.
    attributes : dict, optional
        Those of the first part by default.
    force : bool
        Replace a file that is there.

    Raises
    ------
    AlreadyThere
        When the file is there.
    InputError
        When a part cannot be read, differs in its datasets from the first, or the file cannot be
        written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from features.store import FeatureStore, StoreWriter, merge_stores
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("a", "b"):
    ...     with StoreWriter(folder / f"{name}.h5", 1) as writer:
    ...         writer.append([[1.5]], [name], ["0" * 32])
    >>> parts = [folder / "a.h5", folder / "b.h5"]
    >>> merge_stores(parts, folder / "both.h5", ratings={"label": [0, 1]})
    >>> with FeatureStore(folder / "both.h5") as store:
    ...     store.paths.tolist(), store.label.tolist()
    (['a', 'b'], [0, 1])
    """
    parts = list(parts)
    if not parts:
        raise InputError(f"{path}: there are no stores to merge")
    n_rows = 0
    with open_source(parts[0]) as first:
        for part in parts:
            with open_source(part) as store:
                check_alike(store, first)
                n_rows += len(store)
        names = [name for name in first.names if ratings is None or name not in RATINGS]
        (n_features,), dtype = first.layout("features")
        attributes = first.attributes if attributes is None else attributes
    columns = {
        name: to_stored(values, COLUMN_TYPES[name]) for name, values in (ratings or {}).items()
    }
    for name, values in columns.items():
        if len(values) != n_rows:
            raise ValueError(f"{name} has {len(values)} rows, the merged store {n_rows}")
    block = max(1, _COPY_BYTES // (n_features * dtype.itemsize + _COLUMN_BYTES))
    with StoreWriter(path, n_features, dtype=dtype, attributes=attributes, force=force) as writer:
        end = 0
        for part in parts:
            with open_source(part) as store:
                # A part of no rows tells the columns all the same.
                for start in range(0, max(1, len(store)), block):
                    rows = {name: store.read(name, slice(start, start + block)) for name in names}
                    begin, end = end, end + len(rows["path"])
                    writer.append_stored(
                        rows | {name: values[begin:end] for name, values in columns.items()}
                    )
                for photo, reason in store.failed:
                    writer.fail(photo, reason)
