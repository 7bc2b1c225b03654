"""Activations come in batches, whether memory holds them all or not."""

import tracemalloc

import numpy as np
import pytest

from decaf.training.batches import ActivationBatches, predict


@pytest.mark.parametrize("memory", [10**9, 2_000])
def test_every_photo_comes_once_an_epoch_whether_memory_holds_all_or_not(
    make_activations, two_classes, memory, monkeypatch
):
    monkeypatch.setattr("decaf.training.batches.BLOCK_ROWS", 8)
    values, label = two_classes
    photos = np.arange(5, 150)
    batches = ActivationBatches(
        make_activations(values), photos, label[photos], photos, 10, seed=0, memory=memory
    )
    orders = []
    for _ in range(2):
        order = []
        for i in range(len(batches)):
            x, y, photo = batches[i]
            np.testing.assert_array_equal(x, values[photo].astype(np.float16))
            np.testing.assert_array_equal(y, label[photo])
            order += photo.tolist()
        assert sorted(order) == photos.tolist()
        orders.append(order)
        batches.on_epoch_end()
    assert orders[0] != orders[1]


def test_an_epoch_over_a_cache_larger_than_memory_takes_only_the_memory_allowed(make_activations):
    n_photos, n_activations, memory = 2_048, 2_000, 500_000
    activations = make_activations(np.ones((n_photos, n_activations), np.float16), shard_rows=512)
    photos = np.arange(n_photos)
    tracemalloc.start()
    try:
        batches = ActivationBatches(activations, photos, photos, photos, 16, seed=0, memory=memory)
        n_read = sum(len(batches[i][0]) for i in range(len(batches)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n_read == n_photos
    # The rows on disk that lie between those that are held come with them; a batch is in float32.
    block = 256 * n_activations * 2
    assert peak < 2 * memory + 2 * block < n_photos * n_activations * 2 / 2


def test_no_photos_give_no_predictions(make_activations):
    import keras

    photo = keras.Input((3,))
    head = keras.Model(photo, {"features": keras.layers.Dense(2)(photo)})
    activations = make_activations(np.ones((4, 3)))
    assert predict(head, activations, np.arange(0))["features"].shape == (0, 2)
    assert predict(head, activations, np.arange(3))["features"].shape == (3, 2)
