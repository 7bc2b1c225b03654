"""What the machine lacks is said as such, and no file is blamed for it."""

import contextlib
import errno
import os
import zipfile

import h5py
import numpy as np
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError

from classifiers.catalogue import load_classifier
from decaf.networks.network_file import read_record
from decaf.networks.weights import reading_weights
from features.errors import Damaged, InputError, Shortage
from features.files import writing
from features.shortage import shortage_of
from features.store.file import StoreFile

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def wrapped(error):
    """As a library raises it anew, in words of its own."""
    try:
        try:
            raise error
        except BaseException as first:
            raise ValueError("could not save the model") from first
    except ValueError as second:
        return second


@contextlib.contextmanager
def raising(monkeypatch, error):
    def refuse(*arguments, **options):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(zipfile, "ZipFile", refuse)
        patch.setattr(h5py, "File", refuse)
        yield


def read_weights(path):
    with reading_weights(path):
        zipfile.ZipFile(path)


def test_an_array_that_memory_has_no_room_for_is_a_lack_of_memory():
    with pytest.raises(MemoryError) as caught:
        np.empty(2**60, np.uint8)
    assert "not enough memory; close other programs" in shortage_of(caught.value)


# Their classes are not imported where they are not used: their names and words tell.
@pytest.mark.parametrize(
    "name, said",
    [
        ("ResourceExhaustedError", "OOM when allocating tensor with shape[3,4]"),
        ("JaxRuntimeError", "RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes."),
        ("RuntimeError", "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate "
         "memory: you tried to allocate 9 bytes."),
        ("OutOfMemoryError", "CUDA out of memory."),
        ("RuntimeException", "Non-zero status code: std::bad_alloc"),
    ],
)  # fmt: skip
def test_what_back_ends_say_of_memory_is_a_lack_of_memory(name, said):
    error = type(name, (Exception,), {})(said)
    assert "not enough memory" in shortage_of(wrapped(error))


def test_a_worker_that_was_killed_may_have_lacked_memory():
    assert "a worker process was killed; where memory was short" in shortage_of(
        TerminatedWorkerError("A worker process managed by the executor was unexpectedly ended.")
    )


def test_of_a_full_disk_the_folder_is_named(tmp_path):
    error = type("ResourceExhaustedError", (Exception,), {})(f"x; {os.strerror(errno.ENOSPC)}")
    for full in (FULL, error, wrapped(FULL)):
        with pytest.raises(Shortage) as caught, writing(tmp_path / "model"):
            raise full
        assert str(caught.value) == (
            f"{tmp_path / 'model'}: cannot be written: No space left on device; "
            f"make room on the disk of {tmp_path}"
        )


def test_what_a_message_names_is_no_shortage():
    assert shortage_of(InputError("out of memory.jpg: there is no such file")) is None
    assert shortage_of(KeyError("fc7")) is None


@pytest.mark.parametrize("read", [read_record, load_classifier, read_weights, StoreFile])
@pytest.mark.parametrize(
    "error, said",
    [
        (MemoryError(), "not enough memory"),
        (FULL, "No space left on device; make room"),
        (OSError(errno.EIO, os.strerror(errno.EIO)), "Input/output error"),
    ],
)
def test_a_file_that_the_machine_cannot_read_is_not_called_damaged(
    tmp_path, monkeypatch, read, error, said
):
    path = tmp_path / "file"
    path.write_bytes(b"whole")
    with raising(monkeypatch, error), pytest.raises(InputError) as caught:
        read(path)
    assert not isinstance(caught.value, Damaged)
    assert str(caught.value).startswith(f"{path}: cannot be read: ")
    assert said in str(caught.value)
