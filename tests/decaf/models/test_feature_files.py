"""Feature files are compared on the photos that they share, and find their networks."""

import h5py
import numpy as np
import pytest
from feature_stores import NETWORK, N, write_network, write_store

from decaf.extraction.feature_file import extract_features
from decaf.extraction.feature_network import PlainBackbone
from decaf.models.feature_files import file_sources
from features.errors import InputError, NoNetwork, NoNetworkFile, NoRatings, NoWeightsFile
from features.ratings import read_ratings
from features.store import FeatureStore, merge_stores, write_manifest


def test_a_file_is_a_feature_set_of_its_rated_photos(tmp_path):
    store = write_store(tmp_path / "features.h5", finetuned=np.arange(N) < 20)
    sources = file_sources([store])
    (source,) = sources.by_name.values()
    with FeatureStore(store) as opened:
        np.testing.assert_array_equal(source.feature_set.X, opened.features[:])
        np.testing.assert_array_equal(sources.rated.label, opened.label)
        np.testing.assert_array_equal(sources.rated.digests, opened.digests)
    assert source.feature_set.name == "features" and source.feature_set.transformer is None
    assert sources.rated.midpoint == 5
    assert sources.rated.finetuned.sum() == 20
    assert sources.facts["photos"] == "60, 50% professional"
    assert file_sources([store], midpoint=4.5).rated.midpoint == 4.5


def test_several_files_are_of_the_photos_that_are_in_all_of_them(tmp_path):
    one = write_store(tmp_path / "one.h5", rows=slice(0, 50), finetuned=np.arange(N) < 3)
    two = write_store(tmp_path / "two.h5", rows=np.arange(N)[::-1], n_features=3)
    sources = file_sources([one, two])
    assert list(sources.by_name) == ["one", "two"]
    assert sources.n_left_out == 10
    assert sources.facts["left out, not in every file"] == "10"
    assert len(sources.rated) == 50
    assert sources.rated.finetuned.sum() == 3
    with FeatureStore(two) as opened:
        place = opened.digests.tolist().index(sources.rated.digests[7])
        np.testing.assert_array_equal(
            sources.by_name["two"].feature_set.X[7], opened.features[place]
        )


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_store(tmp_path / folder / "f.h5")
    paths = [tmp_path / "a" / "f.h5", tmp_path / "b" / "f.h5"]
    assert list(file_sources(paths).by_name) == [str(path) for path in paths]


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    one = write_store(tmp_path / "one.h5", rows=slice(0, 30))
    others = write_store(tmp_path / "two.h5", rows=slice(30, 60))
    with pytest.raises(InputError, match=r"two\.h5: no photo is in all of them; compare"):
        file_sources([one, others])
    label = np.repeat([0, 1], N // 2).astype(np.int8)
    otherwise = write_store(tmp_path / "otherwise.h5", label=label)
    with pytest.raises(InputError, match=r"otherwise\.h5: rates photos otherwise than .*one\.h5"):
        file_sources([one, otherwise])
    with pytest.raises(InputError, match=r"one\.h5: give each feature file once"):
        file_sources([one, one])


def test_a_file_that_cannot_be_judged_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"missing\.h5: there is no such file"):
        file_sources([tmp_path / "missing.h5"])
    (tmp_path / "foreign.h5").write_bytes(b"no HDF5")
    with pytest.raises(InputError, match=r"foreign\.h5: "):
        file_sources([tmp_path / "foreign.h5"])
    with pytest.raises(NoRatings, match=r"unrated\.h5: holds no ratings"):
        file_sources([write_store(tmp_path / "unrated.h5", label=None)])
    store = write_store(tmp_path / "features.h5")
    with h5py.File(store, "r+") as file:
        file["features"][7, 2] = np.nan
    with pytest.raises(InputError, match=r"features\.h5: row 7 \(photo 7\.jpg\) holds features"):
        file_sources([store])


def test_the_network_that_gave_the_features_is_kept(tmp_path):
    attributes = NETWORK | {"midpoint": 5.0, "versions": {"keras": "4"}}
    store = write_store(tmp_path / "features.h5", n_features=8, attributes=attributes)
    other = write_store(tmp_path / "other.h5", n_features=3)
    path = write_network(tmp_path / "net.keras")
    rows = np.arange(5)
    network, features = file_sources([store, other], [path]).by_name["features"].fit_network(rows)
    assert network.record.history == ({"epoch": 1, "loss": 0.5},)
    with FeatureStore(store) as opened:
        np.testing.assert_array_equal(features, opened.features[:5])


