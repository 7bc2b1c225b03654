"""Sets of photos, such as those that trained a network: eight bytes of each one's digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from features.errors import InputError

# Most significant byte first, so that bytes are in the order of the digests in hex.
_STORED = np.dtype(">u8")
_HEX_DIGITS = 2 * _STORED.itemsize


@dataclass(frozen=True, eq=False)
class PhotoSet:
    """A set of photos that tells whether a photo is in it, and no more.

    Of a photo's digest (`features.photos.photo_digest`) it keeps the first eight bytes. That a
    photo outside is taken for one of n inside has the chance n / 2**64: with 250,000 inside, for
    any of 250,000 others, 3 in a billion.

    Attributes
    ----------
    keys : ndarray of uint64, shape (n_photos,)
        The first eight bytes of the digests as numbers, which rise.

    Examples
    --------
    >>> seen = PhotoSet.of(["00ff" * 8, "ab" * 16])
    >>> len(seen), seen.holds(["ab" * 16, "cd" * 16]).tolist()
    (2, [True, False])
    >>> PhotoSet.from_bytes(seen.to_bytes()) == seen
    True
    """

    keys: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))

    @classmethod
    def of(cls, digests: Sequence[str] | np.ndarray) -> Self:
        """The set of the photos of these digests.

        Parameters
        ----------
        digests : sequence of str
            In any order; copies of a photo count once.

        Returns
        -------
        PhotoSet

        Raises
        ------
        InputError
            If one is no digest.
        """
        return cls(np.unique(_keys(digests)))

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The set that a file holds, as `to_bytes` made it.

        Parameters
        ----------
        content : bytes

        Returns
        -------
        PhotoSet

        Raises
        ------
        InputError
            It is none; the message is for whoever read the file to put its name before.
        """
        if len(content) % _STORED.itemsize:
            raise InputError("is cut off")
        keys = np.frombuffer(content, _STORED).astype(np.uint64)
        if not (keys[:-1] < keys[1:]).all():
            raise InputError("holds no photos' digests in their order")
        return cls(keys)

    def to_bytes(self) -> bytes:
        """What a file keeps of the set: eight bytes a photo, sorted.

        Returns
        -------
        bytes
            ``numpy.frombuffer(content, ">u8")`` reads them.
        """
        return self.keys.astype(_STORED).tobytes()

    def holds(self, digests: Sequence[str] | np.ndarray) -> np.ndarray:
        """Tell which photos are in the set.

        Parameters
        ----------
        digests : sequence of str, length n_photos

        Returns
        -------
        ndarray of bool, shape (n_photos,)

        Raises
        ------
        InputError
            If one is no digest.
        """
        asked = _keys(digests)
        if not len(self):
            return np.zeros(len(asked), bool)
        places = np.minimum(np.searchsorted(self.keys, asked), len(self) - 1)
        return self.keys[places] == asked

    def __len__(self) -> int:
        return len(self.keys)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PhotoSet) and np.array_equal(self.keys, other.keys)

    def __or__(self, other: PhotoSet) -> PhotoSet:
        return PhotoSet(np.union1d(self.keys, other.keys))

    def __sub__(self, other: PhotoSet) -> PhotoSet:
        return PhotoSet(np.setdiff1d(self.keys, other.keys, assume_unique=True))


def _keys(digests: Sequence[str] | np.ndarray) -> np.ndarray:
    try:
        # Spaces are passed over, and leave too few bytes.
        content = bytes.fromhex("".join(digest[:_HEX_DIGITS] for digest in digests))
    except ValueError:
        content = b""
    if len(content) != len(digests) * _STORED.itemsize:
        raise InputError("a photo's digest must be hex digits, as features.photos gives them")
    return np.frombuffer(content, _STORED).astype(np.uint64)
