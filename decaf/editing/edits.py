"""Edits of a photo: crops, straightening, light and colour, by their names and amounts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from math import cos, radians, sin

import numpy as np
from PIL import Image, ImageEnhance

from features.errors import InputError
from features.records import Record, number, one_of, sequence

# IEC 61966-2-1: the end of sRGB's straight part, on both sides of its curve, and the curve's terms.
_STRAIGHT_LEVEL, _STRAIGHT_LIGHT, _SLOPE, _OFFSET, _POWER = 0.04045, 0.0031308, 12.92, 0.055, 2.4
# ITU-R BT.709: what red, green and blue light weigh in brightness.
_BRIGHTNESS = np.array([0.2126, 0.7152, 0.0722])


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


def upright_part(width: float, height: float, degrees: float) -> tuple[float, float, float, float]:
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


@dataclass(frozen=True)
class Kind:
    """A kind of edit.

    Attributes
    ----------
    apply : callable
        From a photo and the amounts to the edited photo.
    ranges : tuple of (float, float)
        Of each amount, both ends in it.
    """

    apply: Callable[..., np.ndarray]
    ranges: tuple[tuple[float, float], ...]


KINDS: dict[str, Kind] = {
    "crop": Kind(crop, 4 * ((0, 1),)),
    "straighten": Kind(straighten, ((-45, 45),)),
    "exposure": Kind(expose, ((-5, 5),)),
    "warmth": Kind(warm, ((-5, 5),)),
    "contrast": Kind(contrast, ((0, 5),)),
    "saturation": Kind(saturate, ((0, 5),)),
}


@dataclass(frozen=True)
class Edit(Record):
    """What is done to a photo.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    amounts : tuple of float
        Of a crop left, top, right and bottom, in 0 to 1 of the photo's sides; degrees, clockwise,
        by which a photo is turned; stops of exposure; stops of red more and of blue less, together;
        by what factors contrast and saturation are multiplied.

    Raises
    ------
    InputError
        There is no such kind, or it takes no such amounts.
    """

    kind: str = field(metadata=one_of(*KINDS))
    amounts: tuple[float, ...] = field(metadata=sequence(number()))

    def __post_init__(self) -> None:
        super().__post_init__()
        ranges = KINDS[self.kind].ranges
        if len(self.amounts) != len(ranges) or not all(
            least <= amount <= most for amount, (least, most) in zip(self.amounts, ranges)
        ):
            takes = ", ".join(f"{least} to {most}" for least, most in ranges)
            raise InputError(f"amounts of {self.kind} must be {takes}, not {self.amounts}")
        if self.kind == "crop":
            left, top, right, bottom = self.amounts
            if not (left < right and top < bottom):
                raise InputError(f"nothing is left of a photo by the crop {self.amounts}")

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
        return KINDS[self.kind].apply(rgb, *self.amounts)


def frame_of(edits: Iterable[Edit], width: int, height: int) -> tuple[float, float, float, float]:
    """Which part of a photo is left by edits.

    Parameters
    ----------
    edits : iterable of Edit
    width, height : int
        Of the photo, in pixels.

    Returns
    -------
    tuple of float
        Left, top, right and bottom, in 0 to 1 of the photo's sides: there the edited photo lies
        upright on it. Where it was turned, that was about the middle of what it then was.

    Examples
    --------
    >>> frame_of([Edit("crop", (0.0, 0.0, 0.5, 0.5)), Edit("crop", (0.5, 0.5, 1.0, 1.0))], 90, 60)
    (0.25, 0.25, 0.5, 0.5)
    """
    left, top, right, bottom = 0.0, 0.0, 1.0, 1.0
    for edit in edits:
        across, down = right - left, bottom - top
        if edit.kind == "crop":
            part = edit.amounts
        elif edit.kind == "straighten":
            part = upright_part(across * width, down * height, *edit.amounts)
        else:
            continue
        left, right = left + part[0] * across, left + part[2] * across
        top, bottom = top + part[1] * down, top + part[3] * down
    return left, top, right, bottom


def describe(edit: Edit) -> str:
    """Say in plain words what is done to a photo.

    Parameters
    ----------
    edit : Edit

    Returns
    -------
    str
        Such as "lighter by half a stop".

    Examples
    --------
    >>> describe(Edit("exposure", (-0.5,))), describe(Edit("straighten", (2.0,)))
    ('darker by half a stop', 'turned 2° clockwise')
    >>> describe(Edit("crop", (0.0, 0.2, 0.8, 1.0)))
    'cropped at the top and the right, to 64 % of its area'
    """
    if edit.kind == "crop":
        return _describe_crop(*edit.amounts)
    (amount,) = edit.amounts
    if edit.kind == "straighten":
        return f"turned {abs(amount):g}° {'anti' * (amount < 0)}clockwise"
    if edit.kind in ("exposure", "warmth"):
        less, more = ("darker", "lighter") if edit.kind == "exposure" else ("colder", "warmer")
        return f"{less if amount < 0 else more} by {_stops(abs(amount))}"
    what = {"contrast": "contrast", "saturation": "colour"}[edit.kind]
    return f"{100 * abs(amount - 1):.0f} % {'less' if amount < 1 else 'more'} {what}"


def _describe_crop(left: float, top: float, right: float, bottom: float) -> str:
    cut = {"left": left, "top": top, "right": 1 - right, "bottom": 1 - bottom}
    # Less than a hundredth of a side is seen by nobody.
    sides = [f"the {side}" for side, share in cut.items() if share > 0.01]
    at = f"at {' and '.join(', '.join(sides).rsplit(', ', 1))}" if sides else "by a little"
    where = "on all sides" if len(sides) == 4 else at
    return f"cropped {where}, to {100 * (right - left) * (bottom - top):.0f} % of its area"


def _stops(stops: float) -> str:
    words = {Fraction(1, 4): "a quarter of a stop", Fraction(1, 3): "a third of a stop"}
    words |= {Fraction(1, 2): "half a stop", Fraction(2, 3): "two thirds of a stop"}
    words |= {Fraction(1): "a stop"}
    return words.get(Fraction(stops).limit_denominator(12), f"{stops:.2g} stops")


def _with_gains(rgb: np.ndarray, gains: np.ndarray) -> np.ndarray:
    levels = np.arange(256) / 255
    light = np.where(
        levels <= _STRAIGHT_LEVEL, levels / _SLOPE, ((levels + _OFFSET) / (1 + _OFFSET)) ** _POWER
    )
    gained = np.clip(light[:, None] * gains, 0, 1)
    straight, curved = _SLOPE * gained, (1 + _OFFSET) * gained ** (1 / _POWER) - _OFFSET
    new = np.rint(255 * np.where(gained <= _STRAIGHT_LIGHT, straight, curved)).astype(np.uint8)
    return np.stack([new[rgb[..., channel], channel] for channel in range(3)], axis=-1)
