"""Where pretrained weights come from, and how their files are read without running any code."""

import hashlib
import importlib.util
import math
import pickle
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from features.errors import InputError

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
    """

    package: str
    member: str
    sha256: str
    install: str


def find_packaged(packaged):
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
    if spec is None:
        return None
    path = Path(spec.submodule_search_locations[0], packaged.member)
    if not path.is_file() or file_sha256(path) != packaged.sha256:
        raise InputError(
            f"{path}: not the published weights (missing, or sha256 differs); "
            f"reinstall: {packaged.install} --force-reinstall"
        )
    return path


def require_packaged(packaged, backbone):
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


def file_sha256(path):
    """SHA-256 of a file's bytes, as 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_numpy_pickle(path):
    """Read nested containers of NumPy arrays from a pickle or from an object array's `.npy`.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    object
        Dictionaries, lists and arrays, as they were pickled.

    Raises
    ------
    InputError
        The file is not such a pickle, or names anything but NumPy arrays; no code in it is run.
    """
    with reading_weights(path), open(path, "rb") as file:
        if file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX:
            _skip_npy_header(file)
            return _NumpyUnpickler(file).load().item()
        file.seek(0)
        return _NumpyUnpickler(file).load()


def read_torch_pickle(path):
    """Read a state dictionary from PyTorch's legacy `.pth` format, without PyTorch.

    The format is five consecutive pickles (magic number, protocol, system, state, storage keys)
    and then the storages: for each key the number of elements (int64) and the raw elements.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    InputError
        The file is not of that format, or names anything but tensors; no code in it is run.
    """
    with reading_weights(path), open(path, "rb") as file:
        file_size = Path(path).stat().st_size
        magic_number, _, _ = (_TorchUnpickler(file, file_size).load() for _ in range(3))
        if magic_number != _TORCH_MAGIC_NUMBER:
            raise pickle.UnpicklingError("no PyTorch magic number")
        state_unpickler = _TorchUnpickler(file, file_size)
        state = state_unpickler.load()
        for key in _TorchUnpickler(file, file_size).load():
            storage = state_unpickler.storages[key]
            (n_elements,) = np.frombuffer(file.read(8), "<i8")
            if n_elements != storage.size or file.readinto(storage.data) != storage.nbytes:
                raise pickle.UnpicklingError("a storage is cut short")
        return dict(state)


@contextmanager
def reading_weights(path):
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
        raise InputError(
            f"{path}: not a weights file that can be read ({type(error).__name__}: {error}); "
            "get it anew"
        ) from error


def assign_weights(network, arrays, path):
    """Give a network its weights, layer by layer.

    Parameters
    ----------
    network : keras.Model
    arrays : dict of str to list of ndarray
        The weights of every layer that has any, in Keras's order; names that the network does not
        have are ignored.
    path : path-like
        Where the arrays come from, for the messages.

    Raises
    ------
    InputError
        A layer's weights are missing or of another shape; the message names the layer.
    """
    for layer in network.layers:
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
        layer.set_weights(arrays[layer.name])


def _skip_npy_header(file):
    file.seek(0)
    version = np.lib.format.read_magic(file)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    _, _, dtype = read_header(file)
    if dtype.kind != "O":
        raise pickle.UnpicklingError(f"an array of {dtype}, not a dictionary")


_NUMPY_GLOBALS = {
    # numpy.core is the name before NumPy 2.0.
    ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


# The unpickler in C gives a damaged memo number as many places as it says, gigabytes at worst; that
# in Python keeps its memo in a dictionary.
class _NumpyUnpickler(pickle._Unpickler):
    def __init__(self, file):
        # latin1 keeps the bytes of arrays that Python 2 pickled.
        super().__init__(file, encoding="latin1")

    def find_class(self, module, name):
        return _admitted(_NUMPY_GLOBALS, module, name)

    def load_build(self):
        # NumPy believes what a state says of flags and lengths, and crashes on what is not so.
        if not _is_plain_state(*self.stack[-2:]):
            raise pickle.UnpicklingError("it holds what is no array of numbers")
        super().load_build()

    dispatch = pickle._Unpickler.dispatch | {pickle.BUILD[0]: load_build}


def _is_plain_state(built, state):
    """Whether a state is what NumPy gives of a type of numbers, or of an array."""
    if isinstance(built, np.dtype):
        # NumPy's own types are one object each, which a state would change for everybody.
        is_own = built is np.dtype(built.type)
        flags = 63 if built.kind == "O" else 0
        return not is_own and state[2:] == (None, None, None, -1, -1, flags)
    _, shape, dtype, _, content = state
    if not isinstance(built, np.ndarray) or min(shape, default=0) < 0:
        return False
    n_elements = math.prod(shape)
    if dtype.kind == "O":
        return isinstance(content, list) and len(content) == n_elements
    return dtype.kind in "fiub" and len(content) == n_elements * dtype.itemsize


# torch/serialization.py, MAGIC_NUMBER
_TORCH_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C


def _rebuild_tensor(storage, offset, shape, stride, *_):
    last = offset + sum((length - 1) * step for length, step in zip(shape, stride, strict=True))
    if min(offset, *shape, *stride, 0) < 0 or last >= storage.size:
        raise pickle.UnpicklingError("a tensor reaches out of its storage")
    steps = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps)


_TORCH_GLOBALS = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
}


class _TorchUnpickler(pickle._Unpickler):
    """Makes tensors views of storages, whose elements the file has after the pickles."""

    def __init__(self, file, file_size):
        super().__init__(file)
        self.file_size = file_size
        self.storages = {}

    def find_class(self, module, name):
        return _admitted(_TORCH_GLOBALS, module, name)

    def persistent_load(self, reference):
        _, dtype, key, _, n_elements, _ = reference
        if key not in self.storages:
            if n_elements * dtype.itemsize > self.file_size:
                raise pickle.UnpicklingError("a storage is larger than the file")
            self.storages[key] = np.empty(n_elements, dtype)
        return self.storages[key]


def _admitted(table, module, name):
    if (module, name) not in table:
        raise pickle.UnpicklingError(f"it names {module}.{name}, which weights do not need")
    return table[module, name]
