"""Photos of every kind beside what ImageMagick and libvips show of them."""

import shutil
from collections import Counter

import numpy as np
import pyexiv2
import pytest
from photo_corpus import (
    GREY,
    RGB,
    RGB_PROFILES,
    make_corpus,
    saved,
    shown_by_others,
)
from PIL import Image

from features.decoding import PhotoError
from features.photos import read_photo

# Of 255, in the mean: programs round, decode JPEG and lay over white each in a way of its own.
ALIKE = 2.0

needs_others = pytest.mark.skipif(
    not (shutil.which("identify") and shutil.which("vipsthumbnail")),
    reason="needs ImageMagick and libvips (Debian: imagemagick, libvips-tools) to compare with",
)


def difference(rgb, shown):
    return min(np.abs(rgb - others).mean() for others in shown)


@needs_others
def test_every_photo_is_shown_as_other_programs_show_it_or_refused(tmp_path, record_property):
    wrong, refused, n_alike = {}, Counter(), 0
    for name, path in make_corpus(tmp_path).items():
        try:
            rgb = read_photo(path)[0].astype(int)
        except PhotoError as error:
            assert "damaged" not in str(error) or "compression" in str(error), (name, error)
            refused[str(error)] += 1
            continue
        shown = shown_by_others(path, tmp_path)
        if not shown or difference(rgb, shown) > ALIKE:
            wrong[name] = difference(rgb, shown) if shown else "no other program reads it"
        n_alike += 1
    reasons = "\n".join(f"  {n:3} {reason}" for reason, n in refused.most_common())
    record_property(
        "summary",
        f"corpus: {n_alike} photos as ImageMagick or libvips shows them, "
        f"{refused.total()} refused:\n{reasons}",
    )
    assert not wrong
    assert n_alike > 130


def shown_with_profile(rgb, profile, folder):
    """What other programs show of pixels with a profile embedded."""
    path = folder / "explicit.png"
    path.write_bytes(saved(Image.fromarray(rgb), "PNG", icc_profile=profile))
    return shown_by_others(path, folder)


def read(folder, content):
    (folder / "photo").write_bytes(content)
    return read_photo(folder / "photo")[0].astype(int)


@needs_others
@pytest.mark.parametrize(
    "tags",
    [
        {"Exif.Photo.ColorSpace": "65535", "Exif.Iop.InteroperabilityIndex": "R03"},
        {"Exif.Photo.ColorSpace": "2"},
    ],
    ids=["R03", "ColorSpace"],
)
def test_adobe_rgb_of_cameras_is_converted_without_a_profile(tmp_path, tags):
    path = tmp_path / "camera.jpg"
    path.write_bytes(saved(Image.fromarray(RGB), "JPEG", quality=98, subsampling=0))
    with pyexiv2.Image(str(path)) as image:
        image.modify_exif(tags)
    shown = shown_with_profile(RGB, RGB_PROFILES["adobe"], tmp_path)
    assert difference(read_photo(path)[0].astype(int), shown) < ALIKE
    assert difference(RGB.astype(int), shown) > 5


@needs_others
@pytest.mark.parametrize("kind", ["HEIF", "AVIF", "PNG"])
def test_wide_gamut_without_a_profile_is_converted(tmp_path, kind):
    content = with_coding(kind, primaries=12, transfer=13)
    shown = shown_with_profile(RGB, RGB_PROFILES["p3"], tmp_path)
    assert difference(read(tmp_path, content), shown) < ALIKE
    assert difference(RGB.astype(int), shown) > 5


@pytest.mark.parametrize("kind", ["HEIF", "AVIF", "PNG"])
@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_high_dynamic_range_is_refused_by_its_name(tmp_path, kind, transfer, name):
    with pytest.raises(PhotoError, match=rf"high dynamic range \({name}\)"):
        read(tmp_path, with_coding(kind, primaries=9, transfer=transfer))


def with_coding(kind, primaries, transfer):
    """A photo whose colours are told by code points of ITU-T H.273."""
    image = Image.fromarray(RGB)
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
        return saved(
            image,
            "HEIF",
            quality=-1,
            chroma=444,
            color_primaries=primaries,
            transfer_characteristics=transfer,
            matrix_coefficients=6,
            full_range_flag=1,
            save_nclx_profile=True,
        )
    if kind == "AVIF":
        content = saved(image, "AVIF", quality=100, subsampling="4:4:4")
        place = content.index(b"colrnclx") + 8
        code = primaries.to_bytes(2, "big") + transfer.to_bytes(2, "big")
        return content[:place] + code + content[place + 4 :]
    return with_png_chunk(image, b"cICP", bytes([primaries, transfer, 0, 1]))


def with_png_chunk(image, kind, content):
    """A PNG with one chunk more, before its pixels."""
    import zlib

    png = saved(image, "PNG")
    chunk = len(content).to_bytes(4, "big") + kind + content
    chunk += zlib.crc32(kind + content).to_bytes(4, "big")
    place = png.index(b"IDAT") - 4
    return png[:place] + chunk + png[place:]


@needs_others
@pytest.mark.parametrize("levels", [RGB, GREY], ids=["RGB", "grey"])
def test_the_gamma_of_a_png_counts(tmp_path, levels):
    linear = with_png_chunk(Image.fromarray(levels), b"gAMA", (100_000).to_bytes(4, "big"))
    (tmp_path / "linear.png").write_bytes(linear)
    shown = shown_by_others(tmp_path / "linear.png", tmp_path)
    assert difference(read(tmp_path, linear), shown) < ALIKE


def test_the_usual_gamma_of_a_png_changes_nothing(tmp_path):
    usual = with_png_chunk(Image.fromarray(RGB), b"gAMA", (45_455).to_bytes(4, "big"))
    np.testing.assert_array_equal(read(tmp_path, usual), RGB)


def test_a_profile_of_srgb_changes_no_pixel(tmp_path):
    content = saved(Image.fromarray(RGB), "PNG", icc_profile=RGB_PROFILES["srgb"])
    np.testing.assert_array_equal(read(tmp_path, content), RGB)


@pytest.mark.parametrize("profile", [b"", b"\0" * 200, RGB_PROFILES["p3"][:150]])
def test_a_broken_profile_is_as_good_as_none(tmp_path, profile):
    content = saved(Image.fromarray(RGB), "PNG", icc_profile=profile or None)
    np.testing.assert_array_equal(read(tmp_path, content), RGB)
