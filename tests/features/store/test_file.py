import errno
import json
import multiprocessing
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import complaint, write

from features.errors import Damaged, InputError
from features.store import SCHEMA_VERSION, FeatureStore, StoreWriter

ROOT = Path(__file__).parents[3]


def test_the_readmes_lines_read_a_file_with_h5py_and_pandas(tmp_path, monkeypatch):
    features, names, _ = write(tmp_path / "features.h5", n=4, label=[0, 1, 1, 0])
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)
    (lines,) = (block for block in blocks if "h5py" in block)
    monkeypatch.chdir(tmp_path)
    read = {}
    exec(lines, read)
    read["store"].close()
    table = read["table"]
    assert table.index.tolist() == names and table["label"].tolist() == [0, 1, 1, 0]
    assert np.array_equal(table.drop(columns="label"), features)
    assert {type(name) for name in table} == {str}  # scikit-learn refuses others beside these


def test_a_missing_store_is_named(tmp_path):
    assert complaint(tmp_path / "gone.h5").endswith("there is no such file")


def test_a_store_truncated_anywhere_is_refused(tmp_path):
    write(tmp_path / "a.h5", n=2000, label=[0, 1] * 1000)
    content = (tmp_path / "a.h5").read_bytes()
    for end in [0, 7, 100, 3000, len(content) // 2, len(content) - 1]:
        (tmp_path / "cut.h5").write_bytes(content[:end])
        assert "is damaged or not HDF5" in complaint(tmp_path / "cut.h5")


def test_foreign_files_are_refused(tmp_path):
    (tmp_path / "text.h5").write_text("file,score\n")
    assert "is damaged or not HDF5" in complaint(tmp_path / "text.h5")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["features"] = np.zeros((3, 2))
    assert "is not a feature store" in complaint(tmp_path / "foreign.h5")


def test_a_newer_store_asks_for_an_update(tmp_path):
    write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file["provenance"]
        file["provenance"] = np.bytes_(json.dumps({"schema_version": SCHEMA_VERSION + 1}))
    assert re.search(
        r"schema version 2, this program reads up to 1; update", complaint(tmp_path / "a.h5")
    )


@pytest.mark.parametrize("name", ["features", "path", "digest", "failed", "votes", "group"])
@pytest.mark.parametrize("replacement", [np.zeros(10), np.zeros((3, 2)), "text", None])
def test_a_store_whose_datasets_do_not_fit_together_is_refused(tmp_path, name, replacement):
    write(tmp_path / "a.h5", votes=np.zeros((10, 5)), group=["a"] * 10)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file[name]
        if replacement is None:
            file.create_group(name)
        else:
            file[name] = replacement
    assert "is not a whole feature store" in complaint(tmp_path / "a.h5")


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=20))
def test_damaged_bytes_give_a_store_or_one_line(tmp_path_factory, damages):
    folder = tmp_path_factory.getbasetemp()
    whole, damaged = folder / "whole.h5", folder / "damaged.h5"
    if not whole.exists():
        write(whole, n=3, failures=[("a", "b")], attributes={"a": {"b": 1}}, group=list("abc"))
    content = bytearray(whole.read_bytes())
    for place, value in damages:
        content[int(place**3 * len(content))] = value
    damaged.write_bytes(content)
    try:
        with FeatureStore(damaged) as store:
            _ = store.paths, store.digests, store.group, store.failed, store.attributes
    except InputError as error:
        assert "\n" not in str(error)


def _sum_features(path):
    with FeatureStore(path) as store:
        return float(store.features[:].sum(dtype=float))


def test_several_processes_read_one_store_at_the_same_time(tmp_path):
    features, *_ = write(tmp_path / "a.h5", n=100)
    with FeatureStore(tmp_path / "a.h5"):
        context = multiprocessing.get_context("spawn")
        with context.Pool(2) as pool:
            sums = pool.map(_sum_features, [tmp_path / "a.h5"] * 4)
    assert sums == [features.sum(dtype=float)] * 4


HOLDS_IT = """
import sys, h5py
store = h5py.File(sys.argv[1], "r+")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_store_that_another_program_is_writing_is_not_damaged(tmp_path):
    path = tmp_path / "features.h5"
    with StoreWriter(path, 2) as writer:
        writer.append(np.zeros((1, 2)), ["a.jpg"], ["0" * 32])
    command = [sys.executable, "-c", HOLDS_IT, path]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError) as caught:
            FeatureStore(path)
        holder.stdin.close()
    assert str(caught.value) == f"{path}: another program is writing it; close it there"
    with FeatureStore(path) as store:
        assert len(store) == 1


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOLCK, "its disk refuses locks; set HDF5_USE_FILE_LOCKING=FALSE"),
        (errno.EIO, "cannot be read: Input/output error"),
        (errno.EACCES, "cannot be read: Permission denied"),
    ],
)
def test_what_the_system_refuses_is_no_damage(tmp_path, monkeypatch, number, said):
    def refuse(*arguments, **options):
        raise OSError(number, os.strerror(number))

    path = tmp_path / "features.h5"
    path.touch()
    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(InputError, match=said) as caught:
        FeatureStore(path)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("damage", ["bytes", "its checksum left out", "another place"])
def test_damaged_features_are_refused_not_read(tmp_path, damage):
    path = tmp_path / "features.h5"
    rows = np.random.default_rng(0).normal(size=(4000, 192))
    with StoreWriter(path, 192, dtype="float16") as writer:
        writer.append(rows, [f"{row}.jpg" for row in range(4000)], ["0" * 32] * 4000)
    with h5py.File(path) as file:
        first, second = (file["features"].id.get_chunk_info(number) for number in (0, 1))
    content = bytearray(path.read_bytes())
    if damage == "bytes":
        content[second.byte_offset + 999] ^= 1
    else:
        # A key of HDF5's index of chunks: size, filters that are left out, row and column.
        key = struct.pack("<IIQQQ", second.size, 0, *second.chunk_offset, 0)
        other = {
            "its checksum left out": struct.pack("<IIQQQ", second.size, 1, *second.chunk_offset, 0),
            "another place": struct.pack("<IIQQQ", second.size, 0, *first.chunk_offset, 0),
        }[damage]
        assert content.count(key) == 1
        content = content.replace(key, other)
    path.write_bytes(content)
    with pytest.raises(Damaged, match=r"features\.h5: is "), FeatureStore(path) as store:
        store.features[:]
