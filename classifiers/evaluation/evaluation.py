"""Judges classifiers on photos that neither they nor the network behind them have seen."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
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
from classifiers.evaluation.folds import Folds
from classifiers.evaluation.judging import Progress, judge_on_fold, judge_on_folds
from classifiers.evaluation.kept import KeptFits
from classifiers.evaluation.ordering import ORDER_METRICS, judge_order
from classifiers.evaluation.tables import to_latex, to_markdown
from classifiers.evaluation.uncertainty import expected_calibration_error
from classifiers.memory import bytes_of_fit, check_memory
from features.errors import InputError

if TYPE_CHECKING:
    import pandas
    from sklearn.base import BaseEstimator

MAJORITY = "majority class"
# What the best can be chosen by; of all the higher is the better.
CHOICES = ("srcc", "auc", "accuracy", "balanced_accuracy")
INTERVAL_METRICS = ("auc", "accuracy", "balanced_accuracy")
PROBABILITY_METRICS = ("calibration_error", "brier", "log_loss")


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """One set of features to be judged.

    Attributes
    ----------
    name : str
    X : ndarray, sparse array or DataFrame, shape (n_photos, ...)
        Features; or what `transformer` makes features of, such as paths.
    transformer : transformer, optional
        Fitted anew on the training rows of every fold, as finetuned heads must be.
    identity : str
        Tells all that the features depend on beside `X` and the labels, such as the photos behind
        the transformer's positions and its settings; fits are kept by it.
    classifiers : tuple of str, optional
        Those of these names alone are judged on it; all by default.
    """

    name: str
    X: np.ndarray
    transformer: BaseEstimator | None = None
    identity: str = ""
    classifiers: tuple[str, ...] | None = None

    def judges(self, classifiers: Mapping[str, BaseEstimator]) -> dict[str, BaseEstimator]:
        """Those of these classifiers that are judged on it."""
        names = classifiers if self.classifiers is None else self.classifiers
        return {name: classifiers[name] for name in classifiers if name in names}


@dataclass(frozen=True, eq=False)
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
        accuracy, balanced_accuracy, auc; with scores those of
        `classifiers.evaluation.ordering.judge_order`; and with probabilities calibration_error,
        brier, log_loss.
    resampled : dict of str to ndarray of shape (n_resamples,)
        accuracy, balanced_accuracy, auc and the measures of order, of each bootstrap resample. All
        results of one evaluation are resampled alike, so that differences between them are paired.
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
    metrics: dict[str, float]
    resampled: dict[str, np.ndarray]
    confusion: np.ndarray
    fit_seconds: float

    def interval(self, metric: str) -> tuple[float, float]:
        """Percentile bootstrap interval of a metric, 95 %.

        Returns
        -------
        low, high : float
        """
        return interval(self.resampled[metric])


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` found, and what it was made of.

    Attributes
    ----------
    results : list of Result
        The majority-class baseline, then feature sets × classifiers.
    folds : Folds
        With the labels and groups of all photos.
    feature_sets : dict of str to FeatureSet
        By name.
    classifiers : dict of str to estimator
        By name; unfitted.
    choose_by : {"srcc", "auc", "accuracy", "balanced_accuracy"}
        By which measure one result is better than another.
    n_jobs, seed, kept
        As they were given to `evaluate`.

    Examples
    --------
    >>> from classifiers.evaluation.folds import make_folds
    >>> from features.ratings import RatedPhotos
    >>> names = np.array([f"{number}.jpg" for number in range(40)], object)
    >>> rated = RatedPhotos(names, label=np.tile([0, 1], 20))
    >>> X = np.random.default_rng(0).normal(size=(40, 3)) + rated.label[:, None]
    >>> evaluation = evaluate([FeatureSet("x", X)], make_folds(rated), ["linear-svm"], n_jobs=1)
    >>> evaluation.to_pandas()[["features", "classifier", "auc"]].round(1)
      features      classifier  auc
    0           majority class  0.5
    1        x      linear-svm  0.9
    """

    results: list[Result]
    folds: Folds
    feature_sets: dict[str, FeatureSet]
    classifiers: dict[str, BaseEstimator]
    choose_by: str = "auc"
    n_jobs: int = -1
    seed: int = 0
    kept: KeptFits = field(default_factory=KeptFits)

    @property
    def baseline(self) -> Result:
        """The result of always naming the larger class."""
        return self.results[0]

    @property
    def ranked(self) -> list[Result]:
        """The results, the best first, the baseline apart."""
        return sorted(self.results[1:], key=lambda result: -result.metrics[self.choose_by])

    @property
    def best(self) -> Result:
        """The best result, the baseline apart; the first of equals."""
        return self.ranked[0]

    @property
    def interval_metrics(self) -> tuple[str, ...]:
        """The measures of the results that have an interval."""
        has_scores = self.folds.above_midpoint is not None
        return (ORDER_METRICS if has_scores else ()) + INTERVAL_METRICS

    @property
    def judged_label(self) -> np.ndarray:
        """True classes of the test rows, (n_test,); folds one after another."""
        return self.folds.label[self.folds.test_rows]

    def behind_best(self, result: Result) -> tuple[float, float, float]:
        """By how much a result is worse than the best one, resampled in pairs.

        Returns
        -------
        difference, low, high : float
            The difference by `choose_by`, and its 95 % interval; with `low` at most 0 the two are
            not told apart. NaN for a baseline that puts photos in no order.
        """
        name, best = self.choose_by, self.best
        difference = best.metrics[name] - result.metrics[name]
        return difference, *interval(best.resampled[name] - result.resampled[name])

    @property
    def equals(self) -> list[Result]:
        """The results that are not told apart from the best, itself apart; the best first."""
        return [result for result in self.ranked[1:] if self.behind_best(result)[1] <= 0]

    def to_pandas(self) -> pandas.DataFrame:
        """Put the figures into a table, one row a feature set and classifier.

        Returns
        -------
        pandas.DataFrame
            In the order of the results. `auc`, `accuracy`, `balanced_accuracy` and, with scores,
            `srcc`, `tau`, `best_first` and `group_pairs`, each with `_low` and `_high` (95 %
            bootstrap interval); `behind_best` with its interval is the best result less this one,
            by the measure that `chosen_by` names, resampled in pairs; `calibration_error`, `brier`
            and `log_loss` are empty without probabilities.
        """
        import pandas

        return pandas.DataFrame([self._table_row(result) for result in self.results])

    def to_markdown(self) -> str:
        """Put the figures into a table in Markdown, with intervals; best first, in three digits.

        Returns
        -------
        str
            `ECE` is the expected calibration error, of classifiers with probabilities.
        """
        return to_markdown(self)

    def to_latex(self) -> str:
        """Put the figures into a table in LaTeX, with the rules of the package booktabs.

        Returns
        -------
        str
            The cells are those of `to_markdown`.
        """
        return to_latex(self)

    def _table_row(self, result):
        row = {
            "features": result.features,
            "classifier": result.classifier,
            "n_features": result.n_features,
            "n_test": len(result.score),
        }
        for metric in self.interval_metrics:
            row[metric] = result.metrics[metric]
            row[f"{metric}_low"], row[f"{metric}_high"] = result.interval(metric)
        behind = self.behind_best(result)
        row["chosen_by"] = self.choose_by
        row["behind_best"], row["behind_best_low"], row["behind_best_high"] = behind
        for metric in PROBABILITY_METRICS:
            row[metric] = result.metrics.get(metric, np.nan)
        row["fold_auc"] = " ".join(f"{auc:.4f}" for auc in result.fold_auc)
        row["fit_seconds"] = result.fit_seconds
        return row


