"""Where the activations of photos lie in a cache: shard and row, by the photos' digests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from features.store.schema import DIGEST


class Index:
    """Shards and rows of photos, in 40 bytes a photo: a cache may hold millions.

    Parameters
    ----------
    shards : sequence of (sequence of str)
        The digests of the rows of each shard. Of a photo that is in several the last counts.

    Examples
    --------
    >>> index = Index([["0a" * 16, "ff" * 16], ["0b" * 16]])
    >>> len(index), "ff" * 16 in index
    (3, True)
    >>> index.places(["0b" * 16, "cc" * 16, "ff" * 16]).tolist()
    [[1, 0], [-1, -1], [0, 1]]
    """

    def __init__(self, shards: Sequence[Sequence[str] | np.ndarray] = ()):
        rows = [len(shard) for shard in shards]
        digests = np.concatenate([np.zeros(0, DIGEST), *(np.asarray(s, DIGEST) for s in shards)])
        places = np.empty((len(digests), 2), np.int32)
        places[:, 0] = np.repeat(np.arange(len(rows)), rows)
        places[:, 1] = np.concatenate([np.zeros(0, int), *map(np.arange, rows)])
        order = np.argsort(digests, kind="stable")
        digests = digests[order]
        is_last = np.append(digests[1:] != digests[:-1], np.ones(len(digests[:1]), bool))
        self._digests, self._places = digests[is_last], places[order[is_last]]

    def __len__(self) -> int:
        return len(self._digests)

    def __contains__(self, digest: str) -> bool:
        return bool(self.places([digest])[0, 0] >= 0)

    def places(self, digests: Sequence[str] | np.ndarray) -> np.ndarray:
        """Look photos up.

        Parameters
        ----------
        digests : sequence of str, length n_photos

        Returns
        -------
        ndarray of int, shape (n_photos, 2)
            Shard and row; -1 where there is none.
        """
        asked = np.asarray(digests, DIGEST)
        places = np.full((len(asked), 2), -1, np.int32)
        near = np.searchsorted(self._digests, asked)
        found = near < len(self)
        found[found] = self._digests[near[found]] == asked[found]
        places[found] = self._places[near[found]]
        return places
