import json
import os
import resource
import shutil

import h5py
import numpy as np
import pytest
from stores import complaint, write

from features.errors import InputError
from features.store import SCHEMA_VERSION, FeatureStore, merge_stores, write_manifest


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
