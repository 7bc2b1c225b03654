"""Find photo files and decode them to what a viewer would show, whatever state they are in."""

from __future__ import annotations

import contextlib
import csv
import functools
import hashlib
import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image

from features.albums import SUFFIXES, walk_album
from features.decoding import (
    MAX_PIXELS,
    Keep,
    PhotoError,
    decode_photo,
    open_image,
    reason_in_a_line,
    silence_decoders,
)
from features.errors import InputError
from features.memory import SharedMemory
from features.raw import decode_raw, is_raw
from features.text import decode_text

# A 16-bit RGB TIFF of MAX_PIXELS fills 1.07 GB; a larger file is no photo, and would fill memory.
MAX_BYTES = 8 * MAX_PIXELS
# What files take that are read and decoded at the same time; a raw file has up to 120 MB.
_FILES = SharedMemory(600_000_000)

RESIZE_MODES = ("squash", "crop", "pad")

# The mean of the ImageNet photos (RGB), which every backbone's normalisation takes to zero.
_PADDING = (123, 117, 104)

# EXIF 2.32: when the photo was taken, to the second and beyond.
_EXIF_IFD, _TIME_TAG, _SUBSECOND_TAG = 0x8769, 0x9003, 0x9291


def find_photos(source: str | os.PathLike) -> list[str]:
    """Names of the photos in a folder, a list file or a CSV file.

    Parameters
    ----------
    source : str or path
        A folder, searched with its subfolders as in `features.albums.walk_album`; a ``.txt`` file
        with one path a line; or a ``.csv`` file with a column ``file``.

    Returns
    -------
    names : list of str
        Relative to `photo_root(source)`, each once; sorted for a folder, in the file's order
        otherwise. Whether a photo can be read shows only when it is read.

    Raises
    ------
    InputError
        When the source is not there, cannot be read, or names no photo.
    """
    path = Path(source)
    try:
        if path.is_dir():
            names = sorted(walk_album(path))
        elif path.suffix.lower() == ".txt" and path.is_file():
            names = _read_list(path)
        elif path.suffix.lower() == ".csv" and path.is_file():
            names = _read_file_column(path)
        elif path.exists():
            raise InputError(f"{path}: give a folder of photos, a .txt list or a .csv file")
        else:
            raise InputError(f"{path}: there is no such folder or file")
    except OSError as error:
        place = os.fsdecode(error.filename or path)
        raise InputError(f"{place}: cannot be read: {error.strerror}") from error
    if not names:
        wanted = " ".join(SUFFIXES) if path.is_dir() else "one path a line"
        raise InputError(f"{path}: no photos found; looked for {wanted}")
    return list(dict.fromkeys(names))


def photo_root(source: str | os.PathLike) -> Path:
    """The folder that the names `find_photos(source)` gives are relative to.

    Returns
    -------
    pathlib.Path
        The folder itself, or the folder of the list or CSV file.
    """
    path = Path(source)
    return path if path.is_dir() else path.parent


def read_photo(
    path: str | os.PathLike, *, max_pixels: int = MAX_PIXELS, min_side: int | None = None
) -> tuple[np.ndarray, str]:
    """Decode a photo to sRGB as a viewer shows it: upright, first frame, alpha over white.

    Colours are converted by the profile that the file embeds, or implies: cameras' Adobe RGB, the
    wide gamut of HEIC and AVIF, a PNG's gamma.

    Parameters
    ----------
    path : str or path
        A regular file: JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF; HEIC when `pillow-heif` is installed,
        JPEG XL when `pillow-jxl-plugin` is, and raw files of cameras when `rawpy` is.
    max_pixels : int
        Larger photos are refused before their pixels are decoded. More than `MAX_PIXELS` has no
        effect, since Pillow refuses those.
    min_side : int, optional
        The side in pixels that the photo will be resized to. A JPEG may then be decoded at 1/2,
        1/4 or 1/8 of its scale (in the DCT, which is several times faster), so long as both sides
        keep at least twice `min_side`, so that the antialiased resize still decides. Measured after
        the resize: 0.3 to 0.7 of 255 levels from a full decode in the mean, at 2 to 12 times its
        speed.

    Returns
    -------
    rgb : ndarray of uint8, shape (height, width, 3)
        RGB, 0–255; read-only.
    digest : str
        The digest of the file's bytes (`photo_digest`).

    Raises
    ------
    PhotoError
        When the file cannot be read or decoded, whatever the reason.
    """
    with _read_bytes(path) as data:
        return _decode(data, path, max_pixels, min_side, np.asarray), photo_digest(data)


def read_square(
    path: str | os.PathLike,
    size: int,
    mode: str = "squash",
    wanted: Callable[[str], bool] = lambda digest: True,
) -> tuple[np.ndarray | None, str]:
    """Decode a photo as `read_photo` does and resize it as `resize_photo`, where it is wanted.

    The pixels are the same; the whole photo is not copied between the two.

    Parameters
    ----------
    path, size, mode
        As in `read_photo` and `resize_photo`.
    wanted : callable
        From the photo's digest to whether it is to be decoded; its file is read once.

    Returns
    -------
    rgb : ndarray of uint8, shape (size, size, 3), or None
        None where it is not wanted.
    digest : str

    Raises
    ------
    PhotoError
        As from `read_photo`.
    InputError
        As from `resize_photo`.
    """
    _check_mode(mode)
    square = functools.partial(_square, size=size, mode=mode)
    with _read_bytes(path) as data:
        digest = photo_digest(data)
        return _decode(data, path, MAX_PIXELS, size, square) if wanted(digest) else None, digest


