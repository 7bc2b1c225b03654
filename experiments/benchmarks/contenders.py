"""What `bench-extraction` times, each in a process of its own: decaf, plain loops, the machine.

The plain loops are what a user would write: a network, its file names, and an HDF5 file at the end.
All compute fc7 of the same network from the same photos.
"""

import functools
import time
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path

import numpy as np

from decaf.backend import import_keras

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

    paths: tuple
    folder: str
    batch: int = 32
    workers: int = 2

    @property
    def network(self):
        """The network's file."""
        return Path(self.folder, "network.keras")

    @property
    def arrays(self):
        """The network's weights as NumPy arrays, for PyTorch."""
        return Path(self.folder, "network.npz")


def prepare(work, width):
    """Make the network: VGG16 with a head that is not trained, which makes it no faster.

    Parameters
    ----------
    work : Work
    width : int
        Units of fc6 and of fc7.

    Returns
    -------
    dict
        ``flop`` a photo, two for a multiplication and an addition; the ``precision`` that decaf
        chooses here; the ``back_end``; the ``device`` that it computes on.
    """
    import_keras()
    import keras

    from decaf.backend import choose_precision, has_gpu
    from decaf.networks.network import build_network

    keras.utils.set_random_seed(0)
    network = build_network("vgg16", width)
    network.save(work.network)
    named = {layer.name: layer for layer in network.keras_model.layers if layer.get_weights()}
    np.savez(
        work.arrays,
        **{
            f"{number:02}-{kind}": values
            for number, layer in enumerate(named.values())
            for kind, values in zip(("kernel", "bias"), layer.get_weights())
        },
    )
    return {
        "flop": count_flop(network.features_model()),
        "precision": choose_precision("auto"),
        "back_end": keras.backend.backend(),
        "device": "gpu" if has_gpu() else "cpu",
    }


def count_flop(model):
    """Floating-point operations of a photo's way through convolutions and dense layers.

    Parameters
    ----------
    model : keras.Model

    Returns
    -------
    int
        Two for a multiplication and an addition; biases and the rest are not counted.
    """
    import math

    return sum(
        2 * math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
        for layer in model.layers
        if hasattr(layer, "kernel")
    )


def decaf(work, precision):
    """What extract-features does, with an empty cache.

    Returns
    -------
    dict
        ``seconds`` from the loaded network, which has seen one batch, to the closed file; the
        ``file``.
    """
    from decaf.extraction.feature_file import NamedPhotos, extract_features
    from decaf.extraction.feature_network import FeatureNetwork

    convolutions, head = _load(work, precision)
    network = FeatureNetwork(
        convolutions,
        lambda activations: (head.predict_on_batch(activations.astype(np.float32)), {}),
        head.output_shape[1],
        settings={"resize": "squash"},
        batch_size=work.batch,
    )
    file = Path(work.folder, f"decaf-{precision}.h5")
    start = time.perf_counter()
    extract_features(
        NamedPhotos(work.paths, work.paths),
        network,
        file,
        cache=Path(work.folder, "empty"),
        force=True,
        progress=False,
    )
    return {"seconds": time.perf_counter() - start, "file": str(file)}


def plain_keras(work):
    """A loop with `keras.utils.load_img` and `predict`, float32.

    Returns
    -------
    dict
        As `decaf`.
    """
    import_keras()
    import h5py
    import keras

    network = keras.saving.load_model(work.network, compile=False)
    model = keras.Model(network.input, network.get_layer("fc7").output)
    model.predict(_blank(work), verbose=0)
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
        features.append(model.predict(batch, verbose=0))
    with h5py.File(file, "w") as store:
        store["features"] = np.concatenate(features)
    return {"seconds": time.perf_counter() - start, "file": str(file)}


def plain_torch(work, precision):
    """A loop with PyTorch's DataLoader, in float32 or under autocast to bfloat16.

    Returns
    -------
    dict
        As `decaf`.
    """
    import h5py
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = torch_vgg16(np.load(work.arrays)).to(device)
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
    """A PyTorch dataset of normalised photos, (3, height, width).

    Parameters
    ----------
    paths : sequence of str
    """

    def __init__(self, paths):
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


def torch_vgg16(arrays):
    """VGG16 up to fc7 in PyTorch, with the weights of a Keras network.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Kernels and biases as `prepare` writes them.

    Returns
    -------
    torch.nn.Module
        From (n_photos, 3, 224, 224) to (n_photos, width).
    """
    import torch
    from torch import nn

    values = [torch.from_numpy(arrays[name]) for name in sorted(arrays)]
    # Sorted, the bias comes before its kernel.
    weights = [(values[i + 1], values[i]) for i in range(0, len(values), 2)]
    layers, channels = [], 3
    for step in VGG16:
        if step == "pool":
            layers.append(nn.MaxPool2d(2))
            continue
        kernel, bias = weights.pop(0)
        layers.append(
            _with_weights(nn.Conv2d(channels, step, 3, 1, 1), kernel.permute(3, 2, 0, 1), bias)
        )
        layers.append(nn.ReLU(inplace=True))
        channels = step
    layers.append(nn.Flatten())
    # Keras flattens (height, width, channels), PyTorch (channels, height, width).
    (kernel6, bias6), (kernel7, bias7), _ = weights
    side = SIZE // 32
    kernel6 = kernel6.reshape(side, side, channels, -1).permute(3, 2, 0, 1).flatten(1)
    for kernel, bias in ((kernel6, bias6), (kernel7.T, bias7)):
        layers += [_with_weights(nn.Linear(kernel.shape[1], len(kernel)), kernel, bias), nn.ReLU()]
    return nn.Sequential(*layers).eval()


