import errno
import json
import multiprocessing
import os
import re
import resource
import shutil
import subprocess
import sys
import textwrap
from dataclasses import fields

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import AlreadyThere, InputError, NoRatings
from features.ratings import RatedPhotos
from features.store import SCHEMA_VERSION, FeatureStore, StoreWriter, merge_stores, write_manifest

RANDOM = np.random.default_rng(0)


def batch(n, n_features=6, first=0):
    return (
        RANDOM.normal(size=(n, n_features)).astype(np.float32),
        [f"folder/photo {first + i}.jpg" for i in range(n)],
        [f"{first + i:032x}" for i in range(n)],
    )


def write(
    path, n=10, n_features=6, first=0, failures=(), attributes=None, dtype="float32", **columns
):
    rows = batch(n, n_features, first)
    with StoreWriter(path, n_features, dtype=dtype, attributes=attributes) as writer:
        writer.append(*rows, **columns)
        for failure in failures:
            writer.fail(*failure)
    return rows


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


# Reading what is no store


def complaint(path):
    with pytest.raises(InputError) as caught:
        FeatureStore(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text
    return text


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


# Merging


@pytest.fixture
def parts(tmp_path):
    paths = [tmp_path / "0.h5", tmp_path / "1.h5", tmp_path / "2.h5"]
    rows = [
        write(paths[0], 4, first=0, attributes={"width": 6}, failures=[("x", "no")], label=[0] * 4),
        write(paths[1], 1, first=4, attributes={"width": 6}, label=[1]),
        write(paths[2], 5, first=5, attributes={"width": 6}, failures=[("y", "no")], label=[1] * 5),
    ]
    features = np.vstack([features for features, _, _ in rows])
    names = np.concatenate([names for _, names, _ in rows]).astype(object)
    digests = np.concatenate([digests for _, _, digests in rows])
    return paths, features, names, digests


@pytest.mark.parametrize("copy_bytes", [2**24, (24 + 256) * 3])
def test_merging_concatenates_rows_and_failures(tmp_path, parts, monkeypatch, copy_bytes):
    monkeypatch.setattr("features.store.merging._COPY_BYTES", copy_bytes)
    paths, features, names, digests = parts
    merge_stores(paths, tmp_path / "all.h5")
    with FeatureStore(tmp_path / "all.h5") as store:
        np.testing.assert_array_equal(store.features[:], features)
        assert store.paths.tolist() == names.tolist()
        assert store.digests.tolist() == digests.tolist()
        assert store.label.tolist() == [0] * 4 + [1] * 6
        assert store.failed == [("x", "no"), ("y", "no")]
        assert store.attributes == {"width": 6}


def test_merging_takes_ratings_and_attributes_from_the_caller(tmp_path, parts):
    ratings = {"score": np.arange(10), "group": [f"g{i}" for i in range(10)]}
    merge_stores(parts[0], tmp_path / "all.h5", ratings=ratings, attributes={"a": [1]})
    with FeatureStore(tmp_path / "all.h5") as store:
        assert store.score.tolist() == list(range(10))
        assert store.group.tolist() == ratings["group"]
        assert store.label is None
        assert store.attributes == {"a": [1]}
    with pytest.raises(ValueError, match="label has 3 rows, the merged store 10"):
        merge_stores(parts[0], tmp_path / "b.h5", ratings={"label": [1, 2, 3]})


def test_stores_without_a_row_are_merged_with_their_columns(tmp_path):
    for name in ("0.h5", "1.h5"):
        write(tmp_path / name, 0, label=np.zeros(0), group=[])
    merge_stores([tmp_path / "0.h5", tmp_path / "1.h5"], tmp_path / "all.h5")
    with FeatureStore(tmp_path / "all.h5") as store:
        assert len(store) == len(store.label) == len(store.group) == 0


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            {"n_features": 5, "label": [1]},
            r"features of float32 × \(5,\).*features of float32 × \(6,\)",
        ),
        ({"dtype": "float16", "label": [1]}, "features of float16 .*features of float32 "),
        ({}, r"no label.*0\.h5 has label of int8"),
        ({"label": [1], "score": [2.0]}, r"has score of float64.*0\.h5 has no score"),
    ],
)
def test_stores_that_differ_are_not_merged(tmp_path, parts, other, message):
    write(tmp_path / "other.h5", 1, **other)
    with pytest.raises(InputError, match=rf"other\.h5: .*{message}"):
        merge_stores([*parts[0], tmp_path / "other.h5"], tmp_path / "all.h5")
    assert not (tmp_path / "all.h5").exists()


