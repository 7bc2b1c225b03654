import hashlib
import io
import os
import struct
import subprocess
import sys
import threading
import warnings
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from skimage import data

from features import decoding, photos
from features.errors import InputError
from features.photos import (
    MAX_PIXELS,
    PhotoError,
    capture_time,
    file_digest,
    find_photos,
    photo_digest,
    photo_root,
    read_photo,
    read_square,
    resize_photo,
)

PHOTO = np.ascontiguousarray(data.coffee()[::8, ::8])  # 50 × 75
BLACK_TO_WHITE = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)


def as_bytes(rgb, kind, **options):
    file = io.BytesIO()
    image = rgb if isinstance(rgb, Image.Image) else Image.fromarray(rgb)
    image.save(file, kind, **options)
    return file.getvalue()


def with_orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def decode(folder, content, **options):
    path = folder / "photo"
    path.write_bytes(content)
    return read_photo(path, **options)[0]


def reason(folder, content, **options):
    with pytest.raises(PhotoError) as caught:
        decode(folder, content, **options)
    text = str(caught.value)
    assert text and len(text) <= 120 and text.isprintable() and "photo'" not in text
    return text


def png(width, height, bits, colour_type, rows):
    """A PNG as its specification says, since Pillow writes no 16-bit RGB."""

    def chunk(name, content):
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


WHOLE = {
    "jpeg": as_bytes(PHOTO, "JPEG"),
    "progressive jpeg": as_bytes(PHOTO, "JPEG", progressive=True),
    "png": as_bytes(PHOTO, "PNG"),
    "animated png": as_bytes(
        PHOTO, "PNG", save_all=True, append_images=[Image.new("RGB", (75, 50))]
    ),
    "webp": as_bytes(PHOTO, "WEBP", lossless=True),
    "tiff": as_bytes(PHOTO, "TIFF"),
    "deflated tiff": as_bytes(PHOTO, "TIFF", compression="tiff_deflate"),
    "fax tiff": as_bytes(Image.fromarray(PHOTO).convert("1"), "TIFF", compression="group4"),
    "bmp": as_bytes(PHOTO, "BMP"),
    "gif": as_bytes(PHOTO, "GIF"),
}


