"""Photos of which the best classifier thinks otherwise than the people who rated them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from classifiers.evaluation.evaluation import Evaluation


@dataclass(frozen=True)
class Disagreement:
    """A photo that was judged without having been trained on.

    Attributes
    ----------
    row : int
        Which of the rated photos.
    given : float
        Its score.
    expected : float
        The score that it would have if the photos judged beside it had theirs in the classifier's
        order.
    """

    row: int
    given: float
    expected: float


def find_disagreements(evaluation: Evaluation, score: np.ndarray, n: int) -> list[Disagreement]:
    """Find the photos of which the best result and the given scores differ most.

    Scores of different folds come from different classifiers, so each fold's photos are put in an
    order of their own.

    Parameters
    ----------
    evaluation : Evaluation
    score : ndarray of float, shape (n_photos,)
        Of all rated photos.
    n : int
        How many at most.

    Returns
    -------
    list of Disagreement
        The largest difference first; photos without a difference are left out.
    """
    expected = np.empty(len(evaluation.folds.test_rows))
    start = 0
    for fold in evaluation.folds:
        here = slice(start, start := start + len(fold.test))
        order = np.argsort(evaluation.best.score[here], kind="stable")
        of_fold = np.empty(len(fold.test))
        of_fold[order] = np.sort(score[fold.test])
        expected[here] = of_fold
    given = score[evaluation.folds.test_rows]
    away = np.abs(expected - given)
    largest = np.argsort(-away, kind="stable")[:n]
    return [
        Disagreement(int(evaluation.folds.test_rows[i]), float(given[i]), float(expected[i]))
        for i in largest
        if away[i] > 0
    ]
