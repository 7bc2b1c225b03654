import numpy as np
import pytest
from stores import write

from features.errors import InputError
from features.store import FeatureStore, merge_stores


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