# Decoding


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP"])
def test_lossless_formats_give_the_pixels_that_were_saved(tmp_path, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    rgb = decode(tmp_path, as_bytes(PHOTO, kind, **options))
    assert rgb.dtype == np.uint8
    np.testing.assert_array_equal(rgb, PHOTO)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_jpeg_gives_nearly_the_pixels_that_were_saved(tmp_path, options):
    rgb = decode(tmp_path, as_bytes(PHOTO, "JPEG", quality=98, subsampling=0, **options))
    assert np.abs(rgb.astype(int) - PHOTO).mean() < 1.5


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_only_the_first_frame_is_taken(tmp_path, kind):
    first, second = Image.new("RGB", (8, 6), (255, 0, 0)), Image.new("RGB", (8, 6), (0, 0, 255))
    rgb = decode(tmp_path, as_bytes(first, kind, save_all=True, append_images=[second]))
    assert rgb.shape == (6, 8, 3)
    assert np.abs(rgb.astype(int) - (255, 0, 0)).max() <= 2


# The EXIF specification, tag 0x0112: what is to be done to the stored rows and columns.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_a_turned_photo_is_set_upright(tmp_path, kind, orientation):
    options = {"lossless": True} if kind == "WEBP" else {}
    content = as_bytes(PHOTO, kind, exif=with_orientation(orientation), **options)
    np.testing.assert_array_equal(decode(tmp_path, content), UPRIGHT[orientation](PHOTO))


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_turned_jpeg_is_shown_as_pillow_turns_it(tmp_path, orientation):
    content = as_bytes(PHOTO, "JPEG", exif=with_orientation(orientation))
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(decode(tmp_path, content), np.asarray(expected))


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0" + b"\xff" * 40,
        b"Exif\0\0II*\0\xff\xff\xff\x7f",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x05\0\xff\xff\xff\xff\xff\xff\xff\xff",
        with_orientation(99),
        b"",
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_does_not_keep_a_photo_from_being_read(tmp_path, kind, exif):
    assert decode(tmp_path, as_bytes(PHOTO, kind, exif=exif)).shape == PHOTO.shape


@pytest.mark.parametrize("place", [0x7FFFFFFF, 4, 1])
def test_a_tiff_whose_exif_lies_elsewhere_is_read(tmp_path, place):
    pointers = [(tag, 4, 1, place, True) for tag in (0x8769, 0x8825, 0x014A)]
    tifffile.imwrite(tmp_path / "photo", PHOTO, photometric="rgb", extratags=pointers)
    np.testing.assert_array_equal(read_photo(tmp_path / "photo")[0], PHOTO)


def test_grey_photos_get_three_equal_channels(tmp_path):
    rgb = decode(tmp_path, as_bytes(PHOTO[..., 0], "PNG"))
    np.testing.assert_array_equal(rgb, np.repeat(PHOTO[..., :1], 3, axis=2))


def test_black_and_white_pixels_become_0_and_255(tmp_path):
    bits = PHOTO[..., 0] > 100
    rgb = decode(tmp_path, as_bytes(bits, "PNG"))
    np.testing.assert_array_equal(rgb, np.repeat(np.where(bits, 255, 0)[..., None], 3, axis=2))


def test_a_palette_is_looked_up(tmp_path):
    image = Image.fromarray(PHOTO).quantize(200)
    np.testing.assert_array_equal(decode(tmp_path, as_bytes(image, "PNG")), image.convert("RGB"))


def test_a_transparent_palette_colour_shows_white(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    for kind in ("PNG", "GIF"):
        rgb = decode(tmp_path, as_bytes(image, kind, transparency=1))
        np.testing.assert_array_equal(rgb, [[(255, 0, 0), (255, 255, 255)]])


def test_a_colour_named_transparent_in_an_rgb_png_shows_white(tmp_path):
    rgb = np.array([[(9, 8, 7), (1, 2, 3)]], dtype=np.uint8)
    shown = decode(tmp_path, as_bytes(rgb, "PNG", transparency=(1, 2, 3)))
    np.testing.assert_array_equal(shown, [[(9, 8, 7), (255, 255, 255)]])


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_alpha_is_laid_over_white(tmp_path, kind):
    alpha = np.linspace(0, 255, PHOTO.shape[0] * PHOTO.shape[1]).reshape(PHOTO.shape[:2])
    rgba = np.dstack([PHOTO, alpha.astype(np.uint8)])
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    share = rgba[..., 3:] / 255
    expected = PHOTO * share + 255 * (1 - share)
    rgb = decode(tmp_path, as_bytes(rgba, kind, **options))
    assert np.abs(rgb - expected).max() <= 1


def test_grey_with_alpha_is_laid_over_white(tmp_path):
    grey = np.array([[[100, 0], [100, 255], [100, 128]]], dtype=np.uint8)
    rgb = decode(tmp_path, as_bytes(Image.fromarray(grey, "LA"), "PNG"))
    np.testing.assert_allclose(rgb[0, :, 0], [255, 100, 177], atol=1)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_inks_become_the_colours_they_print(tmp_path, kind):
    inks = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    rgb = decode(tmp_path, as_bytes(inks, kind))
    np.testing.assert_allclose(rgb, np.broadcast_to((255, 0, 0), rgb.shape), atol=2)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_and_not_clipped(tmp_path, kind):
    rgb = decode(tmp_path, as_bytes(BLACK_TO_WHITE, kind))
    np.testing.assert_array_equal(rgb[..., 0], np.rint(BLACK_TO_WHITE / 257))
    assert (rgb[..., 0] == rgb[..., 2]).all()


def test_16_bit_big_endian_grey_is_scaled_alike(tmp_path):
    tifffile.imwrite(tmp_path / "photo", BLACK_TO_WHITE, byteorder=">", photometric="minisblack")
    rgb, _ = read_photo(tmp_path / "photo")
    np.testing.assert_array_equal(rgb[..., 0], np.rint(BLACK_TO_WHITE / 257))


def test_16_bit_rgb_is_scaled_and_not_clipped(tmp_path):
    deep = np.dstack([BLACK_TO_WHITE, BLACK_TO_WHITE[::-1], BLACK_TO_WHITE.T])
    rows = [row.astype(">u2").tobytes() for row in deep]
    rgb = decode(tmp_path, png(64, 64, 16, 2, rows))
    assert np.abs(rgb - deep / 257).max() <= 1
    tifffile.imwrite(tmp_path / "photo", deep, photometric="rgb")
    assert np.abs(read_photo(tmp_path / "photo")[0] - deep / 257).max() <= 1


def test_a_dark_16_bit_photo_stays_dark(tmp_path):
    assert decode(tmp_path, as_bytes(np.full((4, 4), 257, np.uint16), "PNG")).max() == 1


@pytest.mark.parametrize("white", [1, 255, 65535])
def test_float_grey_is_scaled_from_its_range(tmp_path, white):
    levels = (BLACK_TO_WHITE / np.float32(65535) * white).astype(np.float32)
    levels[0, 0], levels[0, 1], levels[-1, -1] = np.nan, -5, white * 1.01
    rgb = decode(tmp_path, as_bytes(levels, "TIFF"))
    expected = np.rint(np.nan_to_num(levels).clip(0, white) / white * 255)
    assert np.abs(rgb[..., 0] - expected).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 65500), (65500, 1)])
