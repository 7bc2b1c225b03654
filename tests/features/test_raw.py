import io
import sys

import numpy as np
import pyexiv2
import pytest
from PIL import Image
from raw_files import make_dng, make_scene

from features.decoding import PhotoError
from features.photos import read_photo, read_square, resize_photo

pytest.importorskip("rawpy", reason="needs rawpy: pip install 'decaf[raw]'")

SCENE = make_scene()
# The scene set upright for EXIF's orientations.
UPRIGHT = {1: SCENE, 3: SCENE[::-1, ::-1], 6: np.rot90(SCENE, -1), 8: np.rot90(SCENE)}


def jpeg(rgb, **options):
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(file, "JPEG", quality=95, **options)
    return file.getvalue()


def marked(rgb):
    """A preview that shows itself by its blue."""
    rgb = rgb.copy()
    rgb[..., 2] = 255
    return rgb


def read(tmp_path, name="photo.dng", **options):
    return read_photo(tmp_path / name, **options)[0]


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_raw_file_without_a_preview_is_developed_upright(tmp_path, orientation):
    make_dng(tmp_path / "photo.dng", SCENE, orientation=orientation)
    rgb = read(tmp_path)
    upright = UPRIGHT[orientation][::2, ::2]
    assert rgb.shape == upright.shape
    for channel in (0, 1):
        at_level = np.corrcoef(rgb[..., channel].ravel(), upright[..., channel].ravel())[0, 1]
        assert at_level > 0.99


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_preview_that_is_large_enough_is_taken_and_set_upright(tmp_path, orientation):
    preview = jpeg(marked(SCENE[::2, ::2]))
    make_dng(tmp_path / "photo.dng", SCENE, preview=preview, orientation=orientation)
    rgb = read(tmp_path, min_side=200)
    upright = marked(UPRIGHT[orientation][::2, ::2])
    assert rgb.shape == upright.shape
    assert np.abs(rgb.astype(int) - upright).mean() < 3


@pytest.mark.parametrize("preview", [None, jpeg(SCENE[::2, ::2])], ids=["developed", "preview"])
def test_a_raw_file_read_to_a_square_is_the_one_read_and_then_resized(tmp_path, preview):
    make_dng(tmp_path / "photo.dng", SCENE, preview=preview, orientation=6)
    square, _ = read_square(tmp_path / "photo.dng", 100, "pad")
    rgb = read(tmp_path, min_side=100)
    np.testing.assert_array_equal(square, resize_photo(rgb, 100, "pad"))


def test_a_preview_that_is_stored_upright_is_not_turned_again(tmp_path):
    upright = marked(UPRIGHT[6][::2, ::2])
    make_dng(tmp_path / "photo.dng", SCENE, preview=jpeg(upright), orientation=6)
    assert np.abs(read(tmp_path, min_side=200).astype(int) - upright).mean() < 3


def test_a_preview_that_is_too_small_is_passed_over(tmp_path):
    make_dng(tmp_path / "photo.dng", SCENE, preview=jpeg(marked(SCENE[::4, ::4])))
    assert read(tmp_path, min_side=100)[..., 2].min() > 240
    assert read(tmp_path, min_side=101)[..., 2].max() < 200
    assert read(tmp_path)[..., 2].max() < 200  # half of the photo's size is wanted


def test_a_damaged_preview_is_passed_over(tmp_path):
    preview = jpeg(marked(SCENE))
    make_dng(tmp_path / "photo.dng", SCENE, preview=preview)
    content = (tmp_path / "photo.dng").read_bytes()
    (tmp_path / "photo.dng").write_bytes(content.replace(preview[:200], b"\0" * 200))
    assert read(tmp_path, min_side=100)[..., 2].max() < 200


def test_a_preview_in_adobe_rgb_is_converted_as_its_raw_file_says(tmp_path):
    make_dng(tmp_path / "photo.dng", SCENE, preview=jpeg(SCENE))
    plain = read(tmp_path, min_side=100).astype(int)
    with pyexiv2.Image(str(tmp_path / "photo.dng")) as image:
        image.modify_exif({"Exif.Photo.ColorSpace": "2"})
    (tmp_path / "adobe.jpg").write_bytes(jpeg(SCENE))
    with pyexiv2.Image(str(tmp_path / "adobe.jpg")) as image:
        image.modify_exif({"Exif.Photo.ColorSpace": "2"})
    converted = read(tmp_path, min_side=100).astype(int)
    assert np.abs(converted - plain).mean() > 3
    adobe = read_photo(tmp_path / "adobe.jpg", min_side=100)[0].astype(int)
    np.testing.assert_array_equal(converted, adobe)


@pytest.mark.parametrize("name", ["photo.tif", "photo.jpg", "photo"])
def test_a_raw_file_under_another_name_is_not_taken_for_its_preview(tmp_path, name):
    make_dng(tmp_path / name, SCENE, preview=jpeg(marked(SCENE[::8, ::8])))
    assert read(tmp_path, name, min_side=100).shape == (200, 300, 3)


def test_a_jpeg_under_the_name_of_a_raw_file_is_a_jpeg(tmp_path):
    (tmp_path / "photo.nef").write_bytes(jpeg(SCENE))
    assert read(tmp_path, "photo.nef").shape == SCENE.shape


def test_a_raw_file_whose_end_is_missing_says_so(tmp_path):
    make_dng(tmp_path / "photo.dng", SCENE)
    content = (tmp_path / "photo.dng").read_bytes()
    (tmp_path / "photo.dng").write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(PhotoError, match="end is missing"):
        read(tmp_path)


@pytest.mark.parametrize("content", [b"FUJIFILMCCD-RAW 0201" + b"\0" * 500, b"IIU\0" + b"\1" * 99])
def test_a_damaged_raw_file_has_its_reason(tmp_path, content):
    (tmp_path / "photo.raf").write_bytes(content)
    with pytest.raises(PhotoError, match=r"^a raw file that LibRaw"):
        read(tmp_path, "photo.raf")


def test_a_raw_file_of_too_many_pixels_is_refused(tmp_path):
    make_dng(tmp_path / "photo.dng", SCENE)
    with pytest.raises(PhotoError, match=r"600 × 400 pixels, more than 1,000"):
        read(tmp_path, max_pixels=1000)


def test_without_rawpy_the_pip_line_is_named(tmp_path, monkeypatch):
    make_dng(tmp_path / "photo.dng", SCENE)
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(PhotoError, match=r"^raw files need one more package: pip install rawpy$"):
        read(tmp_path)
