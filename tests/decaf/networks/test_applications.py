"""Backbones of Keras Applications against Keras's own."""

import pytest
from applications import APPLICATIONS, make_application
from keras.src.utils import file_utils
from skimage import data
from torch_maps import assert_equal_maps, square

from decaf.networks.backbones import get_backbone
from decaf.networks.convolutions import build_convolutions
from features.errors import InputError


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_keras_application_with_a_local_file_equals_keras(name, tmp_path):
    path = tmp_path / "weights_notop.h5"
    application = make_application(name, path)
    photo = square(data.astronaut(), get_backbone(name).input_size)
    _, module = APPLICATIONS[name]
    photos = photo[None].astype("float32")
    found = build_convolutions(name, weights=path).predict_on_batch(photos)
    expected = application.predict_on_batch(module.preprocess_input(photos))
    assert_equal_maps([found[-1]], [expected])


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
    make_application("vgg16", path)
    with pytest.raises(InputError, match=r"weights\.h5: failed for MobileNetV2 "):
        build_convolutions("mobilenet-v2", weights=path)
