"""Measures of order against SciPy's, and against orders that are plain to see."""

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from classifiers.evaluation.ordering import judge_order, rank_correlation


@pytest.fixture(scope="module")
def rated():
    """Scores in tenths, so that many are equal, and predictions that follow them a little."""
    random = np.random.default_rng(0)
    score = random.integers(0, 11, 120) / 10
    predicted = np.round(score + random.normal(size=120), 1)
    return score, predicted, np.repeat(np.arange(30), 4)


@pytest.fixture(scope="module")
def weights():
    return np.random.default_rng(1).multinomial(120, np.full(120, 1 / 120), 20).astype(np.float32)


@pytest.mark.parametrize(("name", "of_scipy"), [("srcc", spearmanr), ("tau", kendalltau)])
def test_correlations_and_those_of_each_resample_are_scipys(rated, weights, name, of_scipy):
    score, predicted, group = rated
    metrics, resampled = judge_order(score, predicted, group, weights)
    assert metrics[name] == pytest.approx(of_scipy(score, predicted).statistic)
    for drawn, value in zip(weights.astype(int), resampled[name]):
        rows = np.repeat(np.arange(120), drawn)
        assert value == pytest.approx(of_scipy(score[rows], predicted[rows]).statistic, abs=1e-5)


def test_an_order_of_equals_is_none_and_any_other_has_the_correlation_of_scipy(rated):
    score, predicted = rated[:2]
    assert rank_correlation(score, predicted) == pytest.approx(
        spearmanr(score, predicted).statistic
    )
    assert rank_correlation(score, np.ones(len(score))) == 0


def test_the_share_of_the_best_among_those_shown_first_counts_parts_of_equal_ones():
    score = np.arange(20.0)
    once = np.ones((1, 20), np.float32)
    assert judge_order(score, score, None, once)[0]["best_first"] == 1
    assert judge_order(score, -score, None, once)[0]["best_first"] == 0
    # All are equal: of any tenth three tenths are among the best.
    assert judge_order(score, np.zeros(20), None, once)[0]["best_first"] == pytest.approx(0.3)
    # One of the two shown first is among the best six.
    predicted = np.where(score == 19, 3.0, np.where(score == 0, 2.0, 0.0))
    assert judge_order(score, predicted, None, once)[0]["best_first"] == 0.5


def test_pairs_count_within_groups_only(rated, weights):
    score, predicted, group = rated
    metrics, resampled = judge_order(score, predicted, group, weights)
    right = pairs = 0.0
    for i in range(120):
        for j in range(i):
            if group[i] == group[j] and score[i] != score[j]:
                pairs += 1
                same = (score[i] - score[j]) * (predicted[i] - predicted[j])
                right += 1 if same > 0 else 0.5 if same == 0 else 0
    assert metrics["group_pairs"] == pytest.approx(right / pairs)
    assert np.isfinite(resampled["group_pairs"]).all()


def test_without_groups_or_without_any_order_there_is_no_figure(rated, weights):
    score, predicted, _ = rated
    metrics, resampled = judge_order(score, predicted, None, weights)
    assert np.isnan(metrics["group_pairs"]) and np.isnan(resampled["group_pairs"]).all()
    metrics, _ = judge_order(score, np.zeros(120), None, weights)
    assert np.isnan(metrics["srcc"]) and np.isnan(metrics["tau"])
