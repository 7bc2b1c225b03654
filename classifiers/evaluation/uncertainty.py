"""How far a classifier's probabilities can be trusted, and what is gained by not answering.

The *confidence* of a prediction is the probability of the class that it names. All of this works
with any scikit-learn classifier that has `predict_proba`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.calibration import calibration_curve

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from sklearn.base import ClassifierMixin


def expected_calibration_error(
    y_true: ArrayLike, probability: ArrayLike, classes: ArrayLike | None = None, n_bins: int = 15
) -> float:
    """Mean distance between confidence and accuracy, over bins of equal width of the confidence.

    Parameters
    ----------
    y_true : array-like of shape (n_rows,)
        Class labels.
    probability : array-like of shape (n_rows, n_classes) or (n_rows,)
        As `predict_proba` gives it; of two classes, the second one's is enough.
    classes : array-like of shape (n_classes,), optional
        The classifier's `classes_`; by default the labels in `y_true`, sorted.
    n_bins : int, default=15
        As in the paper below.

    Returns
    -------
    error : float
        0 (perfect) to 1.

    Raises
    ------
    ValueError
        If the shapes do not agree or a probability is outside 0 to 1.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks. ICML 2017, equation 3.

    Examples
    --------
    >>> expected_calibration_error([0, 1, 1, 1], [0.25, 0.75, 0.75, 0.75])
    0.25
    """
    correct, confidence = _correct_and_confidence(y_true, probability, classes)
    accuracy, mean_confidence = calibration_curve(
        correct, confidence, n_bins=n_bins, pos_label=True
    )
    # calibration_curve leaves out empty bins, and does not say how many rows the others hold.
    bin_limits = np.linspace(0, 1, n_bins + 1)[1:-1]
    n_rows = np.unique(np.searchsorted(bin_limits, confidence), return_counts=True)[1]
    return float(np.average(np.abs(accuracy - mean_confidence), weights=n_rows))


def accuracy_coverage_curve(
    y_true: ArrayLike, probability: ArrayLike, classes: ArrayLike | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy among the most confident predictions, for every share of rows that is answered.

    Parameters
    ----------
    y_true : array-like of shape (n_rows,)
        Class labels.
    probability : array-like of shape (n_rows, n_classes) or (n_rows,)
        As `predict_proba` gives it; of two classes, the second one's is enough.
    classes : array-like of shape (n_classes,), optional
        The classifier's `classes_`; by default the labels in `y_true`, sorted.

    Returns
    -------
    coverage : ndarray of shape (n_confidences,)
        Share of rows that are answered, ascending to 1. To answer a share c, give
        `predict_with_reject` the 1 - c quantile of the confidences as threshold.
    accuracy : ndarray of shape (n_confidences,)
        Share of correct predictions among them.

    Raises
    ------
    ValueError
        If the shapes do not agree.

    References
    ----------
    El-Yaniv, Wiener: On the foundations of noise-free selective classification. JMLR 11, 2010.

    Examples
    --------
    >>> coverage, accuracy = accuracy_coverage_curve([0, 1, 1, 0], [0.1, 0.8, 0.4, 0.7])
    >>> coverage
    array([0.25, 0.5 , 0.75, 1.  ])
    >>> accuracy.round(2)
    array([1.  , 1.  , 0.67, 0.5 ])
    """
    correct, confidence = _correct_and_confidence(y_true, probability, classes)
    order = np.argsort(-confidence, kind="stable")
    correct, confidence = correct[order], confidence[order]
    # Rows of equal confidence are answered or rejected together.
    last = np.append(np.flatnonzero(np.diff(confidence)), len(confidence) - 1)
    answered = last + 1
    return answered / len(confidence), np.cumsum(correct)[last] / answered


def predict_with_reject(
    classifier: ClassifierMixin, X: ArrayLike, threshold: float
) -> np.ma.MaskedArray:
    """Predict where the classifier is confident enough, and leave the other rows out (Chow 1970).

    Parameters
    ----------
    classifier : fitted classifier with `predict_proba`
    X : array-like of shape (n_rows, n_features)
    threshold : float
        Rows of lower confidence are rejected. Up to 1 / n_classes none is, above 1 all are.

    Returns
    -------
    labels : numpy.ma.MaskedArray of shape (n_rows,)
        The predicted labels, masked where rejected: `labels.mask` tells which,
        `labels.compressed()` gives the others.

    References
    ----------
    Chow: On optimum recognition error and reject tradeoff. IEEE Transactions on Information Theory
    16, 1970.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X = [[-3], [-2], [2], [3]]
    >>> classifier = LogisticRegression().fit(X, ["snapshot", "snapshot", "good", "good"])
    >>> predict_with_reject(classifier, [[-9], [0], [9]], 0.9).tolist()
    ['snapshot', None, 'good']
    """
    probability = classifier.predict_proba(X)
    labels = classifier.classes_[np.argmax(probability, axis=1)]
    return np.ma.MaskedArray(labels, mask=probability.max(axis=1) < threshold)


def _correct_and_confidence(y_true, probability, classes):
    y_true, probability = np.asarray(y_true), np.asarray(probability)
    classes = np.unique(y_true) if classes is None else np.asarray(classes)
    if probability.ndim == 1:
        probability = np.column_stack([1 - probability, probability])
    if probability.shape != (len(y_true), len(classes)):
        raise ValueError(
            f"probability has the shape {probability.shape}, but there are {len(y_true)} labels "
            f"and {len(classes)} classes"
        )
    best = np.argmax(probability, axis=1)
    return classes[best] == y_true, probability.max(axis=1)
