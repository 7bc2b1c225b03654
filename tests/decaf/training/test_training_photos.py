"""Rated photos and their activations lie side by side."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from decaf.extraction.feature_network import PlainBackbone
from decaf.networks.convolutions import build_activations
from decaf.training.training_photos import read_training_photos
from features.errors import InputError
from features.photos import read_photo, resize_photo
from features.ratings import read_ratings


@pytest.fixture
def folder(samples, tmp_path):
    """Sample photos, one of which cannot be read."""
    shutil.copytree(samples, tmp_path / "photos")
    rated = read_ratings(tmp_path / "photos" / "ratings.csv")
    (tmp_path / "photos" / rated.names[3]).write_bytes(b"no photo")
    return tmp_path / "photos"


def test_photos_that_cannot_be_read_leave_both_sides(folder):
    rated = read_ratings(folder / "ratings.csv")
    backbone = PlainBackbone("alexnet-owt", "average", blocks=1)
    photos = read_training_photos(rated, backbone, precision="float32", progress=False)
    assert len(photos) == len(photos.activations) == len(rated) - 1
    ((name, reason),) = photos.rated.failed
    assert name == rated.names[3] and "no photo" in reason
    np.testing.assert_array_equal(photos.rated.names, np.delete(rated.names, 3))
    np.testing.assert_array_equal(photos.rated.digests, photos.activations.digests)
    rgb = resize_photo(read_photo(photos.rated.paths[5], min_side=224)[0], 224)
    convolutions = build_activations("alexnet-owt", ("average",), 1)
    expected = convolutions.predict_on_batch(rgb[None])["average"]
    np.testing.assert_allclose(photos.activations.read([5]), expected, rtol=1e-3, atol=1e-3)


def test_a_record_tells_of_the_photos_and_of_the_backbone(samples, tmp_path):
    rated = read_ratings(samples / "ratings.csv").take(slice(3))
    photos = read_training_photos(
        rated,
        PlainBackbone("alexnet-owt", "average", blocks=1, resize="pad"),
        precision="float32",
        cache=tmp_path,
        progress=False,
    )
    record = photos.record(8, "votes", parameters=3)
    assert (record.name, record.n_grades) == ("alexnet-owt-average-blocks1-votes-8", 10)
    assert (record.scale, record.midpoint) == ((1, 10), 5)
    assert (record.resize, record.weights, record.precision) == ("pad", "pretrained", "float32")
    assert record.parameters == 3
    named = read_training_photos(rated, "alexnet-owt", cache=tmp_path, progress=False)
    assert named.backbone == PlainBackbone("alexnet-owt", "multilevel")
    with pytest.raises(InputError, match="the rated photos have no paths"):
        read_training_photos(replace(rated, paths=None), PlainBackbone("vgg16"), progress=False)
    with pytest.raises(InputError, match="pooling median: unknown"):
        read_training_photos(rated, PlainBackbone("alexnet-owt", "median"), progress=False)
