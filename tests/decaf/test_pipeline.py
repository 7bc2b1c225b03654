from pathlib import Path

import numpy as np
import pytest

from decaf.backbones import build_activations
from decaf.pipeline import choose_precision, run_network
from features.errors import InputError
from features.photos import read_photo, resize_photo


@pytest.fixture(scope="module")
def model():
    return build_activations("alexnet-owt", ("average",), blocks=1)


@pytest.fixture(scope="module")
def paths(samples):
    return sorted(str(path) for path in samples.glob("*.jpg"))[:10]


def test_activations_equal_those_of_photos_run_one_by_one(model, paths):
    rows = run_network(paths, model, batch_size=4)
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
    rows = run_network(mixed, model, batch_size=2)
    alone = run_network(paths[:2], model, batch_size=2)
    assert rows.positions == [0, 2]
    assert sorted(rows.failed) == [1, 3]
    assert all(rows.failed.values())
    np.testing.assert_array_equal(rows.activations["average"], alone.activations["average"])


def test_the_batch_size_does_not_change_the_activations(model, paths):
    small, large = (run_network(paths, model, batch_size=n).activations["average"] for n in (3, 32))
    np.testing.assert_allclose(small, large, rtol=2e-3, atol=2e-3)


def test_every_photo_is_counted_once(model, paths, tmp_path):
    done = []
    run_network([*paths, str(tmp_path / "gone.jpg")], model, batch_size=4, advance=done.append)
    assert sum(done) == 11


def test_a_photo_fits_the_network_by_the_resize_mode(model, paths):
    squashed, padded = (
        run_network(paths[:2], model, resize=mode, batch_size=2).activations["average"]
        for mode in ("squash", "pad")
    )
    assert np.abs(squashed - padded).max() > 0.01


def test_an_unknown_precision_is_refused():
    with pytest.raises(
        InputError, match=r"precision 'int8': choose one of auto, float32, bfloat16"
    ):
        choose_precision("int8")
    assert choose_precision("float32") == "float32"