def test_a_network_that_did_not_give_the_features_is_refused(tmp_path):
    store = write_store(tmp_path / "features.h5", n_features=8, attributes=NETWORK)
    path = write_network(tmp_path / "net.keras", history=({"epoch": 1, "loss": 0.4},))
    told = r"net\.keras: did not give the features features, whose network has other history"
    with pytest.raises(InputError, match=told):
        file_sources([store], [path])


def test_a_folder_of_shards_is_a_feature_set_as_a_file_is(tmp_path):
    whole = write_store(tmp_path / "whole.h5")
    folder = tmp_path / "folder.h5"
    folder.mkdir()
    for name, rows in (("0.h5", slice(0, 40)), ("1.h5", slice(40, N))):
        write_store(folder / name, rows=rows)
    write_manifest(folder, ["0.h5", "1.h5"], {"midpoint": 5.0})
    one, other = file_sources([whole]), file_sources([folder])
    (source,) = other.by_name.values()
    assert source.feature_set.name == "folder"
    assert other.rated.label.tolist() == one.rated.label.tolist()
    both = file_sources([whole, folder])
    first, second = (source.feature_set.X for source in both.by_name.values())
    np.testing.assert_array_equal(first, second)


def test_a_network_that_is_not_at_hand_is_named(tmp_path):
    store = write_store(tmp_path / "features.h5", n_features=8, attributes=NETWORK)
    (source,) = file_sources([store]).by_name.values()
    with pytest.raises(NoNetworkFile, match=r"features features are of the network net\.keras"):
        source.fit_network(np.arange(5))
    (source,) = file_sources([write_store(tmp_path / "described.h5")]).by_name.values()
    with pytest.raises(NoNetwork, match="the features described are not a network's"):
        source.fit_network(np.arange(5))


def test_a_plain_backbone_is_built_again(tmp_path, samples):
    store = tmp_path / "plain.h5"
    backbone = PlainBackbone("alexnet-owt", "average", 2)
    rated = read_ratings(samples / "ratings.csv")
    extract_features(rated, backbone, store, precision="float32", progress=False)
    (source,) = file_sources([store]).by_name.values()
    network, features = source.fit_network(np.arange(5))
    assert network.record.kind == "backbone"
    assert (network.record.width, network.record.blocks) == (features.shape[1], 2)
    with FeatureStore(store) as opened:
        attributes = opened.attributes | {"weights": "own.npy"}
    merge_stores([store], tmp_path / "other.h5", attributes=attributes)
    (source,) = file_sources([tmp_path / "other.h5"]).by_name.values()
    with pytest.raises(NoWeightsFile, match=r"features other are of the weights own\.npy"):
        source.fit_network(np.arange(5))


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("label", np.full(N, 7, "i1"), "row 0: its label is neither 0 nor 1"),
        ("score", np.where(np.arange(N) == 3, np.nan, 1.0), "row 3: its score is no finite number"),
        ("votes", np.full((N, 3), -1), "row 0: its votes are below 0"),
        ("digest", np.full(N, b"../../etc/passwd" * 2), "row 0: its digest is none"),
        ("features", np.full((N, 6), 3e38, "f4"), r"row 0 .* beyond ±1e\+15"),
        ("features", np.full((N, 6), 2.5, "f4"), "holds the same features for all photos"),
    ],
)
def test_ratings_and_features_that_are_none_are_refused_with_the_file(tmp_path, name, values, told):
    store = write_store(tmp_path / "f.h5", votes=np.ones((N, 3), int))
    with h5py.File(store, "r+") as file:
        del file[name]
        file[name] = values
    with pytest.raises(InputError, match=rf"f\.h5: {told}"):
        file_sources([store])


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"midpoint": "5"}, "midpoint must be a number, or none, not '5'"),
        ({"scale": 5}, "scale must be a list of 2"),
        ({"scale": [1, [5]]}, "scale must be a list of 2"),
    ],
)
def test_a_scale_that_is_none_is_refused_with_the_file(tmp_path, attributes, told):
    store = write_store(tmp_path / "f.h5", attributes=attributes)
    with pytest.raises(InputError, match=rf"f\.h5: {told}"):
        file_sources([store])


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"pooling": "../../cache"}, "pooling must be"),
        ({"backbone": ["vgg16"]}, "backbone must be a text"),
        ({"blocks": 99}, "blocks must be 1 to 5"),
    ],
)
def test_a_plain_backbone_that_a_file_tells_of_is_checked_before_it_is_built(
    tmp_path, changed, told
):
    plain = {"backbone": "vgg16", "pooling": "average", "blocks": 1, "resize": "squash"}
    store = write_store(tmp_path / "f.h5", attributes=plain | changed)
    (source,) = file_sources([store]).by_name.values()
    with pytest.raises(InputError, match=f"the features f: {told}"):
        source.fit_network(np.arange(3))
