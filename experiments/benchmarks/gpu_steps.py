"""What `gpu-check` runs, each step in a process of its own: agreement, speeds, finetuning.

A step gives a dictionary of numbers and texts. Photos are made of noise, of AVA's size in pixels
and bytes; weights are random, which changes no speed.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from decaf.backend import cpu_name, gpu_name, has_gpu, import_keras, versions
from experiments.measuring import best_seconds
from features.errors import InputError
from features.photos import PhotoError

if TYPE_CHECKING:
    import keras

# AVA: 640 pixels at most and 125 kB in the mean.
PHOTO_SIZE, QUALITY = (640, 480), 95
ORIGINALS = 32
PRECISIONS = ("float32", "bfloat16")
POOLING = "multilevel"


@contextmanager
def without_gpu() -> Iterator[None]:
    """Processes that are started meanwhile see no GPU."""
    hidden = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    before = {name: os.environ.get(name) for name in hidden}
    os.environ.update(hidden)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def make_photos(folder: Path, n_photos: int) -> list[str]:
    """Make JPEGs of coloured noise of all scales, under many names; give their paths.

    Parameters
    ----------
    folder : Path
        Not there yet.
    n_photos : int
    """
    from PIL import Image

    folder.mkdir()
    numbers = np.random.default_rng(0)
    width, height = PHOTO_SIZE
    originals = []
    for number in range(min(n_photos, ORIGINALS)):
        photo = np.full((height, width, 3), 128.0)
        for scale in (2, 8, 32, 128):
            coarse = numbers.integers(0, 256, (height // scale + 1, width // scale + 1, 3))
            grown = Image.fromarray(coarse.astype(np.uint8)).resize(PHOTO_SIZE, Image.BICUBIC)
            photo += (np.asarray(grown, np.float64) - 128) * scale**0.5 / 10
        originals.append(folder / f"{number:06}.jpg")
        Image.fromarray(photo.clip(0, 255).astype(np.uint8)).save(originals[-1], quality=QUALITY)
    for number in range(len(originals), n_photos):
        os.link(originals[number % ORIGINALS], folder / f"{number:06}.jpg")
    return sorted(map(str, folder.iterdir()))


def describe_machine() -> dict:
    """The back end and what it computes on, as this process sees them."""
    import_keras()
    import keras

    return {
        "back end": keras.backend.backend(),
        "device": "gpu" if has_gpu() else "cpu",
        "gpu": gpu_name(),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "versions": versions(),
    }


def save_activations(
    paths: Sequence[str], backbone: str, size: int, precision: str, weights: Path, file: Path
) -> dict:
    """Save the activations of photos that the forward pass of an extraction gives, float32.

    The weights are saved by the first process that draws them, and read by the others: GPUs draw
    other random numbers.
    """
    import_keras()
    from decaf.extraction.engines import forward_pass

    network = _build(backbone, size, precision)
    if weights.exists():
        with np.load(weights) as kept:
            network.set_weights(list(kept.values()))
    else:
        np.savez(weights, *network.get_weights())
    decoded = _decoded(paths, size)
    photos = np.stack([photo[0] for photo in decoded if not isinstance(photo, PhotoError)])
    start = time.perf_counter()
    activations = forward_pass(network, len(photos))(photos)[POOLING]
    np.save(file, activations)
    return {"seconds": time.perf_counter() - start}


def compare(reference: Path, found: Path) -> dict:
    """How activations agree: the largest relative difference of a photo, its lowest cosine."""
    a, b = (np.load(file).astype(np.float64) for file in (reference, found))
    norms = np.linalg.norm(a, axis=1)
    cosines = (a * b).sum(1) / (norms * np.linalg.norm(b, axis=1))
    difference = np.linalg.norm(a - b, axis=1) / norms
    if not np.isfinite(cosines).all():
        raise InputError("some activations are no numbers, or none is above 0")
    return {"difference": float(np.max(difference)), "cosine": float(np.min(cosines))}


def time_decoding(paths: Sequence[str], size: int, n_processes: int) -> dict:
    """Photos a second of decoding alone: in this process's threads, or in processes."""
    if n_processes == 1:
        start = time.perf_counter()
        for _ in _decoded(paths, size):
            pass
        return {"photos a second": len(paths) / (time.perf_counter() - start)}
    parts = [list(paths[n::n_processes]) for n in range(n_processes)]
    with ProcessPoolExecutor(n_processes) as processes:
        # The processes start, and import what they need.
        list(processes.map(_read_all, [part[:1] for part in parts], [size] * n_processes))
        start = time.perf_counter()
        list(processes.map(_read_all, parts, [size] * n_processes))
        return {"photos a second": len(paths) / (time.perf_counter() - start)}


