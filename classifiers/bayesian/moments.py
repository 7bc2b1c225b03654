"""Means and spreads of weighted rows, as the classifiers of Gaussians take them."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_scalar

from classifiers.bayesian.contingency import row_blocks

# A Gaussian's least variance, as a share of its feature's: what scikit-learn's GaussianNB adds.
LEAST_VARIANCE = 1e-9


def check_alpha(alpha: float) -> None:
    """Refuse what is no strength of smoothing.

    Raises
    ------
    TypeError, ValueError
        If it is no number, or not positive and finite.
    """
    check_scalar(alpha, "alpha", (int, float, np.number))
    if not 0 < alpha < np.inf:
        raise ValueError(f"alpha is {alpha}; it must be positive and finite")


def center_and_scale(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of the columns.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    weight : ndarray of shape (n_rows,)

    Returns
    -------
    center, scale : ndarray of shape (n_columns,)
        The scale of a column that does not vary is 1.
    """
    total, n_columns = weight.sum(), values.shape[1]
    blocks = row_blocks(len(values), n_columns)
    center = sum(weight[rows] @ values[rows] for rows in blocks) / total
    squares = sum(weight[rows] @ (values[rows] - center) ** 2 for rows in blocks)
    varies = np.ptp(values, axis=0) > 0
    return center, np.sqrt(np.where(varies, squares / total, 1))
