"""Bursts made of one photo, whose frames are shaken, out of focus or wrongly exposed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.pages import Row
from features.photos import read_photo

# How much, from not at all on: pixels of the camera's way, and of the disc's radius, both of a
# photo of about 512; steps of exposure, all darker or all brighter.
STRENGTHS = {"shake": (0, 3, 6, 12), "defocus": (0, 1, 2, 4), "exposure": (0, 0.7, 1.4)}
# By how much of its sides a hand moves a frame at most.
SHIFT = 0.04
# Deviation of the sensor's noise, which no blur smooths, in levels.
NOISE = 2.0
GAMMA = 2.2
# Of the JPEG files, of 100.
QUALITY = 92


def write_bursts(
    paths: Sequence[str], rows: Sequence[int], folder: str | Path, seed: int
) -> list[Row]:
    """Write a burst a photo and damage, as JPEG files; a row a frame.

    It has the ``row`` of its photo, its ``path``, the damage under ``pairs``, the name of its
    ``burst``, and what it is ``worth``: less than others that are damaged less.
    """
    random = np.random.default_rng(seed)
    frames = []
    for row in rows:
        rgb, _ = read_photo(paths[row])
        for damage in STRENGTHS:
            for strength, spoilt in make_burst(rgb, damage, random):
                path = str(Path(folder) / f"{row}-{damage}-{strength}.jpg")
                Image.fromarray(spoilt).save(path, quality=QUALITY)
                frames.append({"row": row, "path": path, "pairs": damage, "burst": str(row)})
                frames[-1]["worth"] = -strength
    return frames


def make_burst(
    rgb: np.ndarray, damage: str, random: np.random.Generator
) -> Iterator[tuple[float, np.ndarray]]:
    """Make the frames of a burst, the best first, in linear light.

    Yields
    ------
    strength : float
        Of the damage; 0 in the first frame.
    rgb : ndarray of uint8
    """
    light = (rgb / 255) ** GAMMA
    direction = random.uniform(0, np.pi)
    sign = random.choice([-1, 1])
    for strength in STRENGTHS[damage]:
        if damage == "exposure":
            spoilt = light * 2 ** (sign * strength)
        else:
            along = _way(strength, direction) if damage == "shake" else _disc(strength)
            spoilt = _smear(light, along)
        height, width = rgb.shape[:2]
        y, x = (int(random.uniform(0, SHIFT) * side) for side in (height, width))
        spoilt = spoilt[y : y + int(height * (1 - SHIFT)), x : x + int(width * (1 - SHIFT))]
        levels = 255 * np.clip(spoilt, 0, 1) ** (1 / GAMMA) + random.normal(0, NOISE, spoilt.shape)
        yield strength, np.clip(np.round(levels), 0, 255).astype(np.uint8)


def _way(length, direction):
    """Points of a straight line, (n, 2)."""
    return np.linspace(-length / 2, length / 2, 1001)[:, None] * [
        np.sin(direction),
        np.cos(direction),
    ]


def _disc(radius):
    """Points of a disc, (n, 2)."""
    points = np.stack(np.meshgrid(*[np.linspace(-radius, radius, 101)] * 2), -1).reshape(-1, 2)
    return points[np.hypot(*points.T) <= radius]


def _smear(light, points):
    """What is seen while the photo goes through all points, in pixels from where it was."""
    from scipy import ndimage

    reach = int(np.ceil(np.abs(points).max()))
    edges = np.arange(-reach, reach + 2) - 0.5
    kernel, *_ = np.histogram2d(*points.T, bins=(edges, edges))
    return ndimage.convolve(light, (kernel / kernel.sum())[..., None])
