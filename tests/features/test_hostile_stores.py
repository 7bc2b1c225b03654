"""Feature files from strangers: one line, nothing of the reader's own files, no filled memory."""

import os
import re
import resource
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest

from features.errors import InputError
from features.store import FeatureStore, StoreWriter, index_stores

SHAPE = (5, 4)


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "a.h5"
    with StoreWriter(path, SHAPE[1], attributes={"width": 4}) as writer:
        writer.append(
            np.ones(SHAPE),
            [f"{row}.jpg" for row in range(5)],
            ["0" * 32] * 5,
            label=[0, 1] * 2 + [1],
        )
        writer.fail("broken.jpg", "an empty file")
    return path


@pytest.fixture
def secret(tmp_path):
    """A feature file and a plain file of the reader's own."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["features"] = np.full(SHAPE, 7, np.float32)
    (tmp_path / "secret.txt").write_bytes(b"password" * 100)
    return tmp_path / "secret"


def replace(name, make):
    def change(file, secret):
        if name in file:
            del file[name]
        make(file, secret)

    return change


def virtual_features(file, secret):
    layout = h5py.VirtualLayout(SHAPE, np.float32)
    layout[:] = h5py.VirtualSource(f"{secret}.h5", "features", SHAPE)
    file.create_virtual_dataset("features", layout)


def soft_link(file, secret):
    file["other"] = np.ones(SHAPE, np.float32)
    file["features"] = h5py.SoftLink("/other")


HOSTILE = {
    "external link": replace(
        "features",
        lambda f, secret: f.__setitem__("features", h5py.ExternalLink(f"{secret}.h5", "features")),
    ),
    "external link of another name": replace(
        "votes",
        lambda f, secret: f.__setitem__("x", h5py.ExternalLink(f"{secret}.h5", "features")),
    ),
    "soft link": replace("features", soft_link),
    "external storage": replace(
        "features",
        lambda f, secret: f.create_dataset(
            "features", SHAPE, "f4", external=[(f"{secret}.txt", 0, 80)]
        ),
    ),
    "virtual dataset": replace("features", virtual_features),
    "rows that are not there": replace(
        "failed",
        lambda f, _: f.create_dataset("failed", (10**11,), f["path"].dtype, chunks=(1024,)),
    ),
    "features that are not there": replace(
        "features", lambda f, _: f.create_dataset("features", (5, 10**11), "f4", chunks=(1, 1024))
    ),
    "votes that are not there": replace(
        "votes", lambda f, _: f.create_dataset("votes", (5, 10**11), "i8", chunks=(1, 1024))
    ),
    "packed zeros": replace(
        "features",
        lambda f, _: f.create_dataset("features", data=np.zeros((5, 10**5)), compression="gzip"),
    ),
    "references": replace("path", lambda f, _: f.create_dataset("path", (5,), h5py.ref_dtype)),
    "lists": replace("path", lambda f, _: f.create_dataset("path", (5,), h5py.vlen_dtype("i4"))),
    "failures of three columns": replace(
        "failed",
        lambda f, _: f.create_dataset("failed", (2,), [(name, "i4") for name in "abc"]),
    ),
    "failures of numbers": replace(
        "failed",
        lambda f, _: f.create_dataset("failed", (2,), [("path", "i4"), ("reason", "i4")]),
    ),
    "a group": replace("features", lambda f, _: f.create_group("features")),
    "a type": replace("features", lambda f, _: f.__setitem__("features", np.dtype("f4"))),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_store_is_refused_in_one_line(store, secret, kind):
    with h5py.File(store, "r+") as file:
        HOSTILE[kind](file, secret)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=r"a\.h5: is not a (whole )?feature store") as error:
        FeatureStore(store)
    assert "\n" not in str(error.value) and len(str(error.value)) < 300
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


@pytest.mark.parametrize(
    "value",
    [h5py.Empty("f4"), np.arange(3), np.void(b"bytes"), "[" * 100_000],
    ids=["nothing", "an array", "bytes", "lists in lists"],
)
def test_an_attribute_that_no_store_has_is_refused_in_one_line(store, value):
    with h5py.File(store, "r+") as file:
        file.attrs.create("width", value)
    with FeatureStore(store) as opened, pytest.raises(InputError, match=r"a\.h5: ") as error:
        _ = opened.attributes
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


def test_an_attribute_that_refers_to_an_object_is_refused(store):
    with h5py.File(store, "r+") as file:
        file.attrs["width"] = file["path"].ref
    with FeatureStore(store) as opened, pytest.raises(InputError, match="Reference"):
        _ = opened.attributes


def read_all(path):
    """What reading everything says, in a process of its own: HDF5's loops cannot be interrupted."""
    script = """
        import sys
        from features.errors import InputError
        from features.store import FeatureStore
        try:
            with FeatureStore(sys.argv[1]) as store:
                _ = store.paths, store.split, store.group, store.failed, store.attributes
        except InputError as error:
            sys.exit(f"{error}")
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), path],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, timeout=60,
    ).stderr  # fmt: skip


def damage_heap(path, number, header):
    """Overwrite the first object's header in one of a file's heaps."""
    content = bytearray(path.read_bytes())
    heap = [match.start() for match in re.finditer(b"GCOL", content)][number]
    content[heap + 16 : heap + 32] = header
    path.write_bytes(content)


HEADERS = {
    "free space of no size": bytes(16),
    "an overflowing size": bytes([1, 0, 1, 0, 0, 0, 0, 0]) + (2**64 - 16).to_bytes(8, "little"),
    "free space that overflows": bytes(8) + (2**64 - 16).to_bytes(8, "little"),
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("number", [0, -1], ids=["attributes", "names"])
def test_a_heap_of_texts_that_hdf5_would_read_for_ever_is_refused(tmp_path, number, header):
    path = tmp_path / "a.h5"
    with StoreWriter(path, 1, attributes={"text": "a"}) as writer:
        writer.append(np.ones((500, 1)), [f"{row}.jpg" for row in range(500)], ["0" * 32] * 500)
    damage_heap(path, number, header)
    complaint = read_all(path)
    assert re.fullmatch(r".*a\.h5: is damaged or not HDF5: the texts at \d+ overlap\n", complaint)


def test_a_heap_of_a_virtual_layout_that_hdf5_would_read_for_ever_is_refused(store, tmp_path):
    index = tmp_path / "index.h5"
    index_stores([store], index)
    with h5py.File(index, "r+") as file:
        # In a heap of its own, which no text shares.
        layout = h5py.VirtualLayout((5, 4), np.float32)
        layout[:] = h5py.VirtualSource("a" * 5000, "features", SHAPE)
        del file["features"]
        file.create_virtual_dataset("features", layout)
    damage_heap(index, -1, bytes(16))
    assert "index.h5: is damaged or not HDF5: the texts at" in read_all(index)


def test_texts_of_any_length_are_read_from_many_heaps(tmp_path):
    names = [("", "ä" * (row % 300), "b" * row, "каша")[row % 4] for row in range(5000)]
    with StoreWriter(tmp_path / "a.h5", 1, attributes={"text": "ä" * 50_000}) as writer:
        for start in range(0, 5000, 700):
            part = names[start : start + 700]
            writer.append(np.ones((len(part), 1)), part, ["0" * 32] * len(part), group=part[::-1])
            writer.fail(part[2], part[1])
    with FeatureStore(tmp_path / "a.h5") as read:
        assert read.paths.tolist() == names
        assert sorted(read.group) == sorted(names)
        assert read.failed == [(names[at + 2], names[at + 1]) for at in range(0, 5000, 700)]
        assert read.attributes == {"text": "ä" * 50_000}
