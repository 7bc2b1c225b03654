"""Activations and scores of pictures in memory: of a photo's versions, which are no files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from keras import ops
from PIL import Image
from sklearn.utils import gen_batches

from classifiers.evaluation.calibration import decision_score
from decaf.backend import can_train
from decaf.extraction.choosing import settle
from decaf.extraction.engines import compiled_head, forward_pass
from features.photos import read_photo, resize_photo

if TYPE_CHECKING:
    from decaf.models.model import Model

# Pixels of a photo's longer side, of which versions are made: more than any network takes twice
# over. Damages and edits of a whole photo of 24 megapixels would take seconds each.
WORKING_SIDE = 1024
# A photo has some twenty versions or more: hardly any place of a batch stays empty.
_BATCH = 16


def read_working_copy(path: str | os.PathLike) -> np.ndarray:
    """Read a photo, reduced where it is large.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)

    Raises
    ------
    PhotoError
        It cannot be read.
    """
    rgb, _ = read_photo(path, min_side=WORKING_SIDE)
    image = Image.fromarray(rgb)
    image.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BILINEAR, reducing_gap=None)
    return np.asarray(image)


class PictureScorer:
    """Scores pictures as a model scores photos, in float32, and gives their activations.

    Parameters
    ----------
    model : Model
    n_pictures : int
        About how many there will be: for many, the fastest way of this machine is measured.
    cache : path-like, optional
        Where that is kept.

    Attributes
    ----------
    n_activations : int
        Of a picture.
    """

    def __init__(self, model: Model, n_pictures: int, cache: str | os.PathLike | None = None):
        convolutions = model.network.activations_model()
        settle(
            convolutions,
            n_pictures,
            # In bfloat16 rounding changes activations by some 4 %, as much as an edit does.
            precision="float32",
            engine=model.engine,
            batch_size=_BATCH,
            cache=cache,
        )
        self._run = forward_pass(convolutions, _BATCH, n_pictures)
        head = model.network.head_model()
        self._head = head if can_train() else compiled_head(head)
        self._classifier = model.classifier
        self._record, self._size = model.network.record, model.network.input_size
        self.n_activations: int = head.input_shape[-1]

    def activations(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Compute the backbone's activations; of the same picture once.

        Parameters
        ----------
        pictures : sequence of ndarray of uint8, shape (height, width, 3)

        Returns
        -------
        ndarray of float32, shape (n_pictures, n_activations)
        """
        different = {id(each): each for each in pictures}
        squares = [
            resize_photo(each, self._size, self._record.resize) for each in different.values()
        ]
        found = [self._compute(squares[block]) for block in gen_batches(len(squares), _BATCH)]
        row_of = {key: row for row, key in enumerate(different)}
        return np.concatenate(found)[[row_of[id(each)] for each in pictures]]

    def _compute(self, squares: Sequence[np.ndarray]) -> np.ndarray:
        batch = np.zeros((_BATCH, self._size, self._size, 3), np.uint8)
        batch[: len(squares)] = squares
        activations = self._run(batch)[self._record.pooling][: len(squares)]
        return np.asarray(activations, np.float32)

    def score(self, activations: np.ndarray) -> np.ndarray:
        """Give the model's decision scores, (n_pictures,)."""
        features = ops.convert_to_numpy(self._head(activations)["features"])
        return decision_score(self._classifier, features)
