import threading
import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from decaf.extraction import forward_pass as pipeline
from decaf.extraction.forward_pass import decode_photos, run_network, write_behind
from decaf.networks.convolutions import build_activations
from features.photos import read_photo, resize_photo


@pytest.fixture(scope="module")
def model():
    return build_activations("alexnet-owt", ("average",), blocks=1)


@pytest.fixture(scope="module")
def paths(samples):
    return sorted(str(path) for path in samples.glob("*.jpg"))[:10]


def test_activations_equal_those_of_photos_run_one_by_one(model, paths):
    (rows,) = run_network([paths], model, batch_size=4)
    assert rows.positions == list(range(10))
    for path, digest, activations in zip(paths, rows.digests, rows.activations["average"]):
        rgb, photo_digest = read_photo(path)
        alone = model.predict_on_batch(resize_photo(rgb, 224)[None])["average"][0]
        assert digest == photo_digest
        np.testing.assert_allclose(activations, alone, rtol=2e-3, atol=2e-3)  # float16


def test_photos_that_cannot_be_read_leave_no_row_and_give_their_reason(model, paths, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(Path(paths[0]).read_bytes()[:500])
    (tmp_path / "empty.jpg").write_bytes(b"")
    mixed = [paths[0], str(tmp_path / "broken.jpg"), paths[1], str(tmp_path / "empty.jpg")]
    rows, alone = run_network([mixed, paths[:2]], model, batch_size=2)
    assert rows.positions == [0, 2]
    assert sorted(rows.failed) == [1, 3]
    assert all(rows.failed.values())
    np.testing.assert_array_equal(rows.activations["average"], alone.activations["average"])


def test_the_batch_size_does_not_change_the_activations(model, paths):
    ((small,), (large,)) = (run_network([paths], model, batch_size=n) for n in (3, 32))
    np.testing.assert_allclose(
        small.activations["average"], large.activations["average"], rtol=2e-3, atol=2e-3
    )


def test_every_photo_is_counted_once(model, paths, tmp_path):
    done = []
    mixed = [*paths, str(tmp_path / "gone.jpg")]
    list(run_network([mixed, [], paths[:3]], model, batch_size=4, advance=done.append))
    assert sum(done) == 14


def test_a_photo_fits_the_network_by_the_resize_mode(model, paths):
    ((squashed,), (padded,)) = (
        run_network([paths[:2]], model, resize=mode, batch_size=2) for mode in ("squash", "pad")
    )
    assert np.abs(squashed.activations["average"] - padded.activations["average"]).max() > 0.01


def test_shards_give_the_rows_that_they_give_alone(model, paths):
    shards = [paths[:5], [], paths[5:6], paths[3:]]
    for paths_of_shard, rows in zip(shards, run_network(shards, model, batch_size=4)):
        assert rows.positions == list(range(len(paths_of_shard)))
        if paths_of_shard:
            (alone,) = run_network([paths_of_shard], model, batch_size=4)
            assert rows.digests == alone.digests
            np.testing.assert_array_equal(rows.activations["average"], alone.activations["average"])


def test_batches_that_are_under_way_at_once_give_their_rows_in_order(model, paths, monkeypatch):
    (expected,) = run_network([paths], model, batch_size=2)
    begun, second_has_begun = count(), threading.Event()

    def run(batch):
        if next(begun) == 0:
            assert second_has_begun.wait(60)
        second_has_begun.set()
        return model.predict_on_batch(batch)

    monkeypatch.setattr(pipeline, "batches_at_once", lambda: 2)
    monkeypatch.setattr(pipeline, "forward_pass", lambda *given: run)
    (found,) = run_network([paths], model, batch_size=2)
    assert found.digests == expected.digests
    np.testing.assert_array_equal(found.activations["average"], expected.activations["average"])


def test_the_next_shard_is_decoded_ahead_and_no_further(paths, monkeypatch):
    read, asked = [], []
    read_square = pipeline.read_square
    monkeypatch.setattr(
        pipeline,
        "read_square",
        lambda path, *given: read.append(path) or read_square(path, *given),
    )

    def shards():
        for shard in (paths[:3], paths[3:6], [], paths[6:]):
            asked.append(shard)
            yield shard

    decoded = decode_photos(shards(), 64, ahead=4)
    assert len(list(next(decoded))) == 3
    while len(read) < 6:  # else this waits for ever
        time.sleep(0.01)
    assert (len(asked), sorted(read)) == (2, paths[:6])
    assert [len(list(photos)) for photos in decoded] == [3, 0, 4]
    assert sorted(read) == paths


def test_what_was_computed_is_written_while_the_next_is_computed():
    events, computed = [], threading.Event()

    def compute():
        yield ("a",)
        computed.set()
        yield ("b",)

    def write(name):
        assert name != "a" or computed.wait(60)
        events.append(name)
        return name.upper()

    assert list(write_behind(write, compute())) == ["A", "B"]
    assert events == ["a", "b"]


def test_an_error_in_writing_ends_the_computing():
    def write(number):
        raise OSError(number)

    computed = ((number,) for number in range(10))
    with pytest.raises(OSError, match="0"):
        list(write_behind(write, computed))
    assert next(computed) == (2,)


def test_what_was_computed_before_an_error_is_written():
    written = []

    def compute():
        yield (1,)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(write_behind(written.append, compute()))
    assert written == [1]
