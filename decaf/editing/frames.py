"""What matters for the frame of a photo: faces, which no crop may cut, and how far it is tilted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

# Left, top, right and bottom, in 0 to 1 of a photo's sides.
Box = tuple[float, float, float, float]

# Pixels of the longer side, of which faces and lines are found.
_SIDE = 480
_SMALLEST_FACE, _LARGEST_FACE = 36, 400
# Lines that are tilted by more are meant so, as are roofs and stairs; by less nobody sees.
_MOST_TILT, _LEAST_TILT, _TILT_STEP = 10.0, 0.7, 0.2
# Of the longer side, the shortest line; and of all lines' length, what lies about one tilt.
_LEAST_LINE, _LEAST_SHARE = 0.15, 0.2


def find_faces(rgb: np.ndarray) -> list[Box]:
    """Find faces that look at the camera; small, turned and half hidden ones are missed.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)

    Returns
    -------
    list of Box
    """
    grey = _small_grey(rgb)
    height, width = grey.shape
    if min(grey.shape) < _SMALLEST_FACE:
        return []
    found = _face_cascade().detect_multi_scale(
        grey,
        scale_factor=1.2,
        step_ratio=1.3,
        min_size=(_SMALLEST_FACE, _SMALLEST_FACE),
        max_size=(_LARGEST_FACE, _LARGEST_FACE),
    )
    return [
        (
            face["c"] / width,
            face["r"] / height,
            (face["c"] + face["width"]) / width,
            (face["r"] + face["height"]) / height,
        )
        for face in found
    ]


def cuts_any(frame: Box, boxes: Sequence[Box]) -> bool:
    """Whether a frame cuts boxes, or leaves them out."""
    return any(
        frame[0] > left or frame[1] > top or frame[2] < right or frame[3] < bottom
        for left, top, right, bottom in boxes
    )


def find_tilts(rgb: np.ndarray) -> list[float]:
    """Find by how much a photo may be tilted: by its horizon, or by what stands upright.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)

    Returns
    -------
    list of float
        Degrees, clockwise, by which it is to be turned; one or none.
    """
    from skimage.feature import canny
    from skimage.transform import probabilistic_hough_line

    grey = _small_grey(rgb)
    shortest = round(_LEAST_LINE * max(grey.shape))
    if min(grey.shape) < shortest:
        return []
    lines = np.array(
        probabilistic_hough_line(
            canny(grey, 2.0), line_length=shortest, line_gap=3, theta=_normals(), rng=0
        )
    ).reshape(-1, 4)
    across, down = lines[:, 2] - lines[:, 0], lines[:, 3] - lines[:, 1]
    length = np.hypot(across, down)
    # How far each is from the nearer one of level and upright, clockwise on the screen.
    tilt = (np.degrees(np.arctan2(down, across)) + 45) % 90 - 45
    near = np.abs(tilt) <= _MOST_TILT
    if not near.any():
        return []
    tilt, weight = tilt[near], length[near]
    together = np.abs(tilt[:, None] - tilt) <= 1
    agreeing = together @ weight
    best = together[int(np.argmax(agreeing))]
    if agreeing.max() < _LEAST_SHARE * length.sum():
        return []
    found = -float(np.average(tilt[best], weights=weight[best]))
    return [round(found, 1)] if abs(found) >= _LEAST_TILT else []


def _normals() -> np.ndarray:
    """Directions of the normals of lines that are nearly level or upright, in radians."""
    near = np.arange(-_MOST_TILT, _MOST_TILT + _TILT_STEP, _TILT_STEP)
    return np.radians(np.concatenate([near, near + 90]))


def _small_grey(rgb: np.ndarray) -> np.ndarray:
    """Grey, uint8, of `_SIDE` pixels at most; faces are found in shares, and lines in degrees."""
    from PIL import Image

    image = Image.fromarray(rgb).convert("L")
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    return np.asarray(image)


@cache
def _face_cascade():
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    return Cascade(lbp_frontal_face_cascade_filename())