def decode_alone(work):
    """All photos decoded and resized, on all cores.

    Returns
    -------
    dict
        ``seconds``.
    """
    from decaf.extraction.forward_pass import decode_photos

    start = time.perf_counter()
    for _ in chain.from_iterable(decode_photos([work.paths], SIZE)):
        pass
    return {"seconds": time.perf_counter() - start}


def forward_alone(work, precision):
    """As many photos through the network as there are, from memory.

    Returns
    -------
    dict
        ``seconds``, for full batches of as many photos as there are.
    """
    model, head = _load(work, precision)
    batch = _noise(work)
    n_batches = max(2, len(work.paths) // work.batch)
    start = time.perf_counter()
    for _ in range(n_batches):
        head.predict_on_batch(model.predict_on_batch(batch)["flatten"])
    seconds = time.perf_counter() - start
    return {"seconds": seconds * len(work.paths) / (n_batches * work.batch)}


def stages(work, precision, n_photos=128):
    """Milliseconds a photo of each stage by itself.

    Returns
    -------
    dict
        ``read and decode`` and ``resize`` on one core, ``convolutions``, ``head`` and ``write`` on
        all.
    """
    from features.photos import read_photo, resize_photo
    from features.store import StoreWriter

    model, head = _load(work, precision)
    paths = list(islice(cycle(work.paths), n_photos))
    milliseconds = {}

    def timed(stage, function, n):
        start = time.perf_counter()
        outcome = function()
        milliseconds[stage] = 1000 * (time.perf_counter() - start) / n
        return outcome

    decoded = timed(
        "read and decode", lambda: [read_photo(path, min_side=SIZE) for path in paths], n_photos
    )
    timed("resize", lambda: [resize_photo(rgb, SIZE) for rgb, _ in decoded], n_photos)
    batch = _noise(work)
    activations = timed(
        "convolutions", lambda: model.predict_on_batch(batch)["flatten"], work.batch
    )
    features = timed("head", lambda: head.predict_on_batch(activations), work.batch)

    def write():
        with StoreWriter(Path(work.folder, "written.h5"), features.shape[1], force=True) as writer:
            for first in range(0, n_photos, work.batch):
                digests = [digest for _, digest in decoded[first : first + work.batch]]
                writer.append(features[: len(digests)], paths[first : first + work.batch], digests)

    timed("write", write, n_photos)
    return milliseconds


def matrix_peak(work, library, precision):
    """How many operations a second the machine's fastest matrix product does.

    Parameters
    ----------
    work : Work
        Not used.
    library : {"numpy", "keras", "torch"}
    precision : {"float32", "bfloat16"}

    Returns
    -------
    dict
        ``flop`` and the ``seconds`` that they took.
    """
    numbers = np.random.default_rng(0)

    def square(n):
        # So scaled, products of products stay in range.
        return (numbers.standard_normal((n, n)) / np.sqrt(n)).astype(np.float32)

    if library == "numpy":
        multiply, to, finish, n = np.matmul, np.asarray, np.sum, 4096
    elif library == "torch":
        import torch

        cuda = torch.cuda.is_available()
        device, dtype = "cuda" if cuda else "cpu", getattr(torch, precision)
        multiply, n = torch.matmul, 16384 if cuda else 4096
        to, finish = functools.partial(torch.tensor, dtype=dtype, device=device), _first
    else:
        import_keras()
        import keras

        from decaf.backend import has_gpu

        n = 16384 if has_gpu() else 4096
        multiply, finish = keras.ops.matmul, _first

        def to(values):
            return keras.ops.cast(keras.ops.convert_to_tensor(values), precision)

    a, x = to(square(n)), to(square(n))
    finish(multiply(a, x))
    n_products = 4 if n == 4096 else 32
    start = time.perf_counter()
    for _ in range(n_products):
        x = multiply(a, x)
    finish(x)
    return {"flop": 2 * n**3 * n_products, "seconds": time.perf_counter() - start}


def _load(work, precision):
    """The convolutions and the head up to fc7, after one batch."""
    import_keras()
    import keras

    from decaf.backend import choose_precision
    from decaf.networks.network import load_network

    network = load_network(work.network, choose_precision(precision))
    model, head = network.activations_model(), network.head_model()
    head = keras.Model(head.input, head.output["features"])
    head.predict_on_batch(model.predict_on_batch(_blank(work))["flatten"])
    return model, head


def _blank(work):
    return np.zeros((work.batch, SIZE, SIZE, 3), np.uint8)


def _noise(work):
    return np.random.default_rng(0).integers(0, 256, _blank(work).shape, np.uint8)


def _with_weights(layer, weight, bias):
    import torch

    layer.weight = torch.nn.Parameter(weight.contiguous())
    layer.bias = torch.nn.Parameter(bias)
    return layer


def _first(values):
    """Wait until a device has computed a matrix."""
    return float(values[0, 0])
