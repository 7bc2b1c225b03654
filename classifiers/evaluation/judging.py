"""Classifiers fitted and tried on the folds of one feature set."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone

from classifiers.evaluation.calibration import decision_score

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from classifiers.evaluation.evaluation import FeatureSet
    from classifiers.evaluation.folds import Fold, Folds


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
    progress: Callable[[], object],
) -> dict[str, list[FoldResult]]:
    """Judge classifiers on one feature set.

    Parameters
    ----------
    feature_set : FeatureSet
    folds : Folds
    classifiers : dict of str to estimator
    n_jobs : int
    progress : callable
        As in `evaluate`.

    Returns
    -------
    dict of str to list of FoldResult
        By the classifier's name, one a fold.
    """
    features = []
    for fold in folds:
        features.append(_fold_features(feature_set, folds.label, fold))
        if feature_set.transformer is not None:
            progress()
    tasks = (
        delayed(judge_on_fold)(classifier, X, folds.label, fold)
        for X, fold in zip(features, folds)
        for classifier in classifiers.values()
    )
    judged = []
    for of_fold in Parallel(n_jobs, return_as="generator")(tasks):
        judged.append(of_fold)
        progress()
    return {name: judged[number :: len(classifiers)] for number, name in enumerate(classifiers)}


def judge_on_fold(
    classifier: BaseEstimator, features: np.ndarray, label: np.ndarray, fold: Fold
) -> FoldResult:
    """Fit a classifier on a fold's training rows, and try it on the others.

    Parameters
    ----------
    classifier : estimator
        Unfitted; it stays so.
    features : ndarray of shape (n_photos, n_features)
    label : ndarray of shape (n_photos,)
    fold : Fold

    Returns
    -------
    FoldResult
    """
    started = time.perf_counter()
    classifier = clone(classifier).fit(features[fold.train], label[fold.train])
    seconds = time.perf_counter() - started
    X = features[fold.test]
    probability = None
    if hasattr(classifier, "predict_proba"):
        probability = classifier.predict_proba(X)[:, 1]
    return FoldResult(
        n_features=X.shape[1],
        score=decision_score(classifier, X),
        prediction=classifier.predict(X),
        probability=probability,
        fit_seconds=seconds,
    )


def _fold_features(feature_set, label, fold):
    """Features of all photos, by the transformer fitted on the fold's training rows if any."""
    if feature_set.transformer is None:
        return feature_set.X
    transformer = clone(feature_set.transformer)
    transformer.fit(feature_set.X[fold.train], label[fold.train])
    return np.asarray(transformer.transform(feature_set.X))
