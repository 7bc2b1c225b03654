"""Probabilities of scores that were held back: Platt's sigmoid, and how far it can be trusted."""

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from classifiers.evaluation.uncertainty import expected_calibration_error

# What `decision_score` gives for a probability of exactly 0 or 1.
INFINITE = np.finfo(float).max
# The sigmoid is judged in this many parts where the scores are of one classifier only.
N_PARTS = 5


def decision_score(classifier, X):
    """Score by which to rank: finer than a probability, which ties at 0 and 1.

    Parameters
    ----------
    classifier : fitted classifier of two classes
    X : array-like of shape (n_rows, n_features)

    Returns
    -------
    ndarray of shape (n_rows,)
        Its decision function; else the log-odds of its probabilities, or these themselves.
    """
    if hasattr(classifier, "decision_function"):
        return classifier.decision_function(X)
    if not hasattr(classifier, "predict_log_proba"):  # k-nearest neighbours
        return classifier.predict_proba(X)[:, 1]
    with np.errstate(divide="ignore"):  # forests give probabilities of 0
        log_probability = classifier.predict_log_proba(X)
    return np.nan_to_num(log_probability[:, 1] - log_probability[:, 0])


def fit_sigmoid(score, label):
    """Fit the sigmoid that turns decision scores into probabilities.

    Parameters
    ----------
    score : ndarray of shape (n_rows,)
        Of rows that the classifier was not fitted on.
    label : ndarray of shape (n_rows,)
        0 or 1.

    Returns
    -------
    sigmoid : dict of str to float
        ``slope`` and ``intercept``; and ``lowest`` and ``highest``, the scores beyond which nothing
        was seen, where the probability stays as it is at the last that was. The slope is never
        below 0: where the scores rank no better than chance, every row gets the positives' share.

    References
    ----------
    Platt: Probabilistic outputs for support vector machines and comparisons to regularized
    likelihood methods. Advances in Large Margin Classifiers, 1999.
    """
    score, label = np.asarray(score, float), np.asarray(label)
    finite = score[np.abs(score) < INFINITE]
    lowest, highest = (finite.min(), finite.max()) if len(finite) else (-1.0, 1.0)
    score = score.clip(lowest, highest)
    scale = score.std() or 1.0
    n_positive, n_negative = (label == 1).sum(), (label == 0).sum()
    # Platt's targets: classes that a score separates must not make the sigmoid a step.
    target = np.where(label == 1, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    regression = LogisticRegression(C=np.inf).fit(
        np.tile(score / scale, 2)[:, None],
        np.repeat([1, 0], len(score)),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    slope, intercept = float(regression.coef_[0, 0] / scale), float(regression.intercept_[0])
    if slope <= 0:
        slope, intercept = 0.0, float(np.log(target.mean() / (1 - target.mean())))
    return {
        "slope": slope,
        "intercept": intercept,
        "lowest": float(lowest),
        "highest": float(highest),
    }


def apply_sigmoid(sigmoid, score):
    """Probabilities of decision scores.

    Parameters
    ----------
    sigmoid : dict
        From `fit_sigmoid`.
    score : ndarray of shape (n_rows,)

    Returns
    -------
    ndarray of shape (n_rows,)
        Of the positive class.
    """
    score = np.clip(score, sigmoid["lowest"], sigmoid["highest"])
    return expit(sigmoid["slope"] * score + sigmoid["intercept"])


def calibrate(evaluation, result, *, group=None, seed=0):
    """Fit the sigmoid on a result's held-back scores, and judge it on rows that it did not see.

    With several folds each fold's scores are judged by the sigmoid of the other folds; with one,
    its test rows are divided in parts for this. The sigmoid that is given is fitted on all of them.

    Parameters
    ----------
    evaluation : Evaluation
    result : Result
        One of the evaluation's.
    group : array-like of shape (n_photos,), optional
        Groups stay together.
    seed : int, default=0

    Returns
    -------
    dict
        ``method``, the items of `fit_sigmoid`, ``photos`` it was fitted on, and
        ``calibration_error``, expected, ``before`` (None where the classifier gives no
        probabilities) and ``after`` (None where there are too few rows to judge it).
    """
    label = evaluation.label
    error = {"before": result.metrics.get("calibration_error"), "after": None}
    part = _parts(evaluation, group, seed)
    if part is not None:
        probability = np.empty(len(label))
        for number in np.unique(part):
            own = part == number
            sigmoid = fit_sigmoid(result.score[~own], label[~own])
            probability[own] = apply_sigmoid(sigmoid, result.score[own])
        error["after"] = expected_calibration_error(label, probability)
    return {
        "method": "sigmoid on held-back scores",
        **fit_sigmoid(result.score, label),
        "photos": len(label),
        "calibration_error": error,
    }


def _parts(evaluation, group, seed):
    """A number for each judged row: the sigmoid that judges it is fitted on other numbers."""
    folds = evaluation.folds.folds
    if len(folds) > 1:
        return np.repeat(np.arange(len(folds)), [len(fold.test) for fold in folds])
    label = evaluation.label
    unit = evaluation.row if group is None else np.asarray(group)[evaluation.row]
    if min(len(np.unique(unit[label == value])) for value in (0, 1)) < N_PARTS:
        return None
    part = np.empty(len(label), int)
    splitter = StratifiedGroupKFold(N_PARTS, shuffle=True, random_state=seed)
    for number, (_, rows) in enumerate(splitter.split(label, label, unit)):
        part[rows] = number
    return part
