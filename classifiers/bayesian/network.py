"""Classifiers that are one Bayesian network each."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils.validation import check_is_fitted

from classifiers.bayesian.base import DiscreteBayesClassifier
from classifiers.bayesian.contingency import one_hot, row_blocks
from classifiers.bayesian.interchange import CLASS_NODE, check_node_names, make_network
from classifiers.bayesian.tables import (
    CLASS,
    NO_PARENT,
    count_families,
    family_offsets,
    family_table_rows,
    log_tables,
)

if TYPE_CHECKING:
    from pgmpy.models import DiscreteBayesianNetwork


class NetworkClassifier(DiscreteBayesClassifier):
    """A classifier that is one Bayesian network, with the structure of `_learn_structure`.

    Attributes
    ----------
    families_ : ndarray of shape (n_nodes, 1 + most parents), int
        The own feature and its parents, filled up with `NO_PARENT` (-2). The first family is that
        of the class, whose own feature is `CLASS` (-1).
    class_is_parent_ : ndarray of shape (n_nodes,), bool
        Whether the class is among the node's parents.
    log_tables_ : ndarray of shape (n_table_rows, n_classes)
        Log of the conditional probabilities, as in `classifiers.bayesian.tables`.
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
            edges += [(names[parent], own) for parent in parents if parent != NO_PARENT]
        return edges

    def to_pgmpy(self) -> DiscreteBayesianNetwork:
        """Give the classifier as a pgmpy network.

        Returns
        -------
        network : pgmpy.models.DiscreteBayesianNetwork
            The class node is named `class` and its states are the class labels; the features have
            the names of `feature_names_in_`, or `x0`, `x1` …, and their codes or categories as
            states. pgmpy's
            exact inference of the class gives what `predict_proba` gives. Names that BIF cannot
            hold are replaced; ``network.graph["names"]`` and ``["states"]`` tell the own ones.

        Raises
        ------
        ValueError
            If a feature is named `class`, or two have the same name.
        """
        check_is_fitted(self)
        names = [*self._node_names(), CLASS_NODE]
        check_node_names(names)
        states = dict(zip(names, [*self._state_names(), self.classes_.tolist()]))
        log_tables = np.split(self.log_tables_, family_offsets(self.families_, self.n_states_)[1:])
        tables = {}
        for (own, *parents), class_is_parent, log_table in zip(
            self.families_, self.class_is_parent_, log_tables
        ):
            evidence = [names[parent] for parent in parents if parent != NO_PARENT]
            if own == CLASS:
                table = np.exp(log_table).T
            elif class_is_parent:
                evidence.append(CLASS_NODE)
                table = np.exp(log_table)
            else:
                table = np.exp(log_table[:, 0])
            tables[names[own]] = evidence, table.reshape(len(states[names[own]]), -1)
        return make_network(self._edges(), tables, states)
