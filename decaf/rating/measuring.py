"""Features of an album's photos, a part after the other, so that rating can begin at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from decaf.extraction.activations import Activations, cached_activations
from decaf.extraction.choosing import settle
from decaf.extraction.feature_network import PlainBackbone
from decaf.ranking.stacks import BURST_SECONDS, NEAR, unit_rows
from decaf.rating.learner import Part
from decaf.training.settings import POOLING_OF_RECIPE, choose_backbone
from features.photo_set import PhotoSet
from features.photos import capture_time

if TYPE_CHECKING:
    from decaf.models.model import Model
    from decaf.networks.network import Network

# Photos of the first part, and of the largest: each is twice the one before.
FIRST_PART, LARGEST_PART = 16, 256
# Photos that are compared with those before them, at once.
_BLOCK = 1024


class Measuring:
    """What gives the features of an album's photos: a model's network, or the default backbone.

    Parameters
    ----------
    paths : sequence of str
        Of the album's photos.
    model : Model, optional
        Whose scores are the prior, and whose network gives the features.
    precision, engine : str
        Of the default backbone, as in `decaf.extraction.choosing.settle`.
    cache : path-like, optional
        The folder of cached activations.

    Attributes
    ----------
    network : Network
    seen : PhotoSet
        What trained the model.
    failed : dict of int to str
        Photos that could not be read, and why.
    """

    def __init__(
        self,
        paths: Sequence[str],
        model: Model | None = None,
        precision: str = "auto",
        engine: str = "auto",
        cache: str | os.PathLike | None = None,
    ):
        self.failed: dict[int, str] = {}
        self.seen = PhotoSet() if model is None else model.seen
        self._paths, self._model, self._cache = paths, model, cache
        self._precision, self._engine = precision, engine
        self.network: Network = _default_network() if model is None else model.network
        self._convolutions = self.network.activations_model()
        self._times: dict[int, float] = {}

    def parts(self, order: Sequence[int]) -> Iterator[Part]:
        """Measure photos in this order, soon the first of them.

        Parameters
        ----------
        order : sequence of int
            Places in the album.

        Yields
        ------
        Part
            Those of them that can be read.
        """
        size, start = FIRST_PART, 0
        while start < len(order):
            yield self._measure(list(order[start : start + size]))
            start, size = start + size, min(2 * size, LARGEST_PART)

    def bursts(self, photos: Sequence[int]) -> list[tuple[int, int]]:
        """Pairs of photos that follow each other in one burst: near to each other, in both senses.

        Parameters
        ----------
        photos : sequence of int
            Places in the album, of photos that were measured.

        Returns
        -------
        list of (int, int)
            Places in the album.
        """
        activations = self._activations(photos)
        measured = np.array(photos)[activations.positions]
        times = np.array([self._times[photo] for photo in measured])
        # Copies of one file are one photo.
        order = np.unique(activations.digests, return_index=True)[1]
        order = order[np.argsort(times[order], kind="stable")]
        near = NEAR[self.network.record.pooling]
        found: list[tuple[int, int]] = []
        for start in range(0, len(order) - 1, _BLOCK):
            block = order[start : start + _BLOCK + 1]
            along = unit_rows(activations, block)
            is_near = np.einsum("ij,ij->i", along[:-1], along[1:]) >= near
            is_near &= np.diff(times[block]) <= BURST_SECONDS
            pairs = np.column_stack([block[:-1], block[1:]])[is_near]
            found += [(first, second) for first, second in measured[pairs].tolist()]
        return found

    def _measure(self, photos: list[int]) -> Part:
        paths = [self._paths[photo] for photo in photos]
        if self._model is not None:
            scored = self._model.score_photos(
                paths, cache=self._cache, n_photos=len(self._paths), progress=False
            )
            activations, features, prior = scored.activations, scored.features, scored.score
        else:
            activations, prior = self._activations(photos), None
            features = activations.read(np.arange(len(activations)))
        self.failed |= {photos[position]: reason for position, reason in activations.failed}
        photos = [photos[position] for position in activations.positions]
        self._times |= {photo: capture_time(self._paths[photo]) for photo in photos}
        return Part(photos, activations.digests.tolist(), features, prior)

    def _activations(self, photos: Sequence[int]) -> Activations:
        n_photos, record = len(self._paths), self.network.record
        # For all photos as for a part, or these would be of another precision.
        settle(
            self._convolutions,
            n_photos,
            precision=self._precision,
            engine=self._engine,
            cache=self._cache,
        )
        return cached_activations(
            [self._paths[photo] for photo in photos],
            self._convolutions,
            resize=record.resize,
            cache=self._cache,
            n_photos=n_photos,
            progress=False,
        )[record.pooling]


def _default_network() -> Network:
    """The plain backbone that `decaf.models.fit.fit_model` compares, too."""
    name, sizes = choose_backbone(None)
    return PlainBackbone(name, POOLING_OF_RECIPE["decaf"], sizes=sizes).build()
