"""Keras and what computes under it: its import, versions, precision, and what it must not keep."""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from features.errors import InputError

PRECISIONS = ("float32", "bfloat16")
EXTRA_OF_BACK_END = {"tensorflow": "cpu", "jax": "jax", "torch": "torch", "openvino": "fast"}
_BFLOAT16_FLAGS = {"amx_bf16", "avx512_bf16"}
# What even small GPUs of today have; TensorFlow does not tell.
_UNKNOWN_GPU_BYTES = 8 << 30


def choose_back_end() -> None:
    """Let Keras take OpenVINO where it is installed, and none of the back ends that can train.

    And let OpenVINO report nothing to its makers: importing it is enough for a report, unless its
    package for that cannot be found.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    installed = [name for name in EXTRA_OF_BACK_END if find_spec(name)]
    if installed == ["openvino"]:
        os.environ.setdefault("KERAS_BACKEND", "openvino")


def can_train() -> bool:
    """Whether the back end trains networks; OpenVINO only runs them."""
    import keras

    return keras.backend.backend() != "openvino"


def check_training() -> None:
    """Make sure that the back end trains networks.

    Raises
    ------
    InputError
        It does not; the message names the extra that installs one that does.
    """
    if not can_train():
        raise InputError(
            "Keras's back end OpenVINO runs networks and trains none: pip install 'decaf[cpu]', "
            "or take a plain backbone"
        )


def import_keras() -> None:
    """Import Keras, and keep off stderr what its back end writes while it is loaded.

    TensorFlow's libraries tell of the CPU's features before any log level of theirs counts.

    Raises
    ------
    InputError
        Its back end is not installed; the message names the extra that installs it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        with silent_stderr():
            importlib.import_module("keras")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRA_OF_BACK_END:
            raise
        raise InputError(
            f"Keras has no back end, {package} is not installed: "
            f"pip install 'decaf[{EXTRA_OF_BACK_END[package]}]'"
        ) from error


def versions() -> dict[str, str]:
    """The versions of what computes: Python, decaf, Keras, its back end, NumPy."""
    import keras

    packages = ("decaf", "keras", "numpy")
    back_end = keras.backend.backend()
    return {
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
        back_end: importlib.import_module(back_end).__version__,
    }


def choose_precision(precision: str) -> str:
    """Resolve ``auto``: bfloat16 where the hardware multiplies matrices in it, else float32.

    Where there are many photos, `decaf.extraction.choosing.settle` measures what is faster.

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
    return "bfloat16" if has_gpu() or _cpu_flags() & _BFLOAT16_FLAGS else "float32"


def has_gpu() -> bool:
    """Whether the back end computes on a GPU."""
    import keras

    if keras.backend.backend() == "openvino":
        return False
    if keras.backend.backend() == "torch":  # Keras lists no devices of this one
        import torch

        return torch.cuda.is_available()
    # JAX raises an error where it is asked for GPUs and there are none.
    return any(device.startswith("gpu") for device in keras.distribution.list_devices())


def gpu_name() -> str | None:
    """The GPU that the back end computes on; None where there is none."""
    import keras

    if not has_gpu():
        return None
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.get_device_name()
    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].device_kind
    import tensorflow

    (gpu, *_) = tensorflow.config.list_physical_devices("GPU")
    return tensorflow.config.experimental.get_device_details(gpu).get("device_name", gpu.name)


def gpu_bytes() -> int:
    """The memory of the GPU that the back end computes on; a small one's where that is not told."""
    import keras

    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.get_device_properties().total_memory
    if keras.backend.backend() == "jax":
        import jax

        # None with some of its allocators.
        return (jax.devices()[0].memory_stats() or {}).get("bytes_limit", _UNKNOWN_GPU_BYTES)
    return _UNKNOWN_GPU_BYTES


def forgo_tf32() -> None:
    """Let the back end multiply float32 in float32 on GPUs, too, which by default round it.

    TensorFloat-32 keeps 10 bits of each factor; PyTorch's convolutions, JAX and TensorFlow take it
    unasked.
    """
    import keras

    if keras.backend.backend() == "torch":
        import torch

        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    elif keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "highest")
    else:
        import tensorflow

        tensorflow.config.experimental.enable_tensor_float_32_execution(False)


def cpu_name() -> str:
    """The processor: its model, its cores, and whether it multiplies matrices in bfloat16."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    name = next(named, platform.processor() or platform.machine())
    return " ".join([name, f"{os.cpu_count()} cores", *sorted(_cpu_flags() & _BFLOAT16_FLAGS)])


@contextlib.contextmanager
def forgetting_gradients() -> Iterator[None]:
    """Let TensorFlow free the graphs and weights of what was trained inside.

    Keras's optimizers sum gradients over replicas by a function with a gradient of its own, and
    TensorFlow's registry keeps those for ever, with the graphs, the weights and the optimizer's
    momenta that they refer to (seen with Keras 3.15 and TensorFlow 2.21).
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        yield
        return
    from tensorflow.python.framework import ops

    registered = ops.gradient_registry._registry
    before = set(registered)
    try:
        yield
    finally:
        for name in set(registered) - before:
            del registered[name]


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Keep off stderr what libraries write there, past Python too."""
    sys.stderr.flush()
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(stderr, 2)
        os.close(nowhere)
        os.close(stderr)


def _cpu_flags() -> set[str]:
    try:
        with open("/proc/cpuinfo") as lines:
            return next((set(line.split()) for line in lines if line.startswith("flags")), set())
    except OSError:  # not Linux: float32 is right everywhere
        return set()
