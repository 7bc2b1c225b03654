"""Discretisers: scikit-learn transformers from measurements to the codes 0, 1, 2 …

All of them cut every feature at ascending edges: code k holds the values in (edge k-1, edge k].
Values outside the range that `fit` saw fall into the first or the last bin, and a constant feature
has one bin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import entr
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.utils import check_scalar
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import ArrayLike


class _EdgeDiscretizer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """What the discretisers share: a subclass gives `_column_edges(column, y, weight)`."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def fit(
        self, X: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Find the edges of every feature.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Finite numbers.
        y : array-like of shape (n_rows,), optional
            Class labels; only `MDLPDiscretizer` looks at them.
        sample_weight : array-like of shape (n_rows,), optional
            A row of weight w counts as w rows; a row of weight 0 does not count.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X holds NaN or infinity, or a parameter is out of its range.
        """
        self._check_parameters()
        needs_y = self.__sklearn_tags__().target_tags.required
        labels = weight = None
        if needs_y:
            values, classes = validate_data(self, X, y, dtype=_FLOATS)
            check_classification_targets(classes)
            labels = np.unique(classes, return_inverse=True)[1]
        else:
            values = validate_data(self, X, dtype=_FLOATS)
        if sample_weight is not None:
            weight = _check_sample_weight(
                sample_weight, values, ensure_non_negative=True, allow_all_zero_weights=False
            )
            counted = weight > 0
            values, weight = values[counted], weight[counted]
            labels = None if labels is None else labels[counted]
        edges = [self._column_edges(column, labels, weight) for column in values.T]
        self.n_bins_ = np.array([len(cuts) + 1 for cuts in edges])
        self.edges_ = np.full((self.n_bins_.max() - 1, values.shape[1]), np.inf)
        for feature, cuts in enumerate(edges):
            self.edges_[: len(cuts), feature] = cuts
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Give every value the number of its bin.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        codes : ndarray of shape (n_rows, n_features), int16
            0 to `n_bins_` - 1.
        """
        check_is_fitted(self)
        values = validate_data(self, X, dtype=_FLOATS, reset=False)
        codes = np.zeros(values.shape, dtype=np.int16)
        for edge in self.edges_:
            codes += edge < values
        return codes

    def _check_parameters(self):
        check_scalar(self.n_bins, "n_bins", (int, np.integer), min_val=2, max_val=_MOST_BINS)


class ZeroAwareDiscretizer(_EdgeDiscretizer):
    """Quantile bins in which zero has a bin of its own.

    Features after ReLU are half zeros, on which plain quantiles collapse. In a feature without
    negative values, the zeros make the first bin and the quantiles of the positive values the
    `n_bins` - 1 others. A feature without zeros, or with negative values (whose zero is a value
    like others), is cut into `n_bins` plain quantiles. Equal quantiles are merged.

    Parameters
    ----------
    n_bins : int, default=5
        The most bins a feature gets, that of the zeros included; at least 2.

    Attributes
    ----------
    edges_ : ndarray of shape (most edges of a feature, n_features)
        Ascending upper limits of the bins but the last, filled up with infinity.
    n_bins_ : ndarray of shape (n_features,)
        Bins of every feature.
    n_features_in_, feature_names_in_ : as in scikit-learn.

    Examples
    --------
    >>> from classifiers import ZeroAwareDiscretizer
    >>> X = [[0.0], [0.0], [0.0], [1.0], [2.0], [3.0], [4.0]]
    >>> ZeroAwareDiscretizer(n_bins=3).fit_transform(X).ravel()
    array([0, 0, 0, 1, 1, 2, 2], dtype=int16)
    """

    def __init__(self, n_bins: int = 5):
        self.n_bins = n_bins

    def _column_edges(self, column, y, weight):
        zero = column == 0
        if column.min() < 0 or not zero.any():
            edges = _quantiles(column, weight, np.arange(1, self.n_bins) / self.n_bins)
        elif zero.all():
            edges = column[:0]
        else:
            positive_weight = None if weight is None else weight[~zero]
            probabilities = np.arange(1, self.n_bins - 1) / (self.n_bins - 1)
            edges = np.append(0, _quantiles(column[~zero], positive_weight, probabilities))
        edges = np.unique(edges)
        return edges[edges < column.max()]


class EqualWidthDiscretizer(_EdgeDiscretizer):
    """Bins of equal width between the smallest and the largest value.

    Parameters
    ----------
    n_bins : int, default=5
        Bins of every feature that is not constant; at least 2.

    Attributes
    ----------
    edges_ : ndarray of shape (most edges of a feature, n_features)
        Ascending upper limits of the bins but the last, filled up with infinity.
    n_bins_ : ndarray of shape (n_features,)
        Bins of every feature.
    n_features_in_, feature_names_in_ : as in scikit-learn.

    Examples
    --------
    >>> from classifiers import EqualWidthDiscretizer
    >>> EqualWidthDiscretizer(n_bins=2).fit_transform([[0.0], [1.0], [6.0], [10.0]]).ravel()
    array([0, 0, 1, 1], dtype=int16)
    """

    def __init__(self, n_bins: int = 5):
        self.n_bins = n_bins

    def _column_edges(self, column, y, weight):
        edges = np.unique(
            np.linspace(column.min(), column.max(), self.n_bins + 1, dtype=float)[1:-1]
        )
        return edges[edges < column.max()]


