"""GIST, the spatial envelope of a scene.

Oliva and Torralba, "Modeling the shape of the scene: a holistic representation of the spatial
envelope", International Journal of Computer Vision, 2001. The constants are those of the authors'
own program (LMgist).
"""

from __future__ import annotations

import functools

import numpy as np
from scipy import fft

from features.photos import resize_photo

N_SCALES = 4
N_ORIENTATIONS = 8
N_BLOCKS = 4
SIDE = 256

_BORDER = 32  # mirrored pixels around the photo, since the Fourier transform wraps around


def gist(rgb: np.ndarray) -> np.ndarray:
    """Return the mean response of each block of the photo to each Gabor filter.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)

    Returns
    -------
    ndarray of float, shape (512,)
        4 scales (finest first) × 8 orientations (the wave runs along x, then turns towards y, which
        points down, by 22.5° each) × 4 × 4 blocks, row by row.
    """
    grey = resize_photo(rgb, SIDE).mean(axis=-1, dtype=np.float32)
    padded = np.pad(_even_out(grey), _BORDER, mode="symmetric")
    responses = np.abs(fft.ifft2(fft.fft2(padded) * _gabor_filters()))
    inside = responses[:, _BORDER:-_BORDER, _BORDER:-_BORDER]
    block = SIDE // N_BLOCKS
    return inside.reshape(-1, N_BLOCKS, block, N_BLOCKS, block).mean(axis=(2, 4)).ravel()


def _even_out(grey: np.ndarray) -> np.ndarray:
    """Take away slow changes of light, and divide by the local contrast."""
    border = 5
    padded = np.pad(np.log1p(grey), border, mode="symmetric")
    cut_off = 4 / np.sqrt(np.log(2))  # half at 4 cycles a photo
    frequency = fft.fftfreq(len(padded), 1 / len(padded)).astype(np.float32)
    low_pass = np.exp(-(frequency[:, None] ** 2 + frequency**2) / cut_off**2)
    sharp = padded - fft.ifft2(fft.fft2(padded) * low_pass).real
    local_deviation = np.sqrt(np.abs(fft.ifft2(fft.fft2(sharp**2) * low_pass)))
    return (sharp / (0.2 + local_deviation))[border:-border, border:-border]


@functools.cache
def _gabor_filters() -> np.ndarray:
    """Return the filters' transfer functions, shape (32, side, side)."""
    frequency = fft.fftfreq(SIDE + 2 * _BORDER)
    radius = np.hypot(frequency[:, None], frequency)
    angle = np.arctan2(frequency[:, None], frequency)
    filters = []
    for scale in range(N_SCALES):
        centre = 0.3 / 1.85**scale
        for orientation in range(N_ORIENTATIONS):
            turn = angle - np.pi * orientation / N_ORIENTATIONS
            turn = (turn + np.pi) % (2 * np.pi) - np.pi
            filters.append(np.exp(-3.5 * (radius / centre - 1) ** 2 - 2 * np.pi * turn**2))
    return np.array(filters, dtype=np.float32)
