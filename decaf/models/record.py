"""What a model says of itself: how well it did, on what it was trained, how it was made."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from classifiers.evaluation.calibration import Calibration
from features.errors import InputError
from features.records import (
    Record,
    nested,
    number,
    optional,
    sequence,
    share,
    table,
    text,
    whole_number,
)

# 0, 1 … 100.
N_PERCENTILES = 101


@dataclass(frozen=True)
class Interval(Record):
    """A figure from -1 to 1, and its 95 % bootstrap interval."""

    value: float = field(metadata=number(-1, 1))
    low: float = field(metadata=number(-1, 1))
    high: float = field(metadata=number(-1, 1))


@dataclass(frozen=True)
class Judged(Record):
    """How well a classifier did on photos that it had not seen.

    Attributes
    ----------
    photos : int
        As many judged it.
    professional : float
        Their share of professional ones.
    design : str
        How the photos were divided, in words.
    best_of : int
        The best of so many classifiers and feature sets; with many, the best looks a little better
        than it is.
    auc, accuracy, balanced_accuracy : Interval
    srcc : Interval or None
        Spearman's rank correlation of its decision score with the scores that people gave.
    """

    photos: int = field(metadata=whole_number(1))
    professional: float = field(metadata=share())
    design: str = field(metadata=text())
    best_of: int = field(metadata=whole_number(1))
    auc: Interval = field(metadata=nested(Interval))
    accuracy: Interval = field(metadata=nested(Interval))
    balanced_accuracy: Interval = field(metadata=nested(Interval))
    srcc: Interval | None = field(default=None, metadata=optional(nested(Interval)))


@dataclass(frozen=True)
class TrainedOn(Record):
    """The photos that trained a classifier.

    Attributes
    ----------
    photos : int
    professional : float
        Their share of professional ones.
    """

    photos: int = field(metadata=whole_number(1))
    professional: float = field(metadata=share())


@dataclass(frozen=True)
class PredictedScores(Record):
    """In which units a classifier that has learnt scores predicts them, and how well.

    Attributes
    ----------
    scale : (float, float)
        Lowest and highest score.
    midpoint : float
    error : float
        Standard deviation of the predictions from the scores, of photos that were held back, in
        units of the scale.
    """

    scale: tuple[float, float] = field(metadata=sequence(number(), length=2))
    midpoint: float = field(metadata=number())
    error: float = field(metadata=number(0))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.scale[0] < self.midpoint < self.scale[1]:
            raise InputError(f"midpoint must lie within the scale {self.scale}")

    def in_units(self, above_midpoint: np.ndarray) -> np.ndarray:
        """Scores in units of the scale, and within it, of shares of it above the midpoint."""
        low, high = self.scale
        return np.clip(self.midpoint + above_midpoint * (high - low), low, high)


@dataclass(frozen=True)
class ModelRecord(Record):
    """What a model says of itself; what its network is, its network's record says.

    Attributes
    ----------
    classifier : str
        A name of the catalogue.
    features : str
        What the features were called that it was fitted on.
    judged : Judged
    calibration : Calibration
        Turns the classifier's decision scores into probabilities.
    trained_on : TrainedOn
    predicted_scores : PredictedScores or None
        Where the classifier has learnt scores.
    percentiles : tuple of float, or None
        The decision scores, at their percentiles 0, 1 … 100, of the photos that judged it, each by
        a classifier that had not seen it; they tell where a new photo stands among these.
    licence : str or None
        What the weights of its network's backbone are, and under which licence; None where they
        are random.
    command : str or None
        The command line that made it.
    versions : dict of str to str
        Of what it was made with.

    Raises
    ------
    InputError
        If a value is of another type or out of its range, or percentiles fall.
    """

    classifier: str = field(metadata=text())
    features: str = field(metadata=text())
    judged: Judged = field(metadata=nested(Judged))
    calibration: Calibration = field(metadata=nested(Calibration))
    trained_on: TrainedOn = field(metadata=nested(TrainedOn))
    predicted_scores: PredictedScores | None = field(
        default=None, metadata=optional(nested(PredictedScores))
    )
    percentiles: tuple[float, ...] | None = field(
        default=None, metadata=optional(sequence(number(), length=N_PERCENTILES))
    )
    licence: str | None = field(default=None, metadata=optional(text()))
    command: str | None = field(default=None, metadata=optional(text()))
    versions: dict[str, str] = field(default_factory=dict, metadata=table())

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.percentiles is not None and list(self.percentiles) != sorted(self.percentiles):
            raise InputError("percentiles must not fall")


def percentiles_of(scores: np.ndarray) -> tuple[float, ...]:
    """What scores reach at their percentiles 0, 1 … 100; each is one of them.

    Parameters
    ----------
    scores : ndarray of shape (n_photos,)

    Returns
    -------
    tuple of float

    Examples
    --------
    >>> percentiles_of(np.array([0.3, 0.1, 0.2]))[::50]
    (0.1, 0.2, 0.3)
    """
    at = np.linspace(0, 100, N_PERCENTILES)
    # Between them nothing is interpolated: the scores of certain answers have no room above.
    return tuple(map(float, np.percentile(scores, at, method="nearest")))
