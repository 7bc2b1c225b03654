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
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from classifiers.calibration import decision_score
from classifiers.catalogue import make_classifier
from classifiers.uncertainty import expected_calibration_error
from features.errors import InputError
from features.ratings import sample_rows

MAJORITY = "majority class"
INTERVAL_METRICS = ("auc", "accuracy", "balanced_accuracy")
PROBABILITY_METRICS = ("calibration_error", "brier", "log_loss")
CONFIDENCE = 0.95
N_RESAMPLES = 1000
LITTLE_GAIN = 0.02  # no photographer would see it in an album's order

Fold = namedtuple("Fold", ["train", "test"])


@dataclass(frozen=True)
class Folds:
    """How the rows are divided: `folds` of row indices, the `design` in words, the leak guard.

    Attributes
    ----------
    folds : list of Fold
        Each with `train` and `test`, sorted row indices.
    design : str
        What was divided how, for the report.
    excluded : dict of str to int
        Reason → number of test rows that the leak guard took out for it.
    """

    folds: list
    design: str
    excluded: dict


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
        return _interval(self.resampled[metric])


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
        return difference, *_interval(self.best.resampled["auc"] - result.resampled["auc"])


@dataclass(frozen=True)
class LearningCurve:
    """How one classifier on one feature set does by the number of its training photos.

    Attributes
    ----------
    features, classifier : str
    n_train : list of int
        Rising; each about twice the one before. The mean of the folds.
    auc : list of float
        One a size: the mean over folds and draws.
    resampled : list of ndarray of shape (n_resamples,)
        The AUC of each bootstrap resample; all sizes are resampled alike, so that differences
        between them are paired.
    """

    features: str
    classifier: str
    n_train: list
    auc: list
    resampled: list

    @property
    def intervals(self):
        """Low and high end of the 95 % interval of each size's AUC."""
        return [_interval(resampled) for resampled in self.resampled]

    @property
    def gain(self):
        """By how much the last doubling raised the AUC.

        Returns
        -------
        difference, low, high : float
            With its 95 % interval.
        """
        difference = self.auc[-1] - self.auc[-2]
        return difference, *_interval(self.resampled[-1] - self.resampled[-2])

    def describe(self):
        """Say what the last doubling brought, and what that tells of more ratings.

        Returns
        -------
        list of str
            Two sentences.
        """
        difference, low, high = self.gain
        if low > 0:
            verdict = (
                "More ratings promise more, though each doubling tends to bring less, and the "
                "classifier, chosen with all photos, makes the last one look larger than it is."
            )
        elif high < LITTLE_GAIN:
            verdict = "More ratings promise little."
        else:
            verdict = "These photos are too few to tell whether more ratings would help."
        return [
            f"From {self.n_train[-2]:,} to {self.n_train[-1]:,} training photos the AUC "
            f"{'rose' if difference >= 0 else 'fell'} by {abs(difference):.3f} "
            f"({100 * CONFIDENCE:.0f} % interval of the rise {low:.3f} to {high:.3f}).".replace(
                "-", "−"
            ),
            verdict,
        ]