def test_extreme_shapes_are_read_and_resized_in_every_mode(tmp_path, shape):
    rgb = decode(tmp_path, as_bytes(np.full(shape, 90, np.uint8), "JPEG"), min_side=8)
    assert rgb.shape == (*shape, 3)
    for mode in photos.RESIZE_MODES:
        square = resize_photo(rgb, 8, mode)
        assert square.shape == (8, 8, 3) and (square == 90).any()


def test_a_wrong_extension_does_not_matter(tmp_path):
    (tmp_path / "a.jpg").write_bytes(WHOLE["png"])
    np.testing.assert_array_equal(read_photo(tmp_path / "a.jpg")[0], PHOTO)


@pytest.mark.parametrize("name", [b"two\nlines.jpg", b"caf\xe9.jpg", b" -spaces (1).jpg"])
def test_strange_names_are_found_and_read(tmp_path, name):
    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, "wb") as file:
        file.write(WHOLE["png"])
    assert find_photos(tmp_path) == [os.fsdecode(name)]
    np.testing.assert_array_equal(read_photo(tmp_path / find_photos(tmp_path)[0])[0], PHOTO)


# Reduced decoding


def test_a_jpeg_is_decoded_at_a_reduced_scale_that_keeps_twice_the_side(tmp_path):
    content = as_bytes(data.coffee(), "JPEG", quality=92)  # 400 × 600
    assert decode(tmp_path, content, min_side=100).shape == (200, 300, 3)
    assert decode(tmp_path, content, min_side=101).shape == (400, 600, 3)
    assert decode(tmp_path, content, min_side=25).shape == (50, 75, 3)
    turned = as_bytes(data.coffee(), "JPEG", exif=with_orientation(6))
    assert decode(tmp_path, turned, min_side=100).shape == (300, 200, 3)


def test_reduced_decoding_hardly_changes_the_resized_photo(tmp_path):
    content = as_bytes(data.coffee(), "JPEG", quality=92)
    whole = resize_photo(decode(tmp_path, content), 100).astype(int)
    reduced = resize_photo(decode(tmp_path, content, min_side=100), 100)
    assert np.abs(whole - reduced).mean() < 1.5


