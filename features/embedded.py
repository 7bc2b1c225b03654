"""What programs and cameras write about a photo into its file: a packet of XMP, EXIF's rating.

Nothing is decoded. Pillow tells both of JPEG, WebP, TIFF, HEIC and AVIF; PNG's texts may lie behind
the pixels, where it does not look. Other formats are scanned for the packet (XMP Specification
Part 3, 2020, 3: "scanning of any file").
"""

from __future__ import annotations

import contextlib
import mmap
import os
import warnings
import zlib
from dataclasses import dataclass

from PIL import Image

from features.decoding import open_image

# Larger packets, and texts that unpack to more, are none: darktable's longest fill a few MB.
MAX_XMP_BYTES = 2**26

# Windows, and cameras that rate: EXIF tags 0x4746 (0 to 5 stars) and 0x4749 (percent).
_RATING_TAG, _PERCENT_TAG = 0x4746, 0x4749
# The least percent of 1, 2, 3, 4 and 5 stars; Windows writes 1, 25, 50, 75 and 99.
_PERCENTS = (1, 13, 38, 63, 88)

_TOLD_BY_PILLOW = ("JPEG", "MPO", "WEBP", "TIFF", "HEIF", "AVIF", "BMP")

_PNG = b"\x89PNG\r\n\x1a\n"
# PNG, 11.3.3.4; ImageMagick's and libvips's way: a count of bytes, then hexadecimal digits.
_PNG_KEY = b"XML:com.adobe.xmp"
_PNG_PROFILE = b"Raw profile type xmp"

_PACKET_START, _PACKET_END = b"<x:xmpmeta", b"</x:xmpmeta>"


@dataclass(frozen=True)
class Embedded:
    """What a photo's file holds about it.

    Attributes
    ----------
    xmp : bytes or None
        The packet.
    rating : float or None
        EXIF's: 0 unrated, else 1 to 5 stars.
    """

    xmp: bytes | None = None
    rating: float | None = None


def read_embedded(photo: str | os.PathLike) -> Embedded:
    """Read what a photo's own file says of its rating.

    Parameters
    ----------
    photo : str or path

    Returns
    -------
    Embedded
        Without anything where the file is none, or cannot be read.
    """
    if not os.path.isfile(photo):
        return Embedded()
    try:
        with open(photo, "rb") as file:
            if file.read(len(_PNG)) == _PNG:
                return _in_png(file)
            file.seek(0)
            return _elsewhere(file)
    # A file that cannot be read, or is damaged, has no rating that could be read.
    except (OSError, ValueError):
        return Embedded()


def _elsewhere(file):
    rating = None
    # Decoders raise whatever their format's code happens to raise on damaged bytes.
    with (
        contextlib.suppress(Exception),
        warnings.catch_warnings(action="ignore"),
        open_image(file) as image,
    ):
        rating = _rating_of(image.getexif())
        if image.format in _TOLD_BY_PILLOW:
            xmp = image.info.get("xmp")
            # A TIFF may keep a text or a number under the tag of XMP.
            return Embedded(xmp.rstrip(b"\0") if isinstance(xmp, bytes) else None, rating)
    return Embedded(_scan(file), rating)


def _rating_of(exif):
    rating, percent = exif.get(_RATING_TAG), exif.get(_PERCENT_TAG)
    if isinstance(rating, int) and 0 <= rating <= 5:
        return float(rating)
    if isinstance(percent, int) and 0 <= percent <= 100:
        return float(sum(percent >= least for least in _PERCENTS))
    return None


def _in_png(file):
    found = {}
    for kind, content in _png_chunks(file):
        if kind == b"eXIf":
            exif = Image.Exif()
            exif.load(content)
            found["rating"] = _rating_of(exif)
            continue
        key, _, rest = content.partition(b"\0")
        if kind == b"iTXt" and key == _PNG_KEY:
            # Two flags, then the language and the translated key, each with its end.
            packet = rest[2:].split(b"\0", 2)[-1]
            found.setdefault("xmp", _unpack(packet) if rest[:1] == b"\1" else packet)
        elif kind != b"iTXt" and key == _PNG_PROFILE:
            profile = _unpack(rest[1:]) if kind == b"zTXt" else rest
            digits = b"".join(profile.split()[2:]).decode("ascii")
            found.setdefault("xmp", bytes.fromhex(digits))
    return Embedded(**found)


def _png_chunks(file):
    """Kind and content of each chunk that may tell of a rating, also behind the pixels."""
    while len(head := file.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind in (b"iTXt", b"zTXt", b"tEXt", b"eXIf") and length <= MAX_XMP_BYTES:
            yield kind, file.read(length)
            file.seek(4, os.SEEK_CUR)
        else:
            file.seek(length + 4, os.SEEK_CUR)


def _unpack(content):
    try:
        return zlib.decompressobj().decompress(content, MAX_XMP_BYTES)
    except zlib.error as error:
        raise ValueError(error) from error


def _scan(file):
    """The first packet of XMP anywhere in a file."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = data.find(_PACKET_START)
        stop = data.find(_PACKET_END, start, start + MAX_XMP_BYTES) if start >= 0 else -1
        return bytes(data[start : stop + len(_PACKET_END)]) if stop >= 0 else None
