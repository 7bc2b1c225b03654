"""What runs frozen convolutions: Keras's back end, or OpenVINO, which is faster on many CPUs."""

from __future__ import annotations

import functools
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from decaf.backend import can_train, forgo_tf32, gpu_bytes, has_gpu

if TYPE_CHECKING:
    import keras

ENGINES = ("keras", "openvino")

# From a batch of photos, uint8, always as many, to activations by pooling; or from activations to
# what a head gives.
ForwardPass = Callable[[np.ndarray], Mapping[str, np.ndarray]]

# Photos in a forward pass, on CPUs and at most on a GPU, of which none has shown yet whether that
# fills it.
CPU_BATCH, GPU_BATCH = 32, 256
# Bytes of a photo's maps on a GPU for each pixel of its input: those of all of ResNet-50's layers
# in float32, which Keras keeps until the batch is done; VGG16's are a third.
_BYTES_A_PIXEL = 3000
# OpenVINO takes so many photos of a batch at once, on a core or a few: their maps stay in its
# cache, and no core waits for others that are decoding meanwhile.
_AT_ONCE = 4
# OpenVINO's names of our precisions.
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


@dataclass(frozen=True)
class Engine:
    """What runs a network's convolutions.

    Attributes
    ----------
    name : {"keras", "openvino"}
    pays_from : int
        For fewer photos Keras is faster all the same, since the network is there already.
    """

    name: str = "keras"
    pays_from: int = 0


_engines: WeakKeyDictionary[keras.Model, Engine] = WeakKeyDictionary()
# By precision and size of the batch.
_compiled: WeakKeyDictionary[keras.Model, dict[tuple[str, int | None], ForwardPass]]
_compiled = WeakKeyDictionary()


def why_no_openvino() -> str | None:
    """Why OpenVINO cannot run networks here; None where it can."""
    import keras

    if find_spec("openvino") is None:
        return "OpenVINO is not installed: pip install 'decaf[fast]'"
    if keras.backend.backend() not in ("tensorflow", "openvino"):
        return "OpenVINO takes networks from Keras's back ends TensorFlow and OpenVINO alone"
    return "OpenVINO runs networks on the CPU, and here is a GPU" if has_gpu() else None


def set_engine(convolutions: keras.Model, engine: Engine) -> None:
    """Choose what runs a network's convolutions; Keras's back end does where nothing was chosen.

    Parameters
    ----------
    convolutions : keras.Model
        As `decaf.networks.convolutions.build_activations` builds it.
    engine : Engine
    """
    _engines[convolutions] = engine


def engine_of(convolutions: keras.Model) -> Engine:
    """What runs a network's convolutions, as `set_engine` chose it."""
    return _engines.get(convolutions) or Engine("keras" if can_train() else "openvino")


def forward_pass(
    convolutions: keras.Model, batch_size: int, n_photos: int | None = None
) -> ForwardPass:
    """What runs a network's convolutions on batches of photos.

    Parameters
    ----------
    convolutions : keras.Model
    batch_size : int
        Photos in every batch.
    n_photos : int, optional
        How many there are at most, where that is known.

    Returns
    -------
    callable
        From RGB uint8 (batch_size, size, size, 3) to a dictionary {pooling: (batch_size,
        n_activations)}.
    """
    from decaf.networks.convolutions import precision_of

    engine = engine_of(convolutions)
    if engine.name == "keras":
        return run_by_keras(convolutions)
    compiled = _compiled.setdefault(convolutions, {})
    wanted = precision_of(convolutions), batch_size
    if wanted not in compiled:
        if n_photos is not None and n_photos < engine.pays_from:
            return run_by_keras(convolutions)
        converted = convert(convolutions, batch_size)
        compiled[wanted] = compile_in(converted, wanted[0], batch_size)
    return compiled[wanted]


def run_by_keras(convolutions: keras.Model) -> ForwardPass:
    """What runs a network's convolutions by Keras's back end; in float32 that is what counts.

    Keras's own way with PyTorch makes float32 of the photos before it sends them to the GPU, four
    times the bytes, and waits for each batch to arrive.
    """
    import keras

    from decaf.networks.convolutions import precision_of

    if precision_of(convolutions) == "float32" and has_gpu():
        forgo_tf32()
    if keras.backend.backend() == "torch":
        return functools.partial(_run_by_torch, convolutions)
    return convolutions.predict_on_batch


def _run_by_torch(convolutions: keras.Model, batch: np.ndarray) -> dict[str, np.ndarray]:
    import torch

    device = convolutions.weights[0].value.device
    with torch.no_grad():
        # Of memory as `batches_in_memory` gives it: the copy is begun, and not waited for.
        photos = torch.from_numpy(batch).to(device, non_blocking=True)
        found = convolutions(photos, training=False)
        return {pooling: values.cpu().numpy() for pooling, values in found.items()}


