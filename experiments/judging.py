"""Judges feature sets once: what is finished is kept beside the results, and not done again."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from tqdm import tqdm

from classifiers.catalogue import make_classifier
from classifiers.evaluation.bootstrap import CONFIDENCE
from classifiers.evaluation.evaluation import (
    INTERVAL_METRICS,
    MAJORITY,
    FeatureSet,
    evaluate,
)
from experiments.data import Photos
from experiments.pages import Row
from features.errors import InputError
from features.files import whole_file


def compute_once(
    args: argparse.Namespace, name: str, settings: dict[str, Any], compute: Callable[[], Any]
) -> Any:
    """Do a piece of work, or read what it gave when it was done before.

    Parameters
    ----------
    args : argparse.Namespace
        Finished work is kept in ``cells`` in ``args.folder``, which git ignores; work of other
        settings is done again only if ``args.force``.
    name : str
        Of the work, and of its file.
    settings : dict
        JSON values; everything on which the outcome depends.
    compute : callable
        Gives a JSON value.

    Raises
    ------
    InputError
        If what is kept is of other settings, or damaged.
    """
    kept = args.folder / "cells"
    kept.mkdir(parents=True, exist_ok=True)
    (kept / ".gitignore").write_text("*\n")  # the page and the table are the results
    path = kept / f"{name.replace(',', '').replace(' ', '-')}.json"
    settings = json.loads(json.dumps(settings))
    if path.exists():
        try:
            before, outcome = itemgetter("settings", "outcome")(json.loads(path.read_text("utf-8")))
            differing = [k for k in settings | before if settings.get(k) != before.get(k)]
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{path}: damaged; remove it") from None
        if not differing:
            return outcome
        if not args.force:
            raise InputError(
                f"{path}: is of other settings ({', '.join(differing)}); choose another folder "
                "with --out, or add --force"
            )
    outcome = compute()
    with whole_file(path) as partial:
        partial.write_text(json.dumps({"settings": settings, "outcome": outcome}), "utf-8")
    return outcome


@dataclass(frozen=True)
class Cell:
    """Classifiers on one feature set: what is judged at a time, and kept in a file.

    Attributes
    ----------
    name : str
        The file's.
    feature_set : classifiers.evaluation.evaluation.FeatureSet
    classifiers : sequence of str, or dict of str to estimator
    settings : dict
        JSON values; all on which the figures depend beside photos, classifiers' names and seed.
    columns : dict
        What its rows begin with.
    train_on : ndarray of bool, shape (n_photos,), optional
        As in `classifiers.evaluation.folds.Folds.training_on`.
    """

    name: str
    feature_set: FeatureSet
    classifiers: Sequence[str] | dict[str, BaseEstimator]
    settings: dict[str, Any]
    columns: Row = field(default_factory=dict)
    train_on: np.ndarray | None = None


class GivenScores(ClassifierMixin, BaseEstimator):
    """Takes scores that were found before, so that they are judged as a classifier's are.

    Parameters
    ----------
    threshold : float
        A score above it is the positive class.
    """

    def __init__(self, threshold: float):
        self.threshold = threshold

    def fit(self, X, y):
        """Learn nothing."""
        self.classes_ = np.array([0, 1])
        return self

    def decision_function(self, X):
        """The given score above the threshold, (n_photos,)."""
        return X[:, 0] - self.threshold

    def predict(self, X):
        """Whether it is above, (n_photos,)."""
        return (self.decision_function(X) > 0).astype(int)


def judge(cells: Sequence[Cell], photos: Photos, args: argparse.Namespace) -> list[Row]:
    """Judge classifiers on feature sets, with a progress bar; go on where it was interrupted.

    Parameters
    ----------
    cells : sequence of Cell
    photos : experiments.data.Photos
    args : argparse.Namespace
        With ``seed``, perhaps ``jobs``, and as `compute_once` takes them.

    Returns
    -------
    list of dict
        Of each cell a row a classifier: the cell's columns; what
        `classifiers.evaluation.evaluation.Evaluation.to_pandas` says; ``n_train``, training photos
        on the folds' average; and under ``resampled`` the figures of each bootstrap resample, which
        are paired with those of all other rows.
    """
    n_fits = [
        len(photos.folds) * (len(cell.classifiers) + (cell.feature_set.transformer is not None))
        for cell in cells
    ]
    rows = []
    with tqdm(desc="judging", total=sum(n_fits), unit="fit") as bar:
        for number, cell in enumerate(cells):
            settings = cell.settings | {
                "photos": photos.identity,
                "features": _digest(cell.feature_set.X),
                "classifiers": list(cell.classifiers),
                "seed": args.seed,
            }
            rows += [
                cell.columns | row
                for row in compute_once(
                    args,
                    cell.name,
                    settings,
                    lambda cell=cell: _judge(cell, photos, args, bar.update),
                )
            ]
            bar.n = sum(n_fits[: number + 1])
            bar.refresh()
    return rows


def known_classifiers(names: Sequence[str]) -> list[str]:
    """Refuse names that no classifier has, before anything long begins."""
    for name in names:
        make_classifier(name)
    return list(names)


def add_differences(
    rows: Sequence[Row],
    others: Sequence[Row],
    name: str,
    key: Callable[[Row], Hashable] = lambda row: None,
) -> None:
    """Add to rows how much better they are than others, resampled in pairs.

    Parameters
    ----------
    rows, others : sequence of dict
        As `judge` gives them.
    name : str
        What the others are; the columns are ``<metric>_minus_<name>``, with ``_low`` and ``_high``
        (95 % bootstrap interval).
    key : callable
        A row is compared with that of the others which has the same; with none, it stays as it is.
    """
    other_of = {key(other): other for other in others}
    tail = (1 - CONFIDENCE) / 2
    for row in rows:
        if (other := other_of.get(key(row))) is None:
            continue
        for metric in INTERVAL_METRICS:
            column = f"{metric}_minus_{name}"
            differences = np.subtract(row["resampled"][metric], other["resampled"][metric])
            row[column] = row[metric] - other[metric]
            row[f"{column}_low"], row[f"{column}_high"] = (
                float(edge) for edge in np.nanquantile(differences, [tail, 1 - tail])
            )


def _digest(X):
    """A digest of features; None of what a transformer makes features of."""
    if X.dtype == object:
        return None
    return hashlib.blake2b(np.ascontiguousarray(X), digest_size=16).hexdigest()


def _judge(cell, photos, args, progress):
    folds = photos.folds if cell.train_on is None else photos.folds.training_on(cell.train_on)
    evaluation = evaluate(
        [cell.feature_set],
        folds,
        cell.classifiers,
        n_jobs=getattr(args, "jobs", 1),
        seed=args.seed,
        progress=progress,
    )
    table = evaluation.to_pandas()
    table = table[[name for name in table if not name.startswith("behind_best")]]
    rows = []
    for row, result in zip(table.to_dict("records"), evaluation.results):
        if result.classifier != MAJORITY:
            resampled = {k: np.round(v, 5).tolist() for k, v in result.resampled.items()}
            n_train = float(np.mean([len(fold.train) for fold in folds]))
            rows.append(row | {"n_train": n_train, "resampled": resampled})
    return rows
