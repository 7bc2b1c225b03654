"""Naive Bayes and its augmented forms: the class is a parent of every feature, others may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from sklearn.utils import check_scalar

from classifiers.bayesian.contingency import conditional_mutual_information, mutual_information
from classifiers.bayesian.network import NetworkClassifier
from classifiers.bayesian.tables import CLASS, NO_PARENT, count_families

if TYPE_CHECKING:
    from sklearn.base import TransformerMixin


# What the information of a pair of features takes until the structure is found.
_PAIR_BYTES = 50


class NaiveBayesClassifier(NetworkClassifier):
    """Discrete naive Bayes: the features are independent of each other given the class.

    Parameters
    ----------
    discretizer : {"zero-aware", "equal-width", "mdlp"}, transformer or None, default="zero-aware"
        What makes codes of the features; None when X holds the codes 0, 1, 2 … already. Then a code
        larger than all that `fit` saw of its feature is refused at prediction: nothing is known of
        it.
    smoothing : {"laplace", "m-estimate", "bdeu"}, default="m-estimate"
        How `alpha` is spread over the cells of a probability table: given to every cell; shared by
        the states of the node, for every configuration of its parents; shared by the whole table
        (BDeu's equivalent sample size).
    alpha : float, default=1.0
        Strength of the smoothing, in rows; positive.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    discretizer_ : fitted transformer or None
    n_states_ : ndarray of shape (n_features,)
        Codes of every feature.
    families_, class_is_parent_, log_tables_ : ndarray
        The network, see `classifiers.bayesian.network.NetworkClassifier`.
    markov_blanket_ : list of str
        All features.
    n_features_in_, feature_names_in_ : as in scikit-learn.

    Notes
    -----
    Memory beside X: the codes (2 bytes a value), the tables, and less than 200 MB whatever the
    size.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from classifiers import NaiveBayesClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> NaiveBayesClassifier().fit(X, y).predict(X[:2])
    array([0, 0])
    """

    def __init__(
        self,
        discretizer: str | TransformerMixin | None = "zero-aware",
        smoothing: str = "m-estimate",
        alpha: float = 1.0,
    ):
        self.discretizer = discretizer
        self.smoothing = smoothing
        self.alpha = alpha

    def _learn_structure(self, codes, labels, weight):
        return augmented_families(np.empty((codes.shape[1], 0), dtype=int))


class TANClassifier(NetworkClassifier):
    """Tree-augmented naive Bayes: every feature but one has one other feature as second parent.

    The tree of the features is the one with the most conditional mutual information given the class
    (Chow and Liu's).

    Parameters
    ----------
    discretizer : {"zero-aware", "equal-width", "mdlp"}, transformer or None, default="zero-aware"
        See `NaiveBayesClassifier`.
    smoothing : {"laplace", "m-estimate", "bdeu"}, default="m-estimate"
        See `NaiveBayesClassifier`.
    alpha : float, default=1.0
        Strength of the smoothing, in rows; positive.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    discretizer_ : fitted transformer or None
    n_states_ : ndarray of shape (n_features,)
        Codes of every feature.
    families_, class_is_parent_, log_tables_ : ndarray
        The network, see `classifiers.bayesian.network.NetworkClassifier`.
    markov_blanket_ : list of str
        All features.
    n_features_in_, feature_names_in_ : as in scikit-learn.

    Notes
    -----
    The root, on which only smoothing depends, is the feature with the most mutual information with
    the class. Memory beside X: the codes (2 bytes a value), 50 bytes a pair of features, the
    tables, and less than 400 MB whatever the size.

    References
    ----------
    Friedman, Geiger, Goldszmidt: Bayesian network classifiers. Machine Learning 29, 1997.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from classifiers import TANClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> TANClassifier().fit(X, y).predict(X[:2])
    array([0, 0])
    """

    def __init__(
        self,
        discretizer: str | TransformerMixin | None = "zero-aware",
        smoothing: str = "m-estimate",
        alpha: float = 1.0,
    ):
        self.discretizer = discretizer
        self.smoothing = smoothing
        self.alpha = alpha

    def bytes_needed(
        self, n_rows: int, n_states: np.ndarray, n_classes: int = 2, *, weighted: bool = False
    ) -> int:
        """Memory of the information; see `DiscreteBayesClassifier.bytes_needed`."""
        return _PAIR_BYTES * len(n_states) ** 2

    def _learn_structure(self, codes, labels, weight):
        with_class, with_each_other = _information(
            codes, labels, self.n_states_, len(self.classes_), weight
        )
        return augmented_families(_tree_parents(with_each_other, np.argmax(with_class))[:, None])


class KDBClassifier(NetworkClassifier):
    """k-dependence Bayes: beside the class, every feature has up to `k` other features as parents.

    The features are ordered by mutual information with the class; the parents of each are the `k`
    before it with which it has the most conditional mutual information given the class.

    Parameters
    ----------
    k : int, default=2
        Most parents of a feature beside the class; 0 is naive Bayes. A table has (bins ** (k + 1))
        * n_classes cells.
    discretizer : {"zero-aware", "equal-width", "mdlp"}, transformer or None, default="zero-aware"
        See `NaiveBayesClassifier`.
    smoothing : {"laplace", "m-estimate", "bdeu"}, default="m-estimate"
        See `NaiveBayesClassifier`.
    alpha : float, default=1.0
        Strength of the smoothing, in rows; positive.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    discretizer_ : fitted transformer or None
    n_states_ : ndarray of shape (n_features,)
        Codes of every feature.
    families_, class_is_parent_, log_tables_ : ndarray
        The network, see `classifiers.bayesian.network.NetworkClassifier`.
    markov_blanket_ : list of str
        All features.
    n_features_in_, feature_names_in_ : as in scikit-learn.

    Notes
    -----
    Memory beside X: the codes (2 bytes a value), 50 bytes a pair of features, the tables, and less
    than 400 MB whatever the size.

    References
    ----------
    Sahami: Learning limited dependence Bayesian classifiers. KDD 1996.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from classifiers import KDBClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> KDBClassifier(k=1).fit(X, y).predict(X[:2])
    array([0, 0])
    """

    def __init__(
        self,
        k: int = 2,
        discretizer: str | TransformerMixin | None = "zero-aware",
        smoothing: str = "m-estimate",
        alpha: float = 1.0,
    ):
        self.k = k
        self.discretizer = discretizer
        self.smoothing = smoothing
        self.alpha = alpha

    def _check_parameters(self):
        super()._check_parameters()
        check_scalar(self.k, "k", (int, np.integer), min_val=0)

    def bytes_needed(
        self, n_rows: int, n_states: np.ndarray, n_classes: int = 2, *, weighted: bool = False
    ) -> int:
        """Memory of the information; see `DiscreteBayesClassifier.bytes_needed`."""
        return _PAIR_BYTES * len(n_states) ** 2

    def _learn_structure(self, codes, labels, weight):
        with_class, with_each_other = _information(
            codes, labels, self.n_states_, len(self.classes_), weight
        )
        return augmented_families(
            _strongest_before(with_each_other, np.argsort(-with_class, kind="stable"), self.k)
        )


def augmented_families(parents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Make the class a parent of every feature.

    Parameters
    ----------
    parents : ndarray of shape (n_features, most parents), int
        The features' parents beside the class, filled up with `NO_PARENT`.

    Returns
    -------
    families, class_is_parent : ndarray
        See `classifiers.bayesian.network.NetworkClassifier`.
    """
    n_features, most_parents = parents.shape
    families = np.column_stack([np.arange(n_features), parents])
    of_class = [CLASS] + [NO_PARENT] * most_parents
    families = np.vstack([of_class, families])
    return families, families[:, 0] != CLASS


def _information(codes, labels, n_states, n_classes, weight):
    """Give the features' mutual information with the class, and with each other given the class."""
    alone = np.arange(len(n_states))[:, None]
    counts = count_families(codes, labels, alone, n_states, n_classes, weight)
    return (
        mutual_information(counts, n_states),
        conditional_mutual_information(codes, labels, n_states, counts, weight),
    )


def _tree_parents(information, root):
    """Give every feature's parent in the spanning tree of most information, none for the root."""
    # Costs are positive throughout: SciPy takes a cost of zero for a missing edge.
    cost = np.triu(information.max() + 1 - information, 1)
    tree = minimum_spanning_tree(csr_array(cost))
    _, parents = breadth_first_order(tree, root, directed=False)
    return np.where(parents < 0, NO_PARENT, parents)


def _strongest_before(information, order, k):
    """Give every feature's k strongest parents among those before it, filled up with NO_PARENT."""
    n_features = len(order)
    place = np.empty(n_features, dtype=int)
    place[order] = np.arange(n_features)
    allowed = place < place[:, None]
    strength = np.where(allowed, information, -1)
    strongest = np.argsort(-strength, axis=1, kind="stable")[:, :k]
    return np.where(np.take_along_axis(allowed, strongest, axis=1), strongest, NO_PARENT)
