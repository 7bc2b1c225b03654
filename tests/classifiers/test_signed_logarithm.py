"""The signed logarithm."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from classifiers import SignedLogarithm


@parametrize_with_checks([SignedLogarithm()])
def test_scikit_learn_finds_no_fault(estimator, check):
    check(estimator)


def test_it_is_the_logarithm_with_the_sign_of_the_deviation():
    X = np.array([[-4.0, 0.0], [1e-6, 7.0]])
    found = SignedLogarithm(slope=2).fit_transform(X)
    np.testing.assert_allclose(found, [[-np.log(9), 0], [2e-6, np.log(15)]], rtol=1e-5)


def test_numbers_keep_their_precision():
    assert SignedLogarithm().fit_transform(np.ones((2, 1), np.float32)).dtype == np.float32


@pytest.mark.parametrize("slope", [0, -1, np.inf])
def test_a_slope_out_of_range_is_refused(slope):
    with pytest.raises(ValueError, match="slope"):
        SignedLogarithm(slope).fit([[1.0]])
