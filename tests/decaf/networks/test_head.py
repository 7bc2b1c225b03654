"""Heads by themselves."""

import numpy as np

from decaf.networks.head import build_head, features_model


def test_a_head_is_two_relu_layers_with_dropout_and_a_softmax():
    head = build_head(10, 4, n_outputs=3, dropout=0.25)
    names = [layer.name for layer in head.layers]
    assert names == ["activations", "fc6", "drop6", "fc7", "drop7", "output"]
    assert [head.get_layer(name).rate for name in ("drop6", "drop7")] == [0.25, 0.25]
    x = np.random.default_rng(0).normal(size=(5, 10)).astype("float32")
    found = head.predict_on_batch(x)
    fc6, fc7, output = (head.get_layer(name).get_weights() for name in ("fc6", "fc7", "output"))
    x = np.maximum(x @ fc6[0] + fc6[1], 0)
    x = np.maximum(x @ fc7[0] + fc7[1], 0)
    x = np.exp(x @ output[0] + output[1])
    np.testing.assert_allclose(found, x / x.sum(axis=1, keepdims=True), rtol=1e-5)


def test_the_same_seed_gives_the_same_head():
    first, same, other = (build_head(10, 4, seed=seed) for seed in (1, 1, 2))
    for weights, same_weights in zip(first.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, same_weights)
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])


def test_the_layers_of_a_head_start_from_different_weights():
    head = build_head(4, 4, seed=0)
    fc6, fc7 = (head.get_layer(name).get_weights()[0] for name in ("fc6", "fc7"))
    assert not np.array_equal(fc6, fc7)


def test_features_are_what_fc7_gives_after_relu():
    head = build_head(10, 4)
    x = np.random.default_rng(0).normal(size=(5, 10)).astype("float32")
    features = features_model(head).predict_on_batch(x)
    assert features.shape == (5, 4) and features.min() == 0 < features.max()
    fc6, fc7 = (head.get_layer(name).get_weights() for name in ("fc6", "fc7"))
    expected = np.maximum(np.maximum(x @ fc6[0] + fc6[1], 0) @ fc7[0] + fc7[1], 0)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-6)
