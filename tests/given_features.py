"""An album of rated photos whose features are at hand: a session without a network."""

import numpy as np
from PIL import Image

from decaf.rating.learner import Part
from decaf.rating.ratings_file import RatingsFile
from decaf.rating.session import Session
from features.photo_set import PhotoSet
from features.photos import file_digest

STARS = (1, 2, 3, 4, 5)


class GivenFeatures:
    """Stands for `decaf.rating.measuring.Measuring`, whose network would take seconds to build.

    Parameters
    ----------
    paths : sequence of str
    features : ndarray, shape (n_photos, n_features)
    bursts : sequence of (int, int)
    n_part : int
        Photos that come at once.
    gate : threading.Event, optional
        Until which no features come.
    """

    def __init__(self, paths, features, bursts=(), n_part=1000, gate=None, network=None):
        self.failed, self.seen, self.network = {}, PhotoSet(), network
        self._paths, self._features, self._bursts = paths, features, list(bursts)
        self._n_part, self._gate = n_part, gate

    def parts(self, order):
        if self._gate is not None:
            self._gate.wait()
        for start in range(0, len(order), self._n_part):
            photos = list(order[start : start + self._n_part])
            digests = [file_digest(self._paths[photo]) for photo in photos]
            yield Part(photos, digests, self._features[photos], None)

    def bursts(self, photos):
        return [pair for pair in self._bursts if set(pair) <= set(photos)]


def make_session(folder, n=60, grades=STARS, **values):
    """A session of small photos, the first of whose features is what a person sees in them.

    Returns
    -------
    session : Session
        Not started.
    worth : ndarray, shape (n,)
    """
    random = np.random.default_rng(0)
    features = random.normal(size=(n, 6))
    album, output = folder / "album", folder / "taste"
    album.mkdir(parents=True, exist_ok=True)
    output.mkdir(exist_ok=True)
    for number in range(n):
        size = (90, 60) if number % 3 else (60, 90)
        if not (album / f"{number}.png").exists():
            shade = tuple(random.integers(0, 255, 3).tolist())
            Image.new("RGB", size, shade).save(album / f"{number}.png")
    names = [f"{number}.png" for number in range(n)]
    paths = [str(album / name) for name in names]
    file = RatingsFile(output / "ratings.sqlite", grades)
    session = Session(names, paths, file, GivenFeatures(paths, features, **values))
    return session, features[:, 0]


def stars_of(worth):
    """The grade that a person gives."""
    return 1 + int(np.searchsorted([-1.2, -0.4, 0.4, 1.2], worth))
