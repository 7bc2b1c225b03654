"""Colours as a colour-managed viewer shows them: profiles, embedded or implied, to sRGB.

A profile counts by its content: one that is called sRGB may mean linear light.
"""

from __future__ import annotations

import functools
import io
import struct

import numpy as np
from PIL import Image, ImageCms

# What the colours of a mode may be described by: the colour space in a profile's header, and the
# mode that lcms gives. Pillow hands "I;16" to lcms as 16-bit grey.
_DESCRIBED_BY = {
    "L": ("GRAY", "RGB"),
    "I;16": ("GRAY", "RGB"),
    "RGB": ("RGB", "RGB"),
    "RGBA": ("RGB", "RGBA"),
    "CMYK": ("CMYK", "RGB"),
}

_GREY_MODES = ("1", "L", "LA", "La", "I;16")

# Profiles of sRGB differ by a level from lcms's own; what differs by more is another space.
_SAME_LEVELS = 1

# EXIF 2.32: the interoperability index "R03" is DCF's optional colour space, Adobe RGB (1998).
# Some cameras write 2 as ColorSpace, which the standard does not know, for the same.
_EXIF_IFD, _INTEROP_IFD = 0x8769, 0xA005
_COLOUR_SPACE_TAG, _INTEROP_INDEX_TAG = 0xA001, 1

# x and y of red, green, blue and white.
_D65 = (0.3127, 0.3290)
_SRGB_PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), _D65)
# Adobe RGB (1998) Color Image Encoding, version 2005-05, 4.3.1.
_ADOBE_PRIMARIES = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65)
_ADOBE_GAMMA = 563 / 256
# ITU-T H.273, table 2: colour primaries; only those that photos have.
_H273_PRIMARIES = {
    1: _SRGB_PRIMARIES,
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
}
# ITU-T H.273, table 3: transfer characteristics.
_H273_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
_H273_HIGH_DYNAMIC_RANGE = {16: "PQ", 18: "HLG"}

# PNG, 11.3.2.2: a gamma of 0.45455 stands for sRGB's curve.
_USUAL_GAMMA = 0.45455
# Of white, red, green and blue: the order of cHRM.
_SRGB_CHROMATICITY = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)


class UnknownColours(Exception):
    """Colours that cannot be shown as they are meant; the message says which."""


def to_srgb(image: Image.Image, exif: Image.Exif) -> Image.Image:
    """Convert an image to the colours that its profile means.

    Parameters
    ----------
    image : PIL.Image.Image
        Loaded. 16-bit grey is of mode ``I;16``.
    exif : PIL.Image.Exif
        Where a camera says that it took Adobe RGB.

    Returns
    -------
    PIL.Image.Image
        In sRGB; the image as it is where nothing describes its colours, or what does describes
        colours of another kind. Alpha is kept.

    Raises
    ------
    UnknownColours
        Of high dynamic range, which no display shows as they are.
    """
    profile = image.info.get("icc_profile") or _implied_profile(image, exif)
    if not profile:
        return image
    if _has_alpha(image):
        return _with_alpha(image, profile)
    if image.mode == "P":
        image = image.convert("RGB")
    elif image.mode == "1":
        image = image.convert("L")
    # A grey image may have a profile of RGB, but for a PNG, where that is an error.
    if image.mode == "L" and _space(profile) == "RGB" and image.format != "PNG":
        image = image.convert("RGB")
    return _transform(image, profile) or image


def _has_alpha(image):
    return image.has_transparency_data and image.mode != "RGBA"


def _with_alpha(image, profile):
    """Convert the colours of an image whose alpha is a channel, or a colour of its palette."""
    colours = image.convert("RGBA")
    is_grey = image.mode in _GREY_MODES
    opaque = colours.getchannel("R") if is_grey else colours.convert("RGB")
    converted = _transform(opaque, profile)
    if converted is None:
        return image
    converted = converted.convert("RGBA")
    converted.putalpha(colours.getchannel("A"))
    return converted


def _transform(image, profile):
    """The image in sRGB; None where the profile does not describe it or cannot be read."""
    space, mode = _DESCRIBED_BY.get(image.mode, (None, None))
    if space is None or _space(profile) != space:
        return None
    try:
        transform = _srgb_transform(profile, image.mode, mode)
    # A broken profile is as good as none.
    except ImageCms.PyCMSError:
        return None
    return image if transform is None else transform.apply(image)


@functools.lru_cache(maxsize=32)
def _space(profile):
    """The colours that a profile describes, as its header says: GRAY, RGB, CMYK."""
    if not profile:
        return None
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space.strip()
    except (OSError, ValueError):
        return None


# A camera writes the same profile into all its photos, and preparing one takes 10 ms.
@functools.lru_cache(maxsize=32)
def _srgb_transform(profile, mode, srgb_mode):
    """The transform from a profile's colours to sRGB; None where they are sRGB."""
    described = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    srgb = ImageCms.createProfile("sRGB")
    if mode in ("RGB", "RGBA"):
        probe = _probe()
        shown = ImageCms.buildTransform(described, srgb, "RGB", "RGB").apply(probe)
        difference = np.abs(np.asarray(shown, int) - np.asarray(probe, int)).max()
        if difference <= _SAME_LEVELS:
            return None
    return ImageCms.buildTransform(described, srgb, mode, srgb_mode)