def test_other_formats_are_always_decoded_whole(tmp_path):
    for kind in ("png", "webp", "tiff", "bmp"):
        assert decode(tmp_path, WHOLE[kind], min_side=4).shape == PHOTO.shape


# What cannot be read


@pytest.mark.parametrize("kind", WHOLE)
def test_a_truncated_photo_is_refused_unless_all_its_pixels_are_there(tmp_path, kind):
    content = WHOLE[kind]
    whole = decode(tmp_path, content)
    n_refused = 0
    for end in {*range(0, 200, 9), *range(0, len(content), len(content) // 60), len(content) - 1}:
        try:
            np.testing.assert_array_equal(decode(tmp_path, content[:end]), whole)
        except PhotoError as error:
            assert str(error)
            n_refused += 1
    assert n_refused > 30


def test_a_truncated_jpeg_is_refused_with_its_reason(tmp_path):
    assert "truncated" in reason(tmp_path, WHOLE["jpeg"][:-300])


def test_an_empty_file_says_so(tmp_path):
    assert reason(tmp_path, b"") == "an empty file"


def test_bytes_that_are_no_photo_are_refused(tmp_path):
    noise = np.random.default_rng(0).bytes(5000)
    assert reason(tmp_path, noise).startswith("no photo in a known format")


def test_formats_that_start_other_programs_are_not_opened(tmp_path):
    assert reason(tmp_path, as_bytes(PHOTO, "EPS")).startswith("no photo in a known format")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.sampled_from(sorted(WHOLE)),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=12),
)
def test_damaged_bytes_give_a_photo_or_a_reason(tmp_path_factory, kind, damages):
    content = bytearray(WHOLE[kind])
    for place, value in damages:
        content[int(place**3 * len(content))] = (
            value  # Mostly near the start, where the headers are.
        )
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content)
    try:
        rgb, _ = read_photo(path, max_pixels=10**6)
        assert rgb.dtype == np.uint8 and rgb.shape[2:] == (3,)
    except PhotoError as error:
        assert str(error).isprintable()


def test_a_decompression_bomb_is_refused_before_its_pixels_are_decoded(tmp_path):
    bomb = png(13000, 13000, 8, 2, [])  # No pixel follows: decoding would fail for that.
    assert reason(tmp_path, bomb, max_pixels=10**6) == "13000 × 13000 pixels, more than 1,000,000"
    assert "169000000 pixels" not in reason(tmp_path, bomb)
    assert "pixels" in reason(tmp_path, png(60000, 60000, 8, 2, []))
    assert Image.MAX_IMAGE_PIXELS * 2 == MAX_PIXELS


