"""Where pretrained weights come from, and how a network is given them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from features.errors import InputError
from features.shortage import blame_machine

if TYPE_CHECKING:
    import keras
    import numpy as np

PRETRAINED = "pretrained"


@dataclass(frozen=True)
class PackagedFile:
    """A weights file inside an installable package.

    Attributes
    ----------
    package : str
        Import name; the package is looked up, never imported.
    member : str
        Path of the file inside the package's folder.
    sha256 : str
        What the file must hash to before it is read.
    install : str
        The command line that installs the package.
    licence : str
        What the weights are, and under which licence.
    """

    package: str
    member: str
    sha256: str
    install: str
    licence: str

    @property
    def is_installed(self) -> bool:
        """Whether the package is."""
        return importlib.util.find_spec(self.package) is not None


def find_packaged(packaged: PackagedFile) -> Path | None:
    """Find and verify the weights file of an installed package.

    Parameters
    ----------
    packaged : PackagedFile

    Returns
    -------
    pathlib.Path or None
        None where the package is not installed.

    Raises
    ------
    InputError
        The file is missing from the package or is not the published one.
    """
    spec = importlib.util.find_spec(packaged.package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0], packaged.member)
    if not path.is_file() or file_sha256(path) != packaged.sha256:
        raise InputError(
            f"{path}: not the published weights (missing, or sha256 differs); "
            f"reinstall: {packaged.install} --force-reinstall"
        )
    return path


def require_packaged(packaged: PackagedFile, backbone: str) -> Path:
    """Like `find_packaged`, but a package that is not installed is an InputError.

    Parameters
    ----------
    packaged : PackagedFile
    backbone : str
        Who needs the weights, for the message.

    Returns
    -------
    pathlib.Path
    """
    path = find_packaged(packaged)
    if path is None:
        raise InputError(
            f"{backbone}: its pretrained weights are in the package {packaged.package}, which is "
            f"not installed; run: {packaged.install}"
        )
    return path


def weights_name(weights: str | os.PathLike | None) -> str | None:
    """What a record says of a backbone's weights.

    Parameters
    ----------
    weights : {"pretrained", None} or path-like

    Returns
    -------
    str or None
        "pretrained", or the name of the user's own file; None for random weights.

    Examples
    --------
    >>> weights_name("models/bvlc_alexnet.npy")
    'bvlc_alexnet.npy'
    """
    return None if weights is None else Path(weights).name


def file_sha256(path: str | os.PathLike) -> str:
    """SHA-256 of a file's bytes, as 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def reading_weights(path: str | os.PathLike) -> Iterator[None]:
    """Turn whatever a malformed weights file raises, when it is read or converted, into one line.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    InputError
    """
    try:
        yield
    except InputError:
        raise
    # Malformed files raise nearly every kind of exception.
    except Exception as error:
        blame_machine(error, path)
        raise InputError(
            f"{path}: not a weights file that can be read ({type(error).__name__}: {error}); "
            "get it anew"
        ) from error


def assign_weights(
    keras_model: keras.Model,
    arrays: Mapping[str, Sequence[np.ndarray]],
    path: str | os.PathLike,
) -> None:
    """Give a graph its weights, layer by layer.

    Parameters
    ----------
    keras_model : keras.Model
    arrays : dict of str to list of ndarray
        The weights of every layer that has any, in Keras's order; names that the graph does not
        have are ignored.
    path : path-like
        Where the arrays come from, for the messages.

    Raises
    ------
    InputError
        A layer's weights are missing or of another shape; the message names the layer.
    """
    for layer in keras_model.layers:
        if not layer.weights:
            continue
        if layer.name not in arrays:
            raise InputError(
                f"{path}: no weights for layer {layer.name}; name a file for this backbone"
            )
        wanted = [tuple(variable.shape) for variable in layer.weights]
        found = [array.shape for array in arrays[layer.name]]
        if found != wanted:
            raise InputError(
                f"{path}: layer {layer.name} has weights of shapes {found}, not {wanted}; "
                "name a file for this backbone"
            )
        with reading_weights(path):
            layer.set_weights(arrays[layer.name])
