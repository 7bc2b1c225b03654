"""How a classifier does by the number of its training photos, to tell what more may bring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from sklearn.metrics import roc_auc_score

from classifiers.evaluation.bootstrap import CONFIDENCE, bootstrap_weights, interval, resampled_auc
from classifiers.evaluation.evaluation import Evaluation
from classifiers.evaluation.folds import Fold
from classifiers.evaluation.judging import judge_on_folds
from features.errors import InputError
from features.splits import sample_rows

LITTLE_GAIN = 0.02  # no photographer would see it in an album's order
# The least training photos of a class, and the most sizes.
LEAST_OF_CLASS = 5
MOST_SIZES = 4
# Few photos differ much from draw to draw: then each size is fitted as often as in five folds.
FEW_TRAINING = 2000
LEAST_FITS = 5


@dataclass(frozen=True, eq=False)
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
    n_train: list[int]
    auc: list[float]
    resampled: list[np.ndarray]

    @property
    def intervals(self) -> list[tuple[float, float]]:
        """Low and high end of the 95 % interval of each size's AUC."""
        return [interval(resampled) for resampled in self.resampled]

    @property
    def gain(self) -> tuple[float, float, float]:
        """By how much the last doubling raised the AUC.

        Returns
        -------
        difference, low, high : float
            With its 95 % interval.
        """
        difference = self.auc[-1] - self.auc[-2]
        return difference, *interval(self.resampled[-1] - self.resampled[-2])

    def describe(self) -> list[str]:
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
    evaluation: Evaluation, *, progress: Callable[[], object] = lambda: None
) -> LearningCurve | None:
    """Judge the best classifier with fewer training photos, to tell what more of them may bring.

    The training rows of each fold are halved again and again, in whole groups and with the balance
    of the classes; transformer and classifier are fitted anew on each half, and judged on the
    fold's own test rows. Of few photos several halves are drawn. The intervals resample the judged
    photos as `evaluate` does; they do not tell how other draws of training photos would have done.

    Parameters
    ----------
    evaluation : Evaluation
        Its best result is the end of the curve.
    progress : callable, optional
        Called without arguments after each fit.

    Returns
    -------
    LearningCurve or None
        None where half of the training photos are too few to learn from.
    """
    best = evaluation.best
    folds = evaluation.folds
    weights = bootstrap_weights(folds, len(best.resampled["auc"]), evaluation.seed)
    few = min(len(fold.train) for fold in folds) <= FEW_TRAINING
    n_draws = max(1, LEAST_FITS // len(folds)) if few else 1
    draws = [folds] * n_draws
    sizes = [_mean_size(draws)]
    curve = [(best.metrics["auc"], best.resampled["auc"])]
    while len(curve) < MOST_SIZES:
        try:
            draws = [_halve(draw, evaluation.seed + i) for i, draw in enumerate(draws)]
            scores = [_scores(evaluation, draw, progress) for draw in draws]
        # Too few photos: for a split, or for a classifier such as k-nearest neighbours.
        except ValueError:
            break
        sizes.append(_mean_size(draws))
        curve.append(_mean_auc(folds, scores, weights))
    if len(curve) < 2:
        return None
    auc, resampled = zip(*reversed(curve))
    n_train = [round(size) for size in reversed(sizes)]
    return LearningCurve(best.features, best.classifier, n_train, list(auc), list(resampled))


def _mean_size(draws):
    return np.mean([len(fold.train) for folds in draws for fold in folds])


def _halve(folds, seed):
    """The same folds with half of the training rows each.

    Raises
    ------
    InputError
        If too few would be left of a class.
    """
    halves = []
    for train, test in folds:
        group = None if folds.group is None else folds.group[train]
        half = train[sample_rows(folds.label[train], group, 0.5, seed)]
        if np.bincount(folds.label[half], minlength=2).min() < LEAST_OF_CLASS:
            raise InputError(f"half of {len(train):,} training photos are too few to learn from")
        halves.append(Fold(half, test))
    return replace(folds, pairs=tuple(halves))


def _scores(evaluation, folds, progress):
    """Scores of the test rows, fold after fold, by the best classifier fitted anew."""
    best = evaluation.best
    (of_folds,) = judge_on_folds(
        evaluation.feature_sets[best.features],
        folds,
        {best.classifier: evaluation.classifiers[best.classifier]},
        evaluation.n_jobs,
        lambda done, doing: progress() if done else None,
        evaluation.kept,
    ).values()
    return np.concatenate([of_fold.score for of_fold in of_folds])


def _mean_auc(folds, scores, weights):
    """The mean AUC of the folds of all draws, and that of each resample."""
    label = folds.label[folds.test_rows]
    in_fold = [folds.number_of_test_row == number for number in range(len(folds))]
    pairs = [(score, rows) for score in scores for rows in in_fold]
    return (
        np.mean([roc_auc_score(label[rows], score[rows]) for score, rows in pairs]),
        np.mean(
            [resampled_auc(label[rows], score[rows], weights[:, rows]) for score, rows in pairs],
            axis=0,
        ),
    )