def test_no_warning_of_pillow_leaks(tmp_path):
    def read_all():
        with pytest.raises(PhotoError):  # Pillow warns of its size, and of broken metadata.
            decode(tmp_path, png(10000, 10000, 8, 2, []), max_pixels=10**6)
        decode(tmp_path, as_bytes(PHOTO, "TIFF") + b"", max_pixels=10**6)
        decode(tmp_path, as_bytes(PHOTO, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff"))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_all()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_all()
    assert not caught


def test_a_heic_photo_without_pillow_heif_names_the_pip_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    decoding._register_heic.cache_clear()
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    assert reason(tmp_path, heic) == "HEIC needs one more package: pip install pillow-heif"
    decoding._register_heic.cache_clear()


def test_a_jpeg_xl_photo_without_its_package_names_the_pip_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    decoding._register_jxl.cache_clear()
    needed = "JPEG XL needs one more package: pip install pillow-jxl-plugin"
    for start in (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"):
        assert reason(tmp_path, start + b"\0" * 40) == needed
    decoding._register_jxl.cache_clear()


def taken_at(time, subsecond=None):
    exif = Image.Exif()
    tags = exif.get_ifd(0x8769)
    tags[0x9003] = time
    if subsecond is not None:
        tags[0x9291] = subsecond
    return exif


def test_the_time_of_a_photo_has_its_fraction_of_a_second(tmp_path):
    times = []
    for time, subsecond in (("2024:02:29 23:59:59", "75"), ("2024:03:01 00:00:00", "250")):
        exif = taken_at(time, subsecond)
        (tmp_path / "photo.jpg").write_bytes(as_bytes(PHOTO, "JPEG", exif=exif))
        times.append(capture_time(tmp_path / "photo.jpg"))
    assert times[1] - times[0] == pytest.approx(0.5)


def test_a_photo_without_a_time_has_none(tmp_path):
    (tmp_path / "none.jpg").write_bytes(as_bytes(PHOTO, "JPEG"))
    zero = as_bytes(PHOTO, "JPEG", exif=taken_at("0000:00:00 00:00:00"))
    (tmp_path / "zero.jpg").write_bytes(zero)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe1\x00\x20Exif\0\0MM\0*")
    os.mkfifo(tmp_path / "fifo.jpg")
    for name in ("none.jpg", "zero.jpg", "broken.jpg", "fifo.jpg", "missing.jpg"):
        assert np.isnan(capture_time(tmp_path / name))


def test_a_heic_photo_tells_its_time_where_none_was_decoded_before(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    path, exif = tmp_path / "photo.heic", taken_at("1970:01:02 00:00:00", "5")
    pillow_heif.from_pillow(Image.fromarray(PHOTO)).save(path, exif=exif.tobytes())
    # Another process, since others of these tests have decoded such photos.
    code = "import sys; from features.photos import capture_time; print(capture_time(sys.argv[1]))"
    told = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "86400.5"


def test_reading_the_time_of_a_huge_photo_warns_of_nothing(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png(10000, 10000, 8, 2, []))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert np.isnan(capture_time(tmp_path / "bomb.png"))
    assert not caught


def test_an_avif_tells_its_time(tmp_path):
    exif = taken_at("2024:02:29 23:59:59").tobytes()
    (tmp_path / "photo.avif").write_bytes(as_bytes(PHOTO, "AVIF", exif=exif))
    assert capture_time(tmp_path / "photo.avif") == 1709251199


def test_what_is_no_regular_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    reasons = []

    def read_them():
        for name in ("fifo.jpg", "folder.jpg", "device.jpg"):
            with pytest.raises(PhotoError) as caught:
                read_photo(tmp_path / name)
            reasons.append(str(caught.value))

    # In a thread, so that an opened FIFO fails the test instead of hanging it.
    thread = threading.Thread(target=read_them, daemon=True)
    thread.start()
    thread.join(timeout=20)
    assert reasons == ["not a regular file"] * 3


def test_missing_and_unopenable_files_give_the_systems_reason(tmp_path):
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "dangling.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "file").write_bytes(b"x")
    for name, wanted in [
        ("loop.jpg", "symbolic links"),
        ("dangling.jpg", "No such file"),
        ("gone.jpg", "No such file"),
        ("file/a.jpg", "Not a directory"),
        ("nul\0.jpg", "null"),
    ]:
        with pytest.raises(PhotoError, match=wanted) as caught:
            read_photo(os.path.join(tmp_path, name))
        assert str(tmp_path) not in str(caught.value)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    with open(tmp_path / "huge.jpg", "wb") as file:
        file.truncate(photos.MAX_BYTES + 1)
    with pytest.raises(PhotoError, match="bytes, more than"):
        read_photo(tmp_path / "huge.jpg")


def test_a_photo_too_large_for_memory_is_a_photo_that_cannot_be_read(tmp_path, monkeypatch):
    def no_memory(*arguments):
        raise MemoryError

    monkeypatch.setattr(decoding, "_flatten", no_memory)
    assert reason(tmp_path, WHOLE["png"]) == "too large for the memory that is free"


@pytest.mark.parametrize(
    ("options", "n_coefficients"),
    [
        ({}, 0),
        ({"progressive": True, "subsampling": 0}, 3 * 80 * 48),
        ({"progressive": True, "subsampling": 2}, 1.5 * 80 * 48),
    ],
)
def test_the_memory_of_a_progressive_jpeg_is_told_before_it_is_decoded(options, n_coefficients):
    file = io.BytesIO()
    Image.new("RGB", (80, 48)).save(file, "JPEG", **options)
    with Image.open(file) as image:
        assert decoding._kept_coefficients(image, file.getvalue()) == n_coefficients


def test_so_is_that_of_a_jpeg_whose_first_scan_lacks_components():
    file = io.BytesIO()
    Image.new("RGB", (80, 48)).save(file, "JPEG", subsampling=0)
    data = bytearray(file.getvalue())
    data[data.index(b"\xff\xda") + 4] = 1
    with Image.open(io.BytesIO(data)) as image:
        assert decoding._kept_coefficients(image, data) == 3 * 80 * 48


# Digests


def test_the_digest_is_blake2b_of_the_files_bytes(tmp_path):
    (tmp_path / "a.png").write_bytes(WHOLE["png"])
    expected = hashlib.blake2b(WHOLE["png"], digest_size=16).hexdigest()
    assert read_photo(tmp_path / "a.png")[1] == expected
    assert file_digest(tmp_path / "a.png") == photo_digest(WHOLE["png"]) == expected
    assert photo_digest(WHOLE["png"] + b"x") != expected
    with pytest.raises(PhotoError):
        file_digest(tmp_path / "gone.png")


# Resizing


def test_squash_is_pillows_antialiased_bilinear_resize():
    expected = Image.fromarray(PHOTO).resize((20, 20), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(resize_photo(PHOTO, 20), np.asarray(expected))


def test_resizing_is_antialiased():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    inner = resize_photo(stripes, 32)[:, 2:-2]
    assert np.abs(inner.astype(int) - 127.5).max() < 3


def test_crop_takes_the_central_square():
    wide = np.zeros((30, 90, 3), np.uint8)
    wide[:, 30:60] = 200
    np.testing.assert_array_equal(resize_photo(wide, 30, "crop"), np.full((30, 30, 3), 200))
    tall = wide.transpose(1, 0, 2)
    np.testing.assert_array_equal(resize_photo(tall, 30, "crop"), np.full((30, 30, 3), 200))


def test_pad_keeps_the_shape_and_fills_with_the_mean_colour():
    wide = np.full((30, 60, 3), 200, np.uint8)
    square = resize_photo(wide, 40, "pad")
    np.testing.assert_array_equal(square[10:30], np.full((20, 40, 3), 200))
    np.testing.assert_array_equal(square[:10], np.broadcast_to((123, 117, 104), (10, 40, 3)))
    np.testing.assert_array_equal(square[30:], np.broadcast_to((123, 117, 104), (10, 40, 3)))


def test_an_unknown_resize_mode_is_named_with_the_known_ones():
    with pytest.raises(InputError, match="'zoom': use one of squash, crop, pad"):
        resize_photo(PHOTO, 8, "zoom")
    with pytest.raises(InputError, match="'zoom': use one of squash, crop, pad"):
        read_square("no such photo", 8, "zoom")


ALPHA = Image.fromarray(np.dstack([PHOTO, np.arange(75, dtype=np.uint8) + PHOTO[..., 0] // 2]))
MODES = {
    **{mode: as_bytes(Image.fromarray(PHOTO).convert(mode), "TIFF") for mode in ("1", "L", "CMYK")},
    "I;16": as_bytes(Image.fromarray(BLACK_TO_WHITE), "PNG"),
    "P": as_bytes(Image.fromarray(PHOTO).quantize(16), "PNG", transparency=3),
    "RGBA": as_bytes(ALPHA, "PNG"),
    "RGB": as_bytes(data.coffee(), "JPEG"),
    "RGB, turned": as_bytes(PHOTO, "JPEG", exif=with_orientation(6)),
}


@pytest.mark.parametrize("mode", photos.RESIZE_MODES)
@pytest.mark.parametrize("content", MODES.values(), ids=MODES)
def test_a_photo_read_to_a_square_is_the_one_read_and_then_resized(tmp_path, content, mode):
    path = tmp_path / "photo"
    path.write_bytes(content)
    square, digest = read_square(path, 24, mode)
    rgb, digest_of_whole = read_photo(path, min_side=24)
    np.testing.assert_array_equal(square, resize_photo(rgb, 24, mode))
    assert digest == digest_of_whole


def test_a_photo_that_is_not_wanted_is_not_decoded(tmp_path):
    path = tmp_path / "photo"
    path.write_bytes(b"no photo")
    assert read_square(path, 24, wanted=lambda digest: False) == (None, photo_digest(b"no photo"))


# Finding


def test_a_folder_is_searched_through_in_order_without_hidden_ones(tmp_path):
    for name in ["b.JPG", "a.png", "sub/deep/c.webp", "sub/a.tiff", "A.gif", "x.heic"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in [".hidden.jpg", "notes.txt", ".cache/d.jpg", "sub/.e.png", "jpg"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    names = ["A.gif", "a.png", "b.JPG", "sub/a.tiff", "sub/deep/c.webp", "x.heic"]
    assert find_photos(tmp_path) == names
    assert find_photos(str(tmp_path)) == names
    assert photo_root(tmp_path) == tmp_path


def test_linked_folders_are_followed_once_and_never_upwards(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "sub").mkdir(parents=True)
    outside.mkdir()
    for path in [root / "a.jpg", root / "sub" / "b.jpg", outside / "c.jpg", tmp_path / "no.jpg"]:
        path.touch()
    (root / "loop").symlink_to(root)
    (root / "sub" / "up").symlink_to(tmp_path)
    (root / "linked").symlink_to(outside)
    (root / "linked-again").symlink_to(outside)
    assert find_photos(root) == ["a.jpg", "linked/c.jpg", "sub/b.jpg"]


def test_a_list_file_names_photos_relative_to_itself(tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_bytes(b"\xef\xbb\xbfz.jpg\r\n\r\nsub/caf\xe9 1.jpg\r\nz.jpg\r\n/far/away.png")
    assert find_photos(listed) == ["z.jpg", "sub/caf\udce9 1.jpg", "/far/away.png"]
    assert photo_root(listed) == tmp_path


def test_a_csv_names_photos_in_its_column_file(tmp_path):
    table = tmp_path / "ratings.csv"
    table.write_text('\ufeffscore,file\n1,b.jpg\n2,"two\nlines.jpg"\n3,\n4,a.jpg\n', "utf-8")
    assert find_photos(table) == ["b.jpg", "two\nlines.jpg", "a.jpg"]
    assert photo_root(table) == tmp_path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone", None, "gone: there is no such folder or file"),
        ("photo.jpg", b"x", "photo.jpg: give a folder of photos, a .txt list or a .csv file"),
        ("empty.txt", b"\n \n", "empty.txt: no photos found; looked for one path a line"),
        ("no.csv", b"name,score\na,1\n", "no.csv: needs a column named 'file'; .*: name, score"),
        ("empty.csv", b"", "empty.csv: needs a column named 'file'; its columns are: none"),
        ("bad.csv", b'file\n"' + b"x" * 200_000, "bad.csv, line 2: not a CSV file: field larger"),
    ],
)
def test_a_source_without_photos_is_named_with_the_remedy(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        find_photos(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_folder_without_photos_says_what_was_looked_for(tmp_path):
    (tmp_path / "notes.doc").touch()
    with pytest.raises(InputError, match=r"no photos found; looked for \.jpg .*\.heif"):
        find_photos(tmp_path)


def test_a_subfolder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # Permissions do not hold for root.
    with pytest.raises(InputError, match="locked: cannot be read: Permission denied"):
        find_photos(tmp_path)
