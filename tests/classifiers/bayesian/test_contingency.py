"""Information from counts; scikit-learn is the oracle."""

from itertools import combinations

import numpy as np
import pytest
from bayesian_networks import random_codes
from sklearn.metrics import mutual_info_score

from classifiers.bayesian import contingency


def test_information_agrees_with_scikit_learn():
    X, y = random_codes(0, 200, [2, 4, 3, 5], 3)
    n_states = X.max(axis=0) + 1
    counts = np.array(
        [
            np.bincount(y[column == code], minlength=3)
            for column, n in zip(X.T, n_states)
            for code in range(n)
        ]
    )
    np.testing.assert_allclose(
        contingency.mutual_information(counts, n_states),
        [mutual_info_score(column, y) for column in X.T],
    )
    information = contingency.conditional_mutual_information(X, y, n_states, counts)
    for i, j in combinations(range(4), 2):
        expected = sum(
            (y == c).mean() * mutual_info_score(X[y == c, i], X[y == c, j]) for c in range(3)
        )
        assert information[i, j] == pytest.approx(expected)
        assert information[j, i] == information[i, j]