def batch_size_of(convolutions: keras.Model) -> int:
    """Photos in a forward pass, by the device and its memory.

    Parameters
    ----------
    convolutions : keras.Model

    Returns
    -------
    int
        32 on CPUs; on a GPU a power of two up to 256, so that the maps of all batches under way
        take half of its memory at most.
    """
    if not has_gpu():
        return CPU_BATCH
    photo_bytes = _BYTES_A_PIXEL * math.prod(convolutions.input_shape[1:3])
    fitting = max(1, gpu_bytes() // 2 // (batches_at_once() * photo_bytes))
    return min(GPU_BATCH, 2 ** (fitting.bit_length() - 1))


def batches_at_once() -> int:
    """How many batches may be under way, each in a thread of its own.

    PyTorch sends the next one to the GPU while that computes, so that it never waits for Python.
    """
    import keras

    return 2 if keras.backend.backend() == "torch" and has_gpu() else 1


def batches_in_memory(n_batches: int, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Memory for batches of photos, uint8; a GPU copies them from there by itself, with PyTorch.

    Parameters
    ----------
    n_batches : int
    shape : tuple of int
        (batch_size, size, size, 3).
    """
    import keras

    if keras.backend.backend() == "torch" and has_gpu():
        import torch

        pinned = {"dtype": torch.uint8, "pin_memory": True}
        return [torch.zeros(shape, **pinned).numpy() for _ in range(n_batches)]
    return [np.zeros(shape, np.uint8) for _ in range(n_batches)]


def compiled_head(head: keras.Model) -> ForwardPass:
    """What runs a network's head where Keras's back end is OpenVINO, in float32.

    Keras's own way there compiles the head anew for every size of a batch, and computes in bfloat16
    where the hardware does.

    Parameters
    ----------
    head : keras.Model
        As `decaf.networks.network.Network.head_model` gives it.

    Returns
    -------
    callable
        From float32 (n_photos, n_activations), any number, to a dictionary of arrays.
    """
    compiled = _compiled.setdefault(head, {})
    wanted = "float32", None
    if wanted not in compiled:
        compiled[wanted] = compile_in(convert(head, None, "float32"), "float32")
    return compiled[wanted]


def convert(network: keras.Model, batch_size: int | None, dtype: str = "uint8") -> Any:
    """Convert a network for OpenVINO, which takes seconds.

    In float32: in which layers bfloat16 is faster, OpenVINO decides.

    Parameters
    ----------
    network : keras.Model
        With a dictionary of outputs.
    batch_size : int or None
        Photos in every batch, of which it takes a few at once; None is any, all at once.
    dtype : str
        Of what it takes.

    Returns
    -------
    openvino.Model
    """
    import keras
    import openvino

    at_once = None if batch_size is None else math.gcd(batch_size, _AT_ONCE)
    given = keras.InputSpec(shape=(at_once, *network.input_shape[1:]), dtype=dtype)
    with tempfile.TemporaryDirectory() as folder, in_float32(network):
        path = Path(folder, "network.xml")
        network.export(str(path), format="openvino", verbose=False, input_signature=[given])
        core = openvino.Core()
        # Its weights are read, and not mapped: their file is about to go.
        core.set_property({"ENABLE_MMAP": False})
        converted = core.read_model(path)
    # Keras names them where it converts from TensorFlow alone.
    names = keras.tree.flatten({name: name for name in network.output})
    for output, name in zip(converted.outputs, names):
        output.get_tensor().set_names({name})
    return converted


def compile_in(converted: Any, precision: str, batch_size: int | None = None) -> ForwardPass:
    """Make a converted network ready to run on this machine.

    Parameters
    ----------
    converted : openvino.Model
        As `convert` gives it.
    precision : {"float32", "bfloat16"}
    batch_size : int, optional
        For which it was converted.

    Returns
    -------
    callable
        As `forward_pass` gives it.
    """
    import openvino

    n_parts = 1 if batch_size is None else batch_size // converted.input().shape[0]
    settings = {
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "PERFORMANCE_HINT": "LATENCY" if n_parts == 1 else "THROUGHPUT",
        # Or many cores would wait for parts that never come.
        "PERFORMANCE_HINT_NUM_REQUESTS": n_parts,
    }
    compiled = openvino.Core().compile_model(converted, "CPU", settings)
    requests = [compiled.create_infer_request() for _ in range(n_parts)]
    poolings = [output.get_any_name() for output in converted.outputs]

    def run(batch: np.ndarray) -> dict[str, np.ndarray]:
        for request, part in zip(requests, np.split(batch, n_parts)):
            request.start_async([part], share_inputs=True)
        for request in requests:
            request.wait()
        return {
            pooling: np.concatenate([request.get_output_tensor(n).data for request in requests])
            for n, pooling in enumerate(poolings)
        }

    return run


def time_batches(run: ForwardPass, batch: np.ndarray, seconds: float = 0.4) -> float:
    """The seconds of the fastest of some batches, for as long as is given, after a first one."""
    run(batch)
    times: list[float] = []
    while not times or sum(times) < seconds:
        start = time.perf_counter()
        run(batch)
        times.append(time.perf_counter() - start)
    return min(times)


@contextmanager
def in_float32(convolutions: keras.Model) -> Iterator[None]:
    """A network in float32 for a while; what Keras has traced in another precision is kept."""
    from decaf.networks.convolutions import precision_of, set_precision

    precision = precision_of(convolutions)
    set_precision(convolutions, "float32")
    try:
        yield
    finally:
        set_precision(convolutions, precision)
