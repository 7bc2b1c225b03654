"""Photos that are damaged as people damage them, each beside what it was before."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from decaf.editing.edits import Edit, crop, upright_part

Pair = tuple[np.ndarray, np.ndarray]


def damage(rgb: np.ndarray, kind: str, random: np.random.Generator | None = None) -> Pair:
    """Damage a photo: by the usual strength, or by one between the half of it and one and a half.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
    kind : str
        One of `DAMAGES`.
    random : Generator, optional

    Returns
    -------
    before, after : ndarray of uint8
        Of one shape, but for crops; before is what the damage alone is to be seen against.
    """
    return DAMAGES[kind](rgb, 1.0 if random is None else random.uniform(0.5, 1.5))


def _by(kind: str, amount: Callable[[float], float]) -> Callable[[np.ndarray, float], Pair]:
    return lambda rgb, strength: (rgb, Edit(kind, (amount(strength),)).apply(rgb))


def _tilt(rgb: np.ndarray, strength: float) -> Pair:
    degrees = 5 * strength
    straight = crop(rgb, *upright_part(rgb.shape[1], rgb.shape[0], degrees))
    return straight, Edit("straighten", (degrees,)).apply(rgb)


def _corner(rgb: np.ndarray, strength: float) -> Pair:
    side = 1 - 0.3 * strength
    return rgb, crop(rgb, 0.0, 0.0, side, side)


def _blur(rgb: np.ndarray, strength: float) -> Pair:
    radius = 0.004 * strength * max(rgb.shape)
    blurred = Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(radius))
    return rgb, np.asarray(blurred)


def _compressed(rgb: np.ndarray, strength: float) -> Pair:
    return rgb, reencode(rgb, round(15 / strength))


def reencode(rgb: np.ndarray, quality: int) -> np.ndarray:
    """A photo as a JPEG of this quality, of 100, shows it."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "jpeg", quality=quality)
    return np.asarray(Image.open(file))


# The usual strengths: a stop of light; half a stop of red more and of blue less; 5 degrees; a
# corner of .7 of the sides; a blur of two pixels of 500.
DAMAGES: dict[str, Callable[[np.ndarray, float], Pair]] = {
    "one stop darker": _by("exposure", lambda strength: -strength),
    "one stop lighter": _by("exposure", lambda strength: strength),
    "warm cast": _by("warmth", lambda strength: strength),
    "cold cast": _by("warmth", lambda strength: -strength),
    "contrast × 0.6": _by("contrast", lambda strength: 1 - 0.4 * strength),
    "contrast × 1.6": _by("contrast", lambda strength: 1 + 0.6 * strength),
    "saturation × 0.4": _by("saturation", lambda strength: 1 - 0.6 * strength),
    "saturation × 2": _by("saturation", lambda strength: 1 + strength),
    "tilt of 5°": _tilt,
    "a corner of 0.7": _corner,
    "blur": _blur,
    "JPEG 15": _compressed,
}


def neutral(rgb: np.ndarray) -> list[np.ndarray]:
    """Versions of a photo that nobody would tell from it.

    JPEGs of quality 90 and 80, a hundredth cut off each side, half a degree of tilt to either.
    """
    near = 0.01
    sides = [(near, 0, 1, 1), (0, near, 1, 1), (0, 0, 1 - near, 1), (0, 0, 1, 1 - near)]
    return [
        *(reencode(rgb, quality) for quality in (90, 80)),
        *(crop(rgb, *side) for side in sides),
        *(Edit("straighten", (degrees,)).apply(rgb) for degrees in (-0.5, 0.5)),
    ]
