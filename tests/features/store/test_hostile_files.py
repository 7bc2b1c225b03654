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
from features.store import FeatureStore, StoreWriter

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
    "provenance",
    [
        "{",
        "[]",
        "1",
        '{"schema_version": 1}',
        '{"schema_version": 1, "made_by": []}',
        "[" * 100_000,
    ],
)
def test_a_provenance_that_no_store_has_is_refused_in_one_line(store, provenance):
    with h5py.File(store, "r+") as file:
        del file["provenance"]
        file["provenance"] = np.bytes_(provenance)
    with pytest.raises(InputError, match=r"a\.h5: ") as error:
        FeatureStore(store)
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


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


def damage_heaps(path):
    """Make HDF5 stay for ever where it begins to read: an object of no size in each heap."""
    content = bytearray(path.read_bytes())
    heaps = [match.start() for match in re.finditer(b"GCOL", content)]
    assert heaps
    for heap in heaps:
        content[heap + 16 : heap + 32] = bytes(16)
    path.write_bytes(content)


def texts(file, _):
    file["path"] = [f"{row}.jpg" for row in range(5)]


def text_of_any_length(file, _):
    file["provenance"] = '{"schema_version": 1, "made_by": {}}'


def failures_of_any_length(file, _):
    text = h5py.string_dtype()
    file["failed"] = np.array([("a", "b")], [("path", text), ("reason", text)])


def filled_texts(file, _):
    file.create_dataset("path", (5,), h5py.string_dtype(), fillvalue="0.jpg")


def long_virtual_source(file, _):
    layout = h5py.VirtualLayout(SHAPE, np.float32)
    layout[:] = h5py.VirtualSource("a" * 5000, "features", SHAPE)
    file.create_virtual_dataset("features", layout)


@pytest.mark.parametrize(
    "name, make",
    [
        ("path", texts),
        ("provenance", text_of_any_length),
        ("failed", failures_of_any_length),
        ("path", filled_texts),
        ("features", long_virtual_source),
    ],
)
def test_a_heap_that_hdf5_would_read_for_ever_is_refused_unread(store, name, make):
    with h5py.File(store, "r+") as file:
        del file[name]
        make(file, None)
    damage_heaps(store)
    assert read_all(store).endswith(f"a.h5: is not a whole feature store: see {name!r} in it\n")


def test_attributes_of_somebody_else_are_not_read(store):
    with h5py.File(store, "r+") as file:
        file.attrs["text"] = "of any length"
        file["path"].attrs["text"] = "of any length"
    damage_heaps(store)
    assert read_all(store) == ""
