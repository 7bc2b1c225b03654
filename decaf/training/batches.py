"""Cached activations, a batch at a time: to train on, to standardise, to predict from."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
from sklearn.preprocessing import StandardScaler

from decaf.backend import can_train
from decaf.extraction.activations import Activations
from decaf.extraction.engines import compiled_head

# Activations that fit into this much memory are read once; larger ones by shuffled blocks, every
# epoch.
MEMORY_BYTES = 2 << 30
# 256 neighbouring rows are read at once: 13 MB of VGG16's flattened activations, a few ms from any
# disk.
BLOCK_ROWS = 256


class ActivationBatches(keras.utils.PyDataset):
    """Shuffled batches of cached activations, for ``fit``.

    Activations that fit into memory are read once. Larger ones are read in shuffled blocks of
    neighbouring rows, as many blocks as fit into memory at a time, and shuffled among these.

    Parameters
    ----------
    activations : Activations
    rows : ndarray of int, shape (n,)
        Which ones.
    wanted, weight : ndarray, shape (n, ...) and (n,)
    batch_size, seed : int
    memory : int
        Bytes of activations that are held at most.
    """

    def __init__(
        self,
        activations: Activations,
        rows: np.ndarray,
        wanted: np.ndarray,
        weight: np.ndarray,
        batch_size: int,
        seed: int,
        memory: int = MEMORY_BYTES,
    ):
        super().__init__()
        self._activations = activations
        self._rows, self._wanted, self._weight = rows, wanted, weight
        self._batch_size = batch_size
        self._random = np.random.default_rng(seed)
        batch_bytes = batch_size * activations.shape[1] * np.dtype(np.float16).itemsize
        self._pool_rows = max(1, memory // batch_bytes) * batch_size
        fits = len(rows) <= self._pool_rows
        self._in_memory = activations.read(rows) if fits else None
        # The rows that are held of those that do not fit, and where in the order they begin.
        self._pool = np.empty((0, activations.shape[1]), np.float16)
        self._pool_first: int | None = None
        self.on_epoch_end()

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self._rows) // self._batch_size)

    def __getitem__(self, batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Activations, what is wanted and weights of one batch."""
        start = batch * self._batch_size
        chosen = self._order[start : start + self._batch_size]
        if self._in_memory is not None:
            values = self._in_memory[chosen]
        else:
            first = start - start % self._pool_rows
            if self._pool_first != first:
                pool_rows = self._order[first : first + self._pool_rows]
                self._pool = self._activations.read(self._rows[pool_rows])
                self._pool_first = first
            values = self._pool[start - first : start - first + len(chosen)]
        return values.astype(np.float32), self._wanted[chosen], self._weight[chosen]

    def on_epoch_end(self) -> None:
        """Shuffle anew."""
        if self._in_memory is not None:
            self._order = self._random.permutation(len(self._rows))
            return
        place = np.empty(len(self._activations), int)
        place[self._activations.storage_order] = np.arange(len(place))
        blocks = np.array_split(np.argsort(place[self._rows]), -(-len(self._rows) // BLOCK_ROWS))
        self._order = np.concatenate([blocks[i] for i in self._random.permutation(len(blocks))])
        for first in range(0, len(self._order), self._pool_rows):
            self._random.shuffle(self._order[first : first + self._pool_rows])
        self._pool_first = None


def fit_scaler(activations: Activations, rows: np.ndarray) -> StandardScaler:
    """Mean and deviation of every activation over some photos.

    Parameters
    ----------
    activations : Activations
    rows : ndarray of int, shape (n,)

    Returns
    -------
    StandardScaler
        Fitted.
    """
    scaler = StandardScaler()
    place = np.argsort(activations.storage_order)
    rows = rows[np.argsort(place[rows])]
    for block in np.array_split(rows, -(-len(rows) // BLOCK_ROWS)):
        scaler.partial_fit(activations.read(block).astype(np.float32))
    return scaler


def predict(head: keras.Model, activations: Activations, rows: np.ndarray) -> Any:
    """What a head, or a part of it, gives for cached activations.

    Parameters
    ----------
    head : keras.Model
        From (batch, n_activations) to (batch, n_outputs), or to a dictionary of such.
    activations : Activations
    rows : ndarray of int, shape (n,)

    Returns
    -------
    ndarray of float32, shape (n, n_outputs)
        Or the dictionary of such.
    """
    blocks = np.array_split(rows, max(1, -(-len(rows) // BLOCK_ROWS)))
    run = functools.partial(_call, head) if can_train() else compiled_head(head)
    given = [run(activations.read(block).astype(np.float32)) for block in blocks]
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *given)


def _call(head: keras.Model, values: np.ndarray) -> Any:
    # Not Keras's predict, which traces the graph of every new head, of which TensorFlow complains.
    return keras.tree.map_structure(keras.ops.convert_to_numpy, head(values, training=False))
