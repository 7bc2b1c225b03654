"""What heads learn of photos: the label, soft near the midpoint, the score, or the votes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from scipy.special import expit, softmax
from sklearn.metrics import log_loss, roc_auc_score

from decaf.networks.votes import emd_loss, mean_and_spread, vote_shares
from features.errors import InputError
from features.ratings import RatedPhotos

# Levels half a deviation of the scores apart, and as far as nearly all scores lie. SRCC of the
# head's output on OASIS and BIQ2021 (one seed, 448 pixels): .731 and .749; squared error of
# standardised scores .697 and .763, quantile levels .739 and .741, softened labels .727 and .749.
N_LEVELS, REACH = 11, 2.5


@dataclass(frozen=True)
class Targets:
    """What a head learns of photos.

    Attributes
    ----------
    label : ndarray of int, shape (n_photos,)
        Classes 0 … n_classes - 1.
    above_midpoint : ndarray of float, shape (n_photos,), optional
        How far the photos' scores lie above the midpoint, as a share of the scale; with it labels
        are softened, without it they are trained on as they are.
    levels : ndarray of float, shape (n_levels,), optional
        Of `choose_levels`: learn by it how probable each of them is, and not the labels.
    votes : ndarray of int, shape (n_photos, n_grades), optional
        Learn these with NIMA's loss, and not the labels; those still weigh the classes and divide
        off the validation photos.
    group : ndarray, shape (n_photos,), optional
        Photos of one group stay together on one side of the validation split.
    """

    label: np.ndarray
    above_midpoint: np.ndarray | None = None
    votes: np.ndarray | None = None
    group: np.ndarray | None = None
    levels: np.ndarray | None = None

    @classmethod
    def of(cls, rated: RatedPhotos, kind: str = "label", rows: np.ndarray | None = None) -> Targets:
        """What a network of a kind learns of rated photos.

        Parameters
        ----------
        rated : RatedPhotos
        kind : {"label", "score", "votes"}
        rows : ndarray of int, optional
            Those that train, by which the levels of the score are chosen; all by default.

        Returns
        -------
        Targets

        Raises
        ------
        InputError
            There are no scores or no votes to learn.
        """
        votes = require_votes(rated) if kind == "votes" else None
        levels = levels_of(rated.above_midpoint, rows) if kind == "score" else None
        return cls(rated.label, rated.above_midpoint, votes, rated.group, levels)

    def wanted(self, softness: float) -> np.ndarray:
        """What a head is to give.

        Parameters
        ----------
        softness : float
            As in `decaf.training.settings.TrainingSettings`.

        Returns
        -------
        ndarray, shape (n_photos,) or (n_photos, n_outputs)
            Classes; or their probabilities, those of the levels, or the shares of the votes.
        """
        if self.votes is not None:
            return vote_shares(self.votes)
        if self.levels is not None:
            assert self.above_midpoint is not None  # of which the levels are
            return spread_scores(self.above_midpoint, self.levels)
        if softness and self.above_midpoint is not None:
            sure = expit(self.above_midpoint / softness)
            return np.stack([1 - sure, sure], axis=1)
        return self.label

    def loss(self, wanted: np.ndarray) -> str | Callable:
        """By what Keras compares the output with what is wanted."""
        if self.votes is not None:
            return emd_loss
        return "sparse_categorical_crossentropy" if wanted.ndim == 1 else "categorical_crossentropy"

    def judge(
        self, rows: np.ndarray, wanted: np.ndarray, output: np.ndarray
    ) -> tuple[float, float]:
        """How well a head does on some photos.

        Parameters
        ----------
        rows : ndarray of int, shape (n,)
        wanted : ndarray
            Of all photos.
        output : ndarray, shape (n, n_outputs)
            The head's, of these rows.

        Returns
        -------
        loss, auc : float
            AUC of the label, exact, unlike Keras's binned one: by the predicted mean of votes or
            levels, by the second of two classes, or of each class against the rest.
        """
        label, wanted = self.label[rows], wanted[rows]
        if self.votes is not None:
            loss = keras.ops.mean(emd_loss(wanted, output))
            return float(loss), roc_auc_score(label, mean_and_spread(output)[0])
        if wanted.ndim == 2:
            loss = keras.ops.mean(keras.losses.categorical_crossentropy(wanted, output))
        else:
            loss = log_loss(wanted, output, labels=range(output.shape[1]))
        if self.levels is not None:
            return float(loss), roc_auc_score(label, mean_and_spread(output, self.levels)[0])
        if output.shape[1] == 2:
            return float(loss), roc_auc_score(label, output[:, 1])
        return float(loss), roc_auc_score(label, output, multi_class="ovr")


def choose_levels(score: np.ndarray) -> np.ndarray:
    """Levels over which scores are spread.

    Parameters
    ----------
    score : ndarray of float, shape (n_photos,)

    Returns
    -------
    ndarray of float, shape (n_levels,)
        Evenly spaced about the mean, ascending.

    Raises
    ------
    InputError
        The scores are all the same.

    Examples
    --------
    >>> choose_levels(np.array([2.0, 4.0]))
    array([0.5, 1. , 1.5, 2. , 2.5, 3. , 3.5, 4. , 4.5, 5. , 5.5])
    """
    deviation = score.std()
    if not deviation > 0:
        raise InputError(f"the {len(score):,} scores are all the same: there is no order to learn")
    return score.mean() + deviation * np.linspace(-REACH, REACH, N_LEVELS)


def spread_scores(score: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Spread each score over the levels near to it (Geng 2016: label distribution learning).

    Parameters
    ----------
    score : ndarray of float, shape (n_photos,)
    levels : ndarray of float, shape (n_levels,)
        Evenly spaced, in the same units.

    Returns
    -------
    ndarray of float32, shape (n_photos, n_levels)
        Of sum 1: a normal distribution whose deviation is one step of the levels.
    """
    steps = (score[:, None] - levels) / (levels[1] - levels[0])
    return softmax(-(steps**2) / 2, axis=1).astype(np.float32)


def levels_of(above_midpoint: np.ndarray | None, rows: np.ndarray | None = None) -> np.ndarray:
    """Levels of how far scores lie above the midpoint, by some photos; by all where rows is None.

    Raises
    ------
    InputError
        There are no scores to learn.
    """
    if above_midpoint is None:
        raise InputError("there are no scores to learn: the ratings are labels only")
    return choose_levels(above_midpoint if rows is None else above_midpoint[rows])


def require_votes(rated: RatedPhotos) -> np.ndarray:
    """The votes of rated photos, (n_photos, n_grades); an InputError where there are none."""
    if rated.votes is None:
        raise InputError("there are no votes to learn; the ratings need columns count1 … countK")
    return rated.votes
