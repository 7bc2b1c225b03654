"""Gaussian AODE: all features are Gaussians, and each in turn is the parent of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from classifiers.bayesian.averaging import Averager, check_averaging, weigh_parents
from classifiers.bayesian.base import JointClassifier
from classifiers.bayesian.contingency import BLOCK_SIZE, row_blocks
from classifiers.bayesian.moments import LEAST_VARIANCE, center_and_scale, check_alpha
from classifiers.memory import check_memory

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import ArrayLike

# A child's least variance about its regression is the same share of its own.
MOST_CORRELATION = np.sqrt(1 - LEAST_VARIANCE)
_FLOATS = [np.float64, np.float32]


class GaussianAODEClassifier(JointClassifier):
    """Gaussian averaged one-dependence estimators: no feature is discretised.

    Every feature i is the parent of an estimator of the joint density,

        P_i(class, x) = P(class) * N(x_i; mean and variance in the class)
                        * product over all other features j of
                          N(x_j; regression of x_j on x_i in the class, variance about it),

    and all of them are averaged. Where `HybridAODEClassifier` has a child's mean and variance in
    each bin of its parent, this has a line and the variance about it.

    Parameters
    ----------
    average : {"log-odds", "posteriors", "joint"}, default="posteriors"
        See `AODEClassifier` and `HybridAODEClassifier`; the joint densities were published.
    weights : {"mutual-information", None}, default="mutual-information"
        How much an estimator counts: by the information of its parent about the class (see Notes),
        or all alike, as published.
    alpha : float, default=1.0
        Strength of the smoothing, in rows; positive. P(class) is an m-estimate. Means, variances
        and covariances of a class are those of its rows and of `alpha` more, which are as all rows
        are, but uncorrelated. (It is the posterior of a normal-inverse-Wishart prior, Gelman et
        al., section 3.6, and does what a floor of the variance does where a feature does not vary
        in a class, and what a ridge does where two are the same.)

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    center_, scale_ : ndarray of shape (n_features,)
        Mean and standard deviation of the features (1 where they do not vary), in whose units the
        means and variances of the classes are.
    log_priors_ : ndarray of shape (n_classes,)
        log P(class).
    means_, variances_ : ndarray of shape (n_classes, n_features)
    correlations_ : ndarray of shape (n_classes, n_features, n_features)
        Of all pairs of features in a class; 0 on the diagonal, since none is a child of its own.
    parent_weights_ : ndarray of shape (n_features,)
        How much their estimators count.
    n_features_in_, feature_names_in_ : as in scikit-learn.

    Notes
    -----
    In units of a class's own means and deviations, u, the regression of u_j on u_i has the slope
    r_ij, their correlation, and the variance 1 - r_ij ** 2 about it. So every estimator is Gaussian
    naive Bayes, times a Gaussian copula's density for each child,

        log P_i(class, x) = log P(class) + sum over all j of log N(x_j)
            - sum over j other than i of (log(1 - r_ij ** 2)
              + (r_ij ** 2 * (u_i ** 2 + u_j ** 2) - 2 * r_ij * u_i * u_j) / (1 - r_ij ** 2)) / 2,

    which is two matrix products for all parents and rows: 4 * n_features ** 2 floating-point
    operations a row and class. Fit takes 2 * n_features ** 2 a row, and 8 * (n_classes + 1) *
    n_features ** 2 bytes (1.5 MB for 250 features and two classes); beside that less than 400 MB
    are needed, whatever the number of rows.

    The information of a parent is that which its Gaussians give of the rows: the mean over the rows
    of log P(class | x_i) / P(class), or 0 where that is less. A Gaussian's mutual information with
    the class has no closed form; where the feature is none, as fc7, half of which is zeros, that of
    fitted Gaussians may be more than there is to be had. This mean is in the long run never more
    (Barber and Agakov), and is the mutual information where the Gaussians are right.

    No network goes to pgmpy: an average of several is none of linear Gaussians.

    References
    ----------
    Flores, Gámez, Martínez, Puerta: GAODE and HAODE: two proposals based on AODE to deal with
    continuous variables. ICML 2009.

    Barber, Agakov: The IM algorithm: a variational approach to information maximization. NIPS 2003.

    Gelman et al.: Bayesian Data Analysis, 3rd edition, 2013.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from classifiers import GaussianAODEClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> GaussianAODEClassifier().fit(X, y).predict(X[:2])
    array([0, 0])
    """

    def __init__(
        self,
        average: str = "posteriors",
        weights: str | None = "mutual-information",
        alpha: float = 1.0,
    ):
        self.average = average
        self.weights = weights
        self.alpha = alpha

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Estimate means and covariances of the classes.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Finite numbers.
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
            If X holds NaN or infinity, y is no classes, a weight is negative, or a parameter is out
            of its range; if this takes more memory than the machine has.
        """
        self._check_parameters()
        values, _, labels, given = self._checked_rows(X, y, sample_weight, dtype=_FLOATS)
        weight = np.ones(len(values)) if given is None else given
        n_classes, n_features = len(self.classes_), values.shape[1]
        needed = self.bytes_needed(len(values), np.ones(n_features, int), n_classes)
        check_memory(type(self).__name__, needed, n_features)
        self.center_, self.scale_ = center_and_scale(values, weight)
        self.means_ = np.empty((n_classes, n_features))
        self.variances_ = np.empty_like(self.means_)
        self.correlations_ = np.zeros((n_classes, n_features, n_features))
        counts = np.bincount(labels, weight)
        self.log_priors_ = np.log((counts + self.alpha / n_classes) / (counts.sum() + self.alpha))
        for label in range(n_classes):
            own = labels == label
            self._estimate_class(label, values[own], weight[own])
        # What did not vary tells nothing, whatever it will be.
        varies = np.ptp(values, axis=0) > 0
        self.variances_[:, ~varies] = 1
        information = varies * self._information(values, labels, weight)
        self.parent_weights_ = weigh_parents(self.weights, information)
        return self

    def bytes_needed(self, n_rows: int, n_states: np.ndarray, n_classes: int = 2) -> int:
        """Memory of the covariances; see `DiscreteBayesClassifier.bytes_needed`."""
        return 8 * (n_classes + 1) * len(n_states) ** 2

    def predict_joint_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Log of the averaged joint density of every class and the row, in units of `scale_`.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        log_density : ndarray of shape (n_rows, n_classes)

        Raises
        ------
        ValueError
            If X holds NaN or infinity.
        """
        check_is_fitted(self)
        values = validate_data(self, X, dtype=_FLOATS, reset=False)
        n_classes, n_features = self.means_.shape
        averager = Averager(self.average, len(values), n_classes)
        # Of all classes, for as many parents as one temporary array takes.
        n_parents = max(1, BLOCK_SIZE // (2 * n_features * n_classes))
        for first in range(0, n_features, n_parents):
            parents = slice(first, first + n_parents)
            pairs = [_pair_terms(each[:, parents]) for each in self.correlations_]
            weight = self.parent_weights_[parents]
            for rows in row_blocks(len(values), 3 * n_features + n_classes * len(weight)):
                joint = np.empty((n_classes, len(values[rows]), len(weight)))
                for label in range(n_classes):
                    units, log_densities = self._densities(values[rows], label)
                    naive = self.log_priors_[label] + log_densities.sum(axis=1, keepdims=True)
                    joint[label] = naive - _minus_log_copulas(units, parents, *pairs[label])
                averager.add(rows, joint, np.broadcast_to(weight, joint.shape[1:]))
        return averager.joint()

    def _check_parameters(self):
        check_averaging(self.average, self.weights)
        check_alpha(self.alpha)

    def _estimate_class(self, label, values, weight):
        """Fill in the means, variances and correlations of one class."""
        total = weight.sum() + self.alpha
        mean = np.zeros(values.shape[1])
        covariance = self.correlations_[label]
        for rows in row_blocks(len(values), 2 * values.shape[1]):
            scaled = (values[rows] - self.center_) / self.scale_
            weighted = scaled * weight[rows, None]
            mean += weighted.sum(axis=0) / total
            covariance += weighted.T @ scaled
        # The added rows have mean 0 and variance 1.
        covariance.flat[:: len(mean) + 1] += self.alpha
        covariance /= total
        covariance -= np.multiply.outer(mean, mean)
        variance = np.maximum(covariance.diagonal(), LEAST_VARIANCE)
        covariance /= np.sqrt(variance)
        covariance /= np.sqrt(variance)[:, None]
        np.fill_diagonal(covariance, 0)
        np.clip(covariance, -MOST_CORRELATION, MOST_CORRELATION, out=covariance)
        self.means_[label], self.variances_[label] = mean, variance

    def _information(self, values, labels, weight):
        """Give what every feature's Gaussians tell of the class of the rows, in nats."""
        told = np.zeros(values.shape[1])
        for rows in row_blocks(len(values), (len(self.classes_) + 2) * values.shape[1]):
            log_densities = np.stack(
                [self._densities(values[rows], label)[1] for label in range(len(self.classes_))]
            )
            own = log_densities[labels[rows], np.arange(log_densities.shape[1])]
            log_densities += self.log_priors_[:, None, None]
            told += weight[rows] @ (own - np.logaddexp.reduce(log_densities, axis=0))
        return np.maximum(told / weight.sum(), 0)

    def _densities(self, values, label):
        """Give rows in units of a class's means and deviations, and the logs of their densities."""
        deviation = self.scale_ * np.sqrt(self.variances_[label])
        units = (values - (self.center_ + self.scale_ * self.means_[label])) / deviation
        return units, -(units**2 + np.log(2 * np.pi * self.variances_[label])) / 2


def _pair_terms(correlations):
    """Give what multiplies squares of the units, and what their products; and the logarithms."""
    square = correlations**2
    about = 1 - square
    return square / about, correlations / about, np.log(about).sum(axis=0)


def _minus_log_copulas(units, parents, of_squares, of_products, logarithms):
    """Give minus the sums, over the children of each parent, of the logs of copula densities."""
    own = units[:, parents]
    return (
        (units**2) @ of_squares
        + own**2 * of_squares.sum(axis=0)
        - 2 * own * (units @ of_products)
        + logarithms
    ) / 2
