"""What is left of a session: a model of the person's taste, and their ratings as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.pipeline import Pipeline

from classifiers.evaluation.bootstrap import (
    CONFIDENCE,
    N_RESAMPLES,
    resampled_accuracies,
)
from classifiers.evaluation.calibration import Calibration
from classifiers.taste.certainty import judge_checks
from decaf.backend import versions
from decaf.models.model import Model
from decaf.models.record import Interval, Judged, ModelRecord, PredictedScores, TrainedOn
from decaf.rating.learner import score_line
from features.files import write_file
from features.photo_set import PhotoSet

if TYPE_CHECKING:
    from classifiers.taste.album import AlbumTaste
    from decaf.networks.network import Network
    from decaf.rating.answers import Answers, Rating

TABLE_FILE = "ratings.csv"
# Of photos that were drawn at random, below which all rated ones judge.
_LEAST_CHECKS = 8
_AT_RANDOM = "photos drawn at random while they were rated, each predicted without its own rating"
_ALL = "all rated photos, most of them chosen to teach, each predicted without its own rating"


def write_table(path: Path, ratings: Sequence[Rating]) -> None:
    """Write ratings.csv, which every command takes that takes ratings.

    Parameters
    ----------
    path : Path
    ratings : sequence of Rating
        A photo that was rated twice gets the mean.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    by_photo: dict[str, list[Rating]] = {}
    for rating in ratings:
        by_photo.setdefault(rating.path, []).append(rating)
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "score", "rejected"])
    for name, given in by_photo.items():
        score = sum(rating.grade for rating in given) / len(given)
        table.writerow([name, f"{score:g}", "yes" if given[-1].is_rejected else ""])
    # Names need not be UTF-8; `find_photos` reads them back from a .csv as they were.
    write_file(path, text.getvalue().encode("utf-8", "surrogateescape"))


def make_model(
    taste: AlbumTaste,
    answers: Answers,
    rows: Sequence[int],
    network: Network,
    line: float,
    *,
    seen: PhotoSet,
    command: str | None = None,
) -> Model:
    """Make a model of what was learnt.

    Parameters
    ----------
    taste : AlbumTaste
        That has learnt the answers.
    answers : Answers
        Of photos whose features are there; good ones and others.
    rows : sequence of int
        The places of the ratings that judge, among them.
    network : Network
        That gave the features.
    line : float
        A better grade is a good one; within the scale.
    seen : PhotoSet
        What trained the prior.
    command : str, optional
        What makes the model, for its record.

    Returns
    -------
    Model
    """
    low, high = float(taste.grades[0]), float(taste.grades[-1])
    worth, given = taste.checks(range(len(answers.ratings)))
    step, start = score_line(taste.predict())
    judging = np.array(rows, int)
    score, label = (step * worth + start - line) / (high - low), (given > line).astype(int)
    design, order = _AT_RANDOM, taste.wins(rows)
    if len(judging) < _LEAST_CHECKS or np.ptp(label[judging]) == 0:
        judging, design, order = np.arange(len(label)), _ALL, score
    error = np.sqrt(np.mean((score[judging] * (high - low) + line - given[judging]) ** 2))
    rated = {rating.digest for rating in answers.ratings}
    record = ModelRecord(
        classifier="gaussian-process",
        features=network.record.name,
        judged=_judge(order, score[judging], given[judging], line, design),
        calibration=Calibration.fit(score, label),
        trained_on=TrainedOn(photos=len(rated), professional=float(label.mean())),
        predicted_scores=PredictedScores((low, high), line, float(error)),
        licence=network.record.licence,
        command=command,
        versions=versions()
        | {package: metadata.version(package) for package in ("scikit-learn", "skops")},
    )
    trained_on = PhotoSet.of(sorted(rated | {each for pair in answers.pairs for each in pair}))
    classifier = _above_line(taste.to_pipeline(), line, high - low)
    return Model(network, classifier, record, trained_on | seen)


def _judge(
    order: np.ndarray, score: np.ndarray, given: np.ndarray, line: float, design: str
) -> Judged:
    label = (given > line).astype(int)
    n = len(label)
    judged = judge_checks(order, given, np.nextafter(line, np.inf))
    prediction = (score > 0).astype(int)
    of_all = resampled_accuracies(label, prediction, np.ones((1, n), np.float32))
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), N_RESAMPLES)
    resampled = resampled_accuracies(label, prediction, drawn.astype(np.float32))
    edges = 100 * np.array([1 - CONFIDENCE, 1 + CONFIDENCE]) / 2
    intervals = {
        name: Interval(float(values[0]), *map(float, np.nanpercentile(resampled[name], edges)))
        for name, values in of_all.items()
    }
    return Judged(
        photos=n,
        professional=float(label.mean()),
        design=design,
        best_of=1,
        auc=Interval(judged.auc, judged.auc_low, judged.auc_high),
        srcc=Interval(judged.srcc, judged.srcc_low, judged.srcc_high),
        **intervals,
    )


def _above_line(pipeline: Pipeline, line: float, width: float) -> Pipeline:
    """A process that predicts, as a model's does, shares of the scale above a line."""
    process = pipeline[-1]
    process.mean_ = (process.mean_ - line) / width
    process.weights_ = process.weights_ / width
    process.signal_, process.noise_ = process.signal_ / width, process.noise_ / width
    process.uncertainty_ = process.uncertainty_ / width**2
    return pipeline
