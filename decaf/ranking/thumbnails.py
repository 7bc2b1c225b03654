"""Small pictures of photos for the page of a ranking."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from features.photos import PhotoError, read_photo

# Pixels, at most.
THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH = 160, 320
# WebP, of 100: about 4 kB a thumbnail.
THUMBNAIL_QUALITY = 60
# What the longer side of a preview has at most, in pixels, and its quality as JPEG, of 100: about
# 500 kB a preview. WebP is smaller by a third and takes ten times as long.
PREVIEW_SIDE, PREVIEW_QUALITY = 2048, 80

# What files begin with that every browser shows: JPEG, PNG, GIF, BMP.
_SHOWN_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")


@dataclass(frozen=True)
class Pictures:
    """Small pictures of one photo.

    Attributes
    ----------
    thumbnail : bytes
        WebP.
    width, height : int
        Of the thumbnail, in pixels.
    preview : bytes or None
        JPEG; None where browsers show the photo's own file.
    """

    thumbnail: bytes
    width: int
    height: int
    preview: bytes | None = None


def make_pictures(path: str) -> Pictures | None:
    """Make a photo's thumbnail, and a preview where browsers do not show its file.

    Parameters
    ----------
    path : str

    Returns
    -------
    Pictures or None
        None where the photo cannot be read.
    """
    try:
        is_shown = _is_shown_by_browsers(path)
        rgb, _ = read_photo(path, min_side=THUMBNAIL_HEIGHT if is_shown else None)
    except (PhotoError, OSError):
        return None
    image, preview = Image.fromarray(rgb), None
    if not is_shown:
        image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        preview = _encode(image, "JPEG", PREVIEW_QUALITY)
    image.thumbnail((THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT))
    return Pictures(_encode(image, "WEBP", THUMBNAIL_QUALITY), *image.size, preview)


def _is_shown_by_browsers(path: str) -> bool:
    """Whether Chromium, Firefox and Safari all show a file, whatever its name says it is."""
    with open(path, "rb") as file:
        start = file.read(64)
    is_webp = start.startswith(b"RIFF") and start[8:12] == b"WEBP"
    # HEIC has the same boxes, and other brands.
    is_avif = start[4:8] == b"ftyp" and b"avif" in start[8 : int.from_bytes(start[:4])]
    return start.startswith(_SHOWN_STARTS) or is_webp or is_avif


def _encode(image: Image.Image, kind: str, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, quality=quality)
    return file.getvalue()
