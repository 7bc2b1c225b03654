"""What the Bayesian-network classifiers share: from codes to probabilities, and to pgmpy."""

from abc import ABC, abstractmethod

import numpy as np
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import check_scalar
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    has_fit_parameter,
    validate_data,
)

from classifiers.bayesian.contingency import one_hot, row_blocks
from classifiers.bayesian.discretize import DISCRETIZERS
from classifiers.bayesian.interchange import make_network

CLASS_NODE = "class"
SMOOTHINGS = ("laplace", "m-estimate", "bdeu")
# In a family, stands for the class as the own node, and for "no parent" among the parents.
NONE = -1

_HIGHEST_CODE = np.iinfo(np.int16).max


class DiscreteBayesClassifier(ClassifierMixin, BaseEstimator, ABC):
    """A classifier from the joint distribution of the class and discretised features.

    A subclass gives `_fit_codes`, `_joint_log_probability`, `_edges` and `to_pgmpy`, and has the
    parameters `discretizer`, `smoothing` and `alpha`.
    """

    def fit(self, X, y, sample_weight=None):
        """Discretise the features, learn the structure, and estimate the probabilities.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Finite numbers; with `discretizer=None` the codes 0, 1, 2 … of every feature.
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
            negative, or a parameter is out of its range.
        """
        self._check_parameters()
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, X, ensure_non_negative=True, allow_all_zero_weights=False
            )
            counted = sample_weight > 0
            X, y, sample_weight = X[counted], y[counted], sample_weight[counted]
        self.classes_, labels = np.unique(y, return_inverse=True)
        self.discretizer_ = _make_discretizer(self.discretizer)
        if self.discretizer_ is not None:
            weighted = sample_weight is not None and has_fit_parameter(
                self.discretizer_, "sample_weight"
            )
            self.discretizer_.fit(X, y, **({"sample_weight": sample_weight} if weighted else {}))
        codes = self._codes(X)
        self.n_states_ = codes.max(axis=0).astype(int) + 1
        self._fit_codes(codes, labels, sample_weight)
        return self

    def predict_joint_log_proba(self, X):
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
        codes = self._codes(validate_data(self, X, reset=False))
        self._refuse_unseen(codes)
        return self._joint_log_probability(codes)

    def predict_log_proba(self, X):
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

    def predict_proba(self, X):
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

    def predict(self, X):
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

    @abstractmethod
    def to_pgmpy(self):
        """Give the classifier as a pgmpy `DiscreteBayesianNetwork` with its probability tables."""

    def plot_structure(self, ax=None):
        """Draw the network.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; the current axes by default.

        Returns
        -------
        ax : matplotlib.axes.Axes
        """
        import matplotlib.pyplot as plt
        import networkx as nx

        ax = plt.gca() if ax is None else ax
        graph = nx.DiGraph(self._edges())
        graph.add_node(CLASS_NODE)
        colors = ["tab:orange" if node == CLASS_NODE else "lightsteelblue" for node in graph]
        nx.draw_networkx(graph, nx.shell_layout(graph), ax=ax, node_color=colors, font_size=8)
        ax.set_axis_off()
        return ax

    @property
    def markov_blanket_(self):
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
        check_scalar(self.alpha, "alpha", (int, float, np.number))
        if not 0 < self.alpha < np.inf:
            raise ValueError(f"alpha is {self.alpha}; it must be positive and finite")

    def _codes(self, X):
        codes = X if self.discretizer_ is None else np.asarray(self.discretizer_.transform(X))
        no_code = (codes < 0) | (codes > _HIGHEST_CODE) | (np.floor(codes) != codes)
        if no_code.any():
            row, feature = np.argwhere(no_code)[0]
            raise ValueError(
                f"row {row} of feature {self._node_names()[feature]} is {codes[row, feature]}, but "
                f"codes are whole numbers from 0 to {_HIGHEST_CODE}: X must hold them with "
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


class NetworkClassifier(DiscreteBayesClassifier):
    """A classifier that is one Bayesian network, with the structure of `_learn_structure`.

    A *family* is a node and its parents among the features; its table has a row for every joint
    state of these, the own node's varying slowest, and a column for every class. The tables of all
    families stand one below the other in `log_tables_`, so that a row's joint log probability is
    the sum of one table row per family: a product of a one-hot matrix with `log_tables_`, just as
    counting is one with its transpose.

    Attributes
    ----------
    families_ : ndarray of shape (n_nodes, 1 + most parents), int
        The own feature and its parents, filled up with -1. The first family is that of the class,
        whose own feature is -1.
    class_is_parent_ : ndarray of shape (n_nodes,), bool
        Whether the class is among the node's parents.
    log_tables_ : ndarray of shape (n_table_rows, n_classes)
        Log of the conditional probabilities.
    """

    def _fit_codes(self, codes, labels, weight):
        self.families_, self.class_is_parent_ = self._learn_structure(codes, labels, weight)
        counts = count_families(
            codes, labels, self.families_, self.n_states_, len(self.classes_), weight
        )
        self.log_tables_ = log_tables(
            counts,
            self.families_,
            self.class_is_parent_,
            self.n_states_,
            self.smoothing,
            self.alpha,
        )

    @abstractmethod
    def _learn_structure(self, codes, labels, weight):
        """Give `families_` and `class_is_parent_`."""

    def _joint_log_probability(self, codes):
        joint = np.empty((len(codes), len(self.classes_)))
        for rows in row_blocks(len(codes), len(self.families_)):
            table_rows = family_table_rows(codes[rows], self.families_, self.n_states_)
            joint[rows] = one_hot(table_rows, len(self.log_tables_)) @ self.log_tables_
        return joint

    def _edges(self):
        names = [*self._node_names(), CLASS_NODE]
        own_names = [names[own] for own in self.families_[:, 0]]
        edges = [(CLASS_NODE, own) for own, child in zip(own_names, self.class_is_parent_) if child]
        for own, parents in zip(own_names, self.families_[:, 1:]):
            edges += [(names[parent], own) for parent in parents if parent != NONE]
        return edges

    def to_pgmpy(self):
        """Give the classifier as a pgmpy network.

        Returns
        -------
        network : pgmpy.models.DiscreteBayesianNetwork
            The class node is named `class` and its states are the class labels; the features have
            the names of `feature_names_in_`, or `x0`, `x1` …, and their codes as states. pgmpy's
            exact inference of the class gives what `predict_proba` gives.

        Raises
        ------
        ValueError
            If a feature is named `class`, or two have the same name.
        """
        check_is_fitted(self)
        names = [*self._node_names(), CLASS_NODE]
        check_node_names(names)
        codes = [list(range(n_states)) for n_states in self.n_states_]
        states = dict(zip(names, [*codes, self.classes_.tolist()]))
        log_tables = np.split(self.log_tables_, _family_offsets(self.families_, self.n_states_)[1:])
        tables = {}
        for (own, *parents), class_is_parent, log_table in zip(
            self.families_, self.class_is_parent_, log_tables
        ):
            evidence = [names[parent] for parent in parents if parent != NONE]
            if own == NONE:
                table = np.exp(log_table).T
            elif class_is_parent:
                evidence.append(CLASS_NODE)
                table = np.exp(log_table)
            else:
                table = np.exp(log_table[:, 0])
            tables[names[own]] = evidence, table.reshape(len(states[names[own]]), -1)
        return make_network(self._edges(), tables, states)


def count_families(codes, labels, families, n_states, n_classes, weight=None):
    """Count the joint states of every family in every class.

    Parameters
    ----------
    codes : ndarray of shape (n_rows, n_features), int
    labels : ndarray of shape (n_rows,), int
    families : ndarray of shape (n_nodes, 1 + most parents), int
    n_states : ndarray of shape (n_features,)
    n_classes : int
    weight : ndarray of shape (n_rows,), optional

    Returns
    -------
    counts : ndarray of shape (n_table_rows, n_classes)
    """
    n_table_rows = _family_sizes(families, n_states).sum()
    in_class = np.eye(n_classes)[labels]
    if weight is not None:
        in_class *= weight[:, None]
    counts = np.zeros((n_table_rows, n_classes))
    for rows in row_blocks(len(codes), len(families)):
        table_rows = family_table_rows(codes[rows], families, n_states)
        counts += one_hot(table_rows, n_table_rows).T @ in_class[rows]
    return counts


def log_tables(counts, families, class_is_parent, n_states, smoothing, alpha):
    """Estimate the conditional probabilities of every family.

    Parameters
    ----------
    counts : ndarray of shape (n_table_rows, n_classes)
    families : ndarray of shape (n_nodes, 1 + most parents), int
    class_is_parent : ndarray of shape (n_nodes,), bool
    n_states : ndarray of shape (n_features,)
    smoothing, alpha : see `pseudo_counts`

    Returns
    -------
    log_probability : ndarray of shape (n_table_rows, n_classes)
    """
    n_classes = counts.shape[1]
    is_class = families[:, 0] == NONE
    sizes = _family_sizes(families, n_states)
    n_own = np.append(n_states, 1)[families[:, 0]]
    n_configurations = sizes // n_own
    family = np.repeat(np.arange(len(families)), sizes)

    without_class = ~(class_is_parent | is_class)[family, None]
    cells = np.where(without_class, counts.sum(axis=1, keepdims=True), counts)
    added = pseudo_counts(
        smoothing,
        alpha,
        np.where(is_class, n_classes, n_own),
        n_configurations * np.where(class_is_parent, n_classes, 1),
    )
    cells += np.broadcast_to(added, sizes.shape)[family, None]

    row_in_family = np.arange(len(cells)) - _family_offsets(families, n_states)[family]
    first_configuration = np.cumsum(n_configurations) - n_configurations
    configuration = first_configuration[family] + row_in_family % n_configurations[family]
    totals = np.zeros((n_configurations.sum(), n_classes))
    np.add.at(totals, configuration, cells)
    whole = np.where(
        is_class[family, None], cells.sum(axis=1, keepdims=True), totals[configuration]
    )
    return np.log(cells) - np.log(whole)


def pseudo_counts(smoothing, alpha, n_own, n_configurations):
    """Count that is added to every cell of a probability table.

    Parameters
    ----------
    smoothing : {"laplace", "m-estimate", "bdeu"}
        `alpha` in every cell; `alpha` spread over the own states, for every configuration of the
        parents; `alpha` spread over the whole table, which makes it BDeu's equivalent sample size.
    alpha : float
    n_own, n_configurations : int or ndarray
        States of the node, and joint states of its parents.

    Returns
    -------
    count : float or ndarray
    """
    if smoothing == "laplace":
        return alpha
    if smoothing == "m-estimate":
        return alpha / n_own
    return alpha / (n_own * n_configurations)


def family_table_rows(codes, families, n_states):
    """Find the table row of every family for the codes of every photo.

    Parameters
    ----------
    codes : ndarray of shape (n_rows, n_features), int
    families : ndarray of shape (n_nodes, 1 + most parents), int
    n_states : ndarray of shape (n_features,)

    Returns
    -------
    table_rows : ndarray of shape (n_rows, n_nodes), int32
    """
    # "No parent" and the class are the last column: one state, always 0.
    codes = np.column_stack([codes, np.zeros(len(codes), dtype=codes.dtype)])
    n_states_or_one = np.append(n_states, 1).astype(np.int32)
    table_rows = codes[:, families[:, 0]].astype(np.int32)
    for parents in families[:, 1:].T:
        table_rows *= n_states_or_one[parents]
        table_rows += codes[:, parents]
    return table_rows + _family_offsets(families, n_states).astype(np.int32)


def check_node_names(names):
    """Refuse names that two nodes of a network would share.

    Parameters
    ----------
    names : list of str

    Raises
    ------
    ValueError
        If a name occurs twice.
    """
    if len(set(names)) < len(names):
        doubled = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two nodes would be named {doubled!r}: rename the feature and fit again")


def _make_discretizer(discretizer):
    if isinstance(discretizer, str):
        if discretizer not in DISCRETIZERS:
            raise ValueError(
                f"discretizer is {discretizer!r}; it must be one of {list(DISCRETIZERS)}, "
                "a transformer, or None"
            )
        return DISCRETIZERS[discretizer]()
    return None if discretizer is None else clone(discretizer)


def _family_sizes(families, n_states):
    """Give the number of joint states of the features of every family."""
    return np.append(n_states, 1)[families].prod(axis=1)


def _family_offsets(families, n_states):
    """Give the first table row of every family."""
    sizes = _family_sizes(families, n_states)
    return np.cumsum(sizes) - sizes
