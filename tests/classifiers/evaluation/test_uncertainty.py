"""Calibration error, accuracy–coverage curve and rejection."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from classifiers.evaluation.uncertainty import (
    accuracy_coverage_curve,
    expected_calibration_error,
    predict_with_reject,
)


def test_calibration_error_is_the_weighted_gap_between_confidence_and_accuracy():
    # Two bins of confidence: .9 with 3 of 4 right, .6 with 1 of 2 right.
    probability = np.array([[0.9, 0.1]] * 4 + [[0.4, 0.6]] * 2)
    y = np.array(["a", "a", "a", "b", "b", "a"])
    expected = (4 * abs(0.75 - 0.9) + 2 * abs(0.5 - 0.6)) / 6
    assert expected_calibration_error(y, probability, ["a", "b"]) == pytest.approx(expected)


def test_probabilities_that_come_true_have_no_calibration_error():
    rng = np.random.default_rng(0)
    probability = rng.uniform(size=200_000)
    y = rng.uniform(size=probability.size) < probability
    assert expected_calibration_error(y, probability) < 0.005
    assert expected_calibration_error(y, np.clip(2 * probability - 0.5, 0, 1)) > 0.1


def test_one_column_stands_for_two_classes():
    rng = np.random.default_rng(0)
    probability = rng.uniform(size=50)
    y = rng.integers(0, 2, 50)
    both = np.column_stack([1 - probability, probability])
    assert expected_calibration_error(y, probability) == expected_calibration_error(y, both)


def test_calibration_error_knows_more_than_two_classes():
    probability = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1], [0.8, 0.1, 0.1]])
    # Three of four right at .8.
    assert expected_calibration_error([0, 2, 1, 1], probability) == pytest.approx(0.05)


def test_coverage_curve_answers_the_most_confident_rows_first_and_ties_together():
    probability = np.array([0.99, 0.8, 0.8, 0.4, 0.05])
    y = np.array([1, 1, 0, 1, 0])
    coverage, accuracy = accuracy_coverage_curve(y, probability)
    np.testing.assert_allclose(coverage, [0.2, 0.4, 0.8, 1.0])
    np.testing.assert_allclose(accuracy, [1.0, 1.0, 3 / 4, 3 / 5])


def test_shapes_that_disagree_are_refused():
    with pytest.raises(ValueError, match="3 labels"):
        expected_calibration_error([0, 1, 1], [[0.5, 0.5]], [0, 1])


def test_reject_masks_the_rows_below_the_threshold():
    X = np.linspace(-2, 2, 41)[:, None]
    y = np.where(X[:, 0] > 0, "professional", "snapshot")
    classifier = LogisticRegression().fit(X, y)
    confidence = classifier.predict_proba(X).max(axis=1)
    labels = predict_with_reject(classifier, X, 0.8)
    np.testing.assert_array_equal(labels.mask, confidence < 0.8)
    np.testing.assert_array_equal(labels.compressed(), classifier.predict(X)[confidence >= 0.8])
    assert not predict_with_reject(classifier, X, 0.5).mask.any()
    # Who reaches the threshold is answered.
    assert not predict_with_reject(classifier, X, confidence[3]).mask[3]
