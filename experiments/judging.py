"""Judges feature sets once: what is finished is kept beside the results, and not done again."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.data import Photos
from experiments.pages import Row
from features.errors import InputError
from features.files import write_file

if TYPE_CHECKING:
    from classifiers.evaluation.evaluation import Result


@dataclass(frozen=True)
class Cell:
    """Classifiers on one feature set: what is judged at a time, and kept in a file.

    Attributes
    ----------
    features : str
        The feature set's name.
    X : ndarray, shape (n_photos, …)
        Features, or what the transformer makes features of, anew in each fold.
    classifiers : sequence of str, or dict of str to estimator
    settings : dict
        JSON values; all on which the figures depend beside photos, classifiers' names and seed.
    columns : dict
        What its rows begin with.
    transformer : estimator, optional
    train_on : ndarray of bool, shape (n_photos,), optional
        As in `classifiers.evaluation.folds.Folds.training_on`.
    file : str, optional
        Its name; the feature set's by default.
    """

    features: str
    X: np.ndarray
    classifiers: Sequence[str] | Mapping[str, Any]
    settings: dict[str, Any]
    columns: Row = field(default_factory=dict)
    transformer: Any = None
    train_on: np.ndarray | None = None
    file: str = ""


def given(
    features: str,
    score: Sequence[float],
    settings: dict[str, Any],
    columns: Row,
    *,
    threshold: float = 0.5,
    classifier: str = "softmax",
    file: str = "",
) -> Cell:
    """A cell of scores that were found before: a photo above the threshold is professional."""
    from experiments.given_scores import GivenScores

    classifiers = {classifier: GivenScores(threshold)}
    X = np.array(score, float)[:, None]
    return Cell(features, X, classifiers, settings, columns, file=file)


def judge(cells: Sequence[Cell], photos: Photos, args: argparse.Namespace) -> list[Row]:
    """Judge classifiers on feature sets; go on where it was interrupted.

    Of each cell there is a row a classifier: the cell's columns; what
    `classifiers.evaluation.evaluation.Evaluation.to_pandas` says; ``n_train``, training photos on
    the folds' average; and under ``resampled`` the figures of each bootstrap resample, which are
    paired with those of all other rows.
    """
    rows = []
    for cell in cells:
        settings = cell.settings | {
            "photos": photos.identity,
            "features": _digest(cell.X),
            "classifiers": list(cell.classifiers),
            "seed": args.seed,
        }
        found = compute_once(
            args, cell.file or cell.features, settings, partial(_judge, cell, photos, args)
        )
        rows += [cell.columns | row for row in found]
    return rows


def compute_once(
    args: argparse.Namespace, name: str, settings: dict[str, Any], compute: Callable[[], Any]
) -> Any:
    """Do a piece of work, or read what it gave when it was done before; a JSON value.

    It is kept in ``cells`` in the folder of results. The settings, JSON values, are everything on
    which it depends.

    Raises
    ------
    InputError
        If what is kept is damaged, or is of other settings and not to be replaced.
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
    write_file(path, json.dumps({"settings": settings, "outcome": outcome}))
    return outcome


def known_classifiers(names: Sequence[str]) -> list[str]:
    """Refuse names that no classifier has, before anything long begins."""
    from classifiers.catalogue import make_classifier

    for name in names:
        make_classifier(name)
    return list(names)


def figures_of(result: Result, metrics: Sequence[str]) -> Row:
    """The figures of a result with their intervals, and its resamples for `add_differences`."""
    row: Row = {"resampled": result.resampled}
    for metric in metrics:
        row[metric] = result.metrics[metric]
        row[f"{metric}_low"], row[f"{metric}_high"] = result.interval(metric)
    return row


def add_differences(
    rows: Sequence[Row],
    others: Sequence[Row],
    name: str,
    key: Callable[[Row], Hashable] = lambda row: None,
    metrics: Sequence[str] = (),
) -> None:
    """Add to rows how much better they are than others, resampled in pairs.

    The metrics are AUC and the accuracies where none are named.

    A row is compared with that of the others which has the same key; with none, it stays as it is.
    The columns are ``<metric>_minus_<name>``, with ``_low`` and ``_high`` (95 % interval).
    """
    from classifiers.evaluation.bootstrap import interval
    from classifiers.evaluation.evaluation import INTERVAL_METRICS

    other_of = {key(other): other for other in others}
    for row in rows:
        if (other := other_of.get(key(row))) is None:
            continue
        for metric in metrics or INTERVAL_METRICS:
            column = f"{metric}_minus_{name}"
            differences = np.subtract(row["resampled"][metric], other["resampled"][metric])
            row[column] = row[metric] - other[metric]
            row[f"{column}_low"], row[f"{column}_high"] = map(float, interval(differences))


def means_of_draws(
    drawn: Sequence[Row], cells: Sequence[Row], metrics: Sequence[str], seed: int
) -> list[Row]:
    """Means of draws with their intervals, a row a cell; draws are resampled alike in all.

    Of each draw there is a row that has what the cell has.
    """
    from classifiers.evaluation.bootstrap import N_RESAMPLES, interval

    rows: list[Row] = []
    for cell in cells:
        own = [row for row in drawn if cell.items() <= row.items()]
        chosen = np.random.default_rng(seed).integers(len(own), size=(N_RESAMPLES, len(own)))
        row: Row = cell | {"resampled": {}}
        for name in metrics:
            values = np.array([each[name] for each in own], float)
            row["resampled"][name] = resampled = values[chosen].mean(axis=1)
            row[name] = float(values.mean())
            row[f"{name}_low"], row[f"{name}_high"] = map(float, interval(resampled))
        rows.append(row)
    return rows


def _digest(X):
    """A digest of features; None of what a transformer makes features of."""
    if X.dtype == object:
        return None
    return hashlib.blake2b(np.ascontiguousarray(X).data, digest_size=16).hexdigest()


def _judge(cell, photos, args):
    from tqdm import tqdm

    from classifiers.evaluation.evaluation import MAJORITY, FeatureSet, evaluate

    folds = photos.folds if cell.train_on is None else photos.folds.training_on(cell.train_on)
    n_fits = len(folds) * (len(cell.classifiers) + (cell.transformer is not None))
    with tqdm(desc=cell.features, total=n_fits, unit="fit") as bar:
        evaluation = evaluate(
            [FeatureSet(cell.features, cell.X, cell.transformer)],
            folds,
            cell.classifiers,
            n_jobs=getattr(args, "jobs", 1),
            seed=args.seed,
            progress=lambda done, doing: bar.update(bool(done)),
        )
    table = evaluation.to_pandas()
    table = table[[name for name in table if not name.startswith("behind_best")]]
    rows = []
    for row, result in zip(table.to_dict("records"), evaluation.results):
        if result.classifier != MAJORITY:
            row["n_train"] = float(np.mean([len(fold.train) for fold in folds]))
            row["resampled"] = {k: np.round(v, 5).tolist() for k, v in result.resampled.items()}
            rows.append(row)
    return rows
