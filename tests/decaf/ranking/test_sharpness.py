"""The frames of a burst: the sharper one is told, and files that are gone do no harm."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from decaf.ranking.sharpness import measure_sharpness, sharpness
from features.photos import find_photos


@pytest.fixture(scope="module")
def photos(samples):
    return [Image.open(samples / name).convert("RGB") for name in find_photos(samples)[:8]]


def test_the_more_a_photo_is_blurred_the_less_sharp_it_is(photos):
    for photo in photos:
        blurred = [photo.filter(ImageFilter.BoxBlur(radius)) for radius in (0, 1, 2, 4, 8)]
        found = [sharpness(np.asarray(image)) for image in blurred]
        assert found == sorted(found, reverse=True) and found[0] > found[-1] + 0.2


def test_a_smaller_copy_is_not_sharper(photos):
    for photo in photos:
        large = photo.resize((1024, 768), Image.Resampling.BICUBIC)
        small = large.resize((256, 192), Image.Resampling.BICUBIC)
        assert sharpness(np.asarray(small)) < sharpness(np.asarray(large))


def test_a_photo_of_one_colour_or_that_is_gone_has_none(tmp_path):
    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    paths = [str(tmp_path / name) for name in ("red.png", "gone.jpg", "broken.jpg")]
    assert measure_sharpness(paths, progress=False).tolist() == [0, 0, 0]
