"""A general Bayesian network as a classifier: only the class's Markov blanket decides."""

import numpy as np
from sklearn.utils import check_scalar

from classifiers.bayes import NONE, NetworkClassifier, count_families
from classifiers.contingency import mutual_information


class BayesianNetworkClassifier(NetworkClassifier):
    """A Bayesian network of the class and a few features, found by pgmpy's hill climbing.

    The features with the most mutual information with the class are taken; the search then adds,
    removes and turns edges among them and the class as long as the score rises. Features outside
    the class's Markov blanket have no influence.

    Parameters
    ----------
    max_features : int, default=10
        Features that enter the search, whose time grows faster than the square of their number.
    structure_score : {"bdeu", "bic"}, default="bdeu"
        What the search maximises; BDeu with an equivalent sample size of 10.
    max_parents : int, default=3
        Most parents of a node, the class included.
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
        The network, see `classifiers.bayes.NetworkClassifier`,
        of the class and the features that entered the search.
    markov_blanket_ : list of str
        The features that decide: parents and children of the class, and the children's other
        parents.
    n_features_in_, feature_names_in_ : as in scikit-learn.

    Notes
    -----
    Memory beside X: the codes (2 bytes a value), and 8 bytes a row and feature of the search.

    References
    ----------
    Koller, Friedman: Probabilistic Graphical Models. 2009, section 18.4.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from classifiers import BayesianNetworkClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> BayesianNetworkClassifier().fit(X, y).predict(X[:2])
    array([0, 0])
    """

    def __init__(
        self,
        max_features=10,
        structure_score="bdeu",
        max_parents=3,
        discretizer="zero-aware",
        smoothing="m-estimate",
        alpha=1.0,
    ):
        self.max_features = max_features
        self.structure_score = structure_score
        self.max_parents = max_parents
        self.discretizer = discretizer
        self.smoothing = smoothing
        self.alpha = alpha

    def _check_parameters(self):
        super()._check_parameters()
        check_scalar(self.max_features, "max_features", (int, np.integer), min_val=1)
        check_scalar(self.max_parents, "max_parents", (int, np.integer), min_val=1)
        if self.structure_score not in _SCORES:
            raise ValueError(
                f"structure_score is {self.structure_score!r}; it must be one of {_SCORES}"
            )

    def _learn_structure(self, codes, labels, weight):
        alone = np.arange(codes.shape[1])[:, None]
        counts = count_families(codes, labels, alone, self.n_states_, len(self.classes_), weight)
        information = mutual_information(counts, self.n_states_)
        selected = np.sort(np.argsort(-information, kind="stable")[: self.max_features])
        parents = _search(
            np.column_stack([codes[:, selected], labels]),
            np.append(self.n_states_[selected], len(self.classes_)),
            self.structure_score,
            self.max_parents,
            weight,
        )
        nodes = [NONE, *range(len(selected))]
        families = np.full((len(nodes), 1 + self.max_parents), NONE)
        for family, node in zip(families, nodes):
            features = [parent for parent in parents[node] if parent != NONE]
            family[: 1 + len(features)] = [node, *features]
        class_is_parent = np.array([NONE in parents[node] for node in nodes])
        return np.append(selected, NONE)[families], class_is_parent


_SCORES = ("bdeu", "bic")


def _search(columns, n_states, structure_score, max_parents, weight):
    """Give the parents of every column's node; the last column is the class, named NONE (-1)."""
    import pandas as pd
    from pgmpy.causal_discovery import HillClimbSearch

    from classifiers.structure_score import CountScore

    # Nodes are numbers, not strings, whose hash differs from run to run: pgmpy breaks ties in a
    # set's order.
    nodes = [*range(len(n_states) - 1), NONE]
    search = HillClimbSearch(
        scoring_method=CountScore(columns, n_states, structure_score, weight),
        max_indegree=max_parents,
        return_type="dag",
        show_progress=False,
    )
    # The score has the data; of the frame only the columns' names are used.
    search.fit(pd.DataFrame(np.zeros((2, len(nodes)), dtype=int), columns=nodes))
    return {node: sorted(search.causal_graph_.predecessors(node)) for node in nodes}
