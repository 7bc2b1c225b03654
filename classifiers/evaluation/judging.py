"""Classifiers fitted and tried on the folds of one feature set."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import clone, is_regressor
from sklearn.utils import _safe_indexing

from classifiers.catalogue import seconds_of
from classifiers.evaluation.calibration import decision_score
from classifiers.memory import bytes_of_fit, machine_bytes

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from classifiers.evaluation.evaluation import FeatureSet
    from classifiers.evaluation.folds import Fold, Folds
    from classifiers.evaluation.kept import KeptFits


# Called with the name of what has been judged on a fold, none at first, and with the names of what
# is being judged now.
Progress = Callable[[str, Sequence[str]], object]


class Place(NamedTuple):
    """A classifier and the number of a fold; in words, for whoever tells what a task works on."""

    classifier: str
    fold: int

    def __str__(self) -> str:
        return f"{self.classifier} on fold {self.fold + 1}"


class FoldResult(NamedTuple):
    """One classifier on the test rows of one fold; arrays as in `Result`."""

    n_features: int
    score: np.ndarray
    prediction: np.ndarray
    probability: np.ndarray | None
    fit_seconds: float


def judge_on_folds(
    feature_set: FeatureSet,
    folds: Folds,
    classifiers: Mapping[str, BaseEstimator],
    n_jobs: int,
    progress: Progress,
    kept: KeptFits,
) -> dict[str, list[FoldResult]]:
    """Judge classifiers on one feature set.

    Parameters
    ----------
    feature_set : FeatureSet
    folds : Folds
    classifiers : dict of str to estimator
    n_jobs : int
        Fewer fits are done at once where they would not fit into memory together.
    progress : callable
        As in `evaluate`.
    kept : KeptFits
        Fits that are there are not done again, and others are added.

    Returns
    -------
    dict of str to list of FoldResult
        By the classifier's name, one a fold.
    """
    digest = kept.key(feature_set.identity, feature_set.X)
    keys, judged, tasks, most_bytes = {}, {}, [], 0
    for number, fold in enumerate(folds):
        part = (digest, folds.label, folds.above_midpoint, fold.train)
        for name, classifier in classifiers.items():
            place = Place(name, number)
            key = keys[place] = kept.key(part, fold.test, classifier)
            arrays = kept.read(key)
            if arrays is not None:
                judged[place] = _fold_result(arrays)
                progress(name, ())
        missing = [name for name in classifiers if Place(name, number) not in judged]
        if missing:
            X = _fold_features(feature_set, folds.label, fold, kept, kept.key(part))
            tasks += [
                delayed(_placed)(
                    Place(name, number),
                    classifiers[name],
                    X,
                    folds.target_of(classifiers[name]),
                    fold,
                )
                for name in missing
            ]
            sizes = (bytes_of_fit(classifiers[name], *np.shape(X)) for name in missing)
            most_bytes = max(most_bytes, *sizes)
        if feature_set.transformer is not None:
            progress(feature_set.name, ())
    # The longest first, so that at the end no core waits for it.
    tasks.sort(key=lambda task: -seconds_of(_place_of(task).classifier))
    waiting = [_place_of(task) for task in tasks]
    n_at_once = _jobs_in_memory(n_jobs, most_bytes)
    progress("", [place.classifier for place in waiting[:n_at_once]])
    # As they come, so that those that are done are kept while others take long.
    for place, of_fold in Parallel(n_at_once, return_as="generator_unordered")(tasks):
        judged[place] = of_fold
        kept.write(keys[place], _arrays(of_fold))
        waiting.remove(place)
        progress(place.classifier, [place.classifier for place in waiting[:n_at_once]])
    return {
        name: [judged[Place(name, number)] for number in range(len(folds))] for name in classifiers
    }


def judge_on_fold(
    classifier: BaseEstimator, features: np.ndarray, target: np.ndarray, fold: Fold
) -> FoldResult:
    """Fit a classifier on a fold's training rows, and try it on the others.

    Parameters
    ----------
    classifier : estimator
        Unfitted; it stays so. A regressor takes those for professional of which it predicts more
        than 0.
    features : array-like or DataFrame, shape (n_photos, n_features)
    target : ndarray of shape (n_photos,)
        What it learns, as `Folds.target_of` gives it.
    fold : Fold

    Returns
    -------
    FoldResult
    """
    started = time.perf_counter()
    classifier = clone(classifier).fit(_safe_indexing(features, fold.train), target[fold.train])
    seconds = time.perf_counter() - started
    X = _safe_indexing(features, fold.test)
    probability = None
    if hasattr(classifier, "predict_proba"):
        probability = classifier.predict_proba(X)[:, 1]
    score = decision_score(classifier, X)
    return FoldResult(
        n_features=X.shape[1],
        score=score,
        prediction=score > 0 if is_regressor(classifier) else classifier.predict(X),
        probability=probability,
        fit_seconds=seconds,
    )


def _place_of(task):
    _, (place, *_), _ = task  # as joblib's `delayed` makes it
    return place


def _placed(place, *task):
    return place, judge_on_fold(*task)


def _jobs_in_memory(n_jobs, most_bytes):
    """As many fits at once as are wanted and fit into memory."""
    return int(min(effective_n_jobs(n_jobs), max(1, machine_bytes() // max(most_bytes, 1))))


def _fold_features(feature_set, label, fold, kept, key):
    """Features of all photos, by the transformer fitted on the fold's training rows if any."""
    if feature_set.transformer is None:
        return feature_set.X
    arrays = kept.read(key)
    if arrays is None:
        transformer = clone(feature_set.transformer)
        transformer.fit(_safe_indexing(feature_set.X, fold.train), label[fold.train])
        arrays = {"features": np.asarray(transformer.transform(feature_set.X))}
        kept.write(key, arrays)
    return arrays["features"]


def _arrays(of_fold):
    return {name: value for name, value in of_fold._asdict().items() if value is not None}


def _fold_result(arrays):
    return FoldResult(
        n_features=int(arrays["n_features"]),
        score=arrays["score"],
        prediction=arrays["prediction"],
        probability=arrays.get("probability"),
        fit_seconds=float(arrays["fit_seconds"]),
    )
