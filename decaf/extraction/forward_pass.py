"""Photos → network → activations: decoding and forward pass side by side, in bounded memory."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import tee

import numpy as np

from features.photos import PhotoError, read_photo, resize_photo

# Two batches are decoded ahead: one waits for the forward pass while the other is being filled.
BATCHES_AHEAD = 2


@dataclass(frozen=True)
class Rows:
    """What a network gave for some photos.

    Attributes
    ----------
    positions : list of int, length n_rows
        Where the photos that could be read stand in the sequence of paths.
    digests : list of str, length n_rows
    activations : dict of str to ndarray of float16, shape (n_rows, n_activations)
        By pooling.
    failed : dict of int to str
        Positions of the photos that could not be read, and why.
    """

    positions: list[int]
    digests: list[str]
    activations: dict[str, np.ndarray]
    failed: dict[int, str]


def run_network(
    shards: Iterable[Sequence[str]],
    model,
    *,
    resize: str = "squash",
    batch_size: int = 32,
    advance: Callable[[int], object] = lambda n_photos: None,
) -> Iterator[Rows]:
    """Run the convolutions over photos, shard by shard; the next one's are decoded meanwhile.

    Parameters
    ----------
    shards : iterable of sequence of str
        Photo files, as many in a shard as their activations fit into memory. One shard is asked
        for ahead.
    model : keras.Model
        Takes RGB in 0–255, (batch, size, size, 3), and gives activations by pooling, as
        `decaf.networks.convolutions.build_activations` builds it.
    resize : {"squash", "crop", "pad"}
        How a photo is brought to the model's input size.
    batch_size : int
        Photos in a forward pass. A shard's last batch is padded, so that nothing is traced twice.
    advance : callable
        Called with the number of photos that are done since its last call.

    Yields
    ------
    Rows
        Of each shard.
    """
    size = model.input_shape[1]
    batch = np.zeros((batch_size, size, size, 3), np.uint8)
    shards, to_decode = tee(shards)
    decoded = decode_photos(to_decode, size, resize, BATCHES_AHEAD * batch_size)
    with contextlib.closing(decoded):
        for paths, photos in zip(shards, decoded):
            yield _run_shard(photos, len(paths), model, batch, advance)


def decode_photos(
    shards: Iterable[Sequence[str]], size: int, resize: str = "squash", ahead: int = 64
) -> Iterator[Iterator[tuple[np.ndarray, str] | PhotoError]]:
    """Decode photos in threads, and resize them.

    Parameters
    ----------
    shards : iterable of sequence of str
        Photo files. One shard is asked for ahead, so that its photos are decoded while the last
        ones of the shard before are waiting.
    size : int
        Side of the squares in pixels.
    resize : {"squash", "crop", "pad"}
    ahead : int
        Photos that are decoded ahead at most.

    Yields
    ------
    iterator of (rgb, digest) or PhotoError
        Of each shard, to be used up before the next is taken. In the order of the paths: RGB
        uint8, (size, size, 3), and the digest of the file's bytes; or why the photo could not be
        read.
    """
    remaining, waiting = deque(), deque()

    def decode(path: str):
        try:
            rgb, digest = read_photo(path, min_side=size)
        except PhotoError as error:
            return error
        return resize_photo(rgb, size, resize), digest

    def submit() -> None:
        while remaining and len(waiting) < ahead:
            waiting.append(decoders.submit(decode, remaining.popleft()))

    def decoded(n_photos: int):
        for _ in range(n_photos):
            photo = waiting.popleft().result()
            submit()
            yield photo

    shards, following = tee(shards)
    with ThreadPoolExecutor(os.cpu_count()) as decoders:
        try:
            remaining.extend(next(following, ()))
            for paths in shards:
                submit()  # before the next shard is asked for, which may take a while
                remaining.extend(next(following, ()))
                submit()
                yield decoded(len(paths))
        finally:
            for future in waiting:
                future.cancel()


def write_behind(write: Callable, computed: Iterable[tuple]) -> Iterator:
    """Write each of some things in a thread, while the next one is being computed.

    Parameters
    ----------
    write : callable
    computed : iterable of tuple
        Arguments for ``write``. At most two are in memory: one being written, one being computed.

    Yields
    ------
    object
        What ``write`` returned, in the same order.
    """
    with ThreadPoolExecutor(1) as writer:
        writing = None
        for arguments in computed:
            if writing is not None:
                yield writing.result()
            writing = writer.submit(write, *arguments)
        if writing is not None:
            yield writing.result()


def _run_shard(photos, n_photos, model, batch, advance) -> Rows:
    """Run the convolutions over decoded photos, a batch at a time, each in ``batch``'s memory."""
    rows = Rows(
        positions=[],
        digests=[],
        activations={
            pooling: np.empty((n_photos, values.shape[1]), np.float16)
            for pooling, values in model.output.items()
        },
        failed={},
    )
    filled = 0
    for position, photo in enumerate(photos):
        if isinstance(photo, PhotoError):
            rows.failed[position] = str(photo)
        else:
            batch[filled], digest = photo
            rows.positions.append(position)
            rows.digests.append(digest)
            filled += 1
        if filled == len(batch) or (filled and position == n_photos - 1):
            first = len(rows.positions) - filled
            for pooling, values in model.predict_on_batch(batch).items():
                rows.activations[pooling][first : first + filled] = values[:filled]
            filled = 0
        advance(1)
    for pooling, values in rows.activations.items():
        rows.activations[pooling] = values[: len(rows.positions)]
    return rows
