"""The bytes of a photo → RGB as a colour-managed viewer shows it, or the true reason why not."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import itertools
import logging
import re
import struct
import warnings
from collections.abc import Callable
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from features import tiff
from features.colours import UnknownColours, to_srgb
from features.memory import SharedMemory

# Pillow refuses larger images itself (twice `Image.MAX_IMAGE_PIXELS`); 151-megapixel cameras pass.
MAX_PIXELS = 178_956_970

# What decoders take together, or a thread for each core would fill the memory.
_MEMORY = SharedMemory(1_200_000_000)
# Measured: a photo of MAX_PIXELS takes 2 GB while it is decoded, with all its copies.
_BYTES_PER_PIXEL = 12

# Every scan of a progressive JPEG is a pass over all its pixels, but may be a few bytes long.
# libjpeg writes 10; some hundred keep a decoder busy for minutes.
_MAX_SCANS = 100
_START_OF_SCAN = b"\xff\xda"
_END_OF_IMAGE = b"\xff\xd9"
# The markers that a segment follows, and the end: in pixel data 0xFF is followed by 0, by another
# 0xFF or by a restart (0xD0 to 0xD7).
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")

# Only these of Pillow's readers are used: others run foreign programs (EPS) or read no photos.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
_HEIC_BRANDS = frozenset([b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"])
_JXL_STARTS = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")

# Colours are told before the pixels.
_COLOURS_WITHIN = 4096

# EXIF 2.32, tag 0x0112: how the stored image is to be turned to be upright.
ORIENTATION_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# From a decoded RGB image to what is kept of it.
Keep = Callable[[Image.Image], np.ndarray]

_PILLOW_WARNINGS = ("ignore", None, Warning, re.compile("PIL"), 0)


class PhotoError(Exception):
    """A photo that cannot be read; the message is the reason, in one short line."""


def decode_photo(
    data: bytes,
    max_pixels: int = MAX_PIXELS,
    min_side: int | None = None,
    exif: Image.Exif | None = None,
    keep: Keep = np.asarray,
) -> np.ndarray:
    """Decode a photo to sRGB as a viewer shows it: upright, first frame, alpha over white.

    Parameters
    ----------
    data : bytes
        Of the whole file.
    max_pixels, min_side
        As in `features.photos.read_photo`.
    exif : PIL.Image.Exif, optional
        What tells its orientation and colours in place of its own EXIF data.
    keep : callable
        From the decoded RGB image to what is kept of it: by default all its pixels. Called while
        its memory is accounted for.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        RGB, 0–255; read-only.

    Raises
    ------
    PhotoError
        When the photo cannot be decoded, whatever the reason.
    """
    silence_decoders()
    kind = tiff.read_kind(data) if data.startswith(tiff.MAGIC) else None
    try:
        return _decode(data, kind, max_pixels, min_side, exif, keep)
    except PhotoError:
        raise
    # Decoders raise whatever their format's code happens to raise on damaged bytes.
    except Exception as error:
        raise PhotoError(_reason(error, kind)) from error


def open_image(file: BinaryIO) -> Image.Image:
    """Open a photo with the readers of photos alone; no pixel is decoded.

    Parameters
    ----------
    file : binary file
        At its start.

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    PhotoError
        When its format needs a package that is not installed.
    Exception
        Whatever Pillow raises on damaged bytes.
    """
    start = file.read(16)
    file.seek(0)
    return Image.open(file, formats=_formats(start))


def reason_in_a_line(error: Exception) -> str:
    """What an exception says, in a line of at most 120 characters."""
    if isinstance(error, MemoryError):
        return "too large for the memory that is free"
    text = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    return " ".join(text.split())[:120]


def memory_for(
    width: int, height: int, n_coefficients: float = 0
) -> contextlib.AbstractContextManager:
    """Wait until there is the memory to decode a photo, and have it; small ones hardly ever wait.

    Parameters
    ----------
    width, height : int
        That the photo will have.
    n_coefficients : float
        Of a JPEG, that are kept until all of them are read.

    Returns
    -------
    context manager
    """
    return _MEMORY.taken(round(_BYTES_PER_PIXEL * width * height + 2 * n_coefficients))


def silence_decoders() -> None:
    """Keep off stderr what is told of damaged photos: those that fail have their reason."""
    # Not `catch_warnings`: photos are decoded in threads, where it would leak.
    if _PILLOW_WARNINGS not in warnings.filters:
        warnings.filterwarnings("ignore", module="PIL")
    _silence_libraries()


@functools.cache
def _silence_libraries():
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    # Pillow cannot be told to silence libtiff, so libtiff is; not where it has no name of its own.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)


def _formats(start):
    """Those of Pillow's readers that may open a file that starts so."""
    brand = start[8:12] if start[4:8] == b"ftyp" else None
    if brand in _HEIC_BRANDS:
        if not _register_heic():
            raise PhotoError("HEIC needs one more package: pip install pillow-heif")
        return ("HEIF",)
    if start.startswith(_JXL_STARTS):
        if not _register_jxl():
            raise PhotoError("JPEG XL needs one more package: pip install pillow-jxl-plugin")
        return ("JXL",)
    return _FORMATS


@functools.cache
def _register_heic():
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


@functools.cache
def _register_jxl():
    try:
        import pillow_jxl  # noqa: F401 - registers its reader
    except ImportError:
        return False
    return True


