"""Which TIFFs are read: Pillow decodes some kinds wrongly, and calls others no photos.

What a TIFF holds is told by its tags (TIFF 6.0, Adobe 1992). Compared with ImageMagick and libvips
in tests/features/test_corpus.py.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import TiffImagePlugin

# Of TIFF and of BigTIFF.
MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# Tags.
_SUBFILE_TYPE, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 254, 258, 259, 262, 277
_PLANAR, _SUB_IFDS, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 284, 330, 338, 339

_PHOTOMETRIC_NAMES = {
    0: "grey where white is zero",
    1: "grey",
    2: "RGB",
    3: "palette",
    5: "CMYK",
    6: "YCbCr",
    8: "CIE Lab",
    9: "ICC Lab",
    10: "ITU Lab",
    32803: "raw sensor",
    32844: "LogL",
    32845: "LogLuv",
    34892: "linear raw",
}
WHITE_IS_ZERO, _RGB = 0, 2
_RAW = (32803, 34892)
_UNSIGNED, _FLOAT = 1, 3
_FORMAT_NAMES = {_UNSIGNED: "", 2: "signed ", _FLOAT: "float "}
_UNCOMPRESSED, _SEPARATE = 1, 2
_STRIPS, _TILES = (273, 279), (324, 325)
_UNSPECIFIED = 0
_REDUCED = 1

# None, the fax codes, LZW, JPEG, deflate under both its numbers, PackBits: every libtiff has them.
USUAL_COMPRESSIONS = (_UNCOMPRESSED, 2, 3, 4, 5, 7, 8, 32946, 32773)
_COMPRESSION_NAMES = {
    6: "old JPEG",
    34661: "JBIG",
    34712: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}

# Photometric → the bits and the format of its samples that are decoded rightly.
_READ = {
    0: {(1, 1), (2, 1), (4, 1), (8, 1), (16, 1)},
    1: {(1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (32, 1), (32, 3)},
    2: {(8, 1), (16, 1)},
    3: {(1, 1), (2, 1), (4, 1), (8, 1)},
    5: {(8, 1), (16, 1)},
    6: {(8, 1)},
}


@dataclass(frozen=True)
class TiffKind:
    """What the first image of a TIFF holds.

    Attributes
    ----------
    photometric, compression : int
        As the tags have them.
    bits : int
        Of a sample.
    sample_format : int
        1 unsigned, 2 signed, 3 float.
    n_samples : int
        Of a pixel.
    is_separate : bool
        Whether each channel is a plane of its own.
    extra_samples : tuple of int
        Channels beyond the colours: 0 unspecified, 1 associated alpha, 2 unassociated alpha.
    is_preview : bool
        Whether it is a reduced version of another image in the file, as in raw files.
    """

    photometric: int
    compression: int
    bits: int
    sample_format: int
    n_samples: int
    is_separate: bool
    extra_samples: tuple[int, ...]
    is_preview: bool

    @property
    def description(self) -> str:
        """Such as "32-bit float RGB in planes"."""
        colours = _PHOTOMETRIC_NAMES.get(self.photometric, f"photometric {self.photometric}")
        number = _FORMAT_NAMES.get(self.sample_format, f"format {self.sample_format} ")
        planes = " in planes" if self.is_separate else ""
        alpha = " with alpha" if self.extra_samples and not self._has_unknown_channel else ""
        return f"{self.bits}-bit {number}{colours}{alpha}{planes}"

    @property
    def refusal(self) -> str | None:
        """Why it is not read, in one line; None where it is."""
        if self.photometric in _RAW:
            return "a TIFF of raw sensor data; develop it first"
        if (self.bits, self.sample_format) not in _READ.get(self.photometric, ()):
            return self._not_read()
        if self._has_unknown_channel:
            return (
                "a TIFF with a channel of which it does not say whether it is alpha; save it "
                "without that"
            )
        # Pillow takes a byte of each 16-bit sample for a whole one.
        deep_planes = self.is_separate and self.bits > 8 and self.compression == _UNCOMPRESSED
        grey_alpha = self.photometric in (0, 1) and self.extra_samples and self.bits > 8
        return self._not_read() if deep_planes or grey_alpha else None

    @property
    def compression_name(self) -> str:
        """Such as "WebP"."""
        return _COMPRESSION_NAMES.get(self.compression, f"number {self.compression}")

    @property
    def _has_unknown_channel(self):
        return _UNSPECIFIED in self.extra_samples

    def _not_read(self):
        return f"a TIFF of {self.description}, which is not read; save it with 8 or 16 bits"


def read_kind(data: bytes) -> TiffKind | None:
    """Read what the first image of a TIFF holds.

    Parameters
    ----------
    data : bytes
        Of the whole file.

    Returns
    -------
    TiffKind or None
        None where its tags cannot be read.
    """
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if b"+" in data[:4] else 8])
        file = io.BytesIO(data)
        file.seek(tags.next)
        tags.load(file)
        bits, formats = tags.get(_BITS, (1,)), tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))
        return TiffKind(
            photometric=tags.get(_PHOTOMETRIC, 0),
            compression=tags.get(_COMPRESSION, _UNCOMPRESSED),
            bits=max(bits),
            sample_format=max(formats),
            n_samples=tags.get(_SAMPLES, 1),
            is_separate=tags.get(_PLANAR, 1) == _SEPARATE,
            extra_samples=tuple(tags.get(_EXTRA_SAMPLES, ())),
            is_preview=bool(tags.get(_SUBFILE_TYPE, 0) & _REDUCED) and _SUB_IFDS in tags,
        )
    # Whatever Pillow raises on damaged tags.
    except Exception:
        return None


def is_cut_off(data: bytes) -> bool:
    """Tell whether the pixels of any of a TIFF's images lie beyond the end of its file.

    Parameters
    ----------
    data : bytes
        Of the whole file.

    Returns
    -------
    bool
        False where its tags cannot be read.
    """
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if b"+" in data[:4] else 8])
        waiting, seen = [tags.next], set()
        while waiting:
            place = waiting.pop()
            if place in seen or not place:
                continue
            seen.add(place)
            file = io.BytesIO(data)
            file.seek(place)
            tags.load(file)
            waiting += [tags.next, *tags.get(_SUB_IFDS, ())]
            for places, lengths in (_STRIPS, _TILES):
                ends = map(sum, zip(tags.get(places, ()), tags.get(lengths, ())))
                if max(ends, default=0) > len(data):
                    return True
    # Whatever Pillow raises on damaged tags.
    except Exception:
        return False
    return False
