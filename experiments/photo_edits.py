"""Edits of a photo: crops, straightening, light and colour, by their names and amounts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from PIL import Image, ImageEnhance

# IEC 61966-2-1: the end of sRGB's straight part, on both sides of its curve, and the curve's terms.
_STRAIGHT_LEVEL, _STRAIGHT_LIGHT, _SLOPE, _OFFSET, _POWER = 0.04045, 0.0031308, 12.92, 0.055, 2.4
# ITU-R BT.709: what red, green and blue light weigh in brightness.
_BRIGHTNESS = np.array([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True)
class Edit:
    """What is done to a photo.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    amounts : tuple of float
        Of a crop left, top, right and bottom, in 0 to 1 of the photo's sides; degrees, clockwise,
        by which a photo is turned; stops of exposure; stops of red more and of blue less, together;
        by what factors contrast and saturation are multiplied.
    """

    kind: str
    amounts: tuple[float, ...] = ()

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        """Edit a photo.

        Parameters
        ----------
        rgb : ndarray of uint8, shape (height, width, 3)
            In sRGB.

        Returns
        -------
        ndarray of uint8, shape (new height, new width, 3)
            Never larger.
        """
        return KINDS[self.kind](rgb, *self.amounts)


def crop(rgb: np.ndarray, left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Take a part of a photo, to the nearest pixel; at least one pixel of it."""
    height, width = rgb.shape[:2]
    x, y = (
        np.rint(np.array(ends) * side).astype(int)
        for ends, side in (((left, right), width), ((top, bottom), height))
    )
    return rgb[y[0] : max(y[1], y[0] + 1), x[0] : max(x[1], x[0] + 1)]


def straighten(rgb: np.ndarray, degrees: float) -> np.ndarray:
    """Turn a photo clockwise, and take the largest part of its shape that has no empty corner."""
    image = Image.fromarray(rgb)
    turned = image.rotate(-degrees, Image.Resampling.BICUBIC)
    return crop(np.asarray(turned), *upright_part(image.width, image.height, degrees))


def upright_part(width: int, height: int, degrees: float) -> tuple[float, float, float, float]:
    """What `straighten` keeps of a photo's sides: left, top, right and bottom, in 0 to 1."""
    across, along = abs(sin(radians(degrees))), abs(cos(radians(degrees)))
    # The turned photo holds a part of its own shape if both corners on a side lie inside.
    share = min(
        width / (width * along + height * across), height / (width * across + height * along)
    )
    margin = (1 - share) / 2
    return margin, margin, 1 - margin, 1 - margin


def expose(rgb: np.ndarray, stops: float) -> np.ndarray:
    """Multiply a photo's light by two to this power; what becomes too light is white."""
    return _with_gains(rgb, np.full(3, 2.0**stops))


def warm(rgb: np.ndarray, stops: float) -> np.ndarray:
    """Make red stronger against blue by so many stops; grey stays as bright as it was."""
    gains = 2.0 ** (stops * np.array([0.5, 0.0, -0.5]))
    return _with_gains(rgb, gains / (_BRIGHTNESS @ gains))


def contrast(rgb: np.ndarray, factor: float) -> np.ndarray:
    """Multiply how far levels are from the photo's mean brightness."""
    return np.asarray(ImageEnhance.Contrast(Image.fromarray(rgb)).enhance(factor))


def saturate(rgb: np.ndarray, factor: float) -> np.ndarray:
    """Multiply how far colours are from grey."""
    return np.asarray(ImageEnhance.Color(Image.fromarray(rgb)).enhance(factor))


def to_grey(rgb: np.ndarray) -> np.ndarray:
    """Make a photo black and white."""
    return saturate(rgb, 0.0)


KINDS: dict[str, Callable[..., np.ndarray]] = {
    "crop": crop,
    "straighten": straighten,
    "exposure": expose,
    "warmth": warm,
    "contrast": contrast,
    "saturation": saturate,
    "black and white": to_grey,
}


def _with_gains(rgb: np.ndarray, gains: np.ndarray) -> np.ndarray:
    levels = np.arange(256) / 255
    light = np.where(
        levels <= _STRAIGHT_LEVEL, levels / _SLOPE, ((levels + _OFFSET) / (1 + _OFFSET)) ** _POWER
    )
    gained = np.clip(light[:, None] * gains, 0, 1)
    straight, curved = _SLOPE * gained, (1 + _OFFSET) * gained ** (1 / _POWER) - _OFFSET
    new = np.rint(255 * np.where(gained <= _STRAIGHT_LIGHT, straight, curved)).astype(np.uint8)
    return np.stack([new[rgb[..., channel], channel] for channel in range(3)], axis=-1)
