"""What `bench-extraction` times, each in a process of its own: decaf, plain loops, the machine.

The plain loops are what a user would write: a network, its file names, and an HDF5 file at the end.
All compute the same averages of the same backbone's maps. A contender gives its ``seconds``, from
the loaded network, which has seen one batch, to the closed ``file``.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from decaf.backend import choose_precision, has_gpu, import_keras


@dataclass(frozen=True)
class Work:
    """What every contender is given.

    Attributes
    ----------
    paths : tuple of str
        The photos.
    backbone : str
    sizes : tuple of int
        At which it looks at them, in pixels.
    pooling : {"multilevel", "average"}
    folder : str
        Holds what `prepare` makes, and takes what the contender makes.
    batch : int
        Photos in a forward pass.
    workers : int
        Processes of PyTorch's DataLoader.
    """

    paths: tuple[str, ...]
    backbone: str
    sizes: tuple[int, ...]
    pooling: str
    folder: str
    batch: int = 32
    workers: int = 2

    @property
    def size(self) -> int:
        """Height and width that photos are brought to, in pixels."""
        return max(self.sizes)

    @property
    def network(self) -> Path:
        """The network's file."""
        return Path(self.folder, "network.keras")

    @property
    def arrays(self) -> Path:
        """The network's weights and normalisation as NumPy arrays, for PyTorch."""
        return Path(self.folder, "network.npz")

    @property
    def blank(self) -> np.ndarray:
        """A batch of black photos."""
        return np.zeros((self.batch, self.size, self.size, 3), np.uint8)

    @property
    def noise(self) -> np.ndarray:
        """A batch of noise."""
        return np.random.default_rng(0).integers(0, 256, self.blank.shape, np.uint8)


def prepare(work: Work) -> dict[str, str]:
    """Make the network, and measure what runs it fastest, which later contenders take.

    Gives what decaf chooses here, ``engine`` and ``precision``; the ``precision_before``, chosen
    without a measurement; the ``back_end``; the ``device`` that it computes on.
    """
    import_keras()
    import keras

    from decaf.extraction.engines import engine_of
    from decaf.networks.convolutions import precision_of
    from decaf.networks.network import build_plain_network
    from decaf.networks.normalisation import NORMALISATION

    network = build_plain_network(work.backbone, work.pooling, sizes=work.sizes)
    network.save(work.network)
    rescaling = network.keras_model.get_layer(NORMALISATION)
    np.savez(
        work.arrays,
        *network.keras_model.get_weights(),
        scale=rescaling.scale,
        offset=rescaling.offset,
    )
    convolutions = _load(work, "auto").convolutions
    return {
        "engine": engine_of(convolutions).name,
        "precision": precision_of(convolutions),
        "precision_before": choose_precision("auto"),
        "back_end": keras.backend.backend(),
        "device": "gpu" if has_gpu() else "cpu",
    }


def decaf(work: Work, engine: str, precision: str = "auto") -> dict:
    """What extract-features does, with an empty cache of activations."""
    from decaf.extraction.feature_file import NamedPhotos, extract_features

    network, photos = _load(work, engine, precision), NamedPhotos(work.paths, work.paths)
    file = Path(work.folder, f"decaf-{engine}-{precision}.h5")
    cache = Path(work.folder, "empty")
    start = time.perf_counter()
    extract_features(photos, network, file, cache=cache, force=True, progress=False)
    return {"seconds": time.perf_counter() - start, "file": str(file)}


def decaf_before(work: Work) -> dict:
    """What extract-features did when Keras ran everything, in what the hardware suggests."""
    return decaf(work, "keras", choose_precision("auto"))


def plain_keras(work: Work) -> dict:
    """A loop with `keras.utils.load_img` and `predict`, float32."""
    import_keras()
    import h5py
    import keras

    network = keras.saving.load_model(work.network, compile=False)
    network.predict(work.blank, verbose=0)
    file = Path(work.folder, "keras.h5")
    start = time.perf_counter()
    features = []
    for first in range(0, len(work.paths), work.batch):
        # Not load_img's own nearest pixels, so that the features can be compared.
        photos = [
            keras.utils.load_img(path, target_size=(work.size, work.size), interpolation="bilinear")
            for path in work.paths[first : first + work.batch]
        ]
        batch = np.stack([keras.utils.img_to_array(photo) for photo in photos])
        features.append(network.predict(batch, verbose=0))
    with h5py.File(file, "w") as store:
        store["features"] = np.concatenate(features)
    return {"seconds": time.perf_counter() - start, "file": str(file)}


