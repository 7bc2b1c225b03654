"""Find photo files and decode them to what a viewer would show, whatever state they are in."""

import contextlib
import csv
import ctypes
import functools
import hashlib
import io
import logging
import os
import re
import stat
import threading
import warnings
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from features.errors import InputError

# Pillow refuses larger images itself (twice `Image.MAX_IMAGE_PIXELS`); 151-megapixel cameras pass.
MAX_PIXELS = 178_956_970

# A 16-bit RGB TIFF of MAX_PIXELS fills 1.07 GB; a larger file is no photo, and would fill memory.
MAX_BYTES = 8 * MAX_PIXELS

# A photo of MAX_PIXELS takes 2 GB while it is decoded; of photos beyond 25 megapixels (0.3 GB) only
# one is decoded at a time, or a thread for each core would fill the memory.
_LARGE_PIXELS = 25_000_000
_ONE_LARGE_PHOTO = threading.Lock()

# Every scan of a progressive JPEG is a pass over all its pixels, but may be a few bytes long.
# libjpeg writes 10; some hundred keep a decoder busy for minutes.
_MAX_SCANS = 100
_START_OF_SCAN = b"\xff\xda"
_END_OF_IMAGE = b"\xff\xd9"
# The markers that a segment follows, and the end: in pixel data 0xFF is followed by 0, by another
# 0xFF or by a restart (0xD0 to 0xD7).
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")

RESIZE_MODES = ("squash", "crop", "pad")

_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif")
_SUFFIXES += (".heic", ".heif")

# Only these of Pillow's readers are used: others run foreign programs (EPS) or read no photos.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")

