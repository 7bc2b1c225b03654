"""The report's charts as data: axes, ticks and lines in the units that its template draws in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_curve

from classifiers.evaluation.uncertainty import accuracy_coverage_curve

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from classifiers.evaluation.evaluation import Evaluation, Result
    from classifiers.evaluation.learning_curve import LearningCurve

# A chart is a square of this many units; its axes meet at left and bottom.
SIZE = 200
LEFT, RIGHT, TOP, BOTTOM = 36, 196, 4, 164

_GRID = np.linspace(0, 1, 101)
_N_BINS = 10
_LEAST_COVERAGE = 0.05  # the accuracy on fewer photos is noise
_MARGIN = 0.02  # between the ends of an axis and what lies on 0 and 1
_CHANCE = 0.5
_TICK_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2)
_MOST_TICKS = 5
_COLUMN = 0.5  # of the drawing's units, less than a pixel of any screen


@dataclass(frozen=True)
class Axis:
    """One axis: what it shows, and where.

    Attributes
    ----------
    label : str
        Empty where the figure's caption says it.
    low, high : float
        The values at its ends.
    ticks : tuple of (float, str)
        Values that are marked, and how they are written.
    start, end : float
        Where its ends are in the drawing.
    """

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    start: float
    end: float

    def place(self, values: ArrayLike) -> np.ndarray:
        """Where values are in the drawing."""
        share = (np.asarray(values, float) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    @property
    def tick_places(self) -> Iterator[tuple[float, str]]:
        """Where the ticks are in the drawing, and how they are written."""
        return ((float(self.place(value)), text) for value, text in self.ticks)


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes
    ----------
    points : tuple of (float, float)
        In the drawing.
    series : int
        The number of what it tells of, from 0 on.
    dots : bool
        Whether its points are marked.
    """

    points: tuple[tuple[float, float], ...]
    series: int = 0
    dots: bool = False


@dataclass(frozen=True)
class Chart:
    """What the template draws.

    Attributes
    ----------
    title : str
    x, y : Axis
    lines : tuple of Line
    reference : Line or None
        What they are compared with, drawn faint below them.
    intervals : tuple of Line
        Drawn broad and pale below the lines.
    """

    title: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    reference: Line | None = None
    intervals: tuple[Line, ...] = ()


def roc_chart(evaluation: Evaluation, classifier: str) -> Chart:
    """The mean of the folds' ROC curves, whose area is the mean AUC; a line a feature set.

    Parameters
    ----------
    evaluation : Evaluation
    classifier : str
        Its name.

    Returns
    -------
    Chart
    """
    x, y = _share_axis("snapshots let through"), _share_axis("professionals found", upright=True)
    lines = []
    folds, label = evaluation.folds, evaluation.judged_label
    in_fold = [folds.number_of_test_row == number for number in range(len(folds))]
    for series, result in _results(evaluation, classifier):
        curves = [roc_curve(label[rows], result.score[rows]) for rows in in_fold]
        found = np.mean([np.interp(_GRID, false, true) for false, true, _ in curves], axis=0)
        lines.append(_line(x, y, [0, *_GRID], [0, *found], series))
    return Chart(classifier, x, y, tuple(lines), reference=_line(x, y, [0, 1], [0, 1]))


def calibration_chart(evaluation: Evaluation, classifier: str) -> Chart | None:
    """The share of professionals among photos of like probability; a line a feature set.

    Parameters
    ----------
    evaluation : Evaluation
    classifier : str
        Its name.

    Returns
    -------
    Chart or None
        None where the classifier gives no probabilities.
    """
    x, y = _share_axis("probability given"), _share_axis("share professional", upright=True)
    lines = []
    for series, result in _results(evaluation, classifier):
        if result.probability is None:
            return None
        share, probability = calibration_curve(
            evaluation.judged_label, result.probability, n_bins=_N_BINS, strategy="quantile"
        )
        lines.append(_line(x, y, probability, share, series, dots=True))
    return Chart(classifier, x, y, tuple(lines), reference=_line(x, y, [0, 1], [0, 1]))


