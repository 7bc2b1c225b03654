"""What computes a network's activations fastest on this machine: measured once, and kept."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from decaf.backend import (
    PRECISIONS,
    can_train,
    choose_precision,
    cpu_name,
    has_gpu,
    versions,
)
from decaf.extraction.activations import default_cache, digests_of
from decaf.extraction.engines import (
    ENGINES,
    Engine,
    ForwardPass,
    batch_size_of,
    compile_in,
    convert,
    in_float32,
    run_by_keras,
    set_engine,
    time_batches,
    why_no_openvino,
)
from decaf.networks.convolutions import precision_of, set_precision
from features.errors import InputError
from features.files import write_file, writing

if TYPE_CHECKING:
    import keras

# An engine and a precision.
Way = tuple[str, str]

# For fewer photos a measurement takes longer than it gains.
MEASURED_FROM = 512
# Another engine than Keras's must be so much faster.
_GAIN = 1.1
# Between rows of activations, below which an engine has not computed what the network says; of
# noise in bfloat16 .999.
_AGREEMENT = 0.99


def settle(
    convolutions: keras.Model,
    n_photos: int,
    *,
    precision: str = "auto",
    engine: str = "auto",
    batch_size: int | None = None,
    cache: str | os.PathLike | None = None,
) -> None:
    """Choose what computes a network's activations, and in which precision.

    What is asked for decides. Where that leaves a choice, the fastest of a short measurement of
    this network on this machine is taken, which is kept in the cache, so that the next choice is
    the same: activations are cached by precision. They are not cached by engine: in one precision
    engines differ by rounding. Below `MEASURED_FROM` photos nothing is measured, and without a
    measurement Keras computes them, in what `decaf.backend.choose_precision` gives.

    Parameters
    ----------
    convolutions : keras.Model
        Changed in place, as by `decaf.networks.convolutions.set_precision`.
    n_photos : int
        How many there are.
    precision : {"auto", "float32", "bfloat16"}
    engine : {"auto", "keras", "openvino"}
    batch_size : int, optional
        Photos in a forward pass; by default what suits the device.
    cache : path-like, optional
        `decaf.extraction.activations.default_cache` by default.

    Raises
    ------
    InputError
        There is no such precision or engine, or OpenVINO cannot be had.
    """
    default = choose_precision(precision)
    reason = why_no_openvino()
    if engine not in ("auto", *ENGINES):
        raise InputError(f"engine {engine!r}: choose one of auto, {', '.join(ENGINES)}")
    if engine == "openvino" and reason is not None:
        raise InputError(reason)
    if engine == "keras" and not can_train():
        raise InputError("Keras has no back end but OpenVINO here: pip install 'decaf[cpu]'")
    able = [each for each in ENGINES if (can_train() if each == "keras" else reason is None)]
    engines = able if engine == "auto" else [engine]
    # A CPU that multiplies no matrices in bfloat16 is not worth a measurement of it.
    fixed = precision != "auto" or has_gpu() or default == "float32"
    precisions = [default] if fixed else PRECISIONS
    ways = [(each, of) for each in engines for of in precisions]
    if len(ways) == 1:
        _take(convolutions, ways[0], 0)
        return
    batch_size = batch_size or batch_size_of(convolutions)
    path = _kept_at(convolutions, batch_size, cache)
    kept = _read(path)
    if not all(_name(way) in kept for way in ways):
        if n_photos < MEASURED_FROM:
            _take(convolutions, (engines[0], default), 0)
            return
        kept |= _measure(convolutions, ways, batch_size)
        _keep(kept, path)
        said = ", ".join(f"{_name(way)} {kept[_name(way)]:.0f}" for way in ways)
        tqdm.write(f"photos a second, measured here once: {said}", file=sys.stderr)
    best = max(ways, key=lambda way: kept[_name(way)] * (_GAIN if way[0] == "keras" else 1))
    if kept[_name(best)] == 0:
        raise InputError("OpenVINO does not run this network; take --engine keras")
    _take(convolutions, best, 0 if len(engines) == 1 else _pays_from(kept, best))


def _take(convolutions: keras.Model, way: Way, pays_from: int) -> None:
    engine, precision = way
    _compute_in(convolutions, precision)
    set_engine(convolutions, Engine(engine, pays_from))


def _compute_in(convolutions: keras.Model, precision: str) -> None:
    """Set the precision; what Keras has traced in another one is forgotten."""
    if precision_of(convolutions) != precision:
        set_precision(convolutions, precision)
        convolutions.make_predict_function(force=True)


def _pays_from(kept: Mapping[str, float], way: Way) -> int:
    """From how many photos on the engine makes up for its preparation."""
    engine, precision = way
    if engine == "keras":
        return 0
    gain = 1 / kept[_name(("keras", precision))] - 1 / kept[_name(way)]
    return math.ceil(kept["preparation"] / gain) if gain > 0 else 0


def _measure(convolutions: keras.Model, ways: Sequence[Way], batch_size: int) -> dict[str, float]:
    """Photos a second by way, 0 where an engine fails; seconds of OpenVINO's ``preparation``."""
    shape = batch_size, *convolutions.input_shape[1:]
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    _compute_in(convolutions, "float32")
    exact = run_by_keras(convolutions)(noise)
    measured: dict[str, float] = {}
    converted = None
    for way in ways:
        engine, precision = way
        try:
            if engine == "keras":
                _compute_in(convolutions, precision)
                run: ForwardPass = run_by_keras(convolutions)
            else:
                start = time.perf_counter()
                converted = converted or convert(convolutions, batch_size)
                run = compile_in(converted, precision, batch_size)
                measured.setdefault("preparation", time.perf_counter() - start)
            agrees = _agreement(exact, run(noise)) >= _AGREEMENT
            measured[_name(way)] = batch_size / time_batches(run, noise) if agrees else 0.0
        # Frameworks raise many kinds of exceptions on what they cannot convert.
        except Exception:
            if engine == "keras":
                raise
            measured[_name(way)] = 0.0
    return measured


def _agreement(exact: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> float:
    """The lowest cosine of the rows."""
    cosines = [
        (exact[pooling] * found[pooling]).sum(1)
        / (np.linalg.norm(exact[pooling], axis=1) * np.linalg.norm(found[pooling], axis=1))
        for pooling in exact
    ]
    return float(np.min(cosines))


def _kept_at(convolutions: keras.Model, batch_size: int, cache: str | os.PathLike | None) -> Path:
    """Where measurements of a network are kept: all that they depend on is in the file's name."""
    with in_float32(convolutions):
        digests = digests_of(convolutions)
    openvino = None if why_no_openvino() else metadata.version("openvino")
    depends_on = [digests, batch_size, cpu_name(), versions(), openvino]
    name = hashlib.blake2b(json.dumps(depends_on).encode(), digest_size=16).hexdigest()
    return Path(cache or default_cache()) / "speeds" / f"{name}.json"


def _keep(measured: Mapping[str, float], path: Path) -> None:
    # Extraction goes on where the cache cannot be written to; it only reads it.
    with contextlib.suppress(InputError), writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, json.dumps(measured, indent=1))


def _read(path: Path) -> dict[str, float]:
    """What was measured; nothing where it cannot be read, and is measured again."""
    with contextlib.suppress(OSError, ValueError):
        kept = json.loads(path.read_bytes())
        if isinstance(kept, dict) and all(isinstance(value, float) for value in kept.values()):
            return kept
    return {}


def _name(way: Way) -> str:
    return " ".join(way)
