"""Photos → network → activations: decoding and forward pass side by side, in bounded memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np

from decaf.backbones import PRECISIONS
from features.errors import InputError
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
    paths: Sequence[str],
    model,
    *,
    resize: str = "squash",
    batch_size: int = 32,
    advance: Callable[[int], object] = lambda n_photos: None,
) -> Rows:
    """Run the convolutions over photos.

    Parameters
    ----------
    paths : sequence of str
        Photo files, as many as their activations fit into memory.
    model : keras.Model
        Takes RGB in 0–255, (batch, size, size, 3), and gives activations by pooling, as
        `decaf.backbones.build_activations` builds it.
    resize : {"squash", "crop", "pad"}
        How a photo is brought to the model's input size.
    batch_size : int
        Photos in a forward pass. The last batch is padded, so that nothing is traced twice.
    advance : callable
        Called with the number of photos that are done since its last call.

    Returns
    -------
    Rows
    """
    size = model.input_shape[1]
    rows = Rows(
        positions=[],
        digests=[],
        activations={
            pooling: np.empty((len(paths), values.shape[1]), np.float16)
            for pooling, values in model.output.items()
        },
        failed={},
    )
    batch = np.zeros((batch_size, size, size, 3), np.uint8)
    filled = 0
    for position, photo in enumerate(
        decode_photos(paths, size, resize, BATCHES_AHEAD * batch_size)
    ):
        if isinstance(photo, PhotoError):
            rows.failed[position] = str(photo)
        else:
            batch[filled], digest = photo
            rows.positions.append(position)
            rows.digests.append(digest)
            filled += 1
        if filled == batch_size or (filled and position == len(paths) - 1):
            first = len(rows.positions) - filled
            for pooling, values in model.predict_on_batch(batch).items():
                rows.activations[pooling][first : first + filled] = values[:filled]
            filled = 0
        advance(1)
    for pooling, values in rows.activations.items():
        rows.activations[pooling] = values[: len(rows.positions)]
    return rows


def decode_photos(
    paths: Sequence[str], size: int, resize: str = "squash", ahead: int = 64
) -> Iterator[tuple[np.ndarray, str] | PhotoError]:
    """Decode photos in threads, and resize them.

    Parameters
    ----------
    paths : sequence of str
    size : int
        Side of the squares in pixels.
    resize : {"squash", "crop", "pad"}
    ahead : int
        Photos that are decoded ahead at most.

    Yields
    ------
    (rgb, digest) or PhotoError
        In the order of the paths: RGB uint8, (size, size, 3), and the digest of the file's bytes;
        or why the photo could not be read.
    """

    def decode(path: str):
        try:
            rgb, digest = read_photo(path, min_side=size)
        except PhotoError as error:
            return error
        return resize_photo(rgb, size, resize), digest

    remaining = iter(paths)
    with ThreadPoolExecutor(os.cpu_count()) as decoders:
        waiting = deque(decoders.submit(decode, path) for path in islice(remaining, ahead))
        try:
            while waiting:
                photo = waiting.popleft().result()
                waiting.extend(decoders.submit(decode, path) for path in islice(remaining, 1))
                yield photo
        finally:
            for future in waiting:
                future.cancel()


def choose_precision(precision: str) -> str:
    """Resolve ``auto``: bfloat16 where the hardware multiplies matrices in it, else float32.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}

    Returns
    -------
    {"float32", "bfloat16"}

    Raises
    ------
    InputError
        If there is no such precision.
    """
    choices = ("auto", *PRECISIONS)
    if precision not in choices:
        raise InputError(f"precision {precision!r}: choose one of {', '.join(choices)}")
    if precision != "auto":
        return precision
    return "bfloat16" if has_gpu() or _cpu_flags() & {"amx_bf16", "avx512_bf16"} else "float32"


def has_gpu() -> bool:
    """Whether the back end computes on a GPU."""
    import keras

    if keras.backend.backend() == "torch":  # Keras lists no devices of this one
        import torch

        return torch.cuda.is_available()
    # JAX raises an error where it is asked for GPUs and there are none.
    return any(device.startswith("gpu") for device in keras.distribution.list_devices())


def _cpu_flags() -> set[str]:
    try:
        with open("/proc/cpuinfo") as lines:
            return next((set(line.split()) for line in lines if line.startswith("flags")), set())
    except OSError:  # not Linux: float32 is right everywhere
        return set()