def make_folds(
    label,
    *,
    group=None,
    split=None,
    finetuned=None,
    digest=None,
    n_folds=5,
    seed=0,
    allow_leak=False,
):
    """Divide rows into training and test rows, so that no test row was seen before.

    A given split is taken as it is. Without one, the photos that the network was finetuned on
    train and the others test. Without either, the rows are divided in stratified folds. The leak
    guard then takes out every test row that was finetuned on, or whose group or photo is on the
    side that was trained or finetuned on.

    Parameters
    ----------
    label : array-like of shape (n_photos,)
        0 or 1.
    group : array-like of shape (n_photos,), optional
        Photos of one group (a theme, near-duplicates) stay on one side.
    split : array-like of shape (n_photos,), optional
        "train" or "test".
    finetuned : array-like of bool of shape (n_photos,), optional
        Whether the network saw the photo while it was finetuned.
    digest : array-like of shape (n_photos,), optional
        Identities of the photos.
    n_folds : int, default=5
    seed : int, default=0
    allow_leak : bool, default=False
        Switch the leak guard off, and take no notice of `finetuned`.

    Returns
    -------
    Folds

    Raises
    ------
    InputError
        If a side is empty or holds one class only.
    """
    label = np.asarray(label)
    n = len(label)
    if finetuned is None or allow_leak:
        finetuned = np.zeros(n, bool)
    finetuned = np.asarray(finetuned, bool)
    if split is not None and np.any(np.asarray(split) == "test"):
        split = np.asarray(split)
        design = "the given split"
        sides = [(split == "train", split == "test")]
    elif finetuned.any():
        design = "trained on the photos that the network was finetuned on, judged on the others"
        sides = [(finetuned, ~finetuned)]
    else:
        design = f"{n_folds} stratified folds" + ("" if group is None else ", groups kept together")
        sides = _k_folds(label, group, n_folds, seed)

    folds = []
    excluded = {}
    for train, test in sides:
        if not allow_leak:
            test = _without_leaks(test, train, finetuned, group, digest, excluded)
        folds.append(Fold(np.flatnonzero(train), np.flatnonzero(test)))
    _check_folds(folds, label, finetuned, excluded)
    return Folds(folds, design, excluded)


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
    pairs = _apply_margin(folds.folds, label, train_on)
    row = np.concatenate([fold.test for fold in pairs])
    fold_of_row = np.repeat(np.arange(len(pairs)), [len(fold.test) for fold in pairs])
    weights = _bootstrap_weights(row, fold_of_row, group, n_resamples, seed)

    def result(features, classifier, n_features, outcomes):
        return _make_result(
            features, classifier, n_features, outcomes, label[row], fold_of_row, weights
        )

    baseline = DummyClassifier(strategy="prior")
    nothing = np.zeros((len(label), 1))
    outcomes = [_judge(baseline, nothing, label, fold) for fold in pairs]
    results = [result("", MAJORITY, 0, outcomes)]
    for feature_set in feature_sets:
        judged, n_features = _judge_all(feature_set, label, pairs, classifiers, n_jobs, progress)
        results += [
            result(feature_set.name, name, n_features, outcomes)
            for name, outcomes in judged.items()
        ]
    return Evaluation(results, folds, label[row], row, [len(fold.train) for fold in pairs])