def evaluate(
    feature_sets: Sequence[FeatureSet],
    folds: Folds,
    classifiers: Mapping[str, BaseEstimator] | Sequence[str],
    *,
    n_jobs: int = -1,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
    choose_by: str | None = None,
    progress: Progress = lambda done, doing: None,
    kept: KeptFits | None = None,
) -> Evaluation:
    """Judge every classifier on every feature set, on the test rows of every fold.

    The AUC is the mean of the folds' AUCs: scores of different folds come from different
    classifiers, with a finetuned head from different axes too, so ranking them together would
    measure how alike their scales are. With one fold it is the plain AUC. So are the measures of
    order, where there are scores. Accuracy, balanced accuracy and the confusion matrix count the
    predictions of all folds together. The intervals resample photos (groups, where there are
    groups) within each fold, and compute the same figures.

    Parameters
    ----------
    feature_sets : sequence of FeatureSet
        Their rows are the photos of the folds.
    folds : Folds
    classifiers : dict of str to estimator, or list of str
        Unfitted classifiers by name; or names of the catalogue.
    n_jobs : int, default=-1
    seed : int, default=0
        Of the resamples, and of classifiers of the catalogue.
    n_resamples : int, default=1000
    choose_by : {"srcc", "auc", "accuracy", "balanced_accuracy"}, optional
        By which measure one result is better than another: Spearman's rank correlation where there
        are scores, else the AUC.
    progress : callable, optional
        Called whenever one classifier has been judged on one fold with its name, and whenever a
        transformer has been fitted on one with that of the feature set; and with the names of the
        classifiers that are being judged.
    kept : KeptFits, optional
        Fits that are there are not done again, and others are added.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        If two feature sets have the same name.
    InputError
        If a classifier takes more memory on one of them than the machine has; if a regressor is to
        learn scores, or the best is to be chosen by srcc, and there are none.
    """
    choose_by = _check_choice(choose_by, folds)
    if not isinstance(classifiers, Mapping):
        classifiers = {name: make_classifier(name, seed) for name in classifiers}
    kept = kept or KeptFits()
    by_name = {feature_set.name: feature_set for feature_set in feature_sets}
    if len(by_name) < len(feature_sets):
        raise ValueError(f"feature sets need names of their own, not {list(by_name)}")
    for feature_set in feature_sets:
        if feature_set.transformer is None:
            n_features = np.shape(feature_set.X)[1]
            for name, classifier in feature_set.judges(classifiers).items():
                n_bytes = bytes_of_fit(classifier, len(folds.label), n_features)
                check_memory(name, n_bytes, n_features)
    weights = bootstrap_weights(folds, n_resamples, seed)
    nothing = np.zeros((len(folds.label), 1))
    baseline = DummyClassifier(strategy="prior")
    of_folds = [judge_on_fold(baseline, nothing, folds.label, fold) for fold in folds]
    results = [_make_result("", MAJORITY, of_folds, folds, weights)]
    for name, feature_set in by_name.items():
        judged = judge_on_folds(
            feature_set, folds, feature_set.judges(classifiers), n_jobs, progress, kept
        )
        results += [
            _make_result(name, classifier, of_folds, folds, weights)
            for classifier, of_folds in judged.items()
        ]
    return Evaluation(results, folds, by_name, dict(classifiers), choose_by, n_jobs, seed, kept)