_HEIC_BRANDS = frozenset([b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"])

# The mean of the ImageNet photos (RGB), which every backbone's normalisation takes to zero.
_PADDING = (123, 117, 104)

# EXIF 2.32, tag 0x0112: how the stored image is to be turned to be upright.
_ORIENTATION_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# EXIF 2.32: when the photo was taken, to the second and beyond.
_EXIF_IFD, _TIME_TAG, _SUBSECOND_TAG = 0x8769, 0x9003, 0x9291

# Modes whose colours a profile may describe, and what they are converted to.
_PROFILED_MODES = {"RGB": "RGB", "RGBA": "RGBA", "CMYK": "RGB"}

_PILLOW_WARNINGS = ("ignore", None, Warning, re.compile("PIL"), 0)


class PhotoError(Exception):
    """A photo that cannot be read; the message is the reason, in one short line."""


def find_photos(source):
    """Names of the photos in a folder, a list file or a CSV file.

    Parameters
    ----------
    source : str or path
        A folder, searched with its subfolders (hidden files and folders are skipped, linked
        folders are followed once); a ``.txt`` file with one path a line; or a ``.csv`` file with
        a column ``file``.

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
            names = sorted(_walk(path))
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
        wanted = " ".join(_SUFFIXES) if path.is_dir() else "one path a line"
        raise InputError(f"{path}: no photos found; looked for {wanted}")
    return list(dict.fromkeys(names))


def photo_root(source):
    """The folder that the names `find_photos(source)` gives are relative to.

    Returns
    -------
    pathlib.Path
        The folder itself, or the folder of the list or CSV file.
    """
    path = Path(source)
    return path if path.is_dir() else path.parent


def read_photo(path, *, max_pixels=MAX_PIXELS, min_side=None):
    """Decode a photo to sRGB as a viewer shows it: upright, first frame, alpha over white.

    Colours are converted where the file embeds a profile that can be read.

    Parameters
    ----------
    path : str or path
        A regular file: JPEG, PNG, WebP, TIFF, BMP, GIF, or HEIC when `pillow-heif` is installed.
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
    data = _read_bytes(path)
    _silence_decoders()
    try:
        rgb = _decode(data, max_pixels, min_side)
    except PhotoError:
        raise
    # Decoders raise whatever their format's code happens to raise on damaged bytes.
    except Exception as error:
        raise PhotoError(_reason(error)) from error
    return rgb, photo_digest(data)


def photo_digest(data):
    """A photo's identity: BLAKE2b of its file's bytes, 16 bytes, as 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def file_digest(path):
    """The `photo_digest` of a file, without decoding it.

    Raises
    ------
    PhotoError
        When the file cannot be read.
    """
    return photo_digest(_read_bytes(path))


def capture_time(path):
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
    _silence_decoders()
    # Whatever is raised on damaged bytes: a photo without a time is in no burst.
    try:
        # A FIFO would keep its reader waiting.
        if not stat.S_ISREG(os.stat(path).st_mode):
            return np.nan
        with open(path, "rb") as file:
            is_heic = _is_heic(file.read(12)) and _register_heic()
            with Image.open(file, formats=("HEIF",) if is_heic else _FORMATS) as image:
                tags = image.getexif().get_ifd(_EXIF_IFD)
        taken = datetime.strptime(str(tags[_TIME_TAG]).strip("\0 "), "%Y:%m:%d %H:%M:%S")
        digits = str(tags.get(_SUBSECOND_TAG, "")).strip("\0 ")
        fraction = float(f"0.{digits}") if digits.isdecimal() else 0.0
    except Exception:
        return np.nan
    return (taken - datetime(1970, 1, 1)).total_seconds() + fraction


def check_paths(estimator, X, *, reset):
    """Check the paths that a scikit-learn transformer of photos is given.

    Parameters
    ----------
    estimator : estimator
    X : array-like of str or path, shape (n_photos,) or (n_photos, 1)
    reset : bool
        Whether `X` is what the estimator is fitted on.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        When `X` is no such thing, or holds no photo.
    """
    from sklearn.utils.validation import validate_data

    if np.ndim(X) == 1:
        X = np.asarray(X, dtype=object)[:, None]
    X = validate_data(estimator, X, reset=reset, dtype=None)
    if X.shape[1] != 1 or not all(isinstance(path, str | os.PathLike) for path in X[:, 0]):
        raise ValueError("X must be paths of photo files, of shape (n_photos,) or (n_photos, 1)")
    return [os.fspath(path) for path in X[:, 0]]


def resize_photo(rgb, size, mode="squash"):
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
    """
    image = Image.fromarray(rgb)
    # Pillow's bilinear filter widens with the reduction: what torchvision's networks saw.
    bilinear = Image.Resampling.BILINEAR
    if mode == "squash":
        square = image.resize((size, size), bilinear)
    elif mode == "crop":
        side = min(image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        square = image.resize((size, size), bilinear, box=(left, top, left + side, top + side))
    elif mode == "pad":
        scale = size / max(image.size)
        inner = [max(1, round(side * scale)) for side in image.size]
        square = Image.new("RGB", (size, size), _PADDING)
        square.paste(image.resize(inner, bilinear), [(size - side) // 2 for side in inner])
    else:
        raise InputError(f"resize mode {mode!r}: use one of {', '.join(RESIZE_MODES)}")
    return np.asarray(square)


def _walk(root):
    """Yield names of image files below `root`, relative to it, with forward slashes."""

    def refuse(error):
        raise error

    # Links may lead back into the folder or above it: every folder is entered once, and those
    # that hold `root` never.
    seen = {_identity(folder) for folder in root.resolve().parents}
    for folder, subfolders, files in os.walk(root, followlinks=True, onerror=refuse):
        if _identity(folder) in seen:
            subfolders.clear()
            continue
        seen.add(_identity(folder))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in files:
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in _SUFFIXES:
                yield Path(folder, name).relative_to(root).as_posix()


def _identity(folder):
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _read_list(path):
    # Bytes, since a file's name need not be UTF-8; some editors write a byte order mark first.
    lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    return [os.fsdecode(line) for line in lines if line.strip()]


def _read_file_column(path):
    with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        rows = csv.DictReader(file)
        try:
            if "file" not in (rows.fieldnames or []):
                columns = ", ".join(rows.fieldnames or ["none"])
                raise InputError(f"{path}: needs a column named 'file'; its columns are: {columns}")
            return [row["file"] for row in rows if row["file"]]
        except csv.Error as error:
            line = rows.reader.line_num
            raise InputError(f"{path}, line {line}: not a CSV file: {error}") from error


def _read_bytes(path):
    """The bytes of a regular file, of at most MAX_BYTES."""
    try:
        status = os.stat(path)
        # A FIFO or a device would keep its reader waiting.
        if not stat.S_ISREG(status.st_mode):
            raise PhotoError("not a regular file")
        if status.st_size > MAX_BYTES:
            raise PhotoError(f"a file of {status.st_size:,} bytes, more than {MAX_BYTES:,}")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES)
    except (OSError, ValueError, MemoryError) as error:
        raise PhotoError(_reason(error)) from error
    if not data:
        raise PhotoError("an empty file")
    return data


def _silence_decoders():
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


def _decode(data, max_pixels, min_side):
    is_heic = _is_heic(data)
    if is_heic and not _register_heic():
        raise PhotoError("HEIC needs one more package: pip install pillow-heif")
    with Image.open(io.BytesIO(data), formats=("HEIF",) if is_heic else _FORMATS) as image:
        pixels = image.width * image.height
        if pixels > max_pixels:
            raise PhotoError(f"{image.width} × {image.height} pixels, more than {max_pixels:,}")
        # pillow-heif would give the embedded thumbnail, which may show anything.
        if min_side is not None and not is_heic:
            image.draft(None, (2 * min_side, 2 * min_side))
        if image.format in ("JPEG", "MPO") and _has_too_many_scans(data):
            raise PhotoError(f"a JPEG of more than {_MAX_SCANS} scans")
        large = image.width * image.height > _LARGE_PIXELS
        with _ONE_LARGE_PHOTO if large else contextlib.nullcontext():
            image.load()
            # Only now: a TIFF is turned, and its orientation taken away, while it is loaded.
            turn = _TURNS.get(_orientation(image))
            flat = _to_rgb(_to_srgb(image))
            return np.asarray(flat if turn is None else flat.transpose(turn))


def _is_heic(start):
    return start[4:8] == b"ftyp" and start[8:12] in _HEIC_BRANDS


def _has_too_many_scans(data):
    """Whether the first image of a JPEG does; a film or raw data may follow its end."""
    # Counting bytes is much faster than going from marker to marker, and nearly always enough.
    if data.count(_START_OF_SCAN) <= _MAX_SCANS:
        return False
    n_scans, place = 0, 2
    while n_scans <= _MAX_SCANS:
        marker = _MARKER.search(data, place)
        if marker is None or marker[0] == _END_OF_IMAGE:
            return False
        n_scans += marker[0] == _START_OF_SCAN
        # Two bytes say how long the segment is, with themselves; a decoder reads them in any case.
        length = int.from_bytes(data[marker.end() : marker.end() + 2], "big")
        place = marker.end() + max(2, length)
    return True


@functools.cache
def _register_heic():
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def _orientation(image):
    # Not `ImageOps.exif_transpose`, which writes the other tags anew and fails on broken ones.
    try:
        return image.getexif().get(_ORIENTATION_TAG)
    except Exception:
        return None


def _to_srgb(image):
    """The image with the colours that its embedded profile means, if it has one."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in _PROFILED_MODES:
        return image
    try:
        transform = _profile_transform(profile, image.mode)
        return image if transform is None else transform.apply(image)
    # A broken profile, or one of another kind of colours, is as good as none.
    except Exception:
        return image


# A camera writes the same profile into all its photos, and preparing one takes 10 ms.
@functools.lru_cache(maxsize=8)
def _profile_transform(profile, mode):
    """The transform from a profile's colours to sRGB; None where they are sRGB."""
    described = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if "sRGB" in ImageCms.getProfileDescription(described):
        return None
    srgb = ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(described, srgb, mode, _PROFILED_MODES[mode])


def _to_rgb(image):
    # Pillow's own conversion of levels beyond 8 bits would clip them.
    if image.mode.startswith("I") or image.mode == "F":
        levels = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0, neginf=0)
        white = _white_level(levels, image.mode)
        grey = np.rint(levels.clip(0, white) * (255 / white)).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.has_transparency_data:
        opaque = Image.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        return opaque.convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _white_level(levels, mode):
    if mode == "F":
        # Float files do not say what white is: of the usual ranges the smallest that holds them,
        # but for the few levels that sharpening drives beyond white.
        highest = np.percentile(levels, 99)
        return next((white for white in (1, 255, 65535) if highest <= white), highest)
    return max(65535, levels.max())


def _reason(error):
    if isinstance(error, UnidentifiedImageError):
        return (
            "no photo in a known format (JPEG, PNG, WebP, TIFF, BMP, GIF), or its start is damaged"
        )
    if isinstance(error, MemoryError):
        return "too large for the memory that is free"
    text = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    if text.startswith("decoder error"):  # Pillow's number of it says nothing to anybody.
        return "its pixel data are damaged"
    return " ".join(text.split())[:120]
