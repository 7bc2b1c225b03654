"""How sharp a photo is beside the other frames of its burst."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image
from tqdm import tqdm

from features.photos import PhotoError, read_photo

# The side in pixels at which photos are compared: a smaller copy is not sharper for its size.
SIDE = 512


def sharpness(rgb: np.ndarray) -> float:
    """The logarithm of how steep a photo's brightness is, squashed to `SIDE` × `SIDE` pixels.

    The root of the mean square of its gradient, after Tenengrad (Krotkov 1987; Pertuz, Puig and
    Garcia, "Analysis of focus measure operators for shape-from-focus", 2013), in levels a pixel. It
    tells frames of one scene apart, and says nothing of different scenes.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)

    Returns
    -------
    float
        0 for a photo of one colour.

    Examples
    --------
    >>> stripes = np.zeros((512, 512, 3), np.uint8)
    >>> stripes[:, ::2] = 255
    >>> round(sharpness(stripes), 2)
    5.54
    """
    image = Image.fromarray(rgb).convert("L")
    if image.size != (SIDE, SIDE):
        image = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    grey = np.asarray(image, np.float32)
    steepness = sum(float(np.square(np.diff(grey, axis=axis)).mean()) for axis in (0, 1))
    return float(np.log1p(steepness) / 2)


def measure_sharpness(paths: Sequence[str], *, progress: bool = True) -> np.ndarray:
    """The sharpness of photo files.

    Parameters
    ----------
    paths : sequence of str
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    ndarray of float, shape (n_photos,)
        0 for one that cannot be read any more.
    """
    # An interruption leaves those that wait undone.
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        # A generator, which its stubs call an iterator.
        contextlib.closing(pool.map(_measure, paths)) as measured,  # type: ignore[type-var]
    ):
        bar = tqdm(measured, "sharpness", len(paths), unit="photo", delay=1, disable=not progress)
        return np.fromiter(bar, float, len(paths))


def _measure(path: str) -> float:
    try:
        rgb, _ = read_photo(path, min_side=SIDE // 2)  # of which it keeps twice as much
    except (PhotoError, OSError):
        return 0.0
    return sharpness(rgb)
