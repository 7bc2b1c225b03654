"""SVM with the RBF kernel: exact on few rows, over landmarks (Nyström) on many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC
from sklearn.utils import check_random_state, check_scalar, compute_sample_weight, gen_batches
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from classifiers.gaussian_process import project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from numpy.typing import ArrayLike

# Numbers of a block of the kernel: 32 MB.
_BLOCK_SIZE = 2**22


class KernelSVMClassifier(ClassifierMixin, BaseEstimator):
    """A support-vector machine of two classes with the kernel ``exp(-gamma · |a - b|²)``.

    Up to `n_exact` rows it is scikit-learn's `SVC`, whose time grows with the cube of the rows.
    Above, so many rows are drawn at random as landmarks, the decision is a sum of their kernels
    (Nyström's approximation), and all rows teach it by least squares in place of the hinge
    (LS-SVM), in a time that grows with the rows and a memory that does not.

    Parameters
    ----------
    C : float, default=1.0
        Inverse of the penalty.
    class_weight : {"balanced", None} or dict, default=None
        As in `SVC`.
    n_exact : int, default=10000
    n_landmarks : int, default=4000
    random_state : int, RandomState instance or None, default=None
        Draws landmarks.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    gamma_ : float
        1 / (n_features · variance of all numbers), as `SVC` has it.
    vectors_ : ndarray of shape (n_vectors, n_features)
        Support vectors, or landmarks.
    weights_ : ndarray of shape (n_vectors,)
    intercept_ : float
        The decision at x is ``k(x) @ weights_ + intercept_``.
    n_features_in_, feature_names_in_ : as in scikit-learn.

    References
    ----------
    Williams, Seeger: Using the Nyström Method to Speed Up Kernel Machines. NIPS 2000.
    Suykens, Vandewalle: Least Squares Support Vector Machine Classifiers. Neural Processing
    Letters 9 (1999).

    Examples
    --------
    >>> from classifiers import KernelSVMClassifier
    >>> X, y = [[-2.0], [-1.5], [0.0], [0.5], [2.0], [2.5]], [0, 0, 1, 1, 0, 0]
    >>> KernelSVMClassifier().fit(X, y).predict([[-1.8], [0.2], [2.2]])
    array([0, 1, 0])
    """

    def __init__(
        self,
        C: float = 1.0,
        class_weight: str | dict[Any, float] | None = None,
        n_exact: int = 10_000,
        n_landmarks: int = 4000,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.C = C
        self.class_weight = class_weight
        self.n_exact = n_exact
        self.n_landmarks = n_landmarks
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Find the vectors and their weights.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Finite numbers, standardised.
        y : array-like of shape (n_rows,)
            Two classes.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X holds NaN or infinity, there are not two classes, or a parameter is out of range.
        """
        self._check_parameters()
        values, labels = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(labels)
        self.classes_ = np.unique(labels)
        n_classes = len(self.classes_)
        if n_classes != 2:
            raise ValueError(
                f"Only binary classification is supported: y has {n_classes} "
                f"class{'es' * (n_classes > 1)}, and must have 2"
            )
        variance = values.var(dtype=float)
        self.gamma_ = 1 / (values.shape[1] * variance) if variance else 1.0
        random = check_random_state(self.random_state)
        if len(values) <= self.n_exact:
            self._fit_exact(values, labels)
        else:
            chosen = random.choice(len(values), min(self.n_landmarks, len(values)), replace=False)
            self.vectors_ = values[np.sort(chosen)]
            self._fit_least_squares(values, labels)
        return self

    def _fit_exact(self, X: np.ndarray, labels: np.ndarray) -> None:
        machine = SVC(C=self.C, class_weight=self.class_weight, gamma=self.gamma_).fit(X, labels)
        self.vectors_ = X[machine.support_]
        self.weights_ = machine.dual_coef_[0]
        self.intercept_ = float(machine.intercept_[0])

    def _fit_least_squares(self, X: np.ndarray, labels: np.ndarray) -> None:
        sides = np.where(labels == self.classes_[1], 1.0, -1.0)
        weights = compute_sample_weight(self.class_weight, labels)
        self.intercept_ = float(np.average(sides, weights=weights))
        roots = np.sqrt(weights)
        rows = (
            (
                self._kernel(X[some]) * roots[some, None],
                (sides - self.intercept_)[some] * roots[some],
            )
            for some in self._batches(X)
        )
        self.weights_, *_ = project(self._kernel(self.vectors_), rows, 1 / self.C)

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Give how far each row lies on the side of the second class.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        check_is_fitted(self)
        values = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        decision = np.empty(len(values))
        for some in self._batches(values):
            decision[some] = self._kernel(values[some]) @ self.weights_
        return decision + self.intercept_

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Give the class of each row.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        decision = self.decision_function(X)  # which checks whether it is fitted
        return self.classes_[(decision > 0).astype(int)]

    def _kernel(self, X: np.ndarray) -> np.ndarray:
        # Of landmarks that are near to each other float32 gives no kernel that can be factored.
        return rbf_kernel(X.astype(float), self.vectors_.astype(float), gamma=self.gamma_)

    def _batches(self, X: np.ndarray) -> Iterator[slice]:
        return gen_batches(len(X), max(_BLOCK_SIZE // len(self.vectors_), 1))

    def _check_parameters(self):
        check_scalar(self.C, "C", (int, float, np.number), min_val=1e-10, max_val=1e10)
        for name in ("n_exact", "n_landmarks"):
            check_scalar(getattr(self, name), name, (int, np.integer), min_val=1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
