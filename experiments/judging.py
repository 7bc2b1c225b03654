"""Judges feature sets once: what is finished is kept beside the results, and not done again."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

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
from features.errors import InputError
from features.files import write_file


def compute_once(path, settings, compute, *, force=False):
    """Do a piece of work, or read what it gave when it was done before.

    Parameters
    ----------
    path : path-like
        A JSON file for the outcome, written whole or not at all.
    settings : dict
        JSON values; everything on which the outcome depends.
    compute : callable
        Gives a JSON value.
    force : bool
        Do it again if it was done with other settings.

    Returns
    -------
    What `compute` gave.

    Raises
    ------
    InputError
        If the file is of other settings, or damaged.
    """
    path = Path(path)
    settings = json.loads(json.dumps(settings))
    if path.exists():
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            before, outcome = kept["settings"], kept["outcome"]
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{path}: damaged; remove it") from None
        if before == settings:
            return outcome
        if not force:
            differing = [k for k in settings | before if settings.get(k) != before.get(k)]
            raise InputError(
                f"{path}: is of other settings ({', '.join(differing)}); choose another folder "
                "with --out, or add --force"
            )
    outcome = compute()
    write_file(path, json.dumps({"settings": settings, "outcome": outcome}))
    return outcome


@dataclass(frozen=True)
class Cell:
    """Classifiers on one feature set: what is judged at a time, and kept in a file.

    Attributes
    ----------
    name : str
        The file's.
    feature_set : classifiers.evaluation.evaluation.FeatureSet
    classifiers : list of str, or dict of str to estimator
    settings : dict
        JSON values; all on which the figures depend beside photos, classifiers' names and seed.
    train_on : ndarray of bool, shape (n_photos,), optional
        As in `classifiers.evaluation.folds.Folds.training_on`.
    """

    name: str
    feature_set: FeatureSet
    classifiers: list | dict
    settings: dict
    train_on: np.ndarray | None = None


class GivenScores(ClassifierMixin, BaseEstimator):
    """Takes scores that were found before, so that they are judged as a classifier's are.

    Parameters
    ----------
    threshold : float
        A score above it is the positive class.
    """

    def __init__(self, threshold):
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


def cells_folder(folder):
    """Make the folder ``cells`` of finished work in a folder of results.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    pathlib.Path
        For files of `compute_once`; git ignores it.
    """
    kept = folder / "cells"
    kept.mkdir(parents=True, exist_ok=True)
    (kept / ".gitignore").write_text("*\n")  # the page and the table are the results
    return kept


def judge_cells(cells, photos, folder, *, jobs=1, seed=0, force=False):
    """Judge classifiers on feature sets, with a progress bar; go on where it was interrupted.

    Parameters
    ----------
    cells : list of Cell
    photos : experiments.data.Photos
    folder : pathlib.Path
        Finished cells are kept in its folder ``cells``.
    jobs, seed : int
    force : bool
        As in `compute_once`.

    Returns
    -------
    list of (list of dict)
        Of each cell a row a classifier: what `Evaluation.to_pandas` says;
        ``n_train``, training photos on the folds' average; and under ``resampled`` the figures of
        each bootstrap resample, which are paired with those of all other rows.
    """
    kept = cells_folder(folder)
    n_folds = len(photos.folds)
    n_fits = [
        n_folds * (len(cell.classifiers) + (cell.feature_set.transformer is not None))
        for cell in cells
    ]
    rows = []
    with tqdm(desc="judging", total=sum(n_fits), unit="fit") as bar:
        for number, cell in enumerate(cells):
            rows.append(
                compute_once(
                    kept / f"{cell.name.replace(' ', '-')}.json",
                    cell.settings
                    | {
                        "photos": photos.identity,
                        "features": _digest(cell.feature_set.X),
                        "classifiers": list(cell.classifiers),
                        "seed": seed,
                    },
                    lambda cell=cell: _judge(cell, photos, jobs, seed, bar.update),
                    force=force,
                )
            )
            bar.n = sum(n_fits[: number + 1])
            bar.refresh()
    return rows


def known_classifiers(names):
    """Refuse names that no classifier has, before anything long begins.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    list of str

    Raises
    ------
    InputError
    """
    for name in names:
        make_classifier(name)
    return list(names)


def add_differences(row, other, name):
    """Add to a row how much better it is than another, resampled in pairs.

    Parameters
    ----------
    row, other : dict
        As `judge_cells` gives them.
    name : str
        What the other is; the columns are ``<metric>_minus_<name>``, with ``_low`` and ``_high``
        (95 % bootstrap interval).
    """
    tail = (1 - CONFIDENCE) / 2
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


def _judge(cell, photos, jobs, seed, progress):
    folds = photos.folds if cell.train_on is None else photos.folds.training_on(cell.train_on)
    evaluation = evaluate(
        [cell.feature_set],
        folds,
        cell.classifiers,
        n_jobs=jobs,
        seed=seed,
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
