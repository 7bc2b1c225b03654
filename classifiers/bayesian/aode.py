"""AODE: the average of all classifiers in which one feature is a parent of every other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from classifiers.bayesian.augmented import augmented_families
from classifiers.bayesian.averaging import Averager, check_averaging, weigh_parents
from classifiers.bayesian.base import DiscreteBayesClassifier
from classifiers.bayesian.contingency import (
    BLOCK_SIZE,
    count_pairs,
    feature_blocks,
    mutual_information,
    one_hot,
    row_blocks,
    state_offsets,
)
from classifiers.bayesian.interchange import CLASS_NODE, check_node_names, make_network
from classifiers.bayesian.tables import count_families, log_tables, pseudo_counts

if TYPE_CHECKING:
    from pgmpy.models import DiscreteBayesianNetwork
    from sklearn.base import TransformerMixin

SUPERPARENT_NODE = "superparent"


class AODEClassifier(DiscreteBayesClassifier):
    """Averaged one-dependence estimators.

    Every feature i, the parent, makes an estimator of the joint probability,

        P_i(class, x) = P(class, x_i) * product over all other j of P(x_j | class, x_i),

    and those whose x_i has been seen in at least `m` rows are averaged (see Notes). A row none of
    whose values has been seen so often gets naive Bayes.

    Parameters
    ----------
    average : {"log-odds", "posteriors", "joint"}, default="log-odds"
        What is averaged: the logarithms of P_i(class | x), the probabilities P_i(class | x), or
        P_i(class, x) as published.
    weights : {"mutual-information", None}, default="mutual-information"
        How much an estimator counts: by the mutual information of its parent with the class (Jiang
        and Zhang), or all alike, as published.
    m : float, default=1
        In how many rows (by weight) a value must have been seen to be a parent; at least 0. Webb et
        al. took 30, which helps `average="joint"` alone (.804 became .812 on 4,000 photos).
    n_parents : int or None, default=None
        How many features are parents: those with the most mutual information with the class. None
        takes all.
    discretizer : {"zero-aware", "equal-width", "mdlp"}, transformer or None, default="zero-aware"
        See `NaiveBayesClassifier`.
    smoothing : {"laplace", "m-estimate", "bdeu"}, default="m-estimate"
        See `NaiveBayesClassifier`. P(class, x_i) is smoothed as one table.
    alpha : float, default=1.0
        Strength of the smoothing, in rows; positive.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    discretizer_ : fitted transformer or None
    n_states_ : ndarray of shape (n_features,)
        Codes of every feature.
    parents_ : ndarray of int
        The features that are parents, ascending.
    parent_weights_ : ndarray of shape (n_parents,)
        How much their estimators count.
    parent_counts_ : ndarray of shape (states of the parents,)
        In how many rows every value of a parent has been seen.
    log_parent_tables_ : ndarray of shape (n_classes, states of the parents)
        log P(class, x_i).
    child_counts_ : ndarray of shape (n_classes, states of the parents, states of all features)
        In how many rows of a class two values have been seen together; of the smallest type of
        whole numbers that holds them, or float64 where rows are weighted.
    log_naive_tables_ : ndarray of shape (1 + states of all features, n_classes)
        log P(class), and below it log P(x_j | class).
    markov_blanket_ : list of str
        All features, and the hidden node `superparent` (see `to_pgmpy`).
    n_features_in_, feature_names_in_ : as in scikit-learn.

    Notes
    -----
    The published average fails with many features. P_i(class, x) is a product of as many
    probabilities as there are features, and of one row the estimators' likelihoods P_i(x), the sums
    of P_i(class, x) over the classes, lie the further apart, in powers of ten, the more features
    there are: 28 of them between the least and the largest of 250 on fc7 of 4,000 photos, where the
    largest made 85 % of the sum. So the few parents of the highest likelihood rule it, those that
    explain the other features best, whatever they know of the class; and hardly any averaging is
    left, which is what lessens variance. Among a dozen features little of this is to be seen.

    P_i(class | x) no longer has the likelihood in it, so that all estimators are heard. Their
    arithmetic mean is a linear opinion pool; with hundreds of features nearly every estimator is
    certain, and the mean is a count of votes. The mean of their log-odds is a logarithmic opinion
    pool: the geometric mean, renormalised, a product of experts whose exponents sum to 1. It keeps
    how sure each estimator is. It stays as sure as its experts, though, each of which takes the
    features for independent of each other given the class and its parent, as naive Bayes does: its
    order is to be trusted, and its probabilities are not until they are calibrated on held-back
    scores, as those of a model are (`classifiers.evaluation.calibration`). On fc7 of four sets and
    100 to 235,000 photos (experiments/results/aode) it has the better order mostly, by AUC .011 at
    most, and is the default. Who takes the probabilities as they are is better served by
    `average="posteriors"`: its calibration error is smaller on all sets at all sizes, .05 where
    that of the log-odds is .21 at 235,000 photos.

    What was tried on fc7 and left out, since it gained nothing: weights by held-back likelihood
    (MAPLMG, Cerquides and de Mántaras 2005; AUC up to .004 below that by mutual information), and
    the resolution of subsumptions (Zheng and Webb 2006: a feature whose value follows from
    another's leaves the product; AUC ±.001, since codes of quantiles seldom imply each other).

    With S states of all features together and T of the parents, the counts take 2 * n_classes * S *
    T bytes (6 MB for 250 features of 5 bins and two classes; a count has 1 byte below 256 rows, 4
    bytes from 65,536 rows on, 8 where rows are weighted); beside that and the codes (2 bytes a
    value) less than 400 MB are needed, whatever the number of rows; a fit that takes more than the
    machine has is refused (5,000 features take 2.5 GB). Prediction takes n_classes * S
    * T logarithms a call and twice as many floating-point operations a row, as matrix products.

    References
    ----------
    Webb, Boughton, Wang: Not so naive Bayes: aggregating one-dependence estimators. Machine
    Learning 58, 2005.

    Jiang, Zhang: Weightily averaged one-dependence estimators. PRICAI 2006.

    Genest, Zidek: Combining probability distributions: a critique and an annotated bibliography.
    Statistical Science 1, 1986. (Opinion pools.)

    Hinton: Training products of experts by minimizing contrastive divergence. Neural Computation
    14, 2002.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from classifiers import AODEClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> AODEClassifier().fit(X, y).predict(X[:2])
    array([0, 0])
    """

    def __init__(
        self,
        average: str = "log-odds",
        weights: str | None = "mutual-information",
        m: float = 1,
        n_parents: int | None = None,
        discretizer: str | TransformerMixin | None = "zero-aware",
        smoothing: str = "m-estimate",
        alpha: float = 1.0,
    ):
        self.average = average
        self.weights = weights
        self.m = m
        self.n_parents = n_parents
        self.discretizer = discretizer
        self.smoothing = smoothing
        self.alpha = alpha

    def _check_parameters(self):
        super()._check_parameters()
        check_averaging(self.average, self.weights)
        check_scalar(self.m, "m", (int, float, np.number), min_val=0)
        if self.n_parents is not None:
            check_scalar(self.n_parents, "n_parents", (int, np.integer), min_val=1)

    def bytes_needed(
        self, n_rows: int, n_states: np.ndarray, n_classes: int = 2, *, weighted: bool = False
    ) -> int:
        """Memory of the counts; see `DiscreteBayesClassifier.bytes_needed`."""
        of_parents = np.sort(n_states)[::-1][: self.n_parents].sum()
        cells = n_classes * int(of_parents) * int(n_states.sum())
        return cells * _count_type(n_rows, weighted).itemsize

    def _fit_codes(self, codes, labels, weight):
        n_classes = len(self.classes_)
        families, class_is_parent = augmented_families(np.empty((codes.shape[1], 0), dtype=int))
        naive = count_families(codes, labels, families, self.n_states_, n_classes, weight)
        self.log_naive_tables_ = log_tables(
            naive, families, class_is_parent, self.n_states_, self.smoothing, self.alpha
        )
        class_counts, counts = naive[0], naive[1:]
        information = mutual_information(counts, self.n_states_)
        self.parents_ = np.sort(np.argsort(-information, kind="stable")[: self.n_parents])
        self.parent_weights_ = weigh_parents(self.weights, information[self.parents_])
        state_feature = np.repeat(np.arange(len(self.n_states_)), self.n_states_)
        is_parent = np.isin(state_feature, self.parents_)
        parent_counts = counts[is_parent]
        self.parent_counts_ = parent_counts.sum(axis=1)

        n_cells = n_classes * self.n_states_[state_feature[is_parent], None]
        added = pseudo_counts(self.smoothing, self.alpha, n_cells, 1)
        self.log_parent_tables_ = np.log(
            (parent_counts + added) / (class_counts.sum() + added * n_cells)
        ).T

        self.child_counts_ = np.empty(
            (n_classes, self.n_states_[self.parents_].sum(), self.n_states_.sum()),
            _count_type(len(codes), weight is not None),
        )
        for label, table in enumerate(self.child_counts_):
            of_class = labels == label
            class_weight = None if weight is None else weight[of_class]
            self._count_children(table, codes[of_class], class_weight)

    def _count_children(self, table, codes, weight):
        """Fill `table` (state columns of the parents, of all features) with counts."""
        top = 0
        for parents in feature_blocks(self.parents_, self.n_states_):
            bottom, left = top + self.n_states_[parents].sum(), 0
            for children in feature_blocks(np.arange(len(self.n_states_)), self.n_states_):
                right = left + self.n_states_[children].sum()
                table[top:bottom, left:right] = count_pairs(
                    codes, parents, children, self.n_states_, weight
                )
                left = right
            top = bottom

    def _joint_log_probability(self, codes):
        n_states = self.n_states_.sum()
        codes_as_columns = codes + state_offsets(self.n_states_)
        naive = np.empty((len(codes), len(self.classes_)))
        for rows in row_blocks(len(codes), codes.shape[1]):
            ones = one_hot(codes_as_columns[rows], n_states)
            naive[rows] = self.log_naive_tables_[0] + ones @ self.log_naive_tables_[1:]
        n_classes = len(self.classes_)
        averager = Averager(self.average, len(codes), n_classes)
        weights = self._state_weights()
        # Tables of all classes, for as many parents as one temporary array takes.
        n_columns = BLOCK_SIZE // (n_states * n_classes)
        first = 0
        for parents in feature_blocks(self.parents_, self.n_states_, n_columns):
            offsets = state_offsets(self.n_states_[parents])
            states = np.arange(first, first + self.n_states_[parents].sum())
            first += len(states)
            tables = [self._log_child_table(label, states).T for label in range(n_classes)]
            row_size = n_states + len(states) + n_classes * len(parents)
            for rows in row_blocks(len(codes), row_size):
                ones = one_hot(codes_as_columns[rows], n_states).toarray()
                own = codes[rows][:, parents] + offsets
                joint = np.stack(
                    [np.take_along_axis(ones @ table, own, axis=1) for table in tables]
                )
                joint += self.log_parent_tables_[:, states[own]]
                averager.add(rows, joint, weights[states[own]])
        return averager.joint(naive)

    def _state_weights(self):
        """Give the weights of the parents' states: 0 for those that were seen too seldom."""
        weights = np.repeat(self.parent_weights_, self.n_states_[self.parents_])
        return np.where(self.parent_counts_ >= self.m, weights, 0)

    def _log_child_table(self, label, parent_states):
        """Give log P(x_j | class, x_i) for some states of the parents; 0 where j is i."""
        state_feature = np.repeat(np.arange(len(self.n_states_)), self.n_states_)
        parent_columns = np.flatnonzero(np.isin(state_feature, self.parents_))[parent_states]
        parent_feature = state_feature[parent_columns][:, None]
        n_own = self.n_states_[state_feature]
        n_cells = len(self.classes_) * self.n_states_[parent_feature]
        added = pseudo_counts(self.smoothing, self.alpha, n_own, n_cells)
        counts = self.child_counts_[label][parent_states]
        # A state occurs together with itself as often as it occurs.
        parent_counts = counts[np.arange(len(counts)), parent_columns][:, None]
        table = np.log((counts + added) / (parent_counts + added * n_own))
        table[parent_feature == state_feature] = 0
        return table

    def _edges(self):
        names = self._node_names()
        return [
            (SUPERPARENT_NODE, CLASS_NODE),
            *((CLASS_NODE, name) for name in names),
            *((SUPERPARENT_NODE, name) for name in names),
        ]

    def to_pgmpy(self) -> DiscreteBayesianNetwork:
        """Give the classifier as a pgmpy network, with a hidden node that makes it exact.

        The average of joint probabilities is a mixture: a hidden node `superparent` chooses a value
        of a feature, on which the class and all features depend (the feature itself takes that
        value for certain). pgmpy's
        exact inference of the class gives what `predict_proba` gives, except where that falls back
        on naive Bayes.

        Returns
        -------
        network : pgmpy.models.DiscreteBayesianNetwork
            The nodes are those of the other classifiers, and the latent `superparent`, whose states
            are named `x0=2`. Every feature's table has `n_states_` * n_classes * states of
            `superparent` cells.

        Raises
        ------
        ValueError
            If something else than joint probabilities is averaged, which is no Bayesian network; if
            a feature is named `class` or `superparent`, two have the same name, or no value that
            counts was seen `m` times.
        """
        check_is_fitted(self)
        if self.average != "joint":
            raise ValueError(
                f"an average of {self.average} is no Bayesian network; one of average='joint' is"
            )
        features = self._node_names()
        check_node_names([*features, CLASS_NODE, SUPERPARENT_NODE])
        state_weights = self._state_weights()
        chosen = np.flatnonzero(state_weights)
        if not len(chosen):
            raise ValueError(f"no value was seen in m = {self.m} rows: this is naive Bayes")
        parent = np.repeat(self.parents_, self.n_states_[self.parents_])[chosen]
        parent_code = np.concatenate([np.arange(n) for n in self.n_states_[self.parents_]])[chosen]
        of_feature = self._state_names()
        states = {
            SUPERPARENT_NODE: [
                f"{features[i]}={of_feature[i][code]}" for i, code in zip(parent, parent_code)
            ],
            CLASS_NODE: self.classes_.tolist(),
            **dict(zip(features, of_feature)),
        }
        with_class = np.exp(self.log_parent_tables_[:, chosen])
        of_value = with_class.sum(axis=0)
        weight = of_value * state_weights[chosen]
        tables = {
            SUPERPARENT_NODE: ([], weight[:, None] / weight.sum()),
            CLASS_NODE: ([SUPERPARENT_NODE], with_class / of_value),
        }
        log_tables = np.stack(
            [self._log_child_table(label, chosen) for label in range(len(self.classes_))]
        )
        of_features = np.split(np.exp(log_tables), state_offsets(self.n_states_)[1:], axis=2)
        for feature, (name, table) in enumerate(zip(features, of_features)):
            n_states = self.n_states_[feature]
            own = parent == feature
            table[:, own] = np.eye(n_states)[parent_code[own]]
            tables[name] = [CLASS_NODE, SUPERPARENT_NODE], table.reshape(-1, n_states).T
        return make_network(self._edges(), tables, states, {SUPERPARENT_NODE})


def _count_type(n_rows, weighted):
    return np.dtype(np.float64) if weighted else np.min_scalar_type(n_rows)
