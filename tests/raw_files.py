"""Small raw files: DNGs of a scene, with and without an embedded preview."""

import io

import numpy as np
import tifffile
from PIL import Image

# CIE XYZ → linear sRGB (IEC 61966-2-1): a camera that sees as sRGB is defined.
_FROM_XYZ = (3.2405, -1.5371, -0.4985, -0.9693, 1.8760, 0.0416, 0.0556, -0.2040, 1.0572)
_WHITE = 60_000


def make_scene(height=400, width=600):
    """RGB uint8: red grows to the right, green downwards."""
    row, column = np.mgrid[:height, :width]
    blue = np.full_like(row, 128)
    return np.stack([column * 255 // width, row * 255 // height, blue], axis=-1).astype(np.uint8)


def make_dng(path, scene, *, preview=None, orientation=1, exif_tags=()):
    """Write a DNG: a Bayer mosaic (RGGB) of a scene and, before it, a preview (JPEG bytes).

    Digital Negative Specification 1.4.
    """
    light = ((scene / 255) ** 2.2 * _WHITE).astype(np.uint16)
    mosaic = np.empty(scene.shape[:2], np.uint16)
    for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        mosaic[row::2, column::2] = light[row::2, column::2, channel]
    matrix = [part for value in _FROM_XYZ for part in (round(value * 10_000), 10_000)]
    camera = [
        (271, "s", 0, "Test", True),
        (272, "s", 0, "Camera", True),
        (274, "H", 1, orientation, True),
        (50706, "B", 4, (1, 4, 0, 0), True),  # DNGVersion
        (50708, "s", 0, "Test Camera", True),  # UniqueCameraModel
        (50721, "2i", 9, matrix, True),  # ColorMatrix1
        (50728, "2I", 3, [1] * 6, True),  # AsShotNeutral
        (50778, "H", 1, 21, True),  # CalibrationIlluminant1: D65
        *exif_tags,
    ]
    sensor = [
        (33421, "H", 2, (2, 2), True),  # CFARepeatPatternDim
        (33422, "B", 4, (0, 1, 1, 2), True),  # CFAPattern
        (50717, "H", 1, _WHITE, True),  # WhiteLevel
    ]
    with tifffile.TiffWriter(path) as file:
        if preview is None:
            file.write(mosaic, photometric=32803, extratags=camera + sensor)
            return
        # tifffile does not write JPEG by itself: its bytes lie there as pixels, until the tags say
        # what they are.
        pixels = np.frombuffer(preview, np.uint8)[None]
        file.write(pixels, photometric="minisblack", subifds=1, subfiletype=1, extratags=camera)
        file.write(mosaic, photometric=32803, extratags=sensor)
    with Image.open(io.BytesIO(preview)) as image:
        width, height = image.size
    with tifffile.TiffFile(path, mode="r+") as file:
        tags = file.pages[0].tags
        for name, value in (
            ("ImageWidth", width),
            ("ImageLength", height),
            ("RowsPerStrip", height),
            ("Compression", 7),
            ("PhotometricInterpretation", 6),
            ("BitsPerSample", (8, 8, 8)),
            ("SamplesPerPixel", 3),
        ):
            tags[name].overwrite(value)
