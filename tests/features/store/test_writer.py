import os
import subprocess
import sys
import textwrap
from dataclasses import fields

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import batch, write

from features.errors import AlreadyThere, InputError, NoRatings
from features.ratings import RatedPhotos
from features.store import FeatureStore, StoreWriter

ALL_COLUMNS = {
    "score": np.linspace(1, 10, 7),
    "label": np.array([0, 1, 1, 0, 1, 1, 1]),
    "votes": np.arange(70).reshape(7, 10),
    "split": ["train"] * 5 + ["test"] * 2,
    "group": ["á", "b", "", "a b", "c", "c", "d"],
    "finetuned": [True, False, True, True, False, False, False],
}


def test_what_is_written_in_batches_is_read_back(tmp_path):
    first, second = batch(4), batch(3, first=4)
    with StoreWriter(tmp_path / "a.h5", 6) as writer:
        writer.append(*first, **{name: values[:4] for name, values in ALL_COLUMNS.items()})
        writer.append(*second, **{name: values[4:] for name, values in ALL_COLUMNS.items()})
        writer.fail("broken.jpg", "image file is truncated")
    with FeatureStore(tmp_path / "a.h5") as store:
        assert len(store) == 7
        assert store.features.dtype == np.float32
        np.testing.assert_array_equal(store.features[:], np.vstack([first[0], second[0]]))
        assert store.paths.tolist() == first[1] + second[1]
        assert store.digests.tolist() == first[2] + second[2]
        for name, values in ALL_COLUMNS.items():
            np.testing.assert_array_equal(getattr(store, name), values)
        assert store.score.dtype == np.float64
        assert store.label.dtype == np.int8
        assert store.votes.dtype == np.int64
        assert store.finetuned.dtype == np.bool
        assert store.failed == [("broken.jpg", "image file is truncated")]


def test_rated_photos_come_back_from_a_store(tmp_path):
    rated = RatedPhotos(
        names=np.array(["a.jpg", "ü.jpg"], dtype=object),
        digests=np.array(["0" * 32, "f" * 32]),
        label=np.array([0, 1], np.int8),
        score=np.array([1.5, 4.0]),
        votes=np.array([[1, 1, 0, 0, 0], [0, 0, 0, 3, 0]]),
        split=np.array(["train", "test"], dtype=object),
        group=np.array(["x", "y"], dtype=object),
        finetuned=np.array([True, False]),
        scale=(1.0, 5.0),
        midpoint=3.0,
        failed=(("b.jpg", "damaged"),),
    )
    attributes = {"scale": list(rated.scale), "midpoint": rated.midpoint}
    with StoreWriter(tmp_path / "a.h5", 3, attributes=attributes) as writer:
        writer.append(np.zeros((2, 3)), rated.names, rated.digests, **rated.columns())
        writer.fail("b.jpg", "damaged")
    with FeatureStore(tmp_path / "a.h5") as store:
        found = store.rated()
    for field in fields(RatedPhotos):
        before, after = getattr(rated, field.name), getattr(found, field.name)
        assert type(before) is type(after)
        np.testing.assert_array_equal(after, before)


def test_a_store_of_photos_that_nobody_rated_says_so(tmp_path):
    write(tmp_path / "a.h5", score=np.arange(10))
    with (
        FeatureStore(tmp_path / "a.h5") as store,
        pytest.raises(NoRatings, match=r"a\.h5: holds no ratings$"),
    ):
        store.rated()


def test_columns_that_were_not_given_are_none(tmp_path):
    write(tmp_path / "a.h5", label=None)
    with FeatureStore(tmp_path / "a.h5") as store:
        for name in ALL_COLUMNS:
            assert getattr(store, name) is None
        assert store.failed == [] and store.attributes == {}


