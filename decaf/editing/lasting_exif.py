"""What an edited copy keeps of its photo's EXIF data: who took it, when, where and how."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from features.decoding import open_image, silence_decoders
from features.raw import is_raw

_EXIF, _GPS = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo
_BASE = ExifTags.Base
# CIPA DC-008 (Exif 3.0). Left out is what tells of other pixels: their number, turn, colours and
# thumbnail; and makers' notes, which no one but the maker can place into another file.
_LASTING = {
    None: (_BASE.ImageDescription, _BASE.Make, _BASE.Model, _BASE.Artist, _BASE.Copyright),
    _EXIF: (
        _BASE.ExifVersion,
        _BASE.DateTimeOriginal,
        _BASE.DateTimeDigitized,
        _BASE.OffsetTimeOriginal,
        _BASE.OffsetTimeDigitized,
        _BASE.SubsecTimeOriginal,
        _BASE.SubsecTimeDigitized,
        _BASE.ExposureTime,
        _BASE.FNumber,
        _BASE.ISOSpeedRatings,
        _BASE.ExposureProgram,
        _BASE.MeteringMode,
        _BASE.Flash,
        _BASE.FocalLength,
        _BASE.FocalLengthIn35mmFilm,
        _BASE.BodySerialNumber,
        _BASE.LensMake,
        _BASE.LensModel,
    ),
    _GPS: tuple(ExifTags.GPS),
}
# Of one tag: all of them have to go into the 64 KiB of a JPEG's segment.
_MOST_BYTES = 1000


def read_lasting_exif(path: str | os.PathLike) -> bytes:
    """Read a photo's EXIF data, as far as they are true of an edited copy.

    Parameters
    ----------
    path : path-like
        Of a photo in any format, a raw file that is a TIFF included.

    Returns
    -------
    bytes
        For a JPEG; empty where the photo tells nothing. Tags that are damaged are left out.
    """
    silence_decoders()
    lasting, is_empty = Image.Exif(), True
    # Whatever is raised on damaged bytes: the copy does without.
    try:
        exif = _read(path)
        for ifd, tags in _LASTING.items():
            found = exif if ifd is None else exif.get_ifd(ifd)
            if kept := dict(_writable(found, tags)):
                is_empty = False
                (lasting if ifd is None else lasting.get_ifd(ifd)).update(kept)
        return b"" if is_empty else lasting.tobytes()
    except Exception:
        return b""


def _read(path: str | os.PathLike) -> Image.Exif:
    data = Path(path).read_bytes()
    if is_raw(data, os.path.splitext(path)[1]):
        exif = Image.Exif()
        exif.load(data)
        return exif
    with open_image(io.BytesIO(data)) as image:
        return image.getexif()


def _writable(found: Mapping[int, Any], tags: tuple[int, ...]) -> Iterator[tuple[int, Any]]:
    for tag in tags:
        if tag in found:
            alone = Image.Exif()
            alone[tag] = found[tag]
            # Pillow reads more than it writes.
            try:
                if len(alone.tobytes()) <= _MOST_BYTES:
                    yield tag, found[tag]
            except Exception:
                continue
