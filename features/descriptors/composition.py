"""Measures of one photo: its colours, textures, composition and technique.

Each takes RGB uint8 of shape (height, width, 3) and gives a fixed count of numbers (float64).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage
from skimage.color import rgb2gray, rgb2hsv
from skimage.feature import graycomatrix, graycoprops, local_binary_pattern
from skimage.transform import resize

HSV_BINS = (18, 3, 3)  # Smith and Chang 1996: hue counts most


def hsv_histogram(rgb: np.ndarray) -> np.ndarray:
    """Return the share of pixels in each of 18 × 3 × 3 bins of hue, saturation and value.

    Smith and Chang, "VisualSEEk: a fully automated content-based image query system", 1996.
    """
    hsv = rgb2hsv(rgb).reshape(-1, 3)
    counts, _ = np.histogramdd(hsv, bins=HSV_BINS, range=[(0, 1)] * 3)
    return counts.ravel() / len(hsv)


def colour_moments(rgb: np.ndarray) -> np.ndarray:
    """Return the mean, deviation and skewness of hue, saturation and value.

    Stricker and Orengo, "Similarity of color images", 1995. Channels lie in 0 to 1; skewness is the
    cube root of the third central moment; three means, three deviations, three skewnesses.
    """
    hsv = rgb2hsv(rgb).reshape(-1, 3)
    mean = hsv.mean(axis=0)
    third = ((hsv - mean) ** 3).mean(axis=0)
    return np.concatenate([mean, hsv.std(axis=0), np.cbrt(third)])


def colourfulness(rgb: np.ndarray) -> float:
    """Return how colourful people find the photo, from 0 (grey) to 109 and above (extremely).

    Hasler and Süsstrunk, "Measuring colourfulness in natural images", 2003, equation M3.
    """
    red, green, blue = np.moveaxis(rgb.astype(float), -1, 0)
    opponents = np.stack([red - green, (red + green) / 2 - blue])
    deviation = np.linalg.norm(opponents.std(axis=(1, 2)))
    return float(deviation + 0.3 * np.linalg.norm(opponents.mean(axis=(1, 2))))


def local_binary_patterns(rgb: np.ndarray) -> np.ndarray:
    """Return the shares of the uniform patterns of 8 points at 1 pixel and of 16 at 2.

    Ojala, Pietikäinen and Mäenpää, "Multiresolution gray-scale and rotation invariant texture
    classification with local binary patterns", 2002: 10 and 18 bins, the last "not uniform".
    """
    grey = _grey_levels(rgb)
    histograms = []
    for points, radius in ((8, 1), (16, 2)):
        # scikit-image takes what lies outside for black, which would be an edge.
        padded = np.pad(grey, radius, mode="edge")
        inside = (slice(radius, -radius),) * 2
        patterns = local_binary_pattern(padded, points, radius, method="uniform")[inside]
        counts = np.bincount(patterns.astype(int).ravel(), minlength=points + 2)
        histograms.append(counts / patterns.size)
    return np.concatenate(histograms)


def cooccurrence(rgb: np.ndarray) -> np.ndarray:
    """Return means and ranges over four directions of six of Haralick's texture measures.

    Haralick, Shanmugam and Dinstein, "Textural features for image classification", 1973: angular
    second moment, contrast, correlation, entropy, inverse difference moment and variance (f1, f2,
    f3, f9, f5, f4) of neighbouring pixels in 32 grey levels; six means, then six ranges.
    """
    levels = 32
    directions = np.arange(4) * np.pi / 4
    grey = _grey_levels(rgb) // (256 // levels)
    matrix = graycomatrix(grey, [1], directions, levels, symmetric=True, normed=True)
    measures = ("ASM", "contrast", "correlation", "entropy", "homogeneity", "variance")
    values = np.stack([graycoprops(matrix, measure)[0] for measure in measures])
    return np.concatenate([values.mean(axis=1), np.ptp(values, axis=1)])


def aspect_ratio(rgb: np.ndarray) -> float:
    """Return width over height (Datta et al. 2006, f23).

    Examples
    --------
    >>> aspect_ratio(np.zeros((2, 3, 3), np.uint8))
    1.5
    """
    return rgb.shape[1] / rgb.shape[0]


def rule_of_thirds(rgb: np.ndarray) -> np.ndarray:
    """Return the mean hue, saturation and value of the middle third each way.

    Datta, Joshi, Li and Wang, "Studying aesthetics in photographic images using a computational
    approach", 2006, f5 to f7: a subject placed by the rule of thirds lies in this field or along
    its border.
    """
    height, width = rgb.shape[:2]
    middle = rgb[height // 3 : -(-2 * height // 3), width // 3 : -(-2 * width // 3)]
    return rgb2hsv(middle).mean(axis=(0, 1))


def central_detail(rgb: np.ndarray) -> float:
    """Return the middle's share of all fine detail, 0 to 1; 0 when there is none.

    Datta et al. 2006, f53 to f55, "low depth of field": the middle four of 4 × 4 blocks. Detail is
    here the energy of the Laplacian, there wavelet coefficients.
    """
    energy = _laplacian(rgb) ** 2
    height, width = energy.shape
    middle = energy[height // 4 : -(-3 * height // 4), width // 4 : -(-3 * width // 4)]
    return middle.sum() / energy.sum() if energy.any() else 0.0


def edge_box_area(rgb: np.ndarray) -> float:
    """Return the area of the box that holds 96 % of the edges, 0 (none) to 1 (everywhere).

    Ke, Tang and Jing, "The design of high-level features for photo quality assessment", 2006,
    section 3.1: edges of a professional photo gather on its subject. Their measure is 1 less this.
    """
    edges = _laplacian(rgb)
    if not edges.any():
        return 0.0
    edges = resize(edges, (100, 100), order=1, anti_aliasing=True)  # their size
    # 98 % each way: 96.04 % of the edges
    return _central_width(edges.sum(axis=0), 0.98) * _central_width(edges.sum(axis=1), 0.98)


def hue_count(rgb: np.ndarray) -> float:
    """Return 20 less the number of hues that matter; simple photos get more.

    Ke et al. 2006, section 3.3: of 20 hues, those with more than 5 % of the pixels of the
    commonest. Pixels that are nearly grey, black or white have no hue.
    """
    hue, saturation, value = np.moveaxis(rgb2hsv(rgb), -1, 0)
    coloured = (saturation > 0.2) & (value > 0.15) & (value < 0.95)
    counts, _ = np.histogram(hue[coloured], bins=20, range=(0, 1))
    return float(20 - (counts > 0.05 * counts.max()).sum())


def sharp_frequencies(rgb: np.ndarray) -> float:
    """Return the share of the frequencies that are there, less in a blurred photo.

    Ke et al. 2006, section 3.4: those whose amplitude in the Fourier transform of the grey photo
    (0 to 1) exceeds 5.
    """
    return (np.abs(np.fft.fft2(rgb2gray(rgb))) > 5).mean()


def contrast(rgb: np.ndarray) -> float:
    """Return the width of the middle 98 % of the grey levels of all channels, 1/256 to 1.

    Ke et al. 2006, section 3.5.
    """
    return _central_width(np.bincount(rgb.ravel(), minlength=256), 0.98)


def _grey_levels(rgb: np.ndarray) -> np.ndarray:
    return np.round(255 * rgb2gray(rgb)).astype(np.uint8)


def _laplacian(rgb: np.ndarray) -> np.ndarray:
    """Return the magnitude of the Laplacian (height, width), the mean over the channels.

    The filter of Ke et al. 2006, section 3.1: 3 × 3 with alpha 0.2, as MATLAB's fspecial has it.
    """
    kernel = np.array(
        [[1, 4, 1], [4, -20, 4], [1, 4, 1]]
    )  # whole numbers: exactly 0 on a plain area
    filtered = ndimage.convolve(rgb.astype(float), kernel[..., None], mode="nearest") / 6
    return np.abs(filtered).mean(axis=-1)


def _central_width(histogram: np.ndarray, share: float) -> float:
    """Return the width, as a share of all bins, that holds the middle `share` of a histogram."""
    cumulated = np.cumsum(histogram) / np.sum(histogram)
    low = np.searchsorted(cumulated, (1 - share) / 2)
    high = np.searchsorted(cumulated, (1 + share) / 2)
    return (high - low + 1) / len(histogram)


MEASURES: dict[str, Callable[[np.ndarray], np.ndarray | float]] = {
    measure.__name__: measure
    for measure in (
        hsv_histogram,
        colour_moments,
        colourfulness,
        local_binary_patterns,
        cooccurrence,
        aspect_ratio,
        rule_of_thirds,
        central_detail,
        edge_box_area,
        hue_count,
        sharp_frequencies,
        contrast,
    )
}