@functools.cache
def _probe():
    """Colours all over the cube: 16 levels of each channel, 64 × 64 pixels."""
    levels = np.arange(0, 256, 17, dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1)
    return Image.fromarray(cube.reshape(64, 64, 3))


def _implied_profile(image, exif):
    """A profile of the colours that an image's other data tell; None where they tell sRGB's."""
    coding = image.info.get("nclx_profile")
    if coding:
        encoding = _coded(coding["color_primaries"], coding["transfer_characteristics"])
    elif image.format == "PNG":
        encoding = _of_png_chunks(image.info)
    elif _is_adobe_rgb(exif):
        encoding = (_ADOBE_PRIMARIES, _ADOBE_GAMMA)
    else:
        return None
    primaries, gamma = encoding
    if image.mode in _GREY_MODES:
        primaries = None
    elif np.allclose(primaries, _SRGB_PRIMARIES, atol=0.001):
        primaries = _SRGB_PRIMARIES
    if gamma is None and primaries in (None, _SRGB_PRIMARIES):
        return None
    try:
        return _make_profile(primaries, gamma)
    # No colours: primaries on a line, a white of no light, a gamma beyond what a profile holds.
    except (np.linalg.LinAlgError, ZeroDivisionError, struct.error):
        return None


def _coded(primaries, transfer):
    """Primaries and gamma of code points of ITU-T H.273, as HEIC, AVIF and PNG have them."""
    if transfer in _H273_HIGH_DYNAMIC_RANGE:
        name = _H273_HIGH_DYNAMIC_RANGE[transfer]
        raise UnknownColours(f"its colours are of high dynamic range ({name}); save it as sRGB")
    # Viewers show BT.709's curve as sRGB's.
    return _H273_PRIMARIES.get(primaries, _SRGB_PRIMARIES), _H273_GAMMAS.get(transfer)


def _of_png_chunks(info):
    """Primaries and gamma of the chunks cHRM and gAMA, where there is no chunk sRGB."""
    if "srgb" in info or not info.get("gamma"):
        return _SRGB_PRIMARIES, None
    white, *rgb = zip(*[iter(info.get("chromaticity", _SRGB_CHROMATICITY))] * 2)
    usual = abs(info["gamma"] - _USUAL_GAMMA) < 0.005
    return (*rgb, white), None if usual else 1 / info["gamma"]


def _is_adobe_rgb(exif):
    try:
        return (
            exif.get_ifd(_INTEROP_IFD).get(_INTEROP_INDEX_TAG) == "R03"
            or exif.get_ifd(_EXIF_IFD).get(_COLOUR_SPACE_TAG) == 2
        )
    # Whatever is raised on damaged EXIF data: then it tells nothing.
    except Exception:
        return False


@functools.lru_cache(maxsize=32)
def _make_profile(primaries, gamma):
    """An ICC profile (ICC.1:2022) of red, green, blue and white, or of grey, and of a gamma.

    Without primaries it is one of grey, without a gamma one of sRGB's curve.
    """
    curve = _parametric_curve(gamma)
    tags = [(b"wtpt", _xyz(_D50))]
    if primaries is None:
        tags.append((b"kTRC", curve))
    else:
        for letter, column in zip(b"rgb", _to_d50(primaries).T):
            tags += [(b"%cXYZ" % letter, _xyz(column)), (b"%cTRC" % letter, curve)]
    start = 128 + 4 + 12 * len(tags)
    table, values = struct.pack(">I", len(tags)), b""
    for signature, value in tags:
        table += signature + struct.pack(">II", start + len(values), len(value))
        values += value
    header = struct.pack(">I4sI", start + len(values), b"lcms", 0x04300000)
    header += (
        b"mntr" + (b"RGB " if primaries else b"GRAY") + b"XYZ " + b"\0" * 12 + b"acsp" + b"\0" * 28
    )
    header += b"".join(map(_fixed, _D50))
    return header.ljust(128, b"\0") + table + values


# ICC.1:2022, 7.2.16: the illuminant of the profile connection space.
_D50 = (0.9642, 1.0, 0.8249)
# Lindbloom, "Chromatic adaptation": Bradford's cone responses.
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def _to_d50(primaries):
    """The XYZ of the primaries (3, 3), a column each, adapted to the connection space's white."""
    *rgb, white = [np.array([x / y, 1, (1 - x - y) / y]) for x, y in primaries]
    matrix = np.stack(rgb, axis=1)
    matrix = matrix * np.linalg.solve(matrix, white)
    cones = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    return np.linalg.inv(_BRADFORD) @ (cones[:, None] * (_BRADFORD @ matrix))


def _parametric_curve(gamma):
    if gamma is None:
        # IEC 61966-2-1: sRGB.
        kind, *parameters = 3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045
    else:
        kind, *parameters = 0, gamma
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + b"".join(map(_fixed, parameters))


def _xyz(values):
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, values))


def _fixed(value):
    return struct.pack(">i", round(float(value) * 65536))
