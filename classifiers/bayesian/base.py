"""What the Bayesian-network classifiers share: from measurements to codes to probabilities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    has_fit_parameter,
    validate_data,
)

from classifiers.bayesian.categories import encode_categories, find_categories
from classifiers.bayesian.discretize import make_discretizer
from classifiers.bayesian.interchange import CLASS_NODE
from classifiers.bayesian.moments import check_alpha
from classifiers.bayesian.tables import SMOOTHINGS
from classifiers.memory import check_memory

if TYPE_CHECKING:
    from typing import Self

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike
    from pgmpy.models import DiscreteBayesianNetwork
    from sklearn.base import TransformerMixin

HIGHEST_CODE = np.iinfo(np.int16).max


def fit_discretizer(
    discretizer: TransformerMixin,
    values: np.ndarray,
    classes: np.ndarray,
    weight: np.ndarray | None,
) -> None:
    """Fit a discretiser, with the rows' weights where it takes them."""
    weighted = weight is not None and has_fit_parameter(discretizer, "sample_weight")
    discretizer.fit(values, classes, **({"sample_weight": weight} if weighted else {}))


class JointClassifier(ClassifierMixin, BaseEstimator, ABC):
    """A classifier from the joint distribution of the class and the features."""

    @abstractmethod
    def predict_joint_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Log of the joint probability, or density, of every class and the row."""

    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Log of the probability of every class.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        log_probability : ndarray of shape (n_rows, n_classes)
            In the order of `classes_`.
        """
        joint = self.predict_joint_log_proba(X)
        return joint - logsumexp(joint, axis=1, keepdims=True)

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Probability of every class.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        probability : ndarray of shape (n_rows, n_classes)
            In the order of `classes_`.
        """
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Most probable class of every row.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        labels : ndarray of shape (n_rows,)
        """
        joint = self.predict_joint_log_proba(X)
        return self.classes_[np.argmax(joint, axis=1)]

    def _checked_rows(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, **how: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
        """Set `classes_`; give the rows that count, their classes, these as numbers, and weights.

        Without `sample_weight` there are none. `how` is of scikit-learn's `validate_data`.
        """
        values, classes = validate_data(self, X, y, **how)
        check_classification_targets(classes)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(
                sample_weight, values, ensure_non_negative=True, allow_all_zero_weights=False
            )
            counted = weight > 0
            values, classes, weight = values[counted], classes[counted], weight[counted]
        self.classes_, labels = np.unique(classes, return_inverse=True)
        return values, classes, labels, weight

    def _checked_codes(self, codes):
        """Refuse what is no codes, of the discretiser or in its place."""
        no_code = (codes < 0) | (codes > HIGHEST_CODE) | (np.floor(codes) != codes)
        if no_code.any():
            row, feature = np.argwhere(no_code)[0]
            raise ValueError(
                f"row {row} of feature {self._node_names()[feature]} is {codes[row, feature]}, but "
                f"codes are whole numbers from 0 to {HIGHEST_CODE}: X must hold them with "
                "discretizer=None, and another discretizer must give them"
            )
        return codes.astype(np.int16, copy=False)

    def _refuse_unseen(self, codes):
        unseen = codes >= self.n_states_
        if unseen.any():
            row, feature = np.argwhere(unseen)[0]
            raise ValueError(
                f"row {row} of feature {self._node_names()[feature]} has the code "
                f"{codes[row, feature]}, but fit saw none above {self.n_states_[feature] - 1}: "
                "fit on rows that hold it, or join rare codes before"
            )

    def _node_names(self):
        """Give the names of the features' nodes."""
        names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(self.n_features_in_)])
        return [str(name) for name in names]