def learning_curve(
    evaluation,
    feature_set,
    label,
    classifier,
    *,
    group=None,
    train_on=None,
    n_jobs=-1,
    seed=0,
    progress=lambda: None,
):
    """Judge the best classifier with fewer training photos, to tell what more of them may bring.

    The training rows of each fold are halved again and again, in whole groups and with the balance
    of the classes; transformer and classifier are fitted anew on each half, and judged on the
    fold's own test rows. Of few photos several halves are drawn. The intervals resample the judged
    photos as `evaluate` does; they do not tell how other draws of training photos would have done.

    Parameters
    ----------
    evaluation : Evaluation
        Its best result is the end of the curve.
    feature_set : FeatureSet
        That of the best result.
    label : array-like of shape (n_photos,)
    classifier : estimator
        That of the best result, unfitted.
    group, train_on, n_jobs, seed
        As they were given to `evaluate`.
    progress : callable, optional
        Called without arguments after each fit.

    Returns
    -------
    LearningCurve or None
        None where half of the training photos are too few to learn from.
    """
    label = np.asarray(label)
    best = evaluation.best
    folds = _apply_margin(evaluation.folds.folds, label, train_on)
    tests = [fold.test for fold in folds]
    weights = _bootstrap_weights(
        evaluation.row,
        np.repeat(np.arange(len(folds)), list(map(len, tests))),
        group,
        len(best.resampled["auc"]),
        seed,
    )
    weights = np.split(weights, np.cumsum(list(map(len, tests)))[:-1], axis=1)
    few = min(len(fold.train) for fold in folds) <= _FEW_TRAINING
    n_draws = max(1, _LEAST_FITS // len(folds)) if few else 1
    sizes = [np.mean([len(fold.train) for fold in folds])]
    curve = [(best.metrics["auc"], best.resampled["auc"])]
    draws = [folds] * n_draws
    while len(curve) < _MOST_SIZES:
        try:
            draws = [_halve(draw, label, group, seed + i) for i, draw in enumerate(draws)]
            outcomes = [
                _judge_all(feature_set, label, draw, {"": classifier}, n_jobs, progress)[0][""]
                for draw in draws
            ]
        # Too few photos: for a split, or for a classifier such as k-nearest neighbours.
        except ValueError:
            break
        scores = [
            (label[test], outcome.score, weight)
            for draw in outcomes
            for test, outcome, weight in zip(tests, draw, weights)
        ]
        sizes.append(np.mean([len(fold.train) for draw in draws for fold in draw]))
        curve.append(
            (
                np.mean([roc_auc_score(true, score) for true, score, _ in scores]),
                np.mean([_resampled_auc(*judged) for judged in scores], axis=0),
            )
        )
    if len(curve) < 2:
        return None
    auc, resampled = zip(*reversed(curve))
    n_train = [round(size) for size in reversed(sizes)]
    return LearningCurve(best.features, best.classifier, n_train, list(auc), list(resampled))


def training_rows(label, folds, train_on=None):
    """Choose the rows on which the classifier that is kept is fitted.

    With one fold these are its training rows, so that the classifier is the very one that was
    judged, and test rows stay unseen; with more they are all rows. Rows within the margin stay out.

    Parameters
    ----------
    label : array-like of shape (n_photos,)
    folds : Folds
    train_on : array-like of bool of shape (n_photos,), optional

    Returns
    -------
    ndarray of int
    """
    label = np.asarray(label)
    rows = folds.folds[0].train if len(folds.folds) == 1 else np.arange(len(label))
    (fold,) = _apply_margin([Fold(rows, rows)], label, train_on)
    return fold.train


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


# The learning curve's least training photos of a class, and its most sizes.
_LEAST_OF_CLASS = 5
_MOST_SIZES = 4
# Few photos differ much from draw to draw: then each size is fitted as often as in five folds.
_FEW_TRAINING = 2000
_LEAST_FITS = 5

# What `_judge` finds on the test rows of one fold.
_Outcome = namedtuple("_Outcome", ["score", "prediction", "probability", "seconds"])


def _k_folds(label, group, n_folds, seed):
    """List (train, test) masks of stratified folds, with the groups whole."""
    names = ("snapshot", "professional")
    for value, name in enumerate(names):
        of_class = label == value
        members = of_class.sum() if group is None else len(np.unique(np.asarray(group)[of_class]))
        if members < n_folds:
            what = "photos" if group is None else "groups"
            raise InputError(
                f"{n_folds} folds need at least {n_folds} {what} of each class, and "
                f"{members} hold a {name}: use fewer folds or rate more photos"
            )
    splitter = StratifiedKFold if group is None else StratifiedGroupKFold
    splitter = splitter(n_folds, shuffle=True, random_state=seed)
    sides = []
    for _, rows in splitter.split(label, label, group):
        test = np.zeros(len(label), bool)
        test[rows] = True
        sides.append((~test, test))
    return sides


def _without_leaks(test, train, finetuned, group, digest, excluded):
    """Take test rows that were seen before out of the mask, and count them in `excluded`."""
    seen = train | finetuned
    leaks = {"the network was finetuned on them": finetuned}
    if group is not None:
        leaks["of a group that was trained on"] = np.isin(group, np.asarray(group)[seen])
    if digest is not None:
        leaks["copies of a photo that was trained on"] = np.isin(digest, np.asarray(digest)[seen])
    for reason, leak in leaks.items():
        excluded[reason] = excluded.get(reason, 0) + int(np.sum(test & leak))
        test = test & ~leak
    return test


def _check_folds(folds, label, finetuned, excluded):
    remedy = "use fewer folds, another split, or rate more photos"
    if finetuned.any() or any(excluded.values()):
        remedy = (
            "extract features of photos that the network has not seen; or let "
            "`fit-classifier PHOTOS --ratings FILE` finetune anew in each fold; or say --allow-leak"
        )
    for number, fold in enumerate(folds, 1):
        for side, rows in fold._asdict().items():
            where = f"the {side} side" + (f" of fold {number}" if len(folds) > 1 else "")
            if len(rows) == 0:
                problem = f"no photo is left on {where}"
                if any(excluded.values()):
                    counts = ", ".join(f"{n:,} {reason}" for reason, n in excluded.items() if n)
                    problem += f" (excluded: {counts})"
                elif finetuned.all():
                    problem += f": the network was finetuned on all {len(label):,}"
                raise InputError(f"{problem}: {remedy}")
            if len(np.unique(label[rows])) < 2:
                raise InputError(f"all {len(rows):,} photos on {where} are of one class: {remedy}")


def _apply_margin(folds, label, train_on):
    if train_on is None:
        return folds
    train_on = np.asarray(train_on, bool)
    kept = [Fold(fold.train[train_on[fold.train]], fold.test) for fold in folds]
    if any(len(np.unique(label[fold.train])) < 2 for fold in kept):
        raise InputError("the margin leaves training photos of one class only: use a smaller delta")
    return kept


def _halve(folds, label, group, seed):
    """The same folds with half of the training rows each.

    Raises
    ------
    InputError
        If too few would be left of a class.
    """
    halves = []
    for train, test in folds:
        half = train[
            sample_rows(
                label[train], None if group is None else np.asarray(group)[train], 0.5, seed
            )
        ]
        if np.bincount(label[half], minlength=2).min() < _LEAST_OF_CLASS:
            raise InputError(f"half of {len(train):,} training photos are too few to learn from")
        halves.append(Fold(half, test))
    return halves


def _judge_all(feature_set, label, folds, classifiers, n_jobs, progress):
    """Judge the classifiers on one feature set: name → outcome of each fold; and its width."""
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
    return _Outcome(decision_score(classifier, X), classifier.predict(X), probability, seconds)


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
    resampled = _resampled_accuracies(label, prediction, weights)
    resampled["auc"] = np.mean(
        [_resampled_auc(label[rows], score[rows], weights[:, rows]) for rows in in_fold], axis=0
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


def _interval(resampled):
    """Percentile interval; resamples in which a fold lost one of its classes do not count."""
    tail = (1 - CONFIDENCE) / 2
    return tuple(np.nanquantile(resampled, [tail, 1 - tail]))


def _bootstrap_weights(row, fold_of_row, group, n_resamples, seed):
    """How often each test row occurs in each resample, drawn within the folds.

    float32 array of shape (n_resamples, n_test); float for the matrix products, exact up to 2**24.
    """
    unit = np.arange(len(row)) if group is None else np.asarray(group)[row]
    random = np.random.default_rng(seed)
    weights = np.empty((n_resamples, len(row)), np.float32)
    for number in np.unique(fold_of_row):
        rows = np.flatnonzero(fold_of_row == number)
        units, unit_of_row = np.unique(unit[rows], return_inverse=True)
        for resample in weights:
            drawn = random.integers(len(units), size=len(units))
            resample[rows] = np.bincount(drawn, minlength=len(units))[unit_of_row]
    return weights


def _resampled_accuracies(label, prediction, weights):
    """Accuracy and balanced accuracy of each resample, from its confusion matrix."""
    cells = [(label == true) & (prediction == called) for true in (0, 1) for called in (0, 1)]
    counts = weights @ np.stack(cells, axis=1).astype(np.float32)
    right = counts[:, [0, 3]]
    of_class = counts.reshape(-1, 2, 2).sum(axis=2)
    with np.errstate(invalid="ignore"):
        recall = right / of_class
    return {
        "accuracy": right.sum(axis=1) / counts.sum(axis=1),
        "balanced_accuracy": recall.mean(axis=1),
    }


def _resampled_auc(label, score, weights, block=100):
    """AUC of each resample as the Mann–Whitney statistic of weighted rows, ties counting half.

    NaN where a resample holds one class only. Memory is bounded by `block` resamples at a time.
    """
    order = np.argsort(score)
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    positive = label[order] == 1
    aucs = []
    for start in range(0, len(weights), block):
        drawn = weights[start : start + block, order].astype(float)
        of_positive = np.add.reduceat(drawn * positive, starts, axis=1)
        of_negative = np.add.reduceat(drawn * ~positive, starts, axis=1)
        below = np.cumsum(of_negative, axis=1) - of_negative / 2
        pairs = of_positive.sum(axis=1) * of_negative.sum(axis=1)
        with np.errstate(invalid="ignore"):
            aucs.append((of_positive * below).sum(axis=1) / pairs)
    return np.concatenate(aucs)
