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

# What files begin with that every browser shows.
_SHOWN_STARTS = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
}


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
        is_shown = shown_type(path) is not None
        rgb, _ = read_photo(path, min_side=THUMBNAIL_HEIGHT if is_shown else None)
    except (PhotoError, OSError):
        return None
    image, preview = Image.fromarray(rgb), None
    if not is_shown:
        image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        preview = _encode(image, "JPEG", PREVIEW_QUALITY)
    image.thumbnail((THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT))
    return Pictures(_encode(image, "WEBP", THUMBNAIL_QUALITY), *image.size, preview)


def shown_type(path: str) -> str | None:
    """The media type of a file that Chromium, Firefox and Safari all show, whatever its name says.

    Parameters
    ----------
    path : str

    Returns
    -------
    str or None
        None where one of them does not show it.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with open(path, "rb") as file:
        start = file.read(64)
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "image/webp"
    # HEIC has the same boxes, and other brands.
    if start[4:8] == b"ftyp" and b"avif" in start[8 : int.from_bytes(start[:4])]:
        return "image/avif"
    return next((kind for known, kind in _SHOWN_STARTS.items() if start.startswith(known)), None)


def _encode(image: Image.Image, kind: str, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, quality=quality)
    return file.getvalue()
