"""Discretisers against NumPy, scikit-learn and fimdlp."""

import numpy as np
import pytest
import skops.io
from fimdlp.mdlp import FImdlp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import KBinsDiscretizer
from sklearn.utils.estimator_checks import parametrize_with_checks

from classifiers import EqualWidthDiscretizer, MDLPDiscretizer, ZeroAwareDiscretizer

ALL = [ZeroAwareDiscretizer, EqualWidthDiscretizer, MDLPDiscretizer]


def after_relu(n_rows, n_features, seed=0):
    return np.maximum(np.random.default_rng(seed).normal(size=(n_rows, n_features)), 0)


@parametrize_with_checks([discretizer() for discretizer in ALL])
def test_scikit_learn_finds_no_fault(estimator, check):
    check(estimator)


def test_zero_has_its_own_bin_and_the_positive_values_have_quantiles():
    X = after_relu(1000, 8)
    codes = ZeroAwareDiscretizer(n_bins=5).fit_transform(X)
    for column, column_codes in zip(X.T, codes.T):
        np.testing.assert_array_equal(column_codes == 0, column == 0)
        positive = column[column > 0]
        edges = np.quantile(positive, [0.25, 0.5, 0.75], method="inverted_cdf")
        expected = 1 + np.searchsorted(edges, positive)
        np.testing.assert_array_equal(column_codes[column > 0], expected)


def test_features_that_are_no_activations_have_plain_quantiles():
    X = np.random.default_rng(0).normal(size=(1000, 3))
    X[:, 1] = np.abs(X[:, 1])
    X[::2, 2] = 0
    codes = ZeroAwareDiscretizer(n_bins=4).fit_transform(X)
    np.testing.assert_array_equal(np.bincount(codes[:, 0]), [250] * 4)
    np.testing.assert_array_equal(np.bincount(codes[:, 1]), [250] * 4)
    # Two of the three quartiles are zero.
    edges = [np.quantile(X[:, 2], 0.25, method="inverted_cdf"), 0]
    edges.append(np.quantile(X[:, 2], 0.75, method="inverted_cdf"))
    np.testing.assert_array_equal(codes[:, 2], np.searchsorted(np.unique(edges), X[:, 2]))


def test_equal_width_agrees_with_scikit_learn():
    X = np.random.default_rng(0).normal(size=(500, 4))
    oracle = KBinsDiscretizer(6, encode="ordinal", strategy="uniform")
    codes = EqualWidthDiscretizer(n_bins=6).fit_transform(X)
    np.testing.assert_array_equal(codes, oracle.fit_transform(X))


@pytest.mark.parametrize(("n_rows", "n_classes"), [(20, 2), (40, 2), (300, 2), (300, 3), (2000, 4)])
def test_mdlp_agrees_with_fimdlp_where_no_values_are_equal(n_rows, n_classes):
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, n_rows)
    # From no to much information about the class, so that some cuts are only just accepted.
    X = rng.normal(size=(n_rows, 60)) + y[:, None] * np.linspace(0, 2, 60)
    X[:, ::5] = np.abs(X[:, ::5] - 1)
    X = X.astype(np.float32)  # fimdlp's precision
    np.testing.assert_array_equal(
        MDLPDiscretizer().fit_transform(X, y), FImdlp(n_jobs=1).fit(X, y).transform(X)
    )


def test_mdlp_cuts_between_zero_and_the_rest_when_only_that_tells_the_class():
    X = after_relu(400, 1)
    discretizer = MDLPDiscretizer().fit(X, X[:, 0] > 0)
    edge = X[X > 0].min() / 2
    np.testing.assert_allclose(discretizer.edges_, [[edge]])


def test_mdlp_leaves_a_feature_that_tells_nothing_in_one_bin():
    rng = np.random.default_rng(0)
    discretizer = MDLPDiscretizer().fit(rng.normal(size=(500, 3)), rng.integers(0, 2, 500))
    np.testing.assert_array_equal(discretizer.n_bins_, 1)


@pytest.mark.parametrize("discretizer", ALL)
def test_constant_features_and_a_single_row_have_one_bin(discretizer):
    y = [0, 1, 0, 1]
    constant = np.column_stack([np.zeros(4), np.full(4, 3.5), np.full(4, -1)])
    assert (discretizer().fit_transform(constant, y) == 0).all()
    assert (discretizer().fit_transform([[0.0, 1.0, -2.0]], [0]) == 0).all()


@pytest.mark.parametrize("discretizer", ALL)
def test_unseen_values_fall_into_the_nearest_bin(discretizer):
    X = np.linspace(-1, 1, 50)[:, None]
    fitted = discretizer().fit(X, X[:, 0] > 0.2)
    seen = fitted.transform(X)
    np.testing.assert_array_equal(fitted.transform([[-1e9], [1e9]])[:, 0], [seen.min(), seen.max()])


@settings(max_examples=60, deadline=None)
@given(
    arrays(float, (12, 2), elements=st.sampled_from([-2.0, 0.0, 0.0, 0.5, 1.0, 1.5, 3.0, 1e-300])),
    st.integers(2, 6),
)
def test_codes_keep_the_order_of_values_and_no_quantile_bin_is_empty(X, n_bins):
    discretizer = ZeroAwareDiscretizer(n_bins=n_bins)
    codes = discretizer.fit_transform(X)
    for column, column_codes, column_bins in zip(X.T, codes.T, discretizer.n_bins_):
        order = np.argsort(column)
        assert (np.diff(column_codes[order]) >= 0).all()
        np.testing.assert_array_equal(np.unique(column_codes), np.arange(column_bins))
        assert column_bins <= n_bins


def test_the_middle_of_neighbouring_floats_still_parts_them():
    low = 1 + np.finfo(float).eps
    X = np.repeat([low, np.nextafter(low, 2)], 20)[:, None]
    y = np.repeat([0, 1], 20)
    np.testing.assert_array_equal(MDLPDiscretizer().fit_transform(X, y)[:, 0], y)


@pytest.mark.parametrize("n_bins", [1, 2.5, 10**6])
def test_a_senseless_number_of_bins_is_refused(n_bins):
    with pytest.raises((ValueError, TypeError), match="n_bins"):
        ZeroAwareDiscretizer(n_bins=n_bins).fit([[1.0], [2.0]])


@pytest.mark.parametrize("discretizer", ALL)
def test_a_stored_discretizer_comes_back_without_pickle(discretizer):
    X = after_relu(100, 3)
    fitted = discretizer().fit(X, X[:, 0] > 0.5)
    own = f"classifiers.bayesian.discretize.{discretizer.__name__}"
    loaded = skops.io.loads(skops.io.dumps(fitted), trusted=[own])
    np.testing.assert_array_equal(loaded.transform(X), fitted.transform(X))
