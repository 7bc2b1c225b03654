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


def test_two_sizes_side_by_side_are_the_activations_of_both(cat):
    large = np.kron(cat, np.ones((2, 2, 1), np.uint8))  # whose averages are the photo itself
    both = build_activations("alexnet-owt", ("multilevel", "average"), sizes=(448, 224))
    assert both.input_shape == (None, 448, 448, 3)
    given = both.predict_on_batch(large[None])
    for pooling, values in given.items():
        alone = [
            build_activations("alexnet-owt", (pooling,), sizes=(size,)).predict_on_batch(
                photo[None]
            )
            for size, photo in ((224, cat), (448, large))
        ]
        together = np.concatenate([each[pooling] for each in alone], axis=1)
        np.testing.assert_allclose(values, together, rtol=1e-4, atol=1e-5)


def test_two_sizes_have_the_weights_of_one():
    one, two = (
        build_activations("efficientnet-lite0", ("average",), weights=None, sizes=sizes)
        for sizes in ((), (224, 448))
    )
    assert one.count_params() == two.count_params()


def test_a_size_that_is_given_twice_counts_once():
    twice = build_activations("alexnet-owt", ("average",), weights=None, sizes=(96, 96))
    assert twice.output["average"].shape == (None, 256)


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ((100,), "size 100; it takes 227, and multiples of 32 from 64 to 1024"),
        ((32,), "size 32"),
        ((2048,), "size 2048"),
        ((224, 320), "sizes 224 and 320; side by side the larger must be a multiple"),
    ],
)
def test_sizes_that_a_backbone_does_not_take_are_refused(sizes, told):
    with pytest.raises(InputError, match=f"backbone alexnet: .*{told}"):
        build_activations("alexnet", ("average",), weights=None, sizes=sizes)


def test_a_flattened_map_is_of_one_size():
    with pytest.raises(InputError, match="pooling flatten takes one size"):
        build_activations("alexnet-owt", ("flatten",), weights=None, sizes=(224, 448))
