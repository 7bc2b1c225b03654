"""Pickles of arrays, read without running anything that is in them.

A pickle names functions and calls them. Here it gets a note in place of each of NumPy's and
PyTorch's that arrays need: what was called with what, and of what state. Arrays are made of the
notes once the pickle is read, so that NumPy never has to believe what a stranger's file says.
"""

from __future__ import annotations

import math
import os
import pickle
import pickletools
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from decaf.networks.weights import reading_weights


def read_numpy_pickle(path: str | os.PathLike) -> Any:
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
        is_npy = file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX
        file.seek(0)
        if is_npy:
            _skip_npy_header(file)
        content = _make_arrays(_load(_NumpyUnpickler(file), file))
        return content.item() if is_npy else content


def read_torch_pickle(path: str | os.PathLike) -> dict[str, np.ndarray]:
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

        def load() -> tuple[Any, dict[str, np.ndarray]]:
            unpickler = _TorchUnpickler(file, file_size)
            return _load(unpickler, file), unpickler.storages

        (magic_number, _), _, _ = load(), load(), load()
        if magic_number != _TORCH_MAGIC_NUMBER:
            raise pickle.UnpicklingError("no PyTorch magic number")
        (state, storages), (keys, _) = load(), load()
        for key in keys:
            storage = storages[key]
            (n_elements,) = np.frombuffer(file.read(8), "<i8")
            if n_elements != storage.size or file.readinto(storage.data) != storage.nbytes:
                raise pickle.UnpicklingError("a storage is cut short")
        return dict(_make_arrays(state))


class _Note:
    """What a pickle called, and the state that it gave to what came of it."""

    def __init__(self, *arguments: Any):
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Named(_Note):
    """A class of NumPy's or PyTorch's that is only named."""


class _Type(_Note):
    """numpy.dtype"""


class _Array(_Note):
    """numpy.ndarray, as _reconstruct makes it and its state fills it."""


class _Float32(_Named):
    """torch.FloatStorage"""

    dtype = np.dtype("<f4")


class _Int64(_Named):
    """torch.LongStorage"""

    dtype = np.dtype("<i8")


class _Storage(_Note):
    """Elements that the file has after the pickles."""


class _Tensor(_Note):
    """torch.Tensor, a view of a storage."""


_NUMPY_NAMES = {
    # numpy.core is the name before NumPy 2.0.
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Named,
    ("numpy", "dtype"): _Type,
}
_TORCH_NAMES = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch", "FloatStorage"): _Float32,
    ("torch", "LongStorage"): _Int64,
}
# torch/serialization.py, MAGIC_NUMBER
_TORCH_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C


class _NumpyUnpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO):
        # latin1 keeps the bytes of arrays that Python 2 pickled.
        super().__init__(file, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        return _admitted(_NUMPY_NAMES, module, name)


class _TorchUnpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, file_size: int):
        super().__init__(file)
        self.file_size = file_size
        self.storages: dict[str, np.ndarray] = {}

    def find_class(self, module: str, name: str) -> Any:
        return _admitted(_TORCH_NAMES, module, name)

    def persistent_load(self, reference: Any) -> _Storage:
        _, kind, key, _, n_elements, _ = reference
        if key not in self.storages:
            if n_elements * kind.dtype.itemsize > self.file_size:
                raise pickle.UnpicklingError("a storage is larger than the file")
            self.storages[key] = np.empty(n_elements, kind.dtype)
        return _Storage(self.storages[key])


def _admitted(names: Mapping[tuple[str, str], type], module: str, name: str) -> type:
    if (module, name) not in names:
        raise pickle.UnpicklingError(f"it names {module}.{name}, which weights do not need")
    return names[module, name]


def _load(unpickler: pickle.Unpickler, file: BinaryIO) -> Any:
    """Load the pickle at which the file stands; it then stands behind it."""
    start, n_kept = file.tell(), 0
    # The unpickler gives a damaged memo number as many places as it says, gigabytes at worst.
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT"):
            if (argument or 0) > n_kept + 1:  # Python 2 counted from 1
                raise pickle.UnpicklingError("its memo numbers do not follow one another")
            n_kept += 1
        elif opcode.name == "MEMOIZE":
            n_kept += 1
    file.seek(start)
    return unpickler.load()


def _skip_npy_header(file: BinaryIO) -> None:
    version = np.lib.format.read_magic(file)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    _, _, dtype = read_header(file)
    if dtype.kind != "O":
        raise pickle.UnpicklingError(f"an array of {dtype}, not a dictionary")


def _make_arrays(value: Any, made: dict[int, Any] | None = None) -> Any:
    """Put arrays in the place of notes; what stands in several places is made once."""
    made = {} if made is None else made
    if id(value) not in made:
        if isinstance(value, dict):
            new: Any = {key: _make_arrays(each, made) for key, each in value.items()}
        elif isinstance(value, (list, tuple)):
            new = type(value)(_make_arrays(each, made) for each in value)
        elif isinstance(value, _Tensor):
            new = _make_tensor(*value.arguments)
        elif isinstance(value, (_Note, type)):
            new = _make_array(value, made)
        else:
            new = value
        made[id(value)] = new
    return made[id(value)]


def _make_array(note: Any, made: dict[int, Any]) -> np.ndarray:
    if not (isinstance(note, _Array) and isinstance(note.state, tuple) and len(note.state) == 5):
        raise _no_array()
    _, shape, kind, is_fortran, content = note.state
    dtype = _make_type(kind)
    if not isinstance(shape, tuple) or min(shape, default=0) < 0:
        raise _no_array()
    if dtype.kind == "O":
        if not isinstance(content, list) or len(content) != math.prod(shape):
            raise _no_array()
        array = np.empty(len(content), object)
        for place, each in enumerate(content):
            array[place] = _make_arrays(each, made)
    else:
        # Python 2's strings are bytes.
        data = content.encode("latin1") if isinstance(content, str) else content
        if not isinstance(data, bytes) or len(data) != math.prod(shape) * dtype.itemsize:
            raise _no_array()
        array = np.frombuffer(data, dtype)
    return array.reshape(shape, order="F" if is_fortran else "C")


def _make_type(note: Any) -> np.dtype:
    """A type of numbers, or that of objects, if its state is what NumPy gives of it."""
    if not isinstance(note, _Type) or not re.fullmatch("[fiu][1248]|b1|O8", note.arguments[0]):
        raise _no_array()
    name = note.arguments[0]
    orders, flags = ("|", 63) if name == "O8" else ("<>|", 0)
    if note.state is None:
        return np.dtype(name)
    _, order, *rest = note.state
    if order not in tuple(orders) or rest != [None, None, None, -1, -1, flags]:
        raise _no_array()
    return np.dtype(name).newbyteorder(order)


def _make_tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> np.ndarray:
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor has no storage")
    (elements,) = storage.arguments
    last = offset + sum((length - 1) * step for length, step in zip(shape, stride, strict=True))
    if min(offset, *shape, *stride, 0) < 0 or last >= elements.size:
        raise pickle.UnpicklingError("a tensor reaches out of its storage")
    steps = [step * elements.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(elements[offset:], shape, steps)


def _no_array() -> pickle.UnpicklingError:
    return pickle.UnpicklingError("it holds what is no array of numbers")