def test_merging_refuses_what_is_there_missing_or_nothing(tmp_path, parts):
    with pytest.raises(InputError, match="is there already"):
        merge_stores(parts[0], parts[0][1])
    with pytest.raises(InputError, match="there is no such file"):
        merge_stores([*parts[0], tmp_path / "gone.h5"], tmp_path / "all.h5")
    with pytest.raises(InputError, match="no stores to merge"):
        merge_stores([], tmp_path / "all.h5")
    merge_stores(parts[0], parts[0][0], force=True)
    with FeatureStore(parts[0][0]) as store:
        assert len(store) == 10


# Folders of shards


@pytest.fixture
def folder(tmp_path, parts):
    """A folder of shards, and all their features."""
    folder = tmp_path / "all" / "50%b.h5"
    folder.mkdir(parents=True)
    names = [os.path.basename(shutil.copy(path, folder)) for path in parts[0]]
    write_manifest(folder, names, {"width": 6})
    return folder, parts[1]


def test_a_folder_presents_its_shards_as_merging_them_would(tmp_path, parts, folder):
    merge_stores(parts[0], tmp_path / "all.h5")
    with FeatureStore(tmp_path / "all.h5") as merged, FeatureStore(folder[0]) as store:
        np.testing.assert_array_equal(store.features[:], merged.features[:])
        np.testing.assert_array_equal(np.asarray(store.features), merged.features[:])
        assert store.features.shape == merged.features.shape
        assert store.features.dtype == merged.features.dtype
        for name in ("paths", "digests", "label"):
            assert getattr(store, name).tolist() == getattr(merged, name).tolist()
        assert store.score is merged.score is None
        assert store.failed == merged.failed
        assert store.attributes == merged.attributes
        assert [path.name for path in store.shards] == ["0.h5", "1.h5", "2.h5"]
        assert merged.shards is None


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize(
    "rows",
    [
        slice(3, 8),
        slice(None, None, -2),
        slice(1, None, 3),
        slice(5, 5),
        4,
        -1,
        [9, 0, 4, 4],
        [[1, 2], [9, 1]],
        np.arange(10) % 3 == 0,
        np.array([], int),
    ],
)
def test_rows_are_those_that_numpy_would_take(parts, folder, tmp_path, rows, kind):
    path, features = folder
    if kind == "file":
        path = tmp_path / "all.h5"
        merge_stores(parts[0], path)
    with FeatureStore(path) as store:
        found = store.features[rows]
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, features[rows])
        np.testing.assert_array_equal(store.features[rows, 2], features[rows, 2])
        np.testing.assert_array_equal(store.features[rows, 1:4], features[rows, 1:4])


def test_plain_h5py_reads_a_folder_in_a_loop_wherever_it_was_moved(folder, tmp_path):
    path, features = folder
    moved = path.rename(tmp_path / "moved")
    shards = [h5py.File(shard) for shard in sorted(moved.glob("*.h5"))]
    np.testing.assert_array_equal(np.vstack([shard["features"][:] for shard in shards]), features)
    with FeatureStore(moved) as store:
        np.testing.assert_array_equal(store.features[:], features)


def test_texts_of_a_folder_may_be_wider_in_one_shard_than_in_another(tmp_path):
    write(tmp_path / "0.h5", 2, group=["a", "b"])
    write(tmp_path / "1.h5", 2, group=["wider", "ä"])
    write_manifest(tmp_path, ["1.h5", "0.h5"], {})
    with FeatureStore(tmp_path) as store:
        assert store.group.tolist() == ["wider", "ä", "a", "b"]
    write_manifest(tmp_path, ["0.h5", "1.h5"], {})
    with FeatureStore(tmp_path) as store:
        assert store.group.tolist() == ["a", "b", "wider", "ä"]