def time_extraction(paths: Sequence[str], backbone: str, size: int, folder: Path) -> dict:
    """Photos a second of a plain backbone: from files to HDF5, from memory, and of the parts.

    Gives ``files``, ``memory``, ``transfer`` (to a GPU) and ``writing``, all photos a second;
    ``flop``, of a photo's convolutions; ``batch``, ``engine``, ``precision``; ``preparation``, the
    seconds of the first batch.
    """
    import_keras()
    from decaf.extraction.engines import batches_in_memory, engine_of, forward_pass
    from decaf.extraction.feature_file import NamedPhotos, extract_features
    from decaf.extraction.feature_network import PlainBackbone, load_feature_network

    plain = PlainBackbone(backbone, POOLING, weights=None, sizes=(size,))
    network = load_feature_network(plain, cache=folder / "measured", n_photos=len(paths))
    convolutions, batch_size = network.convolutions, network.batch_size
    (batch,) = batches_in_memory(1, (batch_size, size, size, 3))
    batch[:] = np.random.default_rng(0).integers(0, 256, batch.shape, np.uint8)
    run = forward_pass(convolutions, batch_size)
    start = time.perf_counter()
    network.to_features(run(batch)[POOLING])
    preparation = time.perf_counter() - start
    n_batches = max(1, len(paths) // batch_size)
    file, cache, photos = folder / "features.h5", folder / "empty", NamedPhotos(paths, paths)
    files = best_seconds(
        lambda: extract_features(photos, network, file, cache=cache, force=True, progress=False)
    )
    return {
        "files": len(paths) / files,
        "memory": n_batches * batch_size / _time_memory(run, batch, n_batches),
        "transfer": batch_size / _time_transfer(batch) if has_gpu() else None,
        "writing": len(paths) / _time_writing(len(paths), network.n_features, folder),
        "flop": count_flop(convolutions),
        "batch": batch_size,
        "engine": engine_of(convolutions).name,
        "precision": network.settings["precision"],
        "preparation": preparation,
    }


def time_torch(n_photos: int, backbone: str, size: int) -> dict:
    """Photos a second from memory of the same backbone in `torch.nn`, in bfloat16, channels last.

    Its maps lie as convolutions want them, where Keras copies each. `torch.compile` is no way to
    that: of Keras's layers it compiles one at a time, and gives up after eight.
    """
    import_keras()
    import torch

    from decaf.extraction.engines import batch_size_of, batches_in_memory
    from experiments.benchmarks.torch_backbones import TorchBackbone

    network = _build(backbone, size, "bfloat16")
    device, batch_size = network.weights[0].value.device, batch_size_of(network)
    plain = TorchBackbone(backbone, POOLING, (size,)).eval()
    plain.to(device, torch.bfloat16, memory_format=torch.channels_last)
    (batch,) = batches_in_memory(1, (batch_size, size, size, 3))

    def run(batch):
        with torch.no_grad():
            rgb = torch.from_numpy(batch).to(device, non_blocking=True)
            return plain(rgb.permute(0, 3, 1, 2).bfloat16() / 128).float().cpu()

    run(batch)
    n_batches = max(1, n_photos // batch_size)
    return {"channels last": n_batches * batch_size / _time_memory(run, batch, n_batches)}


def time_finetuning(n_photos: int, n_activations: int, width: int, folder: Path) -> dict:
    """Seconds of an epoch of the default recipe on random activations, after a first small one."""
    import_keras()
    from dataclasses import replace

    from decaf.training.finetune import finetune
    from decaf.training.settings import RECIPES
    from decaf.training.targets import Targets

    settings = replace(RECIPES["decaf"], epochs=1, validation_fraction=0.0)
    activations = _random_activations(n_photos, n_activations, folder)
    targets = Targets(np.arange(n_photos) % 2)
    finetune(activations, targets, width, settings, rows=np.arange(min(n_photos, 256)))
    seconds = best_seconds(lambda: finetune(activations, targets, width, settings))
    return {"seconds": seconds, "photos a second": n_photos / seconds}


def count_flop(convolutions: keras.Model) -> int:
    """Floating-point operations of a photo in the convolutions' products, two for a weight's use.

    Parameters
    ----------
    convolutions : keras.Model
        That looks at photos of one size.
    """
    import keras

    flop = 0
    for layer in convolutions.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            flop += 2 * np.prod(layer.output.shape[1:]) * np.prod(layer.kernel_size)
        elif isinstance(layer, keras.layers.Conv2D):
            flop += 2 * np.prod(layer.output.shape[1:]) * np.prod(layer.kernel.shape[:-1])
    return int(flop)


def _build(backbone, size, precision):
    from decaf.networks.convolutions import build_activations

    return build_activations(backbone, (POOLING,), None, None, precision, (size,))


def _decoded(paths, size):
    from decaf.extraction.forward_pass import decode_photos

    return chain.from_iterable(decode_photos([paths], size))


def _read_all(paths, size):
    from features.photos import read_square

    for path in paths:
        read_square(path, size)


def _time_memory(run, batch, n_batches):
    """Run a batch that is in memory again and again, as an extraction does with many."""
    from decaf.extraction.engines import batches_at_once

    with ThreadPoolExecutor(batches_at_once()) as threads:
        return best_seconds(lambda: list(threads.map(run, [batch] * n_batches)), 2)


def _time_transfer(batch):
    """Send a batch to the device, as bytes, as the forward pass does."""
    import keras

    if keras.backend.backend() == "torch":
        import torch

        return best_seconds(lambda: _wait(torch.from_numpy(batch).to("cuda")), 3)
    return best_seconds(lambda: _wait(keras.ops.convert_to_tensor(batch)), 3)


def _wait(tensor):
    """Until it is there: a number of it comes back."""
    import keras

    return keras.ops.convert_to_numpy(tensor[0, 0, 0, 0])


def _time_writing(n_rows, n_features, folder):
    """Write features as an extraction does, in as large shards."""
    from features.store import StoreWriter

    features = np.random.default_rng(0).random((n_rows, n_features), np.float32)
    names, digests = [f"{row:06}.jpg" for row in range(n_rows)], ["0" * 32] * n_rows

    def write():
        with StoreWriter(folder / "written.h5", n_features, force=True) as writer:
            writer.append(features, names, digests)

    return best_seconds(write, 2)


def _random_activations(n_photos, n_activations, folder):
    """Activations as the cache keeps them, in shards of as many rows; of a width once."""
    from decaf.extraction.activations import SHARD_ROWS, Activations
    from features.store import StoreWriter

    numbers = np.random.default_rng(0)
    digests = [f"{row:032x}" for row in range(n_photos)]
    shards, places = [], []
    for start in range(0, n_photos, SHARD_ROWS):
        held = digests[start : start + SHARD_ROWS]
        shards.append(folder / "random" / "average" / f"{start:09}.h5")
        places += [(len(shards) - 1, row) for row in range(len(held))]
        if not shards[-1].exists():
            values = numbers.random((len(held), n_activations), np.float32)
            with StoreWriter(shards[-1], n_activations, dtype="float16") as writer:
                writer.append(values.astype(np.float16), held, held)
    return Activations(
        np.arange(n_photos),
        np.array(digests),
        [],
        (n_photos, n_activations),
        shards,
        np.array(places),
    )
