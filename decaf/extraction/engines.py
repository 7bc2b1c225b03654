"""What runs frozen convolutions: Keras's back end, or OpenVINO, which is faster on many CPUs."""

from __future__ import annotations

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

from decaf.backend import can_train, has_gpu

if TYPE_CHECKING:
    import keras

ENGINES = ("keras", "openvino")

# From a batch of photos, uint8, always as many, to activations by pooling; or from activations to
# what a head gives.
ForwardPass = Callable[[np.ndarray], Mapping[str, np.ndarray]]

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
        return convolutions.predict_on_batch
    compiled = _compiled.setdefault(convolutions, {})
    wanted = precision_of(convolutions), batch_size
    if wanted not in compiled:
        if n_photos is not None and n_photos < engine.pays_from:
            return convolutions.predict_on_batch
        converted = convert(convolutions, batch_size)
        compiled[wanted] = compile_in(converted, wanted[0], batch_size)
    return compiled[wanted]


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
