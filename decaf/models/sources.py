"""Feature sets of rated photos that are to be compared, and where each of them comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from classifiers.evaluation.evaluation import FeatureSet
from classifiers.evaluation.folds import Folds, make_folds
from features.ratings import RatedPhotos
from features.splits import outside_margin

if TYPE_CHECKING:
    import numpy as np

    from decaf.networks.network import Network


class Source(Protocol):
    """Where the features of one set come from: a head that is finetuned, or a file."""

    @property
    def feature_set(self) -> FeatureSet:
        """What is judged."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is known of the network behind the features, for the report."""
        ...

    def fit_network(self, rows: np.ndarray) -> tuple[Network, np.ndarray]:
        """The network that is kept beside a classifier on these features.

        Parameters
        ----------
        rows : ndarray of int, shape (n_rows,)
            The training photos.

        Returns
        -------
        network : Network
        features : ndarray of float32, shape (n_rows, width)
            Of the training photos.

        Raises
        ------
        NoNetwork
            It is not at hand.
        """
        ...


@dataclass(frozen=True, eq=False)
class Sources:
    """Sources of the features of the same rated photos.

    Attributes
    ----------
    rated : RatedPhotos
        With digests.
    by_name : dict of str to Source
    delta : float
        Photos whose score is nearer than this to the midpoint do not train.
    facts : dict of str to str
        About the photos, for the report.
    n_left_out : int
        Photos that are in some of several feature files, but not in all.
    """

    rated: RatedPhotos
    by_name: dict[str, Source]
    delta: float = 0.0
    facts: dict[str, str] = field(default_factory=dict)
    n_left_out: int = 0

    def divide(self, n_folds: int = 5, seed: int = 0, *, allow_leak: bool = False) -> Folds:
        """Divide the photos into those that train and those that judge.

        Parameters
        ----------
        n_folds, seed, allow_leak
            As in `classifiers.evaluation.folds.make_folds`.

        Returns
        -------
        Folds
            Photos within the margin do not train in it.

        Raises
        ------
        InputError
            A side is left with one class only.
        NoScores
            There is a margin, but no scores or no midpoint.
        """
        folds = make_folds(self.rated, n_folds=n_folds, seed=seed, allow_leak=allow_leak)
        if not self.delta:
            return folds
        return folds.training_on(outside_margin(self.rated.score, self.rated.midpoint, self.delta))
