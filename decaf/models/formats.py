"""The formats and precisions of exported scorers, and what writes each of them.

Heavy packages are imported inside the functions, so that a command's help has the names at once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from features.errors import AlreadyThere, InputError, NoRepresentativePhotos

if TYPE_CHECKING:
    import keras
    import numpy as np

    from decaf.models.description import Description

FORMATS = (".onnx", ".tflite")
# What the weights are kept in (int8-full computes in it as well), and by how much a probability may
# differ then: float16 has 11 significant bits and int8 8, and errors add up over the layers.
TOLERANCES = {"float32": 0.001, "float16": 0.01, "int8": 0.1, "int8-full": 0.15}
PRECISIONS = tuple(TOLERANCES)
AUC_TOLERANCE = 0.005
# The guide to LiteRT's post-training quantisation asks for 100 to 500 representative photos.
CALIBRATION_PHOTOS = 200
# As many unseen photos check a file alone, and so many sample photos are made. Of 40 photos a pair
# in another order changes the AUC by at least 1/400, of fewer by more than can be told apart.
ENOUGH_PHOTOS = 40


def write_scorer(
    network: keras.Model,
    path: str | os.PathLike,
    precision: str = "float32",
    photos: Sequence[np.ndarray] = (),
    dynamic_batch: bool = False,
) -> None:
    """Write a scorer to one file, whose name says the format; nothing is checked.

    Parameters
    ----------
    network : keras.Model
        From RGB photos (n_photos, size, size, 3), 0–255, to (n_photos, 1).
    path : path-like
        Ends in ``.onnx`` or ``.tflite``; is overwritten.
    precision : {"float32", "float16", "int8", "int8-full"}
        float16 and int8 are what the weights are kept in (int8: with a scale a channel); an
        ONNX runtime computes in float32, LiteRT rounds the activations of int8 layers as well,
        each photo's by its own range. int8-full computes in int8, by ranges that were seen in the
        photos.
    photos : sequence of ndarray of uint8, shape (size, size, 3)
        Representative ones, for int8-full.
    dynamic_batch : bool
        Let it take any number of photos, and not one.

    Raises
    ------
    InputError
        What converts is not installed, or cannot work with Keras's back end.
    """
    from decaf.models.export_litert import write_litert
    from decaf.models.export_onnx import write_onnx
    from decaf.models.runtime import quiet

    path = Path(path)
    check_format(path)
    if precision == "int8-full" and not len(photos):
        raise NoRepresentativePhotos(f"{path}: int8-full needs representative photos")
    write = {".onnx": write_onnx, ".tflite": write_litert}[path.suffix]
    with quiet():
        write(network, path, precision, photos, None if dynamic_batch else 1)


def describe_scorer(path: str | os.PathLike, description: Description) -> None:
    """Write what a file says of itself into it.

    Parameters
    ----------
    path : path-like
        From `write_scorer`.
    description : Description
    """
    from decaf.models.export_litert import describe_litert
    from decaf.models.export_onnx import describe_onnx

    path = Path(path)
    if path.suffix == ".onnx":
        describe_onnx(path, description.to_texts())
    else:
        describe_litert(path, description.to_json())


def representative_rows(n_photos: int) -> np.ndarray:
    """Which photos stand for all where int8-full looks for its ranges: spread evenly.

    Parameters
    ----------
    n_photos : int

    Returns
    -------
    ndarray of int
        At most `CALIBRATION_PHOTOS`.

    Examples
    --------
    >>> representative_rows(3)
    array([0, 1, 2])
    """
    import numpy as np

    return np.linspace(0, n_photos - 1, min(n_photos, CALIBRATION_PHOTOS), dtype=int)


def check_destination(path: str | os.PathLike, *, force: bool = False) -> None:
    """Refuse a file that cannot be exported to, before the work that leads to it.

    The file beside it counts as well.

    Parameters
    ----------
    path : path-like
    force : bool
        Whether it may be there.

    Raises
    ------
    InputError
        It is there, there is no such folder, or as from `check_format`.
    """
    path = Path(path)
    check_format(path)
    for each in (path, beside(path)):
        if each.exists() and not force:
            raise AlreadyThere(f"{each} is there already: choose another name")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: there is no such folder; make it first")


def beside(path: str | os.PathLike) -> Path:
    """The file beside an exported one, with what that says of itself, and a test vector.

    Examples
    --------
    >>> beside("scorer.onnx").name
    'scorer.onnx.json'
    """
    path = Path(path)
    return path.with_name(f"{path.name}.json")


def check_format(path: str | os.PathLike) -> None:
    """Refuse a name of another format, or a format whose converter or runtime is missing.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    InputError
    """
    import keras

    path = Path(path)
    if path.suffix not in FORMATS:
        raise InputError(f"{path}: a scorer's file name must end in {' or '.join(FORMATS)}")
    for name in _MODULES[path.suffix]:
        if find_spec(name) is None:
            raise InputError(f"{path}: {name} is not installed: pip install 'decaf[export]'")
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"{path}: only TensorFlow exports; set KERAS_BACKEND=tensorflow, and install it with "
            "pip install 'decaf[cpu]'"
        )


# What converts and what runs, by format.
_MODULES = {".onnx": ("tf2onnx", "onnx", "onnxruntime"), ".tflite": ("ai_edge_litert",)}
