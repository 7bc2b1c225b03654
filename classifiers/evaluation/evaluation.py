"""Judges classifiers on photos that neither they nor the network behind them have seen."""

import time
from collections import namedtuple
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    brier_score_loss,
    confusion_matrix,
    log_loss,
    roc_auc_score,
)

from classifiers.catalogue import make_classifier
from classifiers.evaluation.bootstrap import (
    N_RESAMPLES,
    bootstrap_weights,
    interval,
    resampled_accuracies,
    resampled_auc,
)
from classifiers.evaluation.calibration import decision_score
from classifiers.evaluation.folds import Folds, apply_margin
from classifiers.evaluation.uncertainty import expected_calibration_error

MAJORITY = "majority class"
INTERVAL_METRICS = ("auc", "accuracy", "balanced_accuracy")
PROBABILITY_METRICS = ("calibration_error", "brier", "log_loss")

# What is found on the test rows of one fold.
Outcome = namedtuple("Outcome", ["score", "prediction", "probability", "seconds"])


@dataclass(frozen=True)
class FeatureSet:
    """One set of features to be judged.

    Attributes
    ----------
    name : str
    X : ndarray of shape (n_photos, ...)
        Features; or what `transformer` makes features of, such as paths.
    transformer : transformer, optional
        Fitted anew on the training rows of every fold, as finetuned heads must be.
    """

    name: str
    X: np.ndarray
    transformer: object = None


@dataclass(frozen=True)
class Result:
    """One classifier on one feature set, judged on the test rows of all folds.

    Attributes
    ----------
    features, classifier : str
    n_features : int
    score : ndarray of shape (n_test,)
        Decision score of the positive class.
    prediction : ndarray of shape (n_test,)
    probability : ndarray of shape (n_test,) or None
        Of the positive class; None where the classifier gives none.
    fold_auc : ndarray of shape (n_folds,)
    metrics : dict of str to float
        accuracy, balanced_accuracy, auc; and with probabilities calibration_error, brier, log_loss.
    resampled : dict of str to ndarray of shape (n_resamples,)
        accuracy, balanced_accuracy and auc of each bootstrap resample. All results of one
        evaluation are resampled alike, so that differences between them are paired.
    confusion : ndarray of shape (2, 2)
        Rows are the true classes, columns the predicted.
    fit_seconds : float
        Summed over the folds.
    """

    features: str
    classifier: str
    n_features: int
    score: np.ndarray
    prediction: np.ndarray
    probability: np.ndarray | None
    fold_auc: np.ndarray
    metrics: dict
    resampled: dict
    confusion: np.ndarray
    fit_seconds: float

    def interval(self, metric):
        """Percentile bootstrap interval of a metric, 95 %.

        Returns
        -------
        low, high : float
        """
        return interval(self.resampled[metric])


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Attributes
    ----------
    results : list of Result
        Feature sets × classifiers, the majority-class baseline first.
    folds : Folds
    label : ndarray of shape (n_test,)
        True classes of the test rows.
    row : ndarray of shape (n_test,)
        Which row each test row was; folds one after another.
    n_train : list of int
        Training rows of each fold, after the margin was taken out.
    """

    results: list
    folds: Folds
    label: np.ndarray
    row: np.ndarray
    n_train: list

    @property
    def best(self):
        """The result with the highest AUC, the baseline apart; the first of equals."""
        return max(
            (result for result in self.results if result.classifier != MAJORITY),
            key=lambda result: result.metrics["auc"],
        )

    def behind_best(self, result):
        """By how much a result's AUC is lower than the best, resampled in pairs.

        Returns
        -------
        difference, low, high : float
            The difference and its 95 % interval; with `low` at most 0 the two are not told apart.
        """
        difference = self.best.metrics["auc"] - result.metrics["auc"]
        return difference, *interval(self.best.resampled["auc"] - result.resampled["auc"])


def evaluate(
    feature_sets,
    label,
    folds,
    classifiers,
    *,
    group=None,
    train_on=None,
    n_jobs=-1,
    seed=0,
    n_resamples=N_RESAMPLES,
    progress=lambda: None,
):
    """Judge every classifier on every feature set, on the test rows of every fold.

    The AUC is the mean of the folds' AUCs: scores of different folds come from different
    classifiers, with a finetuned head from different axes too, so ranking them together would
    measure how alike their scales are. With one fold it is the plain AUC. Accuracy, balanced
    accuracy and the confusion matrix count the predictions of all folds together. The intervals
    resample photos (groups, where there are groups) within each fold, and compute the same figures.

    Parameters
    ----------
    feature_sets : list of FeatureSet
        Their rows are the same photos.
    label : array-like of shape (n_photos,)
        0 or 1.
    folds : Folds
    classifiers : dict of str to estimator, or list of str
        Unfitted classifiers by name; or names of the catalogue.
    group : array-like of shape (n_photos,), optional
    train_on : array-like of bool of shape (n_photos,), optional
        Rows that may train; the others, within the margin δ of the midpoint, only test.
    n_jobs : int, default=-1
    seed : int, default=0
    n_resamples : int, default=1000
    progress : callable, optional
        Called without arguments whenever one classifier has been judged on one fold, and whenever
        a transformer has been fitted on one.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        If the margin leaves a fold without one of the classes.
    """
    label = np.asarray(label)
    if not isinstance(classifiers, dict):
        classifiers = {name: make_classifier(name, seed) for name in classifiers}
    pairs = apply_margin(folds.folds, label, train_on)
    row = np.concatenate([fold.test for fold in pairs])
    fold_of_row = np.repeat(np.arange(len(pairs)), [len(fold.test) for fold in pairs])
    weights = bootstrap_weights(row, fold_of_row, group, n_resamples, seed)

    def result(features, classifier, n_features, outcomes):
        return _make_result(
            features, classifier, n_features, outcomes, label[row], fold_of_row, weights
        )

    baseline = DummyClassifier(strategy="prior")
    nothing = np.zeros((len(label), 1))
    outcomes = [_judge(baseline, nothing, label, fold) for fold in pairs]
    results = [result("", MAJORITY, 0, outcomes)]
    for feature_set in feature_sets:
        judged, n_features = judge_all(feature_set, label, pairs, classifiers, n_jobs, progress)
        results += [
            result(feature_set.name, name, n_features, outcomes)
            for name, outcomes in judged.items()
        ]
    return Evaluation(results, folds, label[row], row, [len(fold.train) for fold in pairs])


def judge_all(feature_set, label, folds, classifiers, n_jobs, progress):
    """Judge classifiers on one feature set.

    Parameters
    ----------
    feature_set : FeatureSet
    label : ndarray of shape (n_photos,)
    folds : list of Fold
    classifiers : dict of str to estimator
    n_jobs : int
    progress : callable
        As in `evaluate`.

    Returns
    -------
    outcomes : dict of str to list of Outcome
        By the classifier's name, an outcome a fold.
    n_features : int
    """
    features = []
    for fold in folds:
        features.append(_fold_features(feature_set, label, fold))
        if feature_set.transformer is not None:
            progress()
    tasks = (
        delayed(_judge)(classifier, X, label, fold)
        for X, fold in zip(features, folds)
        for classifier in classifiers.values()
    )
    outcomes = []
    for outcome in Parallel(n_jobs, return_as="generator")(tasks):
        outcomes.append(outcome)
        progress()
    of_classifier = {
        name: outcomes[number :: len(classifiers)] for number, name in enumerate(classifiers)
    }
    return of_classifier, features[0].shape[1]


def score_table(evaluation):
    """Put the figures of an evaluation into a table, one row a feature set and classifier.

    Returns
    -------
    pandas.DataFrame
        In the order of the results. `auc`, `accuracy`, `balanced_accuracy`, each with `_low` and
        `_high` (95 % bootstrap interval); `behind_best` with its interval is the best AUC less
        this one, resampled in pairs; `calibration_error`, `brier` and `log_loss` are empty without
        probabilities.
    """
    import pandas

    rows = []
    for result in evaluation.results:
        row = {
            "features": result.features,
            "classifier": result.classifier,
            "n_features": result.n_features,
            "n_test": len(result.score),
        }
        for metric in INTERVAL_METRICS:
            row[metric] = result.metrics[metric]
            row[f"{metric}_low"], row[f"{metric}_high"] = result.interval(metric)
        behind = evaluation.behind_best(result)
        row["behind_best"], row["behind_best_low"], row["behind_best_high"] = behind
        for metric in PROBABILITY_METRICS:
            row[metric] = result.metrics.get(metric, np.nan)
        row["fold_auc"] = " ".join(f"{auc:.4f}" for auc in result.fold_auc)
        row["fit_seconds"] = result.fit_seconds
        rows.append(row)
    return pandas.DataFrame(rows)


def _fold_features(feature_set, label, fold):
    """Features of all photos, by the transformer fitted on the fold's training rows if any."""
    if feature_set.transformer is None:
        return feature_set.X
    transformer = clone(feature_set.transformer)
    transformer.fit(feature_set.X[fold.train], label[fold.train])
    return np.asarray(transformer.transform(feature_set.X))


