"""Photos → network → activations: decoding and forward pass side by side, in bounded memory."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import tee
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from decaf.extraction.engines import batches_at_once, batches_in_memory, forward_pass
from features.errors import InputError
from features.photos import PhotoError, read_square

if TYPE_CHECKING:
    import keras

# RGB, where it is wanted, and digest; or why it could not be read.
Photo = tuple[np.ndarray | None, str] | PhotoError
Wanted = Callable[[str], bool]
Result = TypeVar("Result")

# Two batches are decoded ahead: one waits for the forward pass while the other is being filled.
BATCHES_AHEAD = 2


@dataclass(frozen=True)
class ShardActivations:
    """What became of the photos of a shard.

    Attributes
    ----------
    positions : list of int, length n_rows
        Where the photos that went through the network stand in the sequence of paths.
    digests : list of str, length n_rows
    activations : dict of str to ndarray of float16, shape (n_rows, n_activations)
        By pooling.
    failed : dict of int to str
        Positions of the photos that could not be read, and why.
    unwanted : dict of int to str
        Positions of the photos that were not wanted, and their digests.
    """

    positions: list[int]
    digests: list[str]
    activations: dict[str, np.ndarray]
    failed: dict[int, str] = field(default_factory=dict)
    unwanted: dict[int, str] = field(default_factory=dict)


def run_network(
    shards: Iterable[Sequence[str]],
    convolutions: keras.Model,
    *,
    resize: str = "squash",
    batch_size: int = 32,
    n_photos: int | None = None,
    wanted: Wanted = lambda digest: True,
    advance: Callable[[int], object] = lambda n_photos: None,
) -> Iterator[ShardActivations]:
    """Run the convolutions over photos, shard by shard; the next one's are decoded meanwhile.

    Parameters
    ----------
    shards : iterable of sequence of str
        Photo files, as many in a shard as their activations fit into memory. One shard is asked
        for ahead.
    convolutions : keras.Model
        Takes RGB in 0–255, (batch, size, size, 3), and gives activations by pooling, as
        `decaf.networks.convolutions.build_activations` builds it; run by what
        `decaf.extraction.engines.set_engine` has chosen.
    resize : {"squash", "crop", "pad"}
        How a photo is brought to the network's input size.
    batch_size : int
        Photos in a forward pass. A shard's last batch is padded, so that nothing is traced twice.
    n_photos : int, optional
        In all shards, where that is known: few are not worth the preparation of an engine.
    wanted : callable, optional
        From a photo's digest to whether it is to go through the network; all by default. Called
        from several threads.
    advance : callable
        Called with the number of photos that are done since its last call.

    Yields
    ------
    ShardActivations
        Of each shard.

    Raises
    ------
    InputError
        An activation is not finite, or becomes so as float16.
    """
    size = convolutions.input_shape[1]
    widths = {pooling: values.shape[1] for pooling, values in convolutions.output.items()}
    shards, to_decode = tee(shards)

    def run(batch: np.ndarray) -> Mapping[str, np.ndarray]:
        # Asked for anew, so that nothing is prepared where no photo is wanted.
        return forward_pass(convolutions, batch_size, n_photos)(batch)

    decoded = decode_photos(to_decode, size, resize, BATCHES_AHEAD * batch_size, wanted)
    with contextlib.closing(decoded), _Running(run, (batch_size, size, size, 3)) as running:
        for paths, photos in zip(shards, decoded):
            yield _run_shard(photos, _empty(len(paths), widths), running, advance)


def decode_photos(
    shards: Iterable[Sequence[str]],
    size: int,
    resize: str = "squash",
    ahead: int = 64,
    wanted: Wanted = lambda digest: True,
) -> Generator[Iterator[Photo], None, None]:
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
    wanted : callable, optional
        As in `run_network`.

    Yields
    ------
    iterator of (rgb, digest) or PhotoError
        Of each shard, to be used up before the next is taken. In the order of the paths: RGB
        uint8, (size, size, 3), or None where the photo is not wanted, and the digest of the file's
        bytes; or why the photo could not be read.
    """
    remaining: deque[str] = deque()
    waiting: deque[Future] = deque()

    def decode(path: str) -> Photo:
        try:
            return read_square(path, size, resize, wanted)
        except PhotoError as error:
            return error

    def submit() -> None:
        while remaining and len(waiting) < ahead:
            waiting.append(decoders.submit(decode, remaining.popleft()))

    def decoded(n_photos: int) -> Iterator[Photo]:
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


def write_behind(write: Callable[..., Result], computed: Iterable[tuple]) -> Iterator[Result]:
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


def _empty(n_photos: int, widths: Mapping[str, int]) -> ShardActivations:
    """Room for the activations of a shard."""
    activations = {
        pooling: np.empty((n_photos, width), np.float16) for pooling, width in widths.items()
    }
    return ShardActivations(positions=[], digests=[], activations=activations)


class _Running:
    """Batches on their way through the network, in threads, while the next one is filled."""

    def __init__(
        self, run: Callable[[np.ndarray], Mapping[str, np.ndarray]], shape: tuple[int, ...]
    ):
        self._run, self._at_once = run, batches_at_once()
        self._batches = deque(batches_in_memory(self._at_once + 1, shape))
        self._waiting: deque[tuple[slice, np.ndarray, Future]] = deque()
        self._threads = ThreadPoolExecutor(self._at_once)

    def __enter__(self) -> _Running:
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    @property
    def batch(self) -> np.ndarray:
        """The batch that is being filled."""
        return self._batches[0]

    def start(self, rows: slice, activations: Mapping[str, np.ndarray]) -> None:
        """Run the batch, whose activations are to take these rows; another is to be filled."""
        batch = self._batches.popleft()
        self._waiting.append((rows, batch, self._threads.submit(self._run, batch)))
        if not self._batches:
            self._take(activations)

    def finish(self, activations: Mapping[str, np.ndarray]) -> None:
        """Wait for the activations of all batches."""
        while self._waiting:
            self._take(activations)

    def _take(self, activations: Mapping[str, np.ndarray]) -> None:
        rows, batch, running = self._waiting.popleft()
        for pooling, values in running.result().items():
            with np.errstate(over="ignore"):
                activations[pooling][rows] = values[: rows.stop - rows.start]
            if not np.isfinite(activations[pooling][rows]).all():
                raise InputError(
                    "the network gives activations that are no numbers, or too large ones; "
                    "take another network"
                )
        self._batches.append(batch)


def _run_shard(
    photos: Iterator[Photo],
    shard: ShardActivations,
    running: _Running,
    advance: Callable[[int], object],
) -> ShardActivations:
    """Run the convolutions over decoded photos, a batch at a time."""
    n_photos = len(next(iter(shard.activations.values())))
    filled = 0
    for position, photo in enumerate(photos):
        if isinstance(photo, PhotoError):
            shard.failed[position] = str(photo)
        elif photo[0] is None:
            shard.unwanted[position] = photo[1]
        else:
            running.batch[filled], digest = photo
            shard.positions.append(position)
            shard.digests.append(digest)
            filled += 1
        if filled == len(running.batch) or (filled and position == n_photos - 1):
            n_rows = len(shard.positions)
            running.start(slice(n_rows - filled, n_rows), shard.activations)
            filled = 0
        advance(1)
    running.finish(shard.activations)
    for pooling, values in shard.activations.items():
        shard.activations[pooling] = values[: len(shard.positions)]
    return shard
