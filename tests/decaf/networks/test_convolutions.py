"""Convolutions up to a block, and the activations pooled of them."""

import numpy as np
import pytest

from decaf.networks.convolutions import (
    build_activations,
    build_convolutions,
    count_activations,
)
from decaf.networks.record import POOLINGS
from features.errors import InputError


@pytest.mark.parametrize(
    ("backbone", "pooling", "blocks", "n_activations"),
    [
        # The paper's networks, flattened, and DESIGN.md's multilevel counts.
        ("alexnet", "flatten", None, 9216),
        ("alexnet-owt", "flatten", None, 9216),
        ("vgg16", "flatten", None, 25088),
        ("alexnet-owt", "multilevel", None, 1152),
        ("vgg16", "multilevel", None, 1472),
        ("vgg16", "multilevel", 4, 960),
        ("vgg16", "multilevel", 1, 64),
        ("vgg16", "average", 4, 512),
        # Hosu et al. (2019): 11 Inception modules, 10,048 averages.
        ("inception-v3", "multilevel", None, 10048),
        ("resnet50", "multilevel", None, 64 + 256 + 512 + 1024 + 2048),
        ("mobilenet-v2", "average", None, 1280),
        ("efficientnet-lite0", "average", None, 1280),
        ("efficientnet-lite1", "average", None, 1280),
    ],
)
def test_a_backbone_has_so_many_activations(backbone, pooling, blocks, n_activations):
    assert count_activations(backbone, pooling, blocks) == n_activations


def test_the_poolings_are_those_of_the_maps(cat):
    maps = build_convolutions("alexnet-owt", blocks=4).predict_on_batch(cat[None])
    activations = build_activations("alexnet-owt", POOLINGS, blocks=4).predict_on_batch(cat[None])
    averages = [block.mean(axis=(1, 2)) for block in maps]
    np.testing.assert_array_equal(activations["flatten"], maps[-1].reshape(1, -1))
    np.testing.assert_allclose(activations["average"], averages[-1], rtol=1e-5)
    np.testing.assert_allclose(
        activations["multilevel"], np.concatenate(averages, axis=1), rtol=1e-5
    )


def test_photos_of_bytes_and_of_floats_give_the_same_activations(cat):
    network = build_activations("alexnet-owt")
    np.testing.assert_array_equal(
        network.predict_on_batch(cat[None])["flatten"],
        network.predict_on_batch(cat[None].astype("float32"))["flatten"],
    )


def test_bfloat16_activations_are_float32_near_the_exact_ones(cat):
    exact = build_activations("alexnet-owt", POOLINGS).predict_on_batch(cat[None])
    rough = build_activations("alexnet-owt", POOLINGS, precision="bfloat16")
    rough = rough.predict_on_batch(cat[None])
    for pooling in POOLINGS:
        assert rough[pooling].dtype == np.float32
        difference = np.abs(rough[pooling] - exact[pooling]).max()
        # bfloat16 has 8 significant bits; five convolutions add up a few roundings.
        assert 0 < difference < 0.02 * exact[pooling].max()


def test_an_unknown_precision_is_refused():
    with pytest.raises(InputError, match="precision float16: unknown; one of float32, bfloat16"):
        build_activations("alexnet-owt", weights=None, precision="float16")


def test_an_unknown_pooling_is_refused():
    with pytest.raises(InputError, match="pooling max: unknown; one of flatten"):
        build_activations("alexnet-owt", ("max",), weights=None)


@pytest.mark.parametrize("blocks", [0, 6, -1])
def test_a_cut_outside_the_backbone_is_refused(blocks):
    with pytest.raises(InputError, match=r"backbone vgg16: blocks=.*; it has 1 to 5 blocks"):
        build_convolutions("vgg16", blocks, weights=None)
