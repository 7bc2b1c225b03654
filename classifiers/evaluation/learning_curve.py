"""How a classifier does by the number of its training photos, to tell what more may bring."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from classifiers.evaluation.bootstrap import CONFIDENCE, bootstrap_weights, interval, resampled_auc
from classifiers.evaluation.evaluation import judge_all
from classifiers.evaluation.folds import Fold, apply_margin
from features.errors import InputError
from features.splits import sample_rows

LITTLE_GAIN = 0.02  # no photographer would see it in an album's order
# The least training photos of a class, and the most sizes.
LEAST_OF_CLASS = 5
MOST_SIZES = 4
# Few photos differ much from draw to draw: then each size is fitted as often as in five folds.
FEW_TRAINING = 2000
LEAST_FITS = 5


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
        return [interval(resampled) for resampled in self.resampled]

    @property
    def gain(self):
        """By how much the last doubling raised the AUC.

        Returns
        -------
        difference, low, high : float
            With its 95 % interval.
        """
        difference = self.auc[-1] - self.auc[-2]
        return difference, *interval(self.resampled[-1] - self.resampled[-2])

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
    folds = apply_margin(evaluation.folds.folds, label, train_on)
    tests = [fold.test for fold in folds]
    weights = bootstrap_weights(
        evaluation.row,
        np.repeat(np.arange(len(folds)), list(map(len, tests))),
        group,
        len(best.resampled["auc"]),
        seed,
    )
    weights = np.split(weights, np.cumsum(list(map(len, tests)))[:-1], axis=1)
    few = min(len(fold.train) for fold in folds) <= FEW_TRAINING
    n_draws = max(1, LEAST_FITS // len(folds)) if few else 1
    sizes = [np.mean([len(fold.train) for fold in folds])]
    curve = [(best.metrics["auc"], best.resampled["auc"])]
    draws = [folds] * n_draws
    while len(curve) < MOST_SIZES:
        try:
            draws = [_halve(draw, label, group, seed + i) for i, draw in enumerate(draws)]
            outcomes = [
                judge_all(feature_set, label, draw, {"": classifier}, n_jobs, progress)[0][""]
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
                np.mean([resampled_auc(*judged) for judged in scores], axis=0),
            )
        )
    if len(curve) < 2:
        return None
    auc, resampled = zip(*reversed(curve))
    n_train = [round(size) for size in reversed(sizes)]
    return LearningCurve(best.features, best.classifier, n_train, list(auc), list(resampled))


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
        if np.bincount(label[half], minlength=2).min() < LEAST_OF_CLASS:
            raise InputError(f"half of {len(train):,} training photos are too few to learn from")
        halves.append(Fold(half, test))
    return halves