def _decode(data, kind, max_pixels, min_side, exif, keep):
    if kind is not None and kind.refusal:
        raise PhotoError(kind.refusal)
    with open_image(io.BytesIO(data)) as image:
        pixels = image.width * image.height
        if pixels > max_pixels:
            raise PhotoError(f"{image.width} × {image.height} pixels, more than {max_pixels:,}")
        n_coefficients = _kept_coefficients(image, data)
        # pillow-heif would give the embedded thumbnail, which may show anything.
        if min_side is not None and image.format != "HEIF":
            image.draft(None, (2 * min_side, 2 * min_side))
        if image.format in ("JPEG", "MPO") and _has_too_many_scans(data):
            raise PhotoError(f"a JPEG of more than {_MAX_SCANS} scans")
        with memory_for(*image.size, n_coefficients):
            image.load()
            # Only now: a TIFF is turned, and its orientation taken away, while it is loaded.
            exif = _read_exif(image) if exif is None else exif
            turn = _TURNS.get(exif.get(ORIENTATION_TAG))
            flat = _flatten(_to_srgb(image, exif, kind, data))
            return keep(flat if turn is None else flat.transpose(turn))


def _has_too_many_scans(data):
    """Whether the first image of a JPEG does; a film or raw data may follow its end."""
    # Counting bytes is much faster than going from marker to marker, and nearly always enough.
    if data.count(_START_OF_SCAN) <= _MAX_SCANS:
        return False
    return next(itertools.islice(_scans(data), _MAX_SCANS, None), None) is not None


def _kept_coefficients(image, data):
    """How many coefficients libjpeg keeps of a photo, whatever the scale that it is decoded at.

    All, if not every component is in the first scan, or if that does not hold all of their bits.
    """
    if image.format not in ("JPEG", "MPO") or not image.layer:
        return 0
    # Behind the segment's length.
    n_in_first = next((data[place + 2 : place + 3] for place in _scans(data)), None)
    if "progressive" not in image.info and n_in_first == bytes([len(image.layer)]):
        return 0
    _, across, down, _ = zip(*image.layer)
    share = sum(h * v for h, v in zip(across, down)) / (max(across) * max(down))
    return image.width * image.height * share


def _scans(data):
    """Where the headers of the scans of a JPEG's first image begin."""
    place = 2
    while (marker := _MARKER.search(data, place)) and marker[0] != _END_OF_IMAGE:
        if marker[0] == _START_OF_SCAN:
            yield marker.end()
        # Two bytes say how long the segment is, with themselves; a decoder reads them in any case.
        length = int.from_bytes(data[marker.end() : marker.end() + 2], "big")
        place = marker.end() + max(2, length)


def _read_exif(image):
    # Not `ImageOps.exif_transpose`, which writes the other tags anew and fails on broken ones.
    try:
        exif = image.getexif()
        exif.get(ORIENTATION_TAG)
        return exif
    except Exception:
        return Image.Exif()


def _to_srgb(image, exif, kind, data):
    coding = _read_coding(image.format, data)
    if coding:
        image.info["nclx_profile"] = coding
    if image.mode == "F" or image.mode.startswith("I"):
        image = _sixteen_bit_grey(image, kind)
    try:
        return to_srgb(image, exif)
    except UnknownColours as error:
        raise PhotoError(str(error)) from error


def _read_coding(image_format, data):
    """Code points of the colours of an AVIF and of a PNG, which Pillow does not tell.

    They are in the box colr (ISO 14496-12, 12.1.5), and in the chunk cICP (PNG, 11.3.2.6).
    """
    if image_format == "AVIF":
        place, layout = data.find(b"colrnclx", 0, _COLOURS_WITHIN) + 8, ">HH"
    elif image_format == "PNG":
        place, layout = data.find(b"cICP", 0, _COLOURS_WITHIN) + 4, ">BB"
    else:
        return None
    if place < 8:  # a signature lies before
        return None
    primaries, transfer = struct.unpack_from(layout, data, place)
    return {"color_primaries": primaries, "transfer_characteristics": transfer}


def _sixteen_bit_grey(image, kind):
    """Grey of more than 8 bits as ``I;16``, whose white is 65,535; Pillow's own way clips it."""
    if image.mode == "F":
        levels = np.nan_to_num(np.asarray(image), posinf=0, neginf=0)
        levels = levels.clip(0, white := _white_level(levels)) * (65535 / white)
    else:
        levels = np.asarray(image)
        if levels.dtype == np.int32 and kind is not None and kind.bits == 32:
            # Pillow takes unsigned numbers for signed ones.
            levels = levels.view(np.uint32) >> 16
    levels = np.rint(levels).astype(np.uint16)
    if kind is not None and kind.photometric == tiff.WHITE_IS_ZERO:
        levels = 65535 - levels
    grey = Image.fromarray(levels)
    grey.info, grey.format = image.info, image.format
    return grey


def _white_level(levels):
    # Float files do not say what white is: of the usual ranges the smallest that holds them, but
    # for the few levels that sharpening drives beyond white.
    highest = np.percentile(levels, 99)
    return next((white for white in (1, 255, 65535) if highest <= white), highest)


def _flatten(image):
    """RGB; alpha is laid over white."""
    if image.mode == "I;16":
        return Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        opaque = Image.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        return opaque.convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _reason(error, kind):
    if isinstance(error, UnidentifiedImageError):
        if kind is not None:
            return f"a TIFF of {kind.description} in an order that is not read; save it anew"
        return (
            "no photo in a known format (JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC, AVIF, JPEG XL), or "
            "its start is damaged"
        )
    reason = reason_in_a_line(error)
    if reason.startswith("decoder error"):  # Pillow's number of it says nothing to anybody.
        if kind is not None and kind.compression not in tiff.USUAL_COMPRESSIONS:
            return f"its {kind.compression_name} compression is not read, or its data are damaged"
        return "its pixel data are damaged"
    return reason
