"""A bar that says what is being judged, and advances by how long that takes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from joblib import effective_n_jobs
from tqdm import tqdm

from classifiers.catalogue import seconds_of
from decaf.training.settings import DEFAULT_WIDTH

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from classifiers.evaluation.evaluation import FeatureSet
    from classifiers.evaluation.folds import Folds

# About what finetuning a head of 250 units takes on 100,000 photos (experiments/README.md, "AVA at
# its full size").
_HEAD_SECONDS = 200.0


class JudgingBar(tqdm):
    """A bar on stderr over all fits; before it begins, a line says how many minutes they take.

    Parameters
    ----------
    feature_sets, classifiers, folds, n_jobs
        As in `classifiers.evaluation.evaluation.evaluate`.
    shown : bool
    """

    def __init__(
        self,
        feature_sets: Sequence[FeatureSet],
        classifiers: Mapping[str, BaseEstimator],
        folds: Folds,
        n_jobs: int,
        shown: bool,
    ):
        n_rows = folds.fewest_training_rows
        # How many features heads will give is not known before there are any.
        n_features = max(
            (np.shape(each.X)[1] for each in feature_sets if each.transformer is None),
            default=DEFAULT_WIDTH,
        )
        self._seconds = {name: seconds_of(name, n_rows, n_features) for name in classifiers}
        total = 0.0
        for each in feature_sets:
            names = list(each.judges(classifiers))
            if each.transformer is not None:
                self._seconds[each.name] = _HEAD_SECONDS * n_rows / 100_000
                names.append(each.name)
            total += len(folds) * sum(map(self._seconds.__getitem__, names))
        minutes = total / effective_n_jobs(n_jobs) / 60
        if shown and minutes > 1:
            tqdm.write(f"judging takes about {minutes:.0f} minutes", file=sys.stderr)
        form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
        super().__init__(desc="judging", total=total, bar_format=form, disable=not shown)

    def show(self, done: str, doing: Sequence[str]) -> None:
        """Say what has been judged, and what is being judged; a `Progress` of `evaluate`'s."""
        self.set_postfix_str(" and ".join(dict.fromkeys(doing)), refresh=False)
        self.update(self._seconds.get(done, 0.0))
        self.refresh()