def test_plain_h5py_reads_a_store_in_three_lines(tmp_path):
    features, paths, _ = write(tmp_path / "features.h5", label=[0, 1] * 5, failures=[("a", "b")])
    script = """
        import h5py
        store = h5py.File("features.h5")
        X, y, paths = store["features"][:], store["label"][:], store["path"].asstr()[:]

        import sys
        assert "features" not in sys.modules
        print(X.sum(dtype=float), y.tolist(), paths[3], store["failed"][0]["reason"].decode())
    """
    output = subprocess.run(
        [sys.executable, "-I", "-c", textwrap.dedent(script)],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert output == f"{features.sum(dtype=float)} {[0, 1] * 5} {paths[3]} b\n"


def test_float16_features_are_kept_as_float16(tmp_path):
    features, *_ = write(tmp_path / "a.h5", dtype="float16")
    with FeatureStore(tmp_path / "a.h5") as store:
        assert store.features.dtype == np.float16
        np.testing.assert_array_equal(store.features[:], features.astype(np.float16))


def test_a_store_is_little_more_than_its_features(tmp_path):
    with StoreWriter(tmp_path / "store.h5", 250) as writer:
        features = np.random.default_rng(0).random((2048, 250), np.float32)
        writer.append(features, ["2026/11/23/photo-0123456789.jpg"] * 2048, ["0" * 32] * 2048)
    assert 1 < (tmp_path / "store.h5").stat().st_size / features.nbytes < 1.3


def test_strange_names_survive(tmp_path):
    names = ["two\nlines.jpg", os.fsdecode(b"caf\xe9.jpg"), "каша.jpg", " "]
    with StoreWriter(tmp_path / "a.h5", 1) as writer:
        writer.append(np.zeros((4, 1)), names, ["0" * 32] * 4)
        for name in names:
            writer.fail(name, "grün")
        writer.fail("nul\0.jpg", "embedded null byte")
    with FeatureStore(tmp_path / "a.h5") as store:
        assert store.paths.tolist() == names
        assert store.failed[:4] == [(name, "grün") for name in names]
        assert store.failed[4] == ("nul\\0.jpg", "embedded null byte")


def test_texts_of_later_batches_may_be_longer(tmp_path):
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


def test_a_store_of_failures_only_can_be_read(tmp_path):
    with StoreWriter(tmp_path / "a.h5", 5) as writer:
        writer.fail("a.jpg", "an empty file")
    with FeatureStore(tmp_path / "a.h5") as store:
        assert len(store) == 0 and store.features.shape == (0, 5)
        assert store.paths.tolist() == [] and store.digests.tolist() == []
        assert store.failed == [("a.jpg", "an empty file")]


any_text = st.text(st.characters(exclude_categories=[]))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(json_values)
def test_attributes_come_back_as_they_were(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "attributes.h5"
    with StoreWriter(path, 1, attributes={"value": value, "b": 2}, force=True):
        pass
    with FeatureStore(path) as store:
        assert store.attributes == {"value": value, "b": 2}
        assert type(store.attributes["value"]) is type(value)


@pytest.mark.parametrize(
    "text", ["[1]", '"', '"a"', "null", "{", "1", "true", "", "a\0b", "caf\udce9.jpg", "two\nlines"]
)
def test_text_that_hdf5_or_json_would_change_stays_as_it_is(tmp_path, text):
    write(tmp_path / "a.h5", attributes={"text": text})
    with FeatureStore(tmp_path / "a.h5") as store:
        assert store.attributes == {"text": text}


def test_the_digests_of_a_hundred_thousand_photos_fit_into_the_attributes(tmp_path):
    digests = [f"{i:032x}" for i in range(100_000)]
    write(tmp_path / "a.h5", attributes={"network": {"finetuned_on": digests}})
    with FeatureStore(tmp_path / "a.h5") as store:
        assert store.attributes["network"]["finetuned_on"] == digests


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": np.zeros((2, 7))}, "features needs rows of shape"),
        ({"paths": ["a"]}, "columns of one length"),
        ({"votes": np.zeros((2, 3))}, "votes needs rows of shape"),
        ({"votes": None}, "every batch needs"),
        ({"label": [1, 1]}, "every batch needs"),
        ({"colour": [1, 1]}, "'colour'.* are none of"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused_and_leaves_nothing(tmp_path, change, message):
    good = dict(zip(("features", "paths", "digests"), batch(2)), votes=np.zeros((2, 10)))
    with pytest.raises(ValueError, match=message), StoreWriter(tmp_path / "a.h5", 6) as writer:
        writer.append(**good)
        writer.append(**(good | change))
    assert os.listdir(tmp_path) == []


def test_an_existing_file_is_replaced_only_with_force(tmp_path):
    path = tmp_path / "a.h5"
    write(path, n=3)
    before = path.read_bytes()
    with pytest.raises(AlreadyThere, match=r"a\.h5: is there already; choose another name$"):
        StoreWriter(path, 6)
    assert path.read_bytes() == before
    with StoreWriter(path, 6, force=True) as writer:
        writer.append(*batch(5))
        with FeatureStore(path) as store:  # The old one is there until the new one is whole.
            assert len(store) == 3
    with FeatureStore(path) as store:
        assert len(store) == 5
    assert os.listdir(tmp_path) == ["a.h5"]


def test_a_store_that_another_run_wrote_in_the_meantime_is_not_replaced(tmp_path):
    path = tmp_path / "a.h5"
    with pytest.raises(InputError, match="in the meantime"), StoreWriter(path, 6) as writer:
        writer.append(*batch(5))
        write(path, n=3)
    with FeatureStore(path) as store:
        assert len(store) == 3
    assert os.listdir(tmp_path) == ["a.h5"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_store_leaves_nothing(tmp_path, error):
    with pytest.raises(error), StoreWriter(tmp_path / "a.h5", 6) as writer:
        writer.append(*batch(5))
        raise error
    assert os.listdir(tmp_path) == []


def test_ctrl_c_in_the_midst_of_a_write_leaves_a_whole_store_or_none(tmp_path):
    script = """
        import os, signal
        import numpy as np
        from features import store
        from features.store.writer import _Disk

        # A shell that runs the tests in the background lets them ignore Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)

        write = _Disk.write
        def interrupted_write(disk, data):
            global n_writes
            n_writes += 1
            if n_writes == moment:
                signal.raise_signal(signal.SIGINT)
            return write(disk, data)
        _Disk.write = interrupted_write

        rows = np.random.default_rng(0).random((300, 250), np.float32)
        for moment in range(1, 60):
            n_writes, interrupted = 0, False
            try:
                with store.StoreWriter("a.h5", 250) as writer:
                    for _ in range(4):
                        writer.append(rows, ["a"] * 300, ["b"] * 300)
            except KeyboardInterrupt:
                interrupted = True
            assert interrupted or n_writes < moment
            assert os.listdir(".") in (["a.h5"], [])
            if os.path.exists("a.h5"):
                with store.FeatureStore("a.h5") as whole:
                    assert np.array_equal(whole.features[:], np.tile(rows, (4, 1)))
                os.remove("a.h5")
        assert 10 < n_writes < moment, n_writes
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("batch_rows", [1, 64, 2000])
def test_a_full_disk_gives_one_line_and_leaves_nothing(tmp_path, batch_rows):
    # A limit on the file's size stops HDF5 in mid-write as a full disk does, where it would
    # crash the process, or print pages while Python ends.
    script = f"""
        import resource, sys
        import numpy as np
        from features.errors import InputError
        from features.store import StoreWriter
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        rows = np.ones(({batch_rows}, 250)), ["a"] * {batch_rows}, ["b"] * {batch_rows}
        try:
            with StoreWriter("a.h5", 250) as writer:
                for _ in range(2000 // {batch_rows}):
                    writer.append(*rows)
        except InputError as error:
            sys.exit(f"{{error}}")
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "a.h5: cannot be written: File too large\n")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/a\.h5: cannot be written: .+"):
        StoreWriter(tmp_path / "file" / "a.h5", 6)
    with pytest.raises(InputError, match=r"cannot be written: .+"):
        StoreWriter("/proc/a.h5", 6)


def test_a_missing_folder_is_made(tmp_path):
    write(tmp_path / "new" / "deep" / "a.h5")
    assert os.listdir(tmp_path / "new" / "deep") == ["a.h5"]


def test_a_new_store_has_the_permissions_of_any_new_file(tmp_path):
    write(tmp_path / "a.h5")
    (tmp_path / "other").touch()
    assert os.stat(tmp_path / "a.h5").st_mode == os.stat(tmp_path / "other").st_mode


def test_readmes_three_lines_read_any_name(tmp_path):
    names = ["a.jpg", os.fsdecode(b"caf\xe9.jpg"), "Köln.jpg"]
    with StoreWriter(tmp_path / "features.h5", 2) as writer:
        writer.append(np.zeros((3, 2)), names, ["0" * 32, "1" * 32, "2" * 32])
    store = h5py.File(tmp_path / "features.h5")
    read = store["path"].asstr()[:].tolist()
    assert [read[0], read[2]] == [names[0], names[2]]
    assert FeatureStore(tmp_path / "features.h5").paths.tolist() == names
