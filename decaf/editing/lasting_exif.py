"""What an edited copy keeps of its photo's EXIF data: who took it, when, where and how.

Values are kept byte by byte: Pillow, which reads all of them, would write some of them as others.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from PIL import ExifTags

from features.decoding import open_image, silence_decoders

_BASE, _IFD = ExifTags.Base, ExifTags.IFD
# CIPA DC-008 (Exif 3.0). Left out is what tells of other pixels: their number, turn, colours and
# thumbnail, and by 35 mm the angle of view; and makers' notes, which no one but the maker can place
# into another file.
_OF_PHOTO = (_BASE.ImageDescription, _BASE.Make, _BASE.Model, _BASE.Artist, _BASE.Copyright)
_OF_SHOT = (
    _BASE.ExposureTime,
    _BASE.FNumber,
    _BASE.ExposureProgram,
    _BASE.ISOSpeedRatings,
    _BASE.ExifVersion,
    _BASE.DateTimeOriginal,
    _BASE.DateTimeDigitized,
    _BASE.OffsetTimeOriginal,
    _BASE.OffsetTimeDigitized,
    _BASE.ExposureBiasValue,
    _BASE.MeteringMode,
    _BASE.Flash,
    _BASE.FocalLength,
    _BASE.SubsecTimeOriginal,
    _BASE.SubsecTimeDigitized,
    _BASE.BodySerialNumber,
    _BASE.LensMake,
    _BASE.LensModel,
)
_PREFIX = b"Exif\0\0"
# TIFF 6.0, and for UTF-8 Exif 3.0: bytes of a value by its type; of a header, an entry, and what
# stands in an entry itself.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 129: 1}
_HEADER, _ENTRY, _INSIDE, _LONG = 8, 12, 4, 4
_MAGIC, _MAGIC_OF_BIG_TIFF, _POINTER = 42, 43, 4
# Of one value: all of them, of at most 60 tags, go into the 64 KiB of a JPEG's segment.
_MOST_BYTES = 1000

# Type and bytes, by tag.
_Entries = dict[int, tuple[int, bytes]]


def read_lasting_exif(path: str | os.PathLike) -> bytes:
    """Read a photo's EXIF data, as far as they are true of an edited copy.

    Parameters
    ----------
    path : path-like
        Of a photo; or of a raw file that is laid out as a TIFF, as nearly all but Canon's CR3 and
        Fujifilm's RAF are.

    Returns
    -------
    bytes
        For a JPEG; empty where the photo tells nothing. Values that are damaged are left out.
    """
    # Whatever is raised on damaged bytes: the copy does without.
    try:
        data = _read(path)
        order = {b"II": "<", b"MM": ">"}[data[:2]]
        magic, start = struct.unpack_from(f"{order}HL", data, 2)
    except Exception:
        return b""
    if magic == _MAGIC_OF_BIG_TIFF:
        return b""
    found = _entries(data, order, start)
    photo = {int(tag): found[tag] for tag in _OF_PHOTO if tag in found}
    others = {
        int(ifd): _part(data, order, found.get(ifd), tags)
        for ifd, tags in ((_IFD.Exif, _OF_SHOT), (_IFD.GPSInfo, tuple(ExifTags.GPS)))
    }
    others = {ifd: entries for ifd, entries in others.items() if entries}
    return _PREFIX + data[:2] + _written(photo, others, order) if photo or others else b""


def _read(path: str | os.PathLike) -> bytes:
    """What is laid out as a TIFF: a photo's EXIF data, or the photo itself."""
    silence_decoders()
    data = Path(path).read_bytes()
    if data[:2] in (b"II", b"MM"):
        return data
    with open_image(io.BytesIO(data)) as image:
        return image.info["exif"].removeprefix(_PREFIX)


def _entries(data: bytes, order: str, start: int) -> _Entries:
    found: _Entries = {}
    with suppress(struct.error):
        (n_entries,) = struct.unpack_from(f"{order}H", data, start)
        for place in range(start + 2, start + 2 + _ENTRY * n_entries, _ENTRY):
            tag, kind, count, offset = struct.unpack_from(f"{order}HHLL", data, place)
            length = count * _SIZES.get(kind, 0)
            begin = offset if length > _INSIDE else place + _ENTRY - _INSIDE
            value = data[begin : begin + length]
            if 0 < length == len(value) <= _MOST_BYTES:
                found[tag] = kind, value
    return found


def _part(
    data: bytes, order: str, pointer: tuple[int, bytes] | None, tags: Iterable[int]
) -> _Entries:
    """Entries of the IFD to which an entry of the photo's own leads."""
    if pointer is None or len(pointer[1]) != _LONG:
        return {}
    found = _entries(data, order, *struct.unpack(f"{order}L", pointer[1]))
    return {int(tag): found[tag] for tag in tags if tag in found}


def _written(photo: _Entries, others: dict[int, _Entries], order: str) -> bytes:
    """A TIFF but for its first two bytes: other IFDs, and the photo's own, which leads to them."""
    body, photo = b"", dict(photo)
    for ifd, entries in others.items():
        start = _HEADER + len(body)
        photo[ifd] = _POINTER, struct.pack(f"{order}L", start)
        body += _packed(entries, order, start)
    start = _HEADER + len(body)
    return struct.pack(f"{order}HL", _MAGIC, start) + body + _packed(photo, order, start)


def _packed(entries: _Entries, order: str, start: int) -> bytes:
    """An IFD that begins at this place, and its values behind it; of even length."""
    table, values = struct.pack(f"{order}H", len(entries)), b""
    behind = start + 2 + _ENTRY * len(entries) + _LONG
    for tag, (kind, value) in sorted(entries.items()):
        place = value.ljust(_INSIDE, b"\0")
        if len(value) > _INSIDE:
            place = struct.pack(f"{order}L", behind + len(values))
            values += value + b"\0" * (len(value) % 2)
        table += struct.pack(f"{order}HHL", tag, kind, len(value) // _SIZES[kind]) + place
    return table + b"\0" * _LONG + values