def coverage_chart(evaluation: Evaluation, classifier: str) -> Chart | None:
    """Accuracy on the photos that the classifier is surest of; a line a feature set.

    Parameters
    ----------
    evaluation : Evaluation
    classifier : str
        Its name.

    Returns
    -------
    Chart or None
        None where the classifier gives no probabilities.
    """
    curves = []
    for series, result in _results(evaluation, classifier):
        if result.probability is None:
            return None
        coverage, accuracy = accuracy_coverage_curve(evaluation.judged_label, result.probability)
        shown = coverage >= _LEAST_COVERAGE
        curves.append((coverage[shown], accuracy[shown], series))
    lowest = min(_CHANCE, *(accuracy.min() for _, accuracy, _ in curves)) - 0.05
    x = _share_axis("share of photos judged")
    y = _share_axis("accuracy on them", low=lowest, upright=True)
    return Chart(classifier, x, y, tuple(_line(x, y, *curve) for curve in curves))


def learning_chart(curve: LearningCurve) -> Chart:
    """The AUC by the number of training photos, each of which is about twice the one before.

    Parameters
    ----------
    curve : LearningCurve

    Returns
    -------
    Chart
    """
    doublings = np.log2(curve.n_train)
    margin = 0.12 * (doublings[-1] - doublings[0])
    low, high = zip(*curve.intervals)
    x = Axis(
        "training photos",
        doublings[0] - margin,
        doublings[-1] + margin,
        tuple((at, f"{n:,}") for at, n in zip(doublings, curve.n_train)),
        LEFT,
        RIGHT,
    )
    lowest, highest = min(_CHANCE - _MARGIN, *low), max(high) + _MARGIN
    y = Axis("", lowest, highest, _auc_ticks(lowest, highest), BOTTOM, TOP)
    return Chart(
        "learning curve",
        x,
        y,
        lines=(_line(x, y, doublings, curve.auc, dots=True),),
        reference=_line(x, y, [x.low, x.high], [_CHANCE, _CHANCE]),
        intervals=tuple(
            _line(x, y, [at, at], ends) for at, ends in zip(doublings, curve.intervals)
        ),
    )


def _results(evaluation: Evaluation, classifier: str) -> Iterator[tuple[int, Result]]:
    """The classifier's results, with the numbers of their feature sets."""
    numbers = {name: number for number, name in enumerate(evaluation.feature_sets)}
    return (
        (numbers[result.features], result)
        for result in evaluation.results
        if result.classifier == classifier
    )


def _share_axis(label: str, low: float = -_MARGIN, upright: bool = False) -> Axis:
    ticks = tuple((at, text) for at, text in ((0, "0"), (0.5, ".5"), (1, "1")) if at >= low)
    start, end = (BOTTOM, TOP) if upright else (LEFT, RIGHT)
    return Axis(label, low, 1 + _MARGIN, ticks, start, end)


def _auc_ticks(low: float, high: float) -> tuple[tuple[float, str], ...]:
    for step in _TICK_STEPS:
        ticks = step * np.arange(np.ceil(low / step), np.floor(high / step) + 1)
        if len(ticks) <= _MOST_TICKS:
            break
    return tuple((at, f"{at:.2f}".removeprefix("0")) for at in ticks)


def _line(
    x: Axis,
    y: Axis,
    values: ArrayLike,
    heights: ArrayLike,
    series: int = 0,
    dots: bool = False,
) -> Line:
    """A line in the drawing; of points too close for a screen those that make the same picture.

    Of the points in a column narrower than a pixel these are the first, the lowest, the highest
    and the last (M4: Jugel, Jerzak, Hackenbroich, Markl, VLDB 2014).
    """
    across, up = x.place(values), y.place(heights)
    column = np.floor(across / _COLUMN)
    kept: set[int] = set()
    for rows in np.split(np.arange(len(column)), np.flatnonzero(np.diff(column)) + 1):
        kept |= {rows[0], rows[np.argmin(up[rows])], rows[np.argmax(up[rows])], rows[-1]}
    points = [(round(float(across[row]), 1), round(float(up[row]), 1)) for row in sorted(kept)]
    return Line(tuple(point for point, _ in groupby(points)), series, dots)
