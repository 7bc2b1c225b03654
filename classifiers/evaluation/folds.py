"""Training and test rows, so that no test row was seen before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.base import is_regressor
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from features.errors import InputError, SeenPhotos

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from features.ratings import RatedPhotos


class Fold(NamedTuple):
    """Sorted row indices of the photos that train and of those that are judged."""

    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, eq=False)
class Folds(Sequence[Fold]):
    """Labelled photos, divided so that no test photo was seen before: a sequence of folds.

    Attributes
    ----------
    pairs : tuple of Fold
    label : ndarray of shape (n_photos,)
        0 or 1; of all photos, as the folds' rows count them.
    group : ndarray of shape (n_photos,) or None
        Photos of one group were kept on one side.
    design : str
        What was divided how, for the report.
    excluded : dict of str to int
        Reason → number of test rows that the leak guard took out for it.
    above_midpoint : ndarray of shape (n_photos,) or None
        How far scores lie above the midpoint, as a share of the scale; None where there are labels
        only.
    """

    pairs: tuple[Fold, ...]
    label: np.ndarray
    group: np.ndarray | None = None
    design: str = ""
    excluded: dict[str, int] = field(default_factory=dict)
    above_midpoint: np.ndarray | None = None

    def __getitem__(self, number):
        return self.pairs[number]

    def __len__(self):
        return len(self.pairs)

    @property
    def test_rows(self) -> np.ndarray:
        """Rows that are judged, (n_test,), fold after fold."""
        return np.concatenate([fold.test for fold in self])

    @property
    def number_of_test_row(self) -> np.ndarray:
        """The number of its fold for each of `test_rows`, (n_test,)."""
        return np.repeat(np.arange(len(self)), [len(fold.test) for fold in self])

    @property
    def training_rows(self) -> np.ndarray:
        """Rows that train in some fold, sorted: on them the classifier that is kept is fitted.

        With one fold that classifier is the very one that was judged, and test rows stay unseen;
        with more these are all rows.
        """
        return np.unique(np.concatenate([fold.train for fold in self]))

    @property
    def fewest_training_rows(self) -> int:
        """Of all folds."""
        return min(len(fold.train) for fold in self)

    def target_of(self, estimator: BaseEstimator) -> np.ndarray:
        """What an estimator learns of the photos, (n_photos,).

        Parameters
        ----------
        estimator : classifier or regressor

        Returns
        -------
        ndarray of shape (n_photos,)
            The labels; for a regressor how far the scores lie above the midpoint.

        Raises
        ------
        InputError
            It learns scores, and there are none.
        """
        if not is_regressor(estimator):
            return self.label
        if self.above_midpoint is None:
            raise InputError(
                f"{type(estimator).__name__} learns scores, and these photos have labels only"
            )
        return self.above_midpoint

    def training_on(self, may_train: np.ndarray) -> Folds:
        """The same folds, in which the other rows only test, as those within the margin δ do.

        Parameters
        ----------
        may_train : array-like of bool, shape (n_photos,)

        Returns
        -------
        Folds

        Raises
        ------
        InputError
            If a fold is left with training photos of one class only.
        """
        may_train = np.asarray(may_train, bool)
        pairs = tuple(Fold(train[may_train[train]], test) for train, test in self)
        if any(len(np.unique(self.label[fold.train])) < 2 for fold in pairs):
            raise InputError(
                "the margin leaves training photos of one class only: use a smaller delta"
            )
        return replace(self, pairs=pairs)


def make_folds(
    rated: RatedPhotos, *, n_folds: int = 5, seed: int = 0, allow_leak: bool = False
) -> Folds:
    """Divide rated photos into those that train and those that are judged, fold by fold.

    A given split is taken as it is. Without one, the photos that the network was finetuned on
    train and the others test. Without either, the photos are divided in stratified folds, groups
    kept together. The leak guard then takes out every test photo that was finetuned on, or whose
    group or bytes are on the side that was trained or finetuned on.

    Parameters
    ----------
    rated : RatedPhotos
        Its split, group, finetuned and digests are taken notice of where they are known.
    n_folds : int, default=5
    seed : int, default=0
    allow_leak : bool, default=False
        Switch the leak guard off, and take no notice of `finetuned`.

    Returns
    -------
    Folds

    Raises
    ------
    SeenPhotos
        If the leak guard leaves a side empty or with one class only.
    InputError
        If a side is so from the start, or a class has fewer photos or groups than folds.

    Examples
    --------
    >>> import numpy as np
    >>> from features.ratings import RatedPhotos
    >>> names = np.array(["a.jpg", "b.jpg", "c.jpg", "d.jpg"], object)
    >>> folds = make_folds(RatedPhotos(names, label=np.array([0, 1, 1, 0])), n_folds=2)
    >>> folds.design, sorted(folds.test_rows.tolist())
    ('2 stratified folds', [0, 1, 2, 3])
    """
    label = np.asarray(rated.label)
    finetuned = np.zeros(len(label), bool)
    if rated.finetuned is not None and not allow_leak:
        finetuned = np.asarray(rated.finetuned, bool)
    design, sides = _divide(rated, finetuned, n_folds, seed)
    pairs: list[Fold] = []
    excluded: dict[str, int] = {}
    for train, test in sides:
        if not allow_leak:
            test = _without_leaks(test, train, finetuned, rated, excluded)
        pairs.append(Fold(np.flatnonzero(train), np.flatnonzero(test)))
    _check_sides(pairs, label, finetuned, excluded)
    return Folds(tuple(pairs), label, rated.group, design, excluded, rated.above_midpoint)


def _divide(rated, finetuned, n_folds, seed):
    """The design in words, and masks of (train, test)."""
    if rated.split is not None and np.any(rated.split == "test"):
        return "the given split", [(rated.split == "train", rated.split == "test")]
    if finetuned.any():
        return (
            "trained on the photos that the network was finetuned on, judged on the others",
            [(finetuned, ~finetuned)],
        )
    grouped = "" if rated.group is None else ", groups kept together"
    return f"{n_folds} stratified folds{grouped}", _k_folds(rated.label, rated.group, n_folds, seed)


def _k_folds(label, group, n_folds, seed):
    """List (train, test) masks of stratified folds, with the groups whole."""
    names = ("snapshot", "professional")
    for value, name in enumerate(names):
        of_class = label == value
        members = of_class.sum() if group is None else len(np.unique(group[of_class]))
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


def _without_leaks(test, train, finetuned, rated, excluded):
    """Take test rows that were seen before out of the mask, and count them in `excluded`."""
    seen = train | finetuned
    leaks = {"the network was finetuned on them": finetuned}
    if rated.group is not None:
        leaks["of a group that was trained on"] = np.isin(rated.group, rated.group[seen])
    if rated.digests is not None:
        leaks["copies of a photo that was trained on"] = np.isin(rated.digests, rated.digests[seen])
    for reason, leak in leaks.items():
        excluded[reason] = excluded.get(reason, 0) + int(np.sum(test & leak))
        test = test & ~leak
    return test


def _check_sides(pairs, label, finetuned, excluded):
    for number, fold in enumerate(pairs, 1):
        for side, rows in fold._asdict().items():
            where = f"the {side} side" + (f" of fold {number}" if len(pairs) > 1 else "")
            if len(rows) == 0:
                problem = f"no photo is left on {where}"
                if any(excluded.values()):
                    counts = ", ".join(f"{n:,} {reason}" for reason, n in excluded.items() if n)
                    problem += f" (excluded: {counts})"
                elif finetuned.all():
                    problem += f": the network was finetuned on all {len(label):,}"
            elif len(np.unique(label[rows])) < 2:
                problem = f"all {len(rows):,} photos on {where} are of one class"
            else:
                continue
            if finetuned.any() or any(excluded.values()):
                raise SeenPhotos(
                    f"{problem}: extract features of photos that the network has not seen"
                )
            raise InputError(f"{problem}: use fewer folds, another split, or rate more photos")