def _check_choice(choose_by: str | None, folds: Folds) -> str:
    has_scores = folds.above_midpoint is not None
    if choose_by is None:
        return "srcc" if has_scores else "auc"
    if choose_by not in CHOICES:
        raise InputError(f"choose_by {choose_by}: unknown; one of {', '.join(CHOICES)}")
    if choose_by == "srcc" and not has_scores:
        raise InputError("srcc needs scores, and these photos have labels only; choose by auc")
    return choose_by


def _make_result(features, classifier, of_folds, folds, weights):
    label = folds.label[folds.test_rows]
    score, prediction = (
        np.concatenate([getattr(of_fold, name) for of_fold in of_folds])
        for name in ("score", "prediction")
    )
    probability = None
    if of_folds[0].probability is not None:
        probability = np.concatenate([of_fold.probability for of_fold in of_folds])
    in_fold = [folds.number_of_test_row == number for number in range(len(folds))]
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
    if folds.above_midpoint is not None:
        of_order, resampled_order = _judge_order(folds, score, weights, in_fold)
        metrics |= of_order
        resampled |= resampled_order
    return Result(
        features=features,
        classifier=classifier,
        n_features=of_folds[0].n_features if features else 0,
        score=score,
        prediction=prediction,
        probability=probability,
        fold_auc=fold_auc,
        metrics=metrics,
        resampled=resampled,
        confusion=confusion_matrix(label, prediction, labels=[0, 1]),
        fit_seconds=sum(of_fold.fit_seconds for of_fold in of_folds),
    )


def _judge_order(folds, score, weights, in_fold):
    """Means of the folds' measures of order."""
    test = folds.test_rows
    judged = [
        judge_order(
            folds.above_midpoint[test[rows]],
            score[rows],
            None if folds.group is None else folds.group[test[rows]],
            weights[:, rows],
        )
        for rows in in_fold
    ]
    names = judged[0][0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where no fold has pairs within groups
        return (
            {name: float(np.nanmean([metrics[name] for metrics, _ in judged])) for name in names},
            {
                name: np.nanmean([resampled[name] for _, resampled in judged], axis=0)
                for name in names
            },
        )
