import struct
import zlib

import pytest
from PIL import Image, PngImagePlugin

from features.embedded import Embedded, read_embedded

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- \xc3\xa9 --></x:xmpmeta>'
IMAGE = Image.new("RGB", (32, 32), "grey")


@pytest.fixture
def photo(tmp_path):
    return tmp_path / "photo"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_a_packet_is_found_where_pillow_writes_it(photo, kind):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    options = {
        "PNG": {"pnginfo": text("XML:com.adobe.xmp", XMP)},
        "TIFF": {"tiffinfo": {700: XMP}},
    }.get(kind, {"xmp": XMP})
    IMAGE.save(photo, kind, **options)
    assert read_embedded(photo) == Embedded(XMP)


def text(key, content, **options):
    info = PngImagePlugin.PngInfo()
    info.add_itxt(key, content.decode(), **options)
    return info


def as_raw_profile(content):
    digits = content.hex()
    lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
    return f"\nxmp\n{len(content):8}\n{lines}\n"


def chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_raw_profile_of_a_png_is_a_packet(photo, is_packed):
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type xmp", as_raw_profile(XMP), zip=is_packed)
    IMAGE.save(photo, "PNG", pnginfo=info)
    assert read_embedded(photo) == Embedded(XMP)


def test_a_compressed_text_of_a_png_is_a_packet(photo):
    IMAGE.save(photo, "PNG", pnginfo=text("XML:com.adobe.xmp", XMP, zip=True))
    assert read_embedded(photo) == Embedded(XMP)


def test_what_lies_behind_the_pixels_of_a_png_is_found(photo):
    IMAGE.save(photo, "PNG")
    end = chunk(b"IEND", b"")
    late = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
    late += chunk(b"eXIf", with_tags({0x4746: 4}).tobytes())
    photo.write_bytes(photo.read_bytes().removesuffix(end) + late + end)
    assert read_embedded(photo) == Embedded(XMP, 4.0)


def test_a_text_of_a_png_that_unpacks_to_too_much_is_no_packet(photo):
    # A bomb of 100 MB: what is read of it is the limit, and no whole packet.
    bomb = zlib.compress(b" " * 100_000_000)
    IMAGE.save(photo, "PNG")
    end = chunk(b"IEND", b"")
    late = chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb)
    photo.write_bytes(photo.read_bytes().removesuffix(end) + late + end)
    assert len(read_embedded(photo).xmp) <= 2**26


@pytest.mark.parametrize(
    "content",
    [
        b"GIF89a" + b"\x21\xff\x0bXMP DataXMP" + XMP + bytes([1, *range(255, -1, -1), 0]) + b";",
        b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\x40xml " + XMP,
        b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + b"\0" * 50 + XMP + b"\0" * 50,
        b"FUJIFILMCCD-RAW " + b"\0" * 200 + XMP,
    ],
    ids=["GIF", "JPEG XL", "CR3", "RAF"],
)
def test_other_formats_are_scanned_for_a_packet(photo, content):
    photo.write_bytes(content)
    assert read_embedded(photo) == Embedded(XMP)


def test_a_packet_in_a_picture_within_a_jpeg_is_not_the_photos_own(photo):
    IMAGE.save(photo, "JPEG")
    within = photo.read_bytes()
    IMAGE.save(photo, "JPEG", xmp=XMP)
    photo.write_bytes(within + photo.read_bytes())
    assert read_embedded(photo) == Embedded()


def with_tags(tags):
    exif = Image.Exif()
    for tag, value in tags.items():
        exif[tag] = value
    return exif


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("tags", "rating"),
    [
        ({0x4746: 0}, 0),
        ({0x4746: 4}, 4),
        ({0x4746: 4, 0x4749: 99}, 4),
        *[({0x4749: percent}, stars) for percent, stars in ((0, 0), (1, 1), (25, 2), (99, 5))],
        ({0x4746: 77}, None),
        ({}, None),
    ],
)
def test_the_ratings_of_exif_are_stars(photo, kind, tags, rating):
    IMAGE.save(photo, kind, exif=with_tags(tags).tobytes())
    assert read_embedded(photo) == Embedded(None, rating)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n" + chunk(b"zTXt", b"Raw profile type xmp\0\0" + b"no zlib"),
        b"x" * 99,
    ],
)
def test_what_cannot_be_read_holds_nothing(photo, content):
    photo.write_bytes(content)
    assert read_embedded(photo) == Embedded()
    assert read_embedded(photo.with_name("missing")) == Embedded()
