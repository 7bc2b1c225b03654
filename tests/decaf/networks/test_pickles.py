"""Pickles of arrays are read as NumPy and PyTorch wrote them, and nothing in them is run."""

import contextlib
import os
import pickle
import struct
import tracemalloc
from collections import OrderedDict

import numpy as np
import pytest
import torch

from decaf.networks.pickles import read_numpy_pickle, read_torch_pickle
from features.errors import InputError


class _Harmful:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("protocol", [3, 4])
def test_a_numpy_pickle_is_read(tmp_path, protocol):
    layers = {"Conv_0": {"kernel": np.arange(6.0).reshape(2, 3), "bias": np.ones(3, "f4")}}
    path = tmp_path / "weights.ckpt"
    path.write_bytes(pickle.dumps(layers, protocol))
    read = read_numpy_pickle(path)
    np.testing.assert_array_equal(read["Conv_0"]["kernel"], layers["Conv_0"]["kernel"])
    assert read["Conv_0"]["bias"].dtype == np.float32


def test_a_dictionary_in_npy_is_read_as_numpy_reads_it(tmp_path):
    layers = {"conv1": [np.arange(4.0).reshape(2, 2), np.zeros(2)]}
    path = tmp_path / "weights.npy"
    np.save(path, layers, allow_pickle=True)
    expected = np.load(path, allow_pickle=True).item()
    for array, other in zip(read_numpy_pickle(path)["conv1"], expected["conv1"], strict=True):
        np.testing.assert_array_equal(array, other)


def test_an_npy_that_python_2_pickled_is_read(tmp_path):
    # What Python 2's NumPy wrote: byte strings for the keys and for the elements.
    body = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01)cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff"
        b"\xff\xffK?tb\x89]}U\x05conv1]"
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89U\x08\x00\x00\x80\x3f\x00\x00\x00\xc0tba"
        b"satb."
    )
    header = np.lib.format.magic(1, 0)
    description = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }\n"
    path = tmp_path / "weights.npy"
    path.write_bytes(header + len(description).to_bytes(2, "little") + description + body)
    np.testing.assert_array_equal(read_numpy_pickle(path)["conv1"][0], np.array([1.0, -2.0], "f4"))


def test_code_in_a_numpy_pickle_is_refused_and_not_run(tmp_path):
    path, folder = tmp_path / "weights.ckpt", tmp_path / "made"
    path.write_bytes(pickle.dumps({"Conv_0": _Harmful(folder)}))
    with pytest.raises(InputError, match=r"weights\.ckpt: .*posix\.mkdir"):
        read_numpy_pickle(path)
    assert not folder.exists()


def test_code_in_an_npy_is_refused_and_not_run(tmp_path):
    path, folder = tmp_path / "weights.npy", tmp_path / "made"
    np.save(path, np.array({"conv1": _Harmful(folder)}), allow_pickle=True)
    with pytest.raises(InputError, match=r"weights\.npy: .*posix\.mkdir"):
        read_numpy_pickle(path)
    assert not folder.exists()


class _Stated:
    """Is pickled as what a function makes, and a state of it."""

    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


NUMBERS = (np.dtype, ("f4", False, True))
ARRAY = (np._core.multiarray._reconstruct, (np.ndarray, (0,), b"b"))


@pytest.mark.parametrize(
    "stated",
    [
        _Stated(*NUMBERS, (3, "<", None, -1, -1, 0)),  # found by fuzzing: NumPy crashes on it
        _Stated(*NUMBERS, (3, "<", None, None, None, -1, -1, 63)),
        _Stated(np.dtype, ("f8",), (3, ">", None, None, None, -1, -1, 0)),
        _Stated(*ARRAY, (1, (2,), np.dtype("f4"), False, b"1234")),
        _Stated(*ARRAY, (1, (-2,), np.dtype("O"), False, [])),
        _Stated(*ARRAY, (1, (1,), np.dtype("O"), False, b"12345678")),
        _Stated(*ARRAY, (1, (1,), np.dtype("S4"), False, b"1234")),
    ],
    ids=["short", "flags", "NumPy's own type", "length", "negative", "objects", "text"],
)
def test_states_that_numpy_would_believe_are_refused(stated, tmp_path):
    path = tmp_path / "weights.ckpt"
    path.write_bytes(pickle.dumps({"conv1": [stated]}, 4))
    with pytest.raises(InputError, match=r"weights\.ckpt: .* it holds what is no array of numbers"):
        read_numpy_pickle(path)
    assert np.dtype("f8").isnative


