"""Probabilities of scores that were held back: Platt's sigmoid, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit
from sklearn.base import is_regressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from classifiers.evaluation.uncertainty import expected_calibration_error
from features.errors import InputError
from features.records import Record, number, one_of, optional, whole_number

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin, RegressorMixin

    from classifiers.evaluation.evaluation import Evaluation, Result

METHOD = "sigmoid on held-back scores"
# `decision_score` gives this, or less it, for a probability of exactly 1 or 0.
CERTAIN = np.finfo(float).max
# The sigmoid is judged in this many parts where the scores are of one classifier only.
N_PARTS = 5


def decision_score(classifier: ClassifierMixin | RegressorMixin, X: np.ndarray) -> np.ndarray:
    """Score by which to rank: finer than a probability, which ties at 0 and 1.

    Parameters
    ----------
    classifier : fitted classifier of two classes, or regressor
    X : array-like of shape (n_rows, n_features)

    Returns
    -------
    ndarray of shape (n_rows,)
        What a regressor predicts; a classifier's decision function, else the log-odds of its
        probabilities, or these themselves.
    """
    if is_regressor(classifier):
        return classifier.predict(X)
    if hasattr(classifier, "decision_function"):
        return classifier.decision_function(X)
    if not hasattr(classifier, "predict_log_proba"):  # k-nearest neighbours
        return classifier.predict_proba(X)[:, 1]
    with np.errstate(divide="ignore"):  # forests give probabilities of 0
        log_probability = classifier.predict_log_proba(X)
    # Of a certain answer the odds are infinite; what is no number stays none.
    return np.nan_to_num(log_probability[:, 1] - log_probability[:, 0], nan=np.nan)


@dataclass(frozen=True)
class Calibration(Record):
    """A sigmoid that turns decision scores into probabilities, and how far it can be trusted.

    Attributes
    ----------
    slope, intercept : float
        The probability is ``1 / (1 + exp(-(slope * score + intercept)))``. The slope is never below
        0: where the scores rank no better than chance, every row gets the positives' share.
    lowest, highest : float
        The scores beyond which nothing was seen, where the probability stays as it is at the last
        that was.
    photos : int
        Rows it was fitted on.
    error_before, error_after : float or None
        Expected calibration error; `before` of the classifier's own probabilities, None where it
        gives none; `after` of the calibrated ones, on rows that the sigmoid did not see, None where
        they were too few to judge it.
    method : str
        How it was fitted, in words.

    Raises
    ------
    InputError
        If a value is of another type or out of its range.

    References
    ----------
    Platt: Probabilistic outputs for support vector machines and comparisons to regularized
    likelihood methods. Advances in Large Margin Classifiers, 1999.

    Examples
    --------
    >>> calibration = Calibration.fit(np.array([-2, -1, -1, 1, 1, 2]), np.array([0, 0, 1, 0, 1, 1]))
    >>> calibration.probability(np.array([-9, -2, 0, 2, 9])).round(2)
    array([0.3, 0.3, 0.5, 0.7, 0.7])
    """

    slope: float = field(metadata=number(0))
    intercept: float = field(metadata=number())
    lowest: float = field(metadata=number())
    highest: float = field(metadata=number())
    photos: int = field(metadata=whole_number(1))
    error_before: float | None = field(metadata=optional(number(0)))
    error_after: float | None = field(metadata=optional(number(0)))
    method: str = field(default=METHOD, metadata=one_of(METHOD))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lowest > self.highest:
            raise InputError("lowest is above highest")

    @classmethod
    def fit(cls, score: np.ndarray, label: np.ndarray) -> Calibration:
        """Fit the sigmoid.

        Parameters
        ----------
        score : ndarray of shape (n_rows,)
            Of rows that the classifier was not fitted on.
        label : ndarray of shape (n_rows,)
            0 or 1.

        Returns
        -------
        Calibration
            Without errors; `calibrate` finds them.
        """
        score, label = np.asarray(score, float), np.asarray(label)
        uncertain = score[np.abs(score) < CERTAIN]
        lowest, highest = (uncertain.min(), uncertain.max()) if len(uncertain) else (-1.0, 1.0)
        score = score.clip(lowest, highest)
        scale = score.std() or 1.0
        n_positive, n_negative = (label == 1).sum(), (label == 0).sum()
        # Platt's targets: classes that a score separates must not make the sigmoid a step.
        target = np.where(label == 1, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
        regression = LogisticRegression(C=np.inf).fit(
            np.tile(score / scale, 2)[:, None],
            np.repeat([1, 0], len(score)),
            sample_weight=np.concatenate([target, 1 - target]),
        )
        slope, intercept = float(regression.coef_[0, 0] / scale), float(regression.intercept_[0])
        if slope <= 0:
            slope, intercept = 0.0, float(np.log(target.mean() / (1 - target.mean())))
        return cls(slope, intercept, float(lowest), float(highest), len(label), None, None)

    def probability(self, score: np.ndarray) -> np.ndarray:
        """Probabilities of decision scores.

        Parameters
        ----------
        score : array-like of shape (n_rows,)

        Returns
        -------
        ndarray of shape (n_rows,)
            Of the positive class.
        """
        with np.errstate(over="ignore"):  # a slope without measure makes of the sigmoid a step
            steep = self.slope * np.clip(score, self.lowest, self.highest)
        return expit(steep + self.intercept)


def calibrate(evaluation: Evaluation, result: Result | None = None) -> Calibration:
    """Fit the sigmoid on a result's held-back scores, and judge it on rows that it did not see.

    With several folds each fold's scores are judged by the sigmoid of the other folds; with one,
    its test rows are divided in parts for this, groups kept together. The sigmoid that is given is
    fitted on all of them.

    Parameters
    ----------
    evaluation : Evaluation
    result : Result, optional
        One of the evaluation's; by default its best.

    Returns
    -------
    Calibration
    """
    result = evaluation.best if result is None else result
    label = evaluation.judged_label
    error_after = None
    part = _parts(evaluation)
    if part is not None:
        probability = np.empty(len(label))
        for part_number in np.unique(part):
            own = part == part_number
            of_others = Calibration.fit(result.score[~own], label[~own])
            probability[own] = of_others.probability(result.score[own])
        error_after = expected_calibration_error(label, probability)
    return replace(
        Calibration.fit(result.score, label),
        error_before=result.metrics.get("calibration_error"),
        error_after=error_after,
    )


def _parts(evaluation):
    """A number for each judged row: the sigmoid that judges it is fitted on other numbers."""
    folds, label = evaluation.folds, evaluation.judged_label
    if len(folds) > 1:
        return folds.number_of_test_row
    unit = folds.test_rows if folds.group is None else folds.group[folds.test_rows]
    if min(len(np.unique(unit[label == value])) for value in (0, 1)) < N_PARTS:
        return None
    part = np.empty(len(label), int)
    splitter = StratifiedGroupKFold(N_PARTS, shuffle=True, random_state=evaluation.seed)
    for part_number, (_, rows) in enumerate(splitter.split(label, label, unit)):
        part[rows] = part_number
    return part