class MDLPDiscretizer(_EdgeDiscretizer):
    """Fayyad and Irani's supervised discretisation by recursive entropy splits.

    A feature is cut between the two neighbouring values that leave the least class entropy, as long
    as the minimum description length principle accepts the cut; a feature that tells nothing of the
    class gets one bin. As in the paper only points between two different values are candidates; the
    package `fimdlp`, which gives the same cuts on features without ties, also tries points between
    equal values.

    Attributes
    ----------
    edges_ : ndarray of shape (most edges of a feature, n_features)
        Ascending upper limits of the bins but the last, filled up with infinity.
    n_bins_ : ndarray of shape (n_features,)
        Bins of every feature.
    n_features_in_, feature_names_in_ : as in scikit-learn.

    References
    ----------
    Fayyad, Irani: Multi-interval discretization of continuous-valued attributes for classification
    learning. IJCAI 1993.

    Examples
    --------
    >>> from classifiers import MDLPDiscretizer
    >>> X = [[value] for value in range(10)]
    >>> MDLPDiscretizer().fit_transform(X, [0] * 5 + [1] * 5).ravel()
    array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1], dtype=int16)
    """

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def _check_parameters(self):
        """Nothing to check: MDLP has no parameters."""

    def _column_edges(self, column, y, weight):
        values, row_value = np.unique(column, return_inverse=True)
        n_classes = y.max() + 1
        counts = np.bincount(row_value * n_classes + y, weight, minlength=len(values) * n_classes)
        below = np.zeros((len(values) + 1, n_classes))
        np.cumsum(counts.reshape(len(values), n_classes), axis=0, out=below[1:])
        cuts = []
        intervals = [(0, len(values))]
        while intervals:
            start, end = intervals.pop()
            cut = _mdlp_cut(below[start : end + 1] - below[start])
            if cut is not None:
                cuts.append(start + cut)
                intervals += [(start, start + cut), (start + cut, end)]
        above = np.sort(np.array(cuts, dtype=int))
        low, high = values[above - 1].astype(float), values[above].astype(float)
        # Between neighbouring floats the middle rounds to one of them, and may not reach the
        # higher.
        return np.minimum(low + (high - low) / 2, np.nextafter(high, -np.inf))


DISCRETIZERS = {
    "zero-aware": ZeroAwareDiscretizer,
    "equal-width": EqualWidthDiscretizer,
    "mdlp": MDLPDiscretizer,
}


def make_discretizer(discretizer: str | BaseEstimator | None) -> BaseEstimator | None:
    """Make an unfitted discretiser of what a classifier's parameter says.

    Parameters
    ----------
    discretizer : str, transformer or None
        A name of `DISCRETIZERS`, or a transformer to be cloned.

    Returns
    -------
    transformer or None

    Raises
    ------
    ValueError
        If no discretiser has this name.
    """
    if isinstance(discretizer, str):
        if discretizer not in DISCRETIZERS:
            raise ValueError(
                f"discretizer is {discretizer!r}; it must be one of {list(DISCRETIZERS)}, "
                "a transformer, or None"
            )
        return DISCRETIZERS[discretizer]()
    return None if discretizer is None else clone(discretizer)


_FLOATS = [np.float64, np.float32]
_MOST_BINS = np.iinfo(np.int16).max
# Intervals of fewer rows are not cut (fimdlp's `min_length`).
_MDLP_FEWEST_ROWS = 3


def _quantiles(values, weight, probabilities):
    """The smallest values whose cumulative weight reaches the probabilities of the whole."""
    if weight is None:
        values = np.sort(values)
        cumulative = np.arange(1, len(values) + 1)
    else:
        order = np.argsort(values)
        values = values[order]
        cumulative = np.cumsum(weight[order])
    return values[np.searchsorted(cumulative, probabilities * cumulative[-1])]


def _mdlp_cut(below):
    """Where to cut an interval, or None.

    `below[i]` counts the rows of every class in the first i values of the interval; the cut i lies
    before value i.
    """
    whole = below[-1]
    n_rows = whole.sum()
    if len(below) < 3 or n_rows < _MDLP_FEWEST_ROWS:
        return None
    left = below[1:-1]
    right = np.maximum(whole - left, 0)
    entropies = (
        left.sum(axis=1) * _class_entropy(left) + right.sum(axis=1) * _class_entropy(right)
    ) / n_rows
    best = np.argmin(entropies)
    sides = np.stack([whole, left[best], right[best]])
    # Weights may leave a trace of a class that is not there, by rounding.
    n_classes = (sides > 1e-9 * n_rows).sum(axis=1)
    whole_term, left_term, right_term = n_classes * _class_entropy(sides)
    delta = np.log2(3.0 ** n_classes[0] - 2) - (whole_term - left_term - right_term)
    gain = _class_entropy(whole) - entropies[best]
    return best + 1 if gain > (np.log2(n_rows - 1) + delta) / n_rows else None


def _class_entropy(counts):
    """Entropy in bits of the class counts along the last axis."""
    shares = counts / counts.sum(axis=-1, keepdims=True)
    return entr(shares).sum(axis=-1) / np.log(2)
