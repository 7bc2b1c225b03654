"""Photos at the size at which descriptors measure them."""

from __future__ import annotations

import os

import numpy as np
from PIL import Image

from features.errors import InputError
from features.photos import PhotoError, read_photo

# Larger photos are reduced to this, so that a texture's scale and the time taken are alike for all.
# It is somewhat more than GIST's 256 × 256.
WORKING_PIXELS = 100_000


def read_reduced(path: str | os.PathLike) -> np.ndarray:
    """Read a photo, reduced to `WORKING_PIXELS` where it is larger.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        RGB, 0–255.

    Raises
    ------
    InputError
        If it cannot be read; the message names it and the reason.
    """
    try:
        rgb, _ = read_photo(path, min_side=round(WORKING_PIXELS**0.5))
    except PhotoError as error:
        raise InputError(f"{os.fspath(path)}: {error}") from error
    height, width = rgb.shape[:2]
    scale = np.sqrt(WORKING_PIXELS / (height * width))
    if scale >= 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))