def plain_torch(work: Work, precision: str) -> dict:
    """A loop with PyTorch's DataLoader, in float32 or under autocast to bfloat16."""
    import h5py
    import torch

    from experiments.benchmarks.torch_backbones import TorchBackbone

    device = "cuda" if torch.cuda.is_available() else "cpu"
    arrays = dict(np.load(work.arrays))
    photos = PhotoTensors(work.paths, work.size, arrays.pop("scale"), arrays.pop("offset"))
    network = TorchBackbone(work.backbone, work.pooling, work.sizes)
    network.assign(list(arrays.values()))
    network.eval().to(device)
    file = Path(work.folder, f"torch-{precision}.h5")
    autocast = torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16")
    with torch.inference_mode(), autocast:
        network(torch.zeros(work.batch, 3, work.size, work.size, device=device))
        start = time.perf_counter()
        loader = torch.utils.data.DataLoader(photos, work.batch, num_workers=work.workers)
        features = [network(batch.to(device)).float().cpu().numpy() for batch in loader]
        with h5py.File(file, "w") as store:
            store["features"] = np.concatenate(features)
    return {"seconds": time.perf_counter() - start, "file": str(file)}


class PhotoTensors:
    """A PyTorch dataset of normalised photos, (3, size, size)."""

    def __init__(self, paths: Sequence[str], size: int, scale: np.ndarray, offset: np.ndarray):
        self.paths, self.size = paths, size
        self.scale, self.offset = (
            np.broadcast_to(each, 3).astype(np.float32).reshape(3, 1, 1) for each in (scale, offset)
        )

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, number):
        import torch
        from PIL import Image

        with Image.open(self.paths[number]) as image:
            photo = image.convert("RGB").resize((self.size,) * 2, Image.Resampling.BILINEAR)
        rgb = torch.from_numpy(np.array(photo)).permute(2, 0, 1)
        return rgb * torch.from_numpy(self.scale) + torch.from_numpy(self.offset)


def decode_alone(work: Work) -> dict:
    """All photos decoded and resized, on all cores."""
    from decaf.extraction.forward_pass import decode_photos

    start = time.perf_counter()
    for _ in chain.from_iterable(decode_photos([work.paths], work.size)):
        pass
    return {"seconds": time.perf_counter() - start}


def forward_alone(work: Work) -> dict:
    """As many photos through the convolutions as there are, in full batches from memory."""
    from decaf.extraction.engines import forward_pass

    run, batch = forward_pass(_load(work, "auto").convolutions, work.batch), work.noise
    n_batches = max(2, len(work.paths) // work.batch)
    start = time.perf_counter()
    for _ in range(n_batches):
        run(batch)
    seconds = time.perf_counter() - start
    return {"seconds": seconds * len(work.paths) / (n_batches * work.batch)}


def matrix_peak(work: Work | None, library: str, precision: str) -> dict:
    """The machine's fastest matrix product by NumPy, Keras or PyTorch: ``flop`` and ``seconds``."""
    numbers = np.random.default_rng(0)

    def square(n):
        # So scaled, products of products stay in range.
        return (numbers.standard_normal((n, n)) / np.sqrt(n)).astype(np.float32)

    gpu = False
    if library == "numpy":
        multiply, to = np.matmul, np.asarray
    elif library == "torch":
        import torch

        gpu = torch.cuda.is_available()
        device, dtype = "cuda" if gpu else "cpu", getattr(torch, precision)
        multiply, to = torch.matmul, functools.partial(torch.tensor, dtype=dtype, device=device)
    else:
        import_keras()
        import keras

        gpu, multiply = has_gpu(), keras.ops.matmul

        def to(values):
            return keras.ops.cast(keras.ops.convert_to_tensor(values), precision)

    def wait_for(values):
        return float(values[0, 0])

    n, n_products = (16384, 32) if gpu else (4096, 4)
    a, x = to(square(n)), to(square(n))
    wait_for(multiply(a, x))
    start = time.perf_counter()
    for _ in range(n_products):
        x = multiply(a, x)
    wait_for(x)
    return {"flop": 2 * n**3 * n_products, "seconds": time.perf_counter() - start}


def _load(work, engine, precision="auto"):
    """What makes features, as for many photos, after one batch."""
    from decaf.extraction.choosing import MEASURED_FROM
    from decaf.extraction.engines import forward_pass
    from decaf.extraction.feature_network import load_feature_network

    measured = {"n_photos": MEASURED_FROM, "cache": Path(work.folder, "measured")}
    network = load_feature_network(work.network, precision, engine, **measured)
    network = replace(network, batch_size=work.batch)
    run = forward_pass(network.convolutions, work.batch)
    network.to_features(run(work.blank)[work.pooling])
    return network
