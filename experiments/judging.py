"""Judges feature sets once: what is finished is kept beside the results, and not done again."""

import json
import os
from pathlib import Path

import numpy as np

from classifiers.evaluation import CONFIDENCE, INTERVAL_METRICS, MAJORITY, evaluate, score_table
from features.errors import InputError


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
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps({"settings": settings, "outcome": outcome}), encoding="utf-8")
    os.replace(partial, path)
    return outcome


def judge(photos, feature_set, classifiers, *, train_on=None, jobs=1, seed=0, progress):
    """Judge classifiers on a feature set.

    Parameters
    ----------
    photos : experiments.data.Photos
    feature_set : classifiers.evaluation.FeatureSet
    classifiers : list of str, or dict of str to estimator
    train_on : ndarray of bool, shape (n_photos,), optional
        As in `classifiers.evaluation.evaluate`.
    jobs, seed : int
    progress : callable

    Returns
    -------
    list of dict
        A row a classifier: what `classifiers.evaluation.score_table` says; ``n_train``, training
        photos on the folds' average; and under ``resampled`` the figures of each bootstrap
        resample, which are paired with those of every other row of the same photos.
    """
    evaluation = evaluate(
        [feature_set],
        photos.ratings.label,
        photos.folds,
        classifiers,
        group=photos.ratings.group,
        train_on=train_on,
        n_jobs=jobs,
        seed=seed,
        progress=progress,
    )
    table = score_table(evaluation)
    table = table[[name for name in table if not name.startswith("behind_best")]]
    rows = []
    for row, result in zip(table.to_dict("records"), evaluation.results):
        if result.classifier != MAJORITY:
            resampled = {k: np.round(v, 5).tolist() for k, v in result.resampled.items()}
            n_train = float(np.mean(evaluation.n_train))
            rows.append(row | {"n_train": n_train, "resampled": resampled})
    return rows


def add_differences(row, other, name):
    """Add to a row how much better it is than another, resampled in pairs.

    Parameters
    ----------
    row, other : dict
        Rows of `judge`.
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
