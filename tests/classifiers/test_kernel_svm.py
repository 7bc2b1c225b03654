"""The SVM with the RBF kernel: exact as scikit-learn's, and near to it over landmarks."""

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import scale
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from classifiers import KernelSVMClassifier


@pytest.fixture(scope="module")
def rows():
    X, labels = make_classification(
        1500, 20, n_informative=8, weights=[0.3], flip_y=0.1, random_state=0
    )
    return scale(X), labels


@parametrize_with_checks([KernelSVMClassifier(), KernelSVMClassifier(n_exact=5, n_landmarks=20)])
def test_scikit_learn_finds_no_fault(estimator, check):
    check(estimator)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_on_few_rows_it_is_scikit_learns(rows, class_weight):
    X, labels = rows
    own = KernelSVMClassifier(C=0.5, class_weight=class_weight).fit(X[:400], labels[:400])
    known = SVC(C=0.5, class_weight=class_weight).fit(X[:400], labels[:400])
    np.testing.assert_allclose(
        own.decision_function(X), known.decision_function(X), rtol=1e-6, atol=1e-8
    )
    np.testing.assert_array_equal(own.predict(X), known.predict(X))


def test_over_landmarks_it_ranks_nearly_as_the_exact_one(rows):
    X, labels = rows
    exact = KernelSVMClassifier().fit(X[:1000], labels[:1000])
    near = KernelSVMClassifier(n_exact=100, n_landmarks=300, random_state=0)
    near.fit(X[:1000], labels[:1000])
    assert near.vectors_.shape == (300, 20)
    of_exact, of_near = (
        roc_auc_score(labels[1000:], each.decision_function(X[1000:])) for each in (exact, near)
    )
    assert of_exact > 0.85
    assert of_near > of_exact - 0.01


def test_rows_that_are_equal_are_no_fault(rows):
    X, labels = rows
    repeated = np.tile(X[:30], (20, 1))
    near = KernelSVMClassifier(n_exact=100, n_landmarks=200, random_state=0)
    near.fit(repeated, np.tile(labels[:30], 20))
    assert np.isfinite(near.decision_function(X)).all()


def test_near_copies_in_float32_are_no_fault(rows):
    X, labels = rows
    random = np.random.default_rng(0)
    near_copies = np.repeat(X[:300], 5, axis=0) + random.normal(0, 1e-4, (1500, 20))
    near = KernelSVMClassifier(n_exact=100, n_landmarks=1000, random_state=0)
    of_double, of_single = (
        near.fit(near_copies.astype(dtype), np.repeat(labels[:300], 5)).decision_function(X)
        for dtype in (np.float64, np.float32)
    )
    np.testing.assert_allclose(of_single, of_double, atol=0.01)


def test_with_all_rows_as_landmarks_it_is_weighted_kernel_ridge_regression(rows):
    X, labels = rows[0][:200], rows[1][:200]
    near = KernelSVMClassifier(
        C=4, class_weight="balanced", n_exact=1, n_landmarks=200, random_state=0
    ).fit(X, labels)
    weights = np.where(
        labels == 1, *(len(labels) / (2 * (labels == side).sum()) for side in (1, 0))
    )
    ridge = KernelRidge(alpha=1 / 4, kernel="rbf", gamma=near.gamma_)
    ridge.fit(X, 2.0 * labels - 1, sample_weight=weights)  # classes of equal weight have mean 0
    np.testing.assert_allclose(near.decision_function(X), ridge.predict(X), atol=1e-4)


@pytest.mark.parametrize("wrong", [{"C": 0}, {"n_landmarks": 0}, {"class_weight": "even"}])
def test_wrong_parameters_are_refused(rows, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        KernelSVMClassifier(**wrong).fit(*rows)
