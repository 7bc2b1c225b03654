"""A general Bayesian network as a classifier: only the class's Markov blanket decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import check_scalar

from classifiers.bayesian.contingency import mutual_information
from classifiers.bayesian.interchange import CLASS_NODE
from classifiers.bayesian.network import NetworkClassifier
from classifiers.bayesian.tables import CLASS, NO_PARENT, count_families

if TYPE_CHECKING:
    from pgmpy.models import DiscreteBayesianNetwork
    from sklearn.base import TransformerMixin


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
        The network, see `classifiers.bayesian.network.NetworkClassifier`,
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
        max_features: int = 10,
        structure_score: str = "bdeu",
        max_parents: int = 3,
        discretizer: str | TransformerMixin | None = "zero-aware",
        smoothing: str = "m-estimate",
        alpha: float = 1.0,
    ):
        self.max_features = max_features
        self.structure_score = structure_score
        self.max_parents = max_parents
        self.discretizer = discretizer
        self.smoothing = smoothing
        self.alpha = alpha

    @classmethod
    def from_pgmpy(cls, network: DiscreteBayesianNetwork) -> BayesianNetworkClassifier:
        """Take a pgmpy network for a fitted classifier, which predicts many rows at once.

        Parameters
        ----------
        network : pgmpy.models.DiscreteBayesianNetwork
            With all its tables, without probabilities of 0, and a node named `class`.

        Returns
        -------
        classifier : BayesianNetworkClassifier
            `feature_names_in_` are the other nodes, in the network's order. In X, a feature's code
            is the place of its state in the network's `state_names`. Names of features and classes
            that `to_pgmpy` replaced are as they were.

        Raises
        ------
        ValueError
            If there is no node named `class`, a table is missing or does not fit, or a probability
            is 0.
        """
        if CLASS_NODE not in network:
            raise ValueError(f"the network has no node named {CLASS_NODE!r}")
        network.check_model()
        features = [node for node in network if node != CLASS_NODE]
        number = {name: i for i, name in enumerate(features)} | {CLASS_NODE: CLASS}
        tables = [network.get_cpds(node) for node in (CLASS_NODE, *features)]
        n_classes = tables[0].variable_card

        classifier = cls(discretizer=None, max_features=max(1, len(features)))
        own_names = network.graph.get("names", {})
        own_labels = network.graph.get("states", {}).get(CLASS_NODE, {})
        labels = tables[0].state_names[CLASS_NODE]
        classifier.classes_ = np.array([own_labels.get(label, label) for label in labels])
        classifier.discretizer_ = None
        classifier.categories_ = {}
        classifier.feature_names_in_ = np.array(
            [own_names.get(name, name) for name in features], dtype=object
        )
        classifier.n_features_in_ = len(features)
        classifier.n_states_ = np.array([table.variable_card for table in tables[1:]])
        classifier.class_is_parent_ = np.array(
            [CLASS_NODE in table.variables[1:] for table in tables]
        )
        most_parents = max(len(table.variables) - 1 for table in tables)
        classifier.families_ = np.full((len(tables), 1 + most_parents), NO_PARENT)
        columns = []
        for family, table in zip(classifier.families_, tables):
            others = [number[name] for name in table.variables[1:] if name != CLASS_NODE]
            family[: 1 + len(others)] = [number[table.variable], *others]
            values = table.values[..., None]
            if CLASS_NODE in table.variables:
                values = np.moveaxis(table.values, table.variables.index(CLASS_NODE), -1)
            values = values.reshape(-1, values.shape[-1])
            columns.append(np.broadcast_to(values, (len(values), n_classes)))
        probabilities = np.vstack(columns)
        if not probabilities.all():
            raise ValueError("the network holds probabilities of 0: smooth its tables")
        classifier.log_tables_ = np.log(probabilities)
        return classifier

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
        nodes = [CLASS, *range(len(selected))]
        families = np.full((len(nodes), 1 + self.max_parents), NO_PARENT)
        for family, node in zip(families, nodes):
            features = [parent for parent in parents[node] if parent != CLASS]
            family[: 1 + len(features)] = [node, *features]
        class_is_parent = np.array([CLASS in parents[node] for node in nodes])
        return np.append(selected, [NO_PARENT, CLASS])[families], class_is_parent


_SCORES = ("bdeu", "bic")


def _search(columns, n_states, structure_score, max_parents, weight):
    """Give the parents of every column's node; the last column is the class, named CLASS (-1)."""
    import pandas as pd
    from pgmpy.causal_discovery import HillClimbSearch

    from classifiers.bayesian.structure_score import CountScore

    # Nodes are numbers, not strings, whose hash differs from run to run: pgmpy breaks ties in a
    # set's order.
    nodes = [*range(len(n_states) - 1), CLASS]
    search = HillClimbSearch(
        scoring_method=CountScore(columns, n_states, structure_score, weight),
        max_indegree=max_parents,
        return_type="dag",
        show_progress=False,
    )
    # The score has the data; of the frame only the columns' names are used.
    search.fit(pd.DataFrame(np.zeros((2, len(nodes)), dtype=int), columns=nodes))
    return {node: sorted(search.causal_graph_.predecessors(node)) for node in nodes}