def test_a_folder_of_more_shards_than_files_can_be_open_is_read_whole(tmp_path):
    for number in range(20):
        write(tmp_path / f"{number:02}.h5", 2, first=2 * number)
    shards = sorted(tmp_path.glob("*.h5"))
    merge_stores(shards, tmp_path / "all" / "all.h5")
    write_manifest(tmp_path, [shard.name for shard in shards], {})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = max(map(int, os.listdir("/proc/self/fd"))) + 10
    with FeatureStore(tmp_path / "all" / "all.h5") as merged, FeatureStore(tmp_path) as store:
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
        try:
            np.testing.assert_array_equal(store.features[:], merged.features[:])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_folder_without_a_manifest_or_one_of_its_shards_is_refused(folder):
    path, _ = folder
    shard = path / "1.h5"
    content = shard.read_bytes()
    shard.write_bytes(content[:-1])
    assert complaint(path).endswith(
        "50%b.h5: its shard 1.h5 is not the one it was made of; extract the features anew"
    )
    shard.unlink()
    assert complaint(path).endswith("50%b.h5: its shard 1.h5 is missing")
    (path / "shards.json").unlink()
    assert "is not a feature store (it has no shards.json, which is written when" in complaint(path)


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": None},
        {"schema_version": SCHEMA_VERSION + 1},
        {"made_by": []},
        {"made_by": None},
        {"shards": []},
        {"shards": [1]},
        {"shards": [{"name": "0.h5"}]},
        {"shards": [{"name": "../0.h5", "rows": 4, "bytes": 9, "photos": ""}]},
        {"shards": [{"name": "0.h5", "rows": "4", "bytes": 9, "photos": ""}]},
        {"shards": [{"name": 0, "rows": 4, "bytes": 9, "photos": ""}]},
        {"shards": [{"name": "0.h5", "rows": -1, "bytes": 9, "photos": ""}]},
        {"shards": [{"name": "0.h5", "rows": 10**15, "bytes": 9, "photos": ""}]},
    ],
)
def test_a_manifest_that_is_none_is_refused_in_one_line(folder, change):
    path, _ = folder
    manifest = json.loads((path / "shards.json").read_text())
    (path / "shards.json").write_text(json.dumps(manifest | change))
    told = "is not a whole feature store: see shards.json in it"
    assert told in complaint(path) or "schema version" in complaint(path)
    for content in (json.dumps(manifest)[:-9], "[" * 100_000, "[]"):
        (path / "shards.json").write_text(content)
        assert told in complaint(path)


@pytest.mark.parametrize(
    "first, n, column", [(20, 5, "label"), (6, 5, "label"), (5, 4, "label"), (5, 5, "finetuned")]
)
def test_a_shard_that_was_rewritten_is_refused_when_its_rows_are_read(
    folder, tmp_path, first, n, column
):
    path, features = folder
    shard = path / "2.h5"
    shard.unlink()
    write(shard, n, first=first, attributes={"width": 6}, **{column: [1] * n})
    manifest = json.loads((path / "shards.json").read_text())
    manifest["shards"][2]["bytes"] = shard.stat().st_size
    (path / "shards.json").write_text(json.dumps(manifest))
    with FeatureStore(path) as store:
        np.testing.assert_array_equal(store.features[:5], features[:5])
        for rows in (slice(None), slice(8, 10), 9, [9, 0, 4], np.arange(10) > 8):
            with pytest.raises(InputError) as caught:
                store.features[rows]
            assert str(caught.value) == (
                f"{path}: its shard 2.h5 is not the one it was made of; extract the features anew"
            )
        for name in ("paths", "label", "failed"):
            with pytest.raises(InputError, match="is not the one it was made of"):
                getattr(store, name)
    with pytest.raises(InputError, match="is not the one it was made of"):
        merge_stores([path], tmp_path / "all.h5")
    assert not (tmp_path / "all.h5").exists()


def test_shards_that_differ_make_no_folder(tmp_path, parts):
    write(tmp_path / "other.h5", 1, n_features=5, label=[1])
    with pytest.raises(InputError, match=r"other\.h5: has features of float32 × \(5,\), but "):
        write_manifest(tmp_path, ["0.h5", "other.h5"], {})
    with pytest.raises(InputError, match="there are no shards"):
        write_manifest(tmp_path, [], {})
    assert not (tmp_path / "shards.json").exists()


def test_a_folder_can_be_merged_into_one_file(folder, tmp_path):
    path, features = folder
    merge_stores([path], tmp_path / "all.h5")
    shutil.rmtree(path)
    with FeatureStore(tmp_path / "all.h5") as store:
        np.testing.assert_array_equal(store.features[:], features)


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


def test_readmes_three_lines_read_any_name(tmp_path):
    names = ["a.jpg", os.fsdecode(b"caf\xe9.jpg"), "Köln.jpg"]
    with StoreWriter(tmp_path / "features.h5", 2) as writer:
        writer.append(np.zeros((3, 2)), names, ["0" * 32, "1" * 32, "2" * 32])
    store = h5py.File(tmp_path / "features.h5")
    read = store["path"].asstr()[:].tolist()
    assert [read[0], read[2]] == [names[0], names[2]]
    assert FeatureStore(tmp_path / "features.h5").paths.tolist() == names