class DiscreteBayesClassifier(JointClassifier):
    """A classifier from the joint distribution of the class and discretised features.

    A subclass gives `_fit_codes`, `_joint_log_probability`, `_edges` and `to_pgmpy`, and has the
    parameters `discretizer`, `smoothing` and `alpha`.
    """

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Discretise the features, learn the structure, and estimate the probabilities.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Finite numbers; with `discretizer=None` the codes 0, 1, 2 … of every feature. Columns of
            a DataFrame that hold words or categories are not discretised: each state is a code.
        y : array-like of shape (n_rows,)
            Class labels.
        sample_weight : array-like of shape (n_rows,), optional
            A row of weight w counts as w rows; a row of weight 0 does not count.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X holds NaN or infinity or is no codes where it must be, y is no classes, a weight is
            negative, or a parameter is out of its range; if this takes more memory than the
            machine has.
        """
        self._check_parameters()
        self.categories_ = find_categories(X)
        values, classes, labels, weight = self._checked_rows(
            encode_categories(X, self.categories_), y, sample_weight
        )
        self.discretizer_ = make_discretizer(self.discretizer)
        measured = self._measured()
        if self.discretizer_ is not None and measured.any():
            fit_discretizer(self.discretizer_, values[:, measured], classes, weight)
        codes = self._codes(values)
        self.n_states_ = codes.max(axis=0).astype(int) + 1
        for feature, states in self.categories_.items():
            self.n_states_[feature] = len(states)
        needed = self.bytes_needed(
            len(codes), self.n_states_, len(self.classes_), weighted=weight is not None
        )
        check_memory(type(self).__name__, needed, len(self.n_states_))
        self._fit_codes(codes, labels, weight)
        return self

    def bytes_needed(
        self, n_rows: int, n_states: np.ndarray, n_classes: int = 2, *, weighted: bool = False
    ) -> int:
        """Memory that `fit` takes at most, beside X and what is the same for all sizes.

        Parameters
        ----------
        n_rows : int
        n_states : ndarray of shape (n_features,)
            Codes of every feature.
        n_classes : int
        weighted : bool
            Whether the rows have weights.

        Returns
        -------
        int
        """
        return 0

    def predict_joint_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Log of the joint probability of every class and the row's codes.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        log_probability : ndarray of shape (n_rows, n_classes)

        Raises
        ------
        ValueError
            If X holds NaN or infinity, or a code is larger than all that `fit` saw (which cannot
            be with the discretisers of this package).
        """
        check_is_fitted(self)
        X = encode_categories(X, self.categories_)
        codes = self._codes(validate_data(self, X, reset=False))
        self._refuse_unseen(codes)
        return self._joint_log_probability(codes)

    @abstractmethod
    def to_pgmpy(self) -> DiscreteBayesianNetwork:
        """Give the classifier as a pgmpy `DiscreteBayesianNetwork` with its probability tables."""

    def plot_structure(self, ax: Axes | None = None) -> Axes:
        """Draw the network.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; the current axes by default.

        Returns
        -------
        ax : matplotlib.axes.Axes

        Raises
        ------
        ImportError
            If the extra `plot` is not installed.
        """
        try:
            import matplotlib.pyplot as plt
            import networkx as nx
        except ModuleNotFoundError as error:
            raise ImportError(
                f"plot_structure needs {error.name}: pip install 'decaf[plot]'"
            ) from None
        ax = plt.gca() if ax is None else ax
        graph = nx.DiGraph(self._edges())
        graph.add_node(CLASS_NODE)
        colors = ["tab:orange" if node == CLASS_NODE else "lightsteelblue" for node in graph]
        nx.draw_networkx(graph, nx.shell_layout(graph), ax=ax, node_color=colors, font_size=8)
        ax.set_axis_off()
        return ax

    @property
    def markov_blanket_(self) -> list[str]:
        """Names of the nodes that, once known, make all others irrelevant to the class; sorted."""
        check_is_fitted(self)
        edges = self._edges()
        children = {child for parent, child in edges if parent == CLASS_NODE}
        parents = {parent for parent, child in edges if child in children | {CLASS_NODE}}
        return sorted((children | parents) - {CLASS_NODE})

    @abstractmethod
    def _fit_codes(self, codes, labels, weight):
        """Learn from codes (n_rows, n_features) and labels 0 … n_classes - 1."""

    @abstractmethod
    def _joint_log_probability(self, codes):
        """Give log P(class, codes), of shape (n_rows, n_classes)."""

    @abstractmethod
    def _edges(self):
        """Give the network's edges as pairs of node names."""

    def _check_parameters(self):
        if self.smoothing not in SMOOTHINGS:
            raise ValueError(f"smoothing is {self.smoothing!r}; it must be one of {SMOOTHINGS}")
        check_alpha(self.alpha)

    def _codes(self, X):
        codes, measured = X, self._measured()
        if self.discretizer_ is not None and measured.any():
            discretized = np.asarray(self.discretizer_.transform(X[:, measured]))
            codes = np.empty(X.shape, np.result_type(X, discretized))
            codes[:, measured], codes[:, ~measured] = discretized, X[:, ~measured]
        return self._checked_codes(codes)

    def _measured(self):
        """Tell which features are numbers, and no categories."""
        return ~np.isin(np.arange(self.n_features_in_), list(self.categories_))

    def _state_names(self):
        """Give the names of every feature's states: its categories, else its codes."""
        return [
            self.categories_[feature].tolist() if feature in self.categories_ else list(range(n))
            for feature, n in enumerate(self.n_states_)
        ]
