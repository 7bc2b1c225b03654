"""Rated photos of which only what matters is known."""

import numpy as np

from features.ratings import RatedPhotos


def rated_photos(label, **columns):
    """Photos without files, and their ratings."""
    columns = {name: np.asarray(column) for name, column in columns.items() if column is not None}
    names = np.array([f"{number}.jpg" for number in range(len(label))], object)
    return RatedPhotos(names, np.asarray(label), **columns)
