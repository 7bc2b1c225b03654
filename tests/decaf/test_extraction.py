import json
import shutil

import h5py
import numpy as np
import pytest

from decaf import extraction
from decaf.activations import cached_activations
from decaf.backbones import build_activations
from decaf.extraction import extract_features
from decaf.pipeline import run_network
from features.errors import InputError
from features.photos import file_digest
from features.store import FeatureStore

ATTRIBUTES = {"backbone": "alexnet-owt", "width": 192}


@pytest.fixture(scope="module")
def model():
    return build_activations("alexnet-owt", ("average",), blocks=2)


@pytest.fixture
def photos(samples):
    return sorted(samples.glob("*.jpg"))[:12]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(extraction, "SHARD_ROWS", 5)


def extract(photos, output, model, **options):
    names = [str(getattr(photo, "name", photo)) for photo in photos]
    options = {"attributes": ATTRIBUTES, "progress": False, "cache": output.parent} | options
    return extract_features(
        names, [str(photo) for photo in photos], output, model, as_they_are, 192, **options
    )


def as_they_are(activations):
    return np.float32(activations), {"predicted_mean": activations[:, 0] + 1.0}


def datasets(path):
    with h5py.File(path) as store:
        return {name: store[name][:] for name in store}


def test_rows_are_the_photos_in_their_order_with_their_ratings(model, photos, tmp_path):
    score, label = np.linspace(1, 9, 12), np.arange(12) % 2
    output = tmp_path / "features.h5"
    finetuned = frozenset([file_digest(photos[3])])
    extract(photos, output, model, columns={"score": score, "label": label}, finetuned=finetuned)
    direct = run_network([str(photo) for photo in photos], model)
    with FeatureStore(output) as store:
        assert store.paths.tolist() == [photo.name for photo in photos]
        assert store.digests.tolist() == direct.digests
        np.testing.assert_array_equal(store.score, score)
        np.testing.assert_array_equal(store.label, label)
        np.testing.assert_array_equal(store.finetuned, np.arange(12) == 3)
        np.testing.assert_allclose(
            store.features[:], direct.activations["average"], rtol=2e-3, atol=2e-3
        )
        assert store.attributes["backbone"] == "alexnet-owt"
    assert not (tmp_path / "features.h5.parts").exists()


def test_photos_that_cannot_be_read_are_listed_and_their_ratings_left_out(model, photos, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    mixed = [photos[0], tmp_path / "broken.jpg", *photos[1:5]]
    n_rows, failed = extract(mixed, tmp_path / "f.h5", model, columns={"score": np.arange(6.0)})
    assert n_rows == 5
    assert [name for name, _ in failed] == ["broken.jpg"]
    with FeatureStore(tmp_path / "f.h5") as store:
        assert store.score.tolist() == [0, 2, 3, 4, 5]


def test_a_shard_without_a_readable_photo_does_not_end_the_run(model, photos, tmp_path):
    broken = []
    for number in range(5):
        broken.append(tmp_path / f"broken{number}.jpg")
        broken[-1].write_bytes(b"no photo")
    n_rows, failed = extract([*broken, *photos[:3]], tmp_path / "f.h5", model)
    assert (n_rows, len(failed)) == (3, 5)
    with FeatureStore(tmp_path / "f.h5") as store:
        np.testing.assert_allclose(store.predicted_mean, store.features[:, 0] + 1, rtol=1e-3)


def test_an_interrupted_run_goes_on_and_ends_as_an_uninterrupted_one(
    model, photos, tmp_path, monkeypatch
):
    extract(photos, tmp_path / "whole.h5", model)
    ran, run = [], extraction.read_or_run

    def interrupted(paths, *args, **kwargs):
        if len(ran) == 10:
            raise KeyboardInterrupt
        ran.extend(paths)
        return run(paths, *args, **kwargs)

    monkeypatch.setattr(extraction, "read_or_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        extract(photos, tmp_path / "f.h5", model)
    assert not (tmp_path / "f.h5").exists()
    ran.clear()
    extract(photos, tmp_path / "f.h5", model)
    assert ran == [str(photo) for photo in photos[10:]]
    whole, resumed = datasets(tmp_path / "whole.h5"), datasets(tmp_path / "f.h5")
    assert whole.keys() == resumed.keys()
    for name in whole:
        np.testing.assert_array_equal(whole[name], resumed[name])


def test_an_unfinished_run_with_other_settings_is_not_gone_on_with(model, photos, tmp_path):
    parts = tmp_path / "f.h5.parts"
    parts.mkdir()
    (parts / "settings.json").write_text(json.dumps(ATTRIBUTES | {"width": 500}))
    with pytest.raises(InputError, match=r"f\.h5\.parts holds an unfinished run with width 500"):
        extract(photos, tmp_path / "f.h5", model)
    assert (parts / "settings.json").exists()


def test_other_photos_than_those_of_the_unfinished_run_are_extracted_anew(model, photos, tmp_path):
    extract(photos[:5], tmp_path / "g.h5", model)
    parts = tmp_path / "f.h5.parts"
    parts.mkdir()
    (parts / "settings.json").write_text(json.dumps(ATTRIBUTES))
    shutil.copy(tmp_path / "g.h5", parts / "000000.h5")
    extract(photos[5:10], tmp_path / "f.h5", model)
    with FeatureStore(tmp_path / "f.h5") as store:
        assert store.paths.tolist() == [photo.name for photo in photos[5:10]]


def test_an_output_that_is_there_is_kept_unless_forced(model, photos, tmp_path):
    extract(photos[:2], tmp_path / "f.h5", model)
    with pytest.raises(InputError, match=r"f\.h5 is there already: .* --force"):
        extract(photos[:3], tmp_path / "f.h5", model)
    extract(photos[:3], tmp_path / "f.h5", model, force=True)
    with FeatureStore(tmp_path / "f.h5") as store:
        assert len(store) == 3


def test_cached_activations_give_the_same_file_as_computed_ones(model, photos, tmp_path):
    extract(photos, tmp_path / "computed.h5", model, cache=tmp_path / "empty")
    cached_activations(
        [str(photo) for photo in photos], model, cache=tmp_path / "full", progress=False
    )
    extract(photos, tmp_path / "cached.h5", model, cache=tmp_path / "full")
    computed, cached = datasets(tmp_path / "computed.h5"), datasets(tmp_path / "cached.h5")
    np.testing.assert_allclose(cached["features"], computed["features"], rtol=2e-3, atol=2e-3)
    np.testing.assert_array_equal(cached["path"], computed["path"])