def photo_digest(data: bytes) -> str:
    """A photo's identity: BLAKE2b of its file's bytes, 16 bytes, as 32 hexadecimal digits.

    Examples
    --------
    >>> photo_digest(b"the bytes of a file")
    '6fd5fbb6a74fb7abd7c00fa5403424c3'
    """
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def file_digest(path: str | os.PathLike) -> str:
    """The `photo_digest` of a file, without decoding it.

    Raises
    ------
    PhotoError
        When the file cannot be read.
    """
    with _read_bytes(path) as data:
        return photo_digest(data)


def capture_time(path: str | os.PathLike) -> float:
    """When a photo was taken, by its EXIF data; nothing is decoded.

    Parameters
    ----------
    path : str or path
        As for `read_photo`.

    Returns
    -------
    float
        Seconds, with their fractions where the camera gave them, to be compared with other photos'
        only; NaN where the photo does not tell.
    """
    silence_decoders()
    # Whatever is raised on damaged bytes: a photo without a time is in no burst.
    try:
        # A FIFO would keep its reader waiting.
        if not stat.S_ISREG(os.stat(path).st_mode):
            return np.nan
        with open(path, "rb") as file, open_image(file) as image:
            tags = image.getexif().get_ifd(_EXIF_IFD)
        taken = datetime.strptime(str(tags[_TIME_TAG]).strip("\0 "), "%Y:%m:%d %H:%M:%S")
        digits = str(tags.get(_SUBSECOND_TAG, "")).strip("\0 ")
        fraction = float(f"0.{digits}") if digits.isdecimal() else 0.0
    except Exception:
        return np.nan
    return (taken - datetime(1970, 1, 1)).total_seconds() + fraction


def resize_photo(rgb: np.ndarray, size: int, mode: str = "squash") -> np.ndarray:
    """Resize a photo to a square, antialiased.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
    size : int
        Side of the square in pixels.
    mode : {"squash", "crop", "pad"}
        Whether the whole photo is squashed to the square, its central square is taken, or it is
        fitted inside and padded with the mean colour of ImageNet.

    Returns
    -------
    ndarray of uint8, shape (size, size, 3)

    Raises
    ------
    InputError
        When the mode is none of `RESIZE_MODES`.

    Examples
    --------
    >>> resize_photo(np.zeros((40, 60, 3), np.uint8), 16).shape
    (16, 16, 3)
    """
    _check_mode(mode)
    return _square(Image.fromarray(rgb), size, mode)


def _check_mode(mode: str) -> None:
    if mode not in RESIZE_MODES:
        raise InputError(f"resize mode {mode!r}: use one of {', '.join(RESIZE_MODES)}")


def _square(image: Image.Image, size: int, mode: str) -> np.ndarray:
    # Pillow's bilinear filter widens with the reduction: what torchvision's networks saw.
    bilinear = Image.Resampling.BILINEAR
    if mode == "squash":
        square = image.resize((size, size), bilinear)
    elif mode == "crop":
        side = min(image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        square = image.resize((size, size), bilinear, box=(left, top, left + side, top + side))
    else:
        scale = size / max(image.size)
        width, height = (max(1, round(side * scale)) for side in image.size)
        square = Image.new("RGB", (size, size), _PADDING)
        inner = image.resize((width, height), bilinear)
        square.paste(inner, ((size - width) // 2, (size - height) // 2))
    return np.asarray(square)


def _read_list(path: Path) -> list[str]:
    # Not `splitlines`, for which a name may hold ends of lines that no editor writes.
    lines = re.split("\r\n|\r|\n", _read_text(path))
    return [line for line in lines if line.strip()]


def _read_file_column(path: Path) -> list[str]:
    rows = csv.DictReader(io.StringIO(_read_text(path), newline=""))
    try:
        if "file" not in (rows.fieldnames or []):
            columns = ", ".join(rows.fieldnames or ["none"])
            raise InputError(f"{path}: needs a column named 'file'; its columns are: {columns}")
        return [row["file"] for row in rows if row["file"]]
    except csv.Error as error:
        line = rows.reader.line_num
        raise InputError(f"{path}, line {line}: not a CSV file: {error}") from error


def _read_text(path: Path) -> str:
    # A file's name need not be UTF-8.
    return decode_text(path.read_bytes(), errors="surrogateescape")


def _decode(
    data: bytes, path: str | os.PathLike, max_pixels: int, min_side: int | None, keep: Keep
) -> np.ndarray:
    decode = decode_raw if is_raw(data, Path(path).suffix) else decode_photo
    return decode(data, max_pixels, min_side, keep=keep)


@contextlib.contextmanager
def _read_bytes(path: str | os.PathLike) -> Iterator[bytes]:
    """The bytes of a regular file, of at most MAX_BYTES; with those of all threads in bounds."""
    with contextlib.ExitStack() as stack:
        try:
            status = os.stat(path)
            # A FIFO or a device would keep its reader waiting.
            if not stat.S_ISREG(status.st_mode):
                raise PhotoError("not a regular file")
            if status.st_size > MAX_BYTES:
                raise PhotoError(f"a file of {status.st_size:,} bytes, more than {MAX_BYTES:,}")
            stack.enter_context(_FILES.taken(status.st_size))
            with open(path, "rb") as file:
                data = file.read(MAX_BYTES)
        except (OSError, ValueError, MemoryError) as error:
            raise PhotoError(reason_in_a_line(error)) from error
        if not data:
            raise PhotoError("an empty file")
        yield data
