"""What a feature store holds, and how: numbers, texts of a fixed width, and one JSON text.

Nothing in it is of variable length. HDF5 keeps such values in heaps, and goes through a damaged
heap for ever, deaf to Ctrl-C.
"""

from __future__ import annotations

import h5py
import numpy as np
from numpy.typing import ArrayLike

SCHEMA_VERSION = 1

# Texts are as wide as the longest in their column; of no width, this stands for any.
TEXT = np.dtype("S")
DIGEST = np.dtype("S32")
COLUMN_TYPES: dict[str, np.dtype] = {
    "score": np.dtype("float64"),
    "label": np.dtype("int8"),
    "votes": np.dtype("int64"),
    "split": TEXT,
    "group": TEXT,
    "finetuned": np.dtype("bool"),
    "predicted_mean": np.dtype("float64"),
    "predicted_spread": np.dtype("float64"),
}
# Those of the columns that people's ratings give.
RATINGS = ("score", "label", "votes", "split", "group")
# A scalar JSON text: {"schema_version": …, "made_by": {…}}. Not an attribute of HDF5's, which
# hold 64 KiB at most.
PROVENANCE = "provenance"
FAILED = "failed"

# Classifiers compute squares of features, and sums of them, which float32 does not hold of larger
# ones. Activations are in float16, below 65,505.
LARGEST_FEATURE = 1e15

# Python's stand-ins for bytes that are not UTF-8 (PEP 383), which no strict reader of UTF-8 takes,
# and the same numbers in Unicode's last private plane, which every one does.
_TO_PRIVATE = {surrogate: 0x100000 + surrogate for surrogate in range(0xDC80, 0xDD00)}
_FROM_PRIVATE = {private: surrogate for surrogate, private in _TO_PRIVATE.items()}


def text_type(width: int) -> np.dtype:
    """The stored type of texts of up to so many bytes, which `h5py.Dataset.asstr` reads."""
    return h5py.string_dtype("utf-8", width)


def failed_type(path_width: int, reason_width: int) -> np.dtype:
    """The stored type of a photo that could not be read."""
    return np.dtype([("path", text_type(path_width)), ("reason", text_type(reason_width))])


def to_stored(values: ArrayLike, dtype: np.dtype) -> np.ndarray:
    """A column's values as they are stored, of its type; texts are as wide as the longest."""
    if dtype == TEXT:
        return np.array([to_bytes(str(value)) for value in np.asarray(values, object)], TEXT)
    return np.asarray(values, dtype)


def to_bytes(text: str) -> bytes:
    """A text as it is stored, in UTF-8: other bytes of a name become private characters."""
    # Stored texts are filled up with NULs, which no file's name holds, but a list of names may.
    return text.replace("\0", "\\0").translate(_TO_PRIVATE).encode()


def to_text(value: bytes) -> str:
    """A stored text as it was."""
    return value.decode(errors="surrogateescape").translate(_FROM_PRIVATE)


def to_texts(values: np.ndarray) -> np.ndarray:
    """Stored texts as str objects, in an array of the same shape."""
    texts = np.empty(values.shape, object)
    texts[:] = [to_text(value) for value in values]
    return texts


def unusable_rows(features: np.ndarray) -> np.ndarray:
    """Rows of features that no classifier learns from: not finite, or of absurd size.

    Parameters
    ----------
    features : ndarray, shape (n_rows, n_features)

    Returns
    -------
    ndarray of int
    """
    # Not ">", which NaN is not either.
    return np.flatnonzero(~(np.abs(features) <= LARGEST_FEATURE).all(axis=1))
