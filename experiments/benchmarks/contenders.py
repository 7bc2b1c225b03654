"""What `bench-extraction` times, each in a process of its own: decaf, plain loops, the machine.

The plain loops are what a user would write: a network, its file names, and an HDF5 file at the end.
All compute fc7 of the same network from the same photos. A contender gives its ``seconds``, from
the loaded network, which has seen one batch, to the closed ``file``.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, cycle, islice
from pathlib import Path

import numpy as np

from decaf.backend import choose_precision, has_gpu, import_keras

# VGG16's input.
SIZE = 224
# torchvision.models, "Transforms" of VGG16's weights, as in `decaf.networks.normalisation`.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Configuration D of Simonyan and Zisserman (2015), table 1: channels, and where maps are pooled.
VGG16 = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool")
VGG16 += (512, 512, 512, "pool")


@dataclass(frozen=True)
class Work:
    """What every contender is given.

    Attributes
    ----------
    paths : tuple of str
        The photos.
    folder : str
        Holds what `prepare` makes, and takes what the contender makes.
    batch : int
        Photos in a forward pass.
    workers : int
        Processes of PyTorch's DataLoader.
    """

    paths: tuple[str, ...]
    folder: str
    batch: int = 32
    workers: int = 2

    @property
    def network(self) -> Path:
        """The network's file."""
        return Path(self.folder, "network.keras")

    @property
    def arrays(self) -> Path:
        """The network's weights as NumPy arrays, for PyTorch."""
        return Path(self.folder, "network.npz")

    @property
    def blank(self) -> np.ndarray:
        """A batch of black photos."""
        return np.zeros((self.batch, SIZE, SIZE, 3), np.uint8)

    @property
    def noise(self) -> np.ndarray:
        """A batch of noise."""
        return np.random.default_rng(0).integers(0, 256, self.blank.shape, np.uint8)


def prepare(work: Work, width: int) -> dict:
    """Make the network: VGG16 with a head that is not trained, which makes it no faster.

    Gives ``flop`` a photo, two for a multiplication and an addition; the ``precision`` that decaf
    chooses here; the ``back_end``; the ``device`` that it computes on.
    """
    import_keras()
    import keras

    from decaf.networks.network import build_network

    keras.utils.set_random_seed(0)
    network = build_network("vgg16", width)
    network.save(work.network)
    np.savez(work.arrays, *network.keras_model.get_weights())
    return {
        "flop": count_flop(network.features_model()),
        "precision": choose_precision("auto"),
        "back_end": keras.backend.backend(),
        "device": "gpu" if has_gpu() else "cpu",
    }


def count_flop(network) -> int:
    """Operations of a photo's way through convolutions and dense layers, two for a product's term.

    Biases and the rest are not counted.
    """
    return sum(
        2 * math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
        for layer in network.layers
        if hasattr(layer, "kernel")
    )


def decaf(work: Work, precision: str) -> dict:
    """What extract-features does, with an empty cache."""
    from decaf.extraction.feature_file import NamedPhotos, extract_features

    network, photos = _load(work, precision), NamedPhotos(work.paths, work.paths)
    file, cache = Path(work.folder, f"decaf-{precision}.h5"), Path(work.folder, "empty")
    start = time.perf_counter()
    extract_features(photos, network, file, cache=cache, force=True, progress=False)
    return {"seconds": time.perf_counter() - start, "file": str(file)}


def plain_keras(work: Work) -> dict:
    """A loop with `keras.utils.load_img` and `predict`, float32."""
    import_keras()
    import h5py
    import keras

    network = keras.saving.load_model(work.network, compile=False)
    network = keras.Model(network.input, network.get_layer("fc7").output)
    network.predict(work.blank, verbose=0)
    file = Path(work.folder, "keras.h5")
    start = time.perf_counter()
    features = []
    for first in range(0, len(work.paths), work.batch):
        # Not load_img's own nearest pixels, so that the features can be compared.
        photos = [
            keras.utils.load_img(path, target_size=(SIZE, SIZE), interpolation="bilinear")
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

    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = torch_vgg16(list(np.load(work.arrays).values())).to(device)
    file = Path(work.folder, f"torch-{precision}.h5")
    autocast = torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16")
    with torch.inference_mode(), autocast:
        network(torch.zeros(work.batch, 3, SIZE, SIZE, device=device))
        start = time.perf_counter()
        loader = torch.utils.data.DataLoader(
            PhotoTensors(work.paths), work.batch, num_workers=work.workers
        )
        features = [network(batch.to(device)).float().cpu().numpy() for batch in loader]
        with h5py.File(file, "w") as store:
            store["features"] = np.concatenate(features)
    return {"seconds": time.perf_counter() - start, "file": str(file)}


class PhotoTensors:
    """A PyTorch dataset of normalised photos, (3, height, width)."""

    def __init__(self, paths: Sequence[str]):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, number):
        import torch
        from PIL import Image

        with Image.open(self.paths[number]) as image:
            photo = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        rgb = torch.from_numpy(np.array(photo)).permute(2, 0, 1) / 255
        return (rgb - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]