def _judge(classifier, features, label, fold):
    started = time.perf_counter()
    classifier = clone(classifier).fit(features[fold.train], label[fold.train])
    seconds = time.perf_counter() - started
    X = features[fold.test]
    probability = None
    if hasattr(classifier, "predict_proba"):
        probability = classifier.predict_proba(X)[:, 1]
    return Outcome(decision_score(classifier, X), classifier.predict(X), probability, seconds)


def _make_result(features, classifier, n_features, outcomes, label, fold_of_row, weights):
    score, prediction = (
        np.concatenate([getattr(outcome, name) for outcome in outcomes])
        for name in ("score", "prediction")
    )
    probability = None
    if outcomes[0].probability is not None:
        probability = np.concatenate([outcome.probability for outcome in outcomes])
    in_fold = [fold_of_row == number for number in range(len(outcomes))]
    fold_auc = np.array([roc_auc_score(label[rows], score[rows]) for rows in in_fold])
    metrics = {
        "auc": fold_auc.mean(),
        "accuracy": accuracy_score(label, prediction),
        "balanced_accuracy": balanced_accuracy_score(label, prediction),
    }
    if probability is not None:
        metrics["calibration_error"] = expected_calibration_error(label, probability)
        metrics["brier"] = brier_score_loss(label, probability)
        metrics["log_loss"] = log_loss(label, probability)
    resampled = resampled_accuracies(label, prediction, weights)
    resampled["auc"] = np.mean(
        [resampled_auc(label[rows], score[rows], weights[:, rows]) for rows in in_fold], axis=0
    )
    return Result(
        features,
        classifier,
        n_features,
        score,
        prediction,
        probability,
        fold_auc,
        metrics,
        resampled,
        confusion_matrix(label, prediction, labels=[0, 1]),
        sum(outcome.seconds for outcome in outcomes),
    )
