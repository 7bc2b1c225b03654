import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from decaf.extraction import activations as activations_module
from decaf.extraction import digests as digests_module
from decaf.extraction.activations import (
    cache_folders,
    cached_activations,
    index_shards,
    read_or_run,
)
from decaf.extraction.digests import digest_files
from decaf.extraction.forward_pass import run_network
from decaf.networks.convolutions import build_activations
from features import photos as photos_module
from features.errors import InputError
from features.store import FeatureStore


@pytest.fixture(scope="module")
def model():
    return build_activations("alexnet-owt", ("average", "multilevel"), blocks=2)


@pytest.fixture
def photos(samples, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in sorted(samples.glob("*.jpg"))[:12]:
        shutil.copy(path, folder)
    return sorted(str(path) for path in folder.glob("*.jpg"))


@pytest.fixture
def no_convolution(monkeypatch):
    """Fails the test as soon as a photo is to be run through a network."""

    def refuse(*args, **kwargs):
        raise AssertionError("the convolutions run again")

    return lambda: monkeypatch.setattr(activations_module, "run_network", refuse)


def cached(paths, model, cache, **options):
    return cached_activations(paths, model, cache=cache, progress=False, **options)


def test_cached_activations_are_those_of_the_network(model, photos, tmp_path):
    found = cached(photos, model, tmp_path / "cache")
    (direct,) = run_network([photos], model)
    for pooling in ("average", "multilevel"):
        np.testing.assert_array_equal(
            found[pooling].read(np.arange(12)), direct.activations[pooling]
        )
        assert found[pooling].digests.tolist() == direct.digests


def test_asking_again_runs_no_convolution(model, photos, tmp_path, no_convolution):
    first = cached(photos, model, tmp_path / "cache")["average"].read(np.arange(12))
    no_convolution()
    again = cached(photos[::-1], model, tmp_path / "cache")["average"].read(np.arange(12))
    np.testing.assert_array_equal(again, first[::-1])


def test_only_new_photos_are_run(model, photos, tmp_path, monkeypatch):
    cached(photos[:8], model, tmp_path / "cache")
    ran = []

    def spy(shards, *args, **kwargs):
        for paths in shards:
            ran.extend(paths)
            yield from run_network([paths], *args, **kwargs)

    monkeypatch.setattr(activations_module, "run_network", spy)
    found = cached(photos, model, tmp_path / "cache")["average"]
    assert ran == photos[8:]
    assert found.shape == (12, 192)


def test_shards_hold_at_most_their_rows_and_lose_none(model, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(activations_module, "SHARD_ROWS", 5)
    monkeypatch.setattr(activations_module, "_PIECE", 1)
    found = cached(photos, model, tmp_path / "cache", batch_size=4)["average"]
    shards, index = index_shards(cache_folders(model, "squash", tmp_path / "cache")["average"])
    assert sorted(len(FeatureStore(shard)) for shard in shards) == [2, 5, 5]
    assert len(index) == 12
    order = np.random.default_rng(0).permutation(12)
    (direct,) = run_network([photos], model)
    direct = direct.activations["average"]
    np.testing.assert_allclose(found.read(order), direct[order], rtol=2e-3, atol=2e-3)
    assert sorted(found.storage_order) == list(range(12))


def test_what_took_long_goes_to_a_shard_of_its_own(model, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(activations_module, "SHARD_SECONDS", 0.0)
    monkeypatch.setattr(activations_module, "_PIECE", 1)
    found = cached(photos, model, tmp_path / "cache", batch_size=4)["average"]
    shards, index = index_shards(cache_folders(model, "squash", tmp_path / "cache")["average"])
    assert [len(FeatureStore(shard)) for shard in shards] == [4, 4, 4]
    assert len(found) == len(index) == 12


def test_another_precision_resize_mode_or_network_has_another_cache(model, tmp_path):
    half = build_activations("alexnet-owt", ("average",), blocks=2, precision="bfloat16")
    cut = build_activations("alexnet-owt", ("average",), blocks=1)
    folders = {
        cache_folders(model, "squash", tmp_path)["average"],
        cache_folders(model, "pad", tmp_path)["average"],
        cache_folders(half, "squash", tmp_path)["average"],
        cache_folders(cut, "squash", tmp_path)["average"],
    }
    assert len(folders) == 4


def test_whatever_pooling_is_asked_for_with_others_it_has_one_cache(model, tmp_path):
    alone = build_activations("alexnet-owt", ("average",), blocks=2)
    both = cache_folders(model, "squash", tmp_path)
    assert cache_folders(alone, "squash", tmp_path)["average"] == both["average"]
    assert len(set(both.values())) == 2


def test_unreadable_photos_are_left_out_with_their_reasons(model, photos, tmp_path):
    (tmp_path / "photos" / "truncated.jpg").write_bytes(Path(photos[0]).read_bytes()[:900])
    asked = [str(tmp_path / "photos" / "truncated.jpg"), photos[0], str(tmp_path / "gone.jpg")]
    found = cached(asked, model, tmp_path / "cache")["average"]
    assert found.positions.tolist() == [1]
    assert [position for position, _ in found.failed] == [0, 2]
    assert found.shape == (1, 192)


def test_copies_of_a_photo_are_run_once_and_found_under_both_names(model, photos, tmp_path):
    copy = str(tmp_path / "photos" / "copy.jpg")
    shutil.copy(photos[0], copy)
    found = cached([photos[0], copy], model, tmp_path / "cache")["average"]
    rows = found.read(np.arange(2))
    np.testing.assert_array_equal(rows[0], rows[1])
    _, index = index_shards(cache_folders(model, "squash", tmp_path / "cache")["average"])
    assert len(index) == 1


def test_a_partly_filled_cache_and_an_empty_one_give_the_same_rows(photos, tmp_path):
    model = build_activations("alexnet-owt", ("average",), blocks=2)
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    asked = [*photos[:3], str(tmp_path / "broken.jpg"), *photos[3:]]
    folder = cache_folders(model, "squash", tmp_path / "cache")["average"]
    (fresh,) = read_or_run([asked], model, index_shards(folder))
    cached(photos[::2], model, tmp_path / "cache")
    shards = [asked, photos[:3:2], []]
    mixed, known, none = read_or_run(shards, model, index_shards(folder))
    assert mixed.positions == fresh.positions
    assert (known.positions, none.positions) == ([0, 1], [])
    np.testing.assert_array_equal(
        known.activations["average"], mixed.activations["average"][[0, 2]]
    )
    assert mixed.digests == fresh.digests
    assert list(mixed.failed) == list(fresh.failed) == [3]
    np.testing.assert_allclose(
        mixed.activations["average"], fresh.activations["average"], rtol=2e-3, atol=2e-3
    )


@pytest.fixture
def read(monkeypatch):
    """Paths of the files that were read, in the order of the reading."""
    read = []
    read_bytes = photos_module._read_bytes
    monkeypatch.setattr(
        photos_module, "_read_bytes", lambda path: read.append(str(path)) or read_bytes(path)
    )
    return read


def forget(monkeypatch):
    """What a new process does not know."""
    monkeypatch.setattr(digests_module, "_remembered", {})


def test_each_file_is_read_once(model, photos, tmp_path, read):
    cached(photos[:7], model, tmp_path / "cache")
    cached(photos, model, tmp_path / "cache")
    digests, _ = digest_files(photos, progress=False)
    assert sorted(read) == photos
    assert cached(photos, model, tmp_path / "cache")["average"].digests.tolist() == digests


def test_a_new_process_reads_each_file_once_and_decodes_new_photos_only(
    model, photos, tmp_path, read, monkeypatch
):
    first = cached(photos[:7], model, tmp_path / "cache")["average"]
    forget(monkeypatch)
    read.clear()
    decoded = []
    decode = photos_module._decode
    monkeypatch.setattr(
        photos_module, "_decode", lambda *given: decoded.append(given) or decode(*given)
    )
    again = cached(photos, model, tmp_path / "cache")["average"]
    assert sorted(read) == photos
    assert len(decoded) == 5
    assert again.digests.tolist()[:7] == first.digests.tolist()
    np.testing.assert_array_equal(again.read(np.arange(7)), first.read(np.arange(7)))


def test_a_file_that_changed_is_read_again(model, photos, tmp_path):
    before = cached(photos, model, tmp_path / "cache")["average"]
    shutil.copy(photos[1], photos[0])
    after = cached(photos, model, tmp_path / "cache")["average"]
    assert after.digests[0] == before.digests[1]
    np.testing.assert_array_equal(after.read(np.array([0])), before.read(np.array([1])))


def test_copies_of_a_photo_that_cannot_be_decoded_have_its_reason(model, photos, tmp_path):
    broken = [str(tmp_path / f"{number}.jpg") for number in range(3)]
    for path in broken:
        Path(path).write_bytes(Path(photos[0]).read_bytes()[:900])
    found = cached([*broken, photos[1]], model, tmp_path / "cache")["average"]
    assert found.positions.tolist() == [3]
    assert [position for position, _ in found.failed] == [0, 1, 2]
    assert len({reason for _, reason in found.failed}) == 1


def test_weights_are_hashed_once_and_shards_gone_through_when_they_have_changed(
    model, photos, tmp_path, monkeypatch
):
    hashed = []
    digest_of_graph = activations_module.digest_of_graph
    monkeypatch.setattr(
        activations_module,
        "digest_of_graph",
        lambda model: hashed.append(model) or digest_of_graph(model),
    )
    other = build_activations("alexnet-owt", ("average",), blocks=1)
    for _ in range(3):
        cached(photos[:4], other, tmp_path / "cache")
    assert [model.count_params() for model in hashed] == [other.count_params()]
    index = activations_module._index
    before = index.cache_info().misses
    cached(photos[:4], other, tmp_path / "cache")
    assert index.cache_info().misses == before
    cached(photos, other, tmp_path / "cache")
    assert index.cache_info().misses == before + 1


def test_a_cache_that_loses_what_is_written_to_it_ends_with_one_line(
    model, photos, tmp_path, monkeypatch
):
    monkeypatch.setattr(activations_module, "_write", lambda *given: None)
    with pytest.raises(InputError, match="activations that were written there are gone"):
        cached(photos, model, tmp_path / "cache")


def emptied(path):
    path.write_bytes(b"")


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def altered(path):
    """Other bytes among the features."""
    with h5py.File(path) as file:
        place = file["features"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 100 : place + 108] = b"\x11" * 8
    path.write_bytes(content)


def made_a_folder(path):
    path.unlink()
    path.mkdir()
    (path / "diary.txt").write_text("mine")


@pytest.mark.parametrize("damage", [emptied, truncated, altered, made_a_folder])
def test_a_damaged_shard_is_computed_anew_with_a_word(
    model, photos, tmp_path, damage, capsys, no_convolution
):
    first = cached(photos, model, tmp_path / "cache")["average"].read(np.arange(12))
    folder = cache_folders(model, "squash", tmp_path / "cache")["average"]
    (shard,) = folder.glob("*.h5")
    damage(shard)
    capsys.readouterr()
    again = cached(photos, model, tmp_path / "cache")["average"].read(np.arange(12))
    np.testing.assert_array_equal(again, first)
    assert capsys.readouterr().err == f"{shard}: is damaged; its photos are computed anew\n"
    (aside,) = folder.glob("*.damaged")
    assert aside.is_file() or (aside / "diary.txt").read_text() == "mine"
    no_convolution()
    cached(photos, model, tmp_path / "cache")
    assert capsys.readouterr().err == ""


def test_a_shard_that_was_being_written_when_that_was_killed_is_none_and_is_removed(
    model, photos, tmp_path, capsys
):
    folder = cache_folders(model, "squash", tmp_path / "cache")["average"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".other.01234567.part.h5").write_bytes(b"half")
    capsys.readouterr()
    cached(photos, model, tmp_path / "cache")
    assert capsys.readouterr().err == ""
    assert [path.name[0] == "." for path in folder.iterdir()] == [False]


@pytest.mark.parametrize("damage", [truncated, altered])
def test_a_damaged_shard_found_in_an_extraction_is_computed_anew_with_a_word(
    photos, tmp_path, damage, capsys
):
    model = build_activations("alexnet-owt", ("average",), blocks=2)
    expected = cached(photos, model, tmp_path / "cache")["average"].read(np.arange(12))
    folder = cache_folders(model, "squash", tmp_path / "cache")["average"]
    stored = index_shards(folder)
    (shard,) = folder.glob("*.h5")
    damage(shard)
    capsys.readouterr()
    first, second = read_or_run([photos[:8], photos[8:]], model, stored)
    found = np.concatenate([first.activations["average"], second.activations["average"]])
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)
    assert capsys.readouterr().err == f"{shard}: is damaged; its photos are computed anew\n"
