"""Raw files of cameras: their embedded preview where it is large enough, else LibRaw's development.

LibRaw reads them, by `rawpy`.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from features import tiff
from features.decoding import (
    MAX_PIXELS,
    ORIENTATION_TAG,
    Keep,
    PhotoError,
    decode_photo,
    memory_for,
    open_image,
)

# Of Canon, Nikon, Sony, Fujifilm, Olympus, Panasonic, Pentax, and Adobe's DNG of many others.
SUFFIXES = (".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".dng")

# What those begin with that do not begin as a TIFF does: CR3, RAF, ORF, RW2.
_STARTS = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")
_CR3_BRAND = b"ftypcrx "
# Behind a TIFF's header.
_CR2_MARK = b"CR"

# LibRaw's flip → EXIF's orientation: upright, upside down, turned left, turned right.
_ORIENTATIONS = {0: 1, 3: 3, 5: 8, 6: 6}
_SIDEWAYS = (5, 6)


def is_raw(data: bytes, suffix: str) -> bool:
    """Tell raw files from other photos.

    Parameters
    ----------
    data : bytes
        Of the whole file.
    suffix : str
        Of its name; a TIFF is a raw file where it has the suffix of one, or where its first image
        is the preview of another one in it.

    Returns
    -------
    bool
    """
    if data.startswith(_STARTS) or data[4:12] == _CR3_BRAND:
        return True
    if not data.startswith(tiff.MAGIC):
        return False
    if suffix.lower() in SUFFIXES or data[8:10] == _CR2_MARK:
        return True
    kind = tiff.read_kind(data)
    return kind is not None and kind.is_preview


def decode_raw(
    data: bytes,
    max_pixels: int = MAX_PIXELS,
    min_side: int | None = None,
    keep: Keep = np.asarray,
) -> np.ndarray:
    """Decode a raw file to sRGB, upright as its camera says.

    Parameters
    ----------
    data : bytes
        Of the whole file.
    max_pixels : int
        Larger photos are refused.
    min_side : int, optional
        The side in pixels that the photo will be resized to: a preview whose sides are as long is
        taken for the photo. Without it a preview of half the photo's size is.
    keep : callable
        As in `features.decoding.decode_photo`.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        RGB, 0–255; read-only.

    Raises
    ------
    PhotoError
        When the photo cannot be decoded, whatever the reason.
    """
    try:
        import rawpy
    except ImportError:
        raise PhotoError("raw files need one more package: pip install rawpy") from None

    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            size = raw.sizes
            pixels = size.width * size.height
            if pixels > max_pixels:
                raise PhotoError(f"{size.width} × {size.height} pixels, more than {max_pixels:,}")
            enough = min(size.width, size.height) // 2 if min_side is None else min_side
            preview = _preview(raw, enough)
            if preview is not None:
                exif = _exif(data, _orientation(preview, size))
                return decode_photo(preview, max_pixels, min_side, exif, keep)
            # LibRaw would show black for what is not there.
            if data.startswith(tiff.MAGIC) and tiff.is_cut_off(data):
                raise PhotoError("a raw file whose end is missing")
            with memory_for(size.width, size.height):
                rgb = raw.postprocess(half_size=True, use_camera_wb=True)
                return keep(Image.fromarray(rgb))
    except rawpy.LibRawFileUnsupportedError as error:
        raise PhotoError("a raw file that LibRaw does not read, or its start is damaged") from error
    except rawpy.LibRawError as error:
        raise PhotoError(f"a raw file that LibRaw cannot develop ({_text(error)})") from error


def _preview(raw, least_side):
    """The embedded JPEG, if its shorter side is long enough; else None."""
    import rawpy

    try:
        preview = raw.extract_thumb()
    except rawpy.LibRawError:
        return None
    if preview.format != rawpy.ThumbFormat.JPEG:
        return None
    try:
        with open_image(io.BytesIO(preview.data)) as image:
            return preview.data if min(image.size) >= least_side else None
    # Whatever Pillow raises on a damaged preview.
    except Exception:
        return None


def _orientation(preview, size):
    """EXIF's orientation of a preview; some cameras store it upright already."""
    with open_image(io.BytesIO(preview)) as image:
        is_tall = image.height > image.width
    if size.flip in _SIDEWAYS and is_tall != (size.height > size.width):
        return 1
    return _ORIENTATIONS.get(size.flip, 1)


def _exif(data, orientation):
    """The raw file's own EXIF data, which tell of its preview's colours, and this orientation."""
    exif = Image.Exif()
    try:
        exif.load(data)
        exif.get_ifd(0x8769)
    # Whatever Pillow raises on raw files that are no TIFF.
    except Exception:
        exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    return exif


def _text(error):
    (message,) = error.args or ("",)
    return message.decode(errors="replace") if isinstance(message, bytes) else str(message)
