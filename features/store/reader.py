"""FeatureStore: read a feature store, be it one file or a folder of shards."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from features.errors import InputError, NoRatings
from features.ratings import RatedPhotos
from features.records import Record, number, optional, sequence
from features.store.file import StoreFile, reading
from features.store.folder import ShardFolder, open_source
from features.store.schema import to_texts

# Texts that are stored bytes and Python's objects at once.
_TEXT_ROWS = 2**16


@dataclass(frozen=True)
class _Told(Record):
    """What a store's attributes tell of its ratings."""

    scale: tuple[float, float] | None = field(metadata=optional(sequence(number(), length=2)))
    midpoint: float | None = field(metadata=optional(number()))


class FeatureStore:
    """Read a feature store; any number of processes may read one at the same time.

    Columns that are not in the store are None.

    Parameters
    ----------
    path : str or path
        A file, or a folder of shards.

    Raises
    ------
    InputError
        When it is missing, truncated, newer than this program, or no feature store; when a folder
        is not whole.

    Examples
    --------
    >>> import tempfile
    >>> from features.store import FeatureStore, StoreWriter
    >>> path = Path(tempfile.mkdtemp(), "features.h5")
    >>> with StoreWriter(path, 3) as writer:
    ...     writer.append(np.eye(3), ["a.jpg", "b.jpg", "c.jpg"], ["0" * 32] * 3, score=[1, 5, 4])
    >>> with FeatureStore(path) as store:
    ...     store.features[store.score > 3, 1].tolist(), store.paths[0], store.label
    ([1.0, 0.0], 'a.jpg', None)
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._source = open_source(path)

    def __enter__(self) -> FeatureStore:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._source)

    def close(self) -> None:
        """Close the file; what was not read of it cannot be read any more."""
        self._source.close()

    @cached_property
    def features(self) -> StoredFeatures:
        """Of shape (n_photos, n_features), float32 or float16; read when indexed by rows."""
        return StoredFeatures(self._source)

    @cached_property
    def shards(self) -> list[Path] | None:
        """The files of a folder's shards, in the order of their rows; None for a single file."""
        return self._source.shards if isinstance(self._source, ShardFolder) else None

    @cached_property
    def paths(self) -> np.ndarray:
        """The photos' names: ndarray of str objects, shape (n_photos,)."""
        return self._texts("path")

    @cached_property
    def digests(self) -> np.ndarray:
        """The digests of the photos' bytes: ndarray of str, shape (n_photos,)."""
        with reading(self.path):
            return self._source.read("digest").astype(str)

    @cached_property
    def score(self) -> np.ndarray | None:
        """Mean scores: ndarray of float, shape (n_photos,), or None."""
        return self._read("score")

    @cached_property
    def label(self) -> np.ndarray | None:
        """Labels, 1 is professional: ndarray of int8, shape (n_photos,), or None."""
        return self._read("label")

    @cached_property
    def votes(self) -> np.ndarray | None:
        """Votes for each step of the scale: ndarray of int, shape (n_photos, n_steps), or None."""
        return self._read("votes")

    @cached_property
    def split(self) -> np.ndarray | None:
        """Given splits, "train" or "test": ndarray of str objects, shape (n_photos,), or None."""
        return self._texts("split") if "split" in self._source.names else None

    @cached_property
    def group(self) -> np.ndarray | None:
        """Photos of a group stay together: ndarray of str objects, shape (n_photos,), or None."""
        return self._texts("group") if "group" in self._source.names else None

    @cached_property
    def finetuned(self) -> np.ndarray | None:
        """Whether the network was finetuned on the photo: ndarray of bool, (n_photos,), or None."""
        return self._read("finetuned")

    @cached_property
    def predicted_mean(self) -> np.ndarray | None:
        """Means of the votes that the network predicts: ndarray of float, (n_photos,), or None."""
        return self._read("predicted_mean")

    @cached_property
    def predicted_spread(self) -> np.ndarray | None:
        """Their standard deviations: ndarray of float, shape (n_photos,), or None."""
        return self._read("predicted_spread")

    @property
    def failed(self) -> list[tuple[str, str]]:
        """Photos that could not be read: list of (name, reason)."""
        return self._source.failed

    @property
    def attributes(self) -> dict[str, Any]:
        """What made the features: JSON values by their names."""
        return self._source.attributes

    def rated(self) -> RatedPhotos:
        """The photos with their ratings, as they were read when the features were extracted.

        Returns
        -------
        features.ratings.RatedPhotos
            Without paths: a store keeps names.

        Raises
        ------
        NoRatings
            When there are none.
        InputError
            When the store cannot be read.
        """
        if self.label is None:
            raise NoRatings(f"{self.path}: holds no ratings")
        try:
            told = _Told.from_json({k: self.attributes.get(k) for k in ("scale", "midpoint")})
            _check_ratings(self.label, self.score, self.votes, self.digests)
        except InputError as error:
            raise InputError(f"{self.path}: {error}; extract its features again") from None
        return RatedPhotos(
            names=self.paths,
            label=self.label,
            score=self.score,
            votes=self.votes,
            split=self.split,
            group=self.group,
            digests=self.digests,
            finetuned=self.finetuned,
            scale=told.scale,
            midpoint=told.midpoint,
            failed=tuple(self.failed),
        )

    def _read(self, name: str) -> np.ndarray | None:
        return self._source.read(name) if name in self._source.names else None

    def _texts(self, name: str) -> np.ndarray:
        texts = np.empty(len(self), object)
        for start in range(0, len(self), _TEXT_ROWS):
            rows = slice(start, start + _TEXT_ROWS)
            texts[rows] = to_texts(self._source.read(name, rows))
        return texts


class StoredFeatures:
    """The features of a store, which are read when they are indexed by rows, or rows and columns.

    Attributes
    ----------
    shape : tuple of int
        (n_photos, n_features).
    dtype : numpy.dtype
    """

    def __init__(self, source: StoreFile | ShardFolder):
        self._source = source
        (n_features,), self.dtype = source.layout("features")
        self.shape = (len(source), n_features)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        rows, *columns = key if isinstance(key, tuple) else (key,)
        values = self._source.read("features", rows)
        return values[..., columns[0]] if columns else values

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


def _check_ratings(
    label: np.ndarray, score: np.ndarray | None, votes: np.ndarray | None, digests: np.ndarray
) -> None:
    """Refuse ratings that no reader of ratings gives."""
    for name, are_right in (
        ("label is neither 0 nor 1", np.isin(label, (0, 1))),
        ("score is no finite number", score is None or np.isfinite(score)),
        ("votes are below 0", votes is None or (votes >= 0).all(axis=1)),
        ("digest is none", [bool(re.fullmatch("[0-9a-f]{32}", each)) for each in digests]),
    ):
        wrong = np.flatnonzero(~np.asarray(are_right, bool))
        if len(wrong):
            raise InputError(f"row {wrong[0]}: its {name}")