def torch_vgg16(weights: Sequence[np.ndarray]):
    """VGG16 up to fc7 in PyTorch, with the kernels and biases of a Keras network."""
    import torch
    from torch import nn

    values = map(torch.from_numpy, weights)
    layers, channels = [], 3

    def add(layer, kernel, bias):
        layer.weight, layer.bias = nn.Parameter(kernel.contiguous()), nn.Parameter(bias)
        layers.extend([layer, nn.ReLU(inplace=True)])

    for step in VGG16:
        if step == "pool":
            layers.append(nn.MaxPool2d(2))
            continue
        kernel, bias = next(values), next(values)
        add(nn.Conv2d(channels, step, 3, 1, 1), kernel.permute(3, 2, 0, 1), bias)
        channels = step
    layers.append(nn.Flatten())
    # Keras flattens (height, width, channels), PyTorch (channels, height, width).
    fc6, bias6, fc7, bias7 = islice(values, 4)
    fc6 = fc6.reshape(SIZE // 32, SIZE // 32, channels, -1).permute(3, 2, 0, 1).flatten(1)
    for kernel, bias in ((fc6, bias6), (fc7.T, bias7)):
        add(nn.Linear(kernel.shape[1], len(kernel)), kernel, bias)
    return nn.Sequential(*layers).eval()


def decode_alone(work: Work) -> dict:
    """All photos decoded and resized, on all cores."""
    from decaf.extraction.forward_pass import decode_photos

    start = time.perf_counter()
    for _ in chain.from_iterable(decode_photos([work.paths], SIZE)):
        pass
    return {"seconds": time.perf_counter() - start}


def forward_alone(work: Work, precision: str) -> dict:
    """As many photos through the network as there are, in full batches from memory."""
    network, batch = _load(work, precision), work.noise
    n_batches = max(2, len(work.paths) // work.batch)
    start = time.perf_counter()
    for _ in range(n_batches):
        _forward(network, batch)
    seconds = time.perf_counter() - start
    return {"seconds": seconds * len(work.paths) / (n_batches * work.batch)}


def stages(work: Work, precision: str, n_photos: int = 128) -> dict:
    """Milliseconds a photo of each stage by itself: the first two on one core, the rest on all."""
    from features.photos import read_photo, resize_photo
    from features.store import StoreWriter

    network, batch = _load(work, precision), work.noise
    paths = list(islice(cycle(work.paths), n_photos))
    milliseconds = {}

    def timed(stage, n, function):
        start = time.perf_counter()
        outcome = function()
        milliseconds[stage] = 1000 * (time.perf_counter() - start) / n
        return outcome

    def write():
        with StoreWriter(Path(work.folder, "written.h5"), features.shape[1], force=True) as writer:
            for first in range(0, n_photos, work.batch):
                digests = [digest for _, digest in decoded[first : first + work.batch]]
                writer.append(features[: len(digests)], paths[first : first + work.batch], digests)

    def read():
        return [read_photo(path, min_side=SIZE) for path in paths]

    decoded = timed("read and decode", n_photos, read)
    timed("resize", n_photos, lambda: [resize_photo(rgb, SIZE) for rgb, _ in decoded])
    run = network.convolutions.predict_on_batch
    seen = timed("convolutions", work.batch, lambda: run(batch)["flatten"])
    features, _ = timed("head", work.batch, lambda: network.to_features(seen))
    timed("write", n_photos, write)
    return milliseconds


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


def _load(work, precision):
    """What makes features, after one batch."""
    from decaf.extraction.feature_network import load_feature_network

    network = load_feature_network(work.network, precision)
    _forward(network, work.blank)
    return replace(network, batch_size=work.batch)


def _forward(network, batch):
    return network.to_features(network.convolutions.predict_on_batch(batch)["flatten"])
