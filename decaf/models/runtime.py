"""The runtimes of exported scorers: ONNX Runtime and LiteRT, on one thread as on a small device."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import numpy as np

from decaf.backend import silent_stderr

# The package that runs the files of each format.
RUNTIMES = {".onnx": "onnxruntime", ".tflite": "ai-edge-litert"}

# From RGB (size, size, 3), uint8, to the probability of professional.
Scorer = Callable[[np.ndarray], float]


def open_scorer(path: str | os.PathLike) -> Scorer:
    """Open an exported file with its runtime, on one thread.

    Parameters
    ----------
    path : path-like
        Ends in ``.onnx`` or ``.tflite``.

    Returns
    -------
    callable
        From RGB (size, size, 3), uint8, to the probability of professional.
    """
    path = Path(path)
    if path.suffix == ".onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        (photo,) = session.get_inputs()
        return lambda rgb: session.run(None, {photo.name: rgb[None]})[0].item()
    from ai_edge_litert.interpreter import Interpreter

    with quiet():
        interpreter = Interpreter(str(path), num_threads=1)
        interpreter.allocate_tensors()
    (photo,), (probability,) = interpreter.get_input_details(), interpreter.get_output_details()

    def score(rgb: np.ndarray) -> float:
        interpreter.set_tensor(photo["index"], rgb[None])
        interpreter.invoke()
        return interpreter.get_tensor(probability["index"]).item()

    return score


def runtime_of(path: str | os.PathLike) -> str:
    """Name and version of what runs a file, such as ``onnxruntime 1.32.0``.

    Parameters
    ----------
    path : path-like
        Ends in ``.onnx`` or ``.tflite``.

    Returns
    -------
    str
    """
    package = RUNTIMES[Path(path).suffix]
    return f"{package} {metadata.version(package)}"


def measure_latency(score: Scorer, rgb: np.ndarray, runs: int) -> float:
    """How long a scorer takes for one photo.

    Parameters
    ----------
    score : callable
        From `open_scorer`.
    rgb : ndarray of uint8, shape (size, size, 3)
    runs : int
        As many are timed, after a tenth as many that warm it up.

    Returns
    -------
    float
        Seconds, the runs' median.
    """
    seconds = []
    for run in range(-max(1, runs // 10), runs):
        start = time.perf_counter()
        score(rgb)
        if run >= 0:
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep to themselves what converters and runtimes say."""
    with silent_stderr(), warnings.catch_warnings(action="ignore"):
        yield
