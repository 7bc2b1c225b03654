"""Rated photos of which only what matters is known."""

from dataclasses import replace

import numpy as np

from features.ratings import RatedPhotos


def rated_photos(label, **columns):
    """Photos without files, and their ratings."""
    columns = {name: np.asarray(column) for name, column in columns.items() if column is not None}
    names = np.array([f"{number}.jpg" for number in range(len(label))], object)
    return RatedPhotos(names, np.asarray(label), **columns)


def scored_photos(label, **columns):
    """The same with scores from 0 to 1, which are above the midpoint where the label is 1."""
    label = np.asarray(label)
    score = (label + np.random.default_rng(0).uniform(0.1, 0.9, len(label))) / 2
    rated = rated_photos(label, score=score, **columns)
    return replace(rated, scale=(0.0, 1.0), midpoint=0.5)