def test_code_in_a_torch_pickle_is_refused_and_not_run(tmp_path):
    path, folder = tmp_path / "weights.pth", tmp_path / "made"
    torch.save({"x": _Harmful(folder)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match=r"weights\.pth: .*posix\.mkdir"):
        read_torch_pickle(path)
    assert not folder.exists()


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"\x80\x04"])
@pytest.mark.parametrize("read", [read_numpy_pickle, read_torch_pickle])
def test_a_foreign_file_is_refused(tmp_path, read, content):
    path = tmp_path / "weights.bin"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"weights\.bin: not a weights file"):
        read(path)


@pytest.mark.parametrize("read", [read_numpy_pickle, read_torch_pickle])
def test_a_damaged_memo_number_takes_no_memory(tmp_path, read):
    file = tmp_path / "weights"
    file.write_bytes(pickle.EMPTY_DICT + pickle.LONG_BINPUT + struct.pack("<I", 2**26) + b".")
    tracemalloc.start()
    with contextlib.suppress(InputError):
        read(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_an_npy_of_numbers_is_refused(tmp_path):
    np.save(tmp_path / "weights.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"weights\.npy: .*an array of float64"):
        read_numpy_pickle(tmp_path / "weights.npy")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"weights\.pth: .*No such file"):
        read_torch_pickle(tmp_path / "weights.pth")


def test_a_torch_pickle_is_read_as_torch_wrote_it(tmp_path):
    generator = torch.Generator().manual_seed(0)
    whole = torch.rand(4, 3, 2, generator=generator)
    state = OrderedDict(
        whole=whole,
        turned=whole.permute(2, 0, 1),
        part=whole[1:3, 1],
        scalar=torch.tensor(7),
        empty=torch.zeros(0, 3),
    )
    path = tmp_path / "weights.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    read = read_torch_pickle(path)
    assert read.keys() == state.keys()
    for name, tensor in state.items():
        np.testing.assert_array_equal(read[name], tensor.numpy())


def test_a_truncated_torch_pickle_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"x": torch.zeros(100)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"weights\.pth: .*cut short"):
        read_torch_pickle(path)


@pytest.mark.parametrize(
    ("offset", "shape", "stride"),
    [(0, (5,), (1,)), (1, (4,), (1,)), (0, (2, 2), (3, 1)), (3, (4,), (-1,))],
)
def test_a_tensor_that_reaches_out_of_its_storage_is_refused(tmp_path, offset, shape, stride):
    storage = object()

    class Tensor:
        def __reduce__(self):
            arguments = (storage, offset, shape, stride, False, OrderedDict())
            return torch._utils._rebuild_tensor_v2, arguments

    class Pickler(pickle.Pickler):
        def persistent_id(self, item):
            return ("storage", torch.FloatStorage, "0", "cpu", 4, None) if item is storage else None

    path = tmp_path / "weights.pth"
    with open(path, "wb") as file:
        for part in (0x1950A86A20F9469CFC6C, 1001, {}):
            pickle.dump(part, file, 2)
        Pickler(file, 2).dump({"x": Tensor()})
        pickle.dump(["0"], file, 2)
        file.write((4).to_bytes(8, "little") + bytes(16))
    with pytest.raises(InputError, match="out of its storage"):
        read_torch_pickle(path)
