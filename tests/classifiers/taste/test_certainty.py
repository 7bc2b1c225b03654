"""Honest certainty: intervals hold the truth as often as they say, and words follow figures."""

import numpy as np
import pytest
from scipy.stats import kendalltau, norm, spearmanr
from sklearn.metrics import roc_auc_score

from classifiers.taste.certainty import Judged, judge_checks, judge_repeats, tell_more


def drawn(n, correlation, random):
    """Predictions and five grades."""
    predicted = random.normal(size=n)
    worth = correlation * predicted + np.sqrt(1 - correlation**2) * random.normal(size=n)
    return predicted, 1 + np.searchsorted(norm.ppf([0.2, 0.4, 0.6, 0.8]), worth)


@pytest.mark.parametrize("n", [10, 40])
@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_intervals_of_95_percent_hold_the_truth_in_nine_of_ten_runs(n, correlation):
    random = np.random.default_rng(n)
    predicted, given = drawn(200_000, correlation, random)
    srcc = spearmanr(predicted, given).statistic
    auc = roc_auc_score(given >= 4, predicted)
    found = [judge_checks(*drawn(n, correlation, random), good=4) for _ in range(300)]
    assert np.mean([each.srcc_low <= srcc <= each.srcc_high for each in found]) >= 0.92
    assert np.mean([each.auc_low <= auc <= each.auc_high for each in found]) >= 0.92
    assert np.mean([each.srcc_high - each.srcc_low for each in found]) < 4 / np.sqrt(n)


@pytest.mark.parametrize("n", [10, 20])
def test_few_photos_tell_the_same_on_the_average_as_many(n):
    random = np.random.default_rng(n)
    predicted, given = drawn(200_000, 0.7, random)
    found = [judge_checks(*drawn(n, 0.7, random), good=4) for _ in range(1500)]
    assert np.mean([each.srcc for each in found]) == pytest.approx(
        spearmanr(predicted, given).statistic, abs=0.02
    )
    assert np.mean([each.auc for each in found if np.isfinite(each.auc)]) == pytest.approx(
        roc_auc_score(given >= 4, predicted), abs=0.01
    )


def test_figures_are_those_of_others():
    predicted, given = drawn(30, 0.5, np.random.default_rng(0))
    judged = judge_checks(predicted, given, good=3)
    assert judged.n == 30
    tau = kendalltau(predicted, given).statistic
    expected = (31 * spearmanr(predicted, given).statistic - 3 * tau) / 28
    assert judged.srcc == pytest.approx(expected)
    assert judged.auc == pytest.approx(roc_auc_score(given >= 3, predicted))


def test_of_nothing_nothing_is_claimed():
    for given in ([], [3], [3, 3, 3]):
        judged = judge_checks(np.arange(len(given)), np.array(given), good=4)
        assert (judged.srcc_low, judged.srcc_high) == (-1, 1)
        assert np.isnan(judged.auc)
        assert (judged.auc_low, judged.auc_high) == (0, 1)


def test_a_perfect_order_of_few_photos_is_not_certain():
    judged = judge_checks(np.arange(6), np.arange(6), good=3)
    assert judged.srcc == judged.auc == 1
    assert judged.srcc_low < 0.9
    assert judged.auc_low < 0.9


def test_agreement_with_oneself_tells_what_predictions_can_reach():
    random = np.random.default_rng(0)
    worth = random.normal(size=5000)
    first, second = worth + 0.5 * random.normal(size=(2, 5000))
    found = judge_repeats(first, second)
    assert found.low < 0.8 < found.high + 0.02
    assert found.ceiling == pytest.approx(spearmanr(worth, first).statistic, abs=0.02)


@pytest.mark.parametrize(
    ("n", "factor", "said"),
    [(4, 1.5, "too early"), (20, np.nan, "too early"), (20, 1.01, "enough"), (20, 1.2, ".60")],
)
def test_what_more_ratings_would_bring_is_said_in_words(n, factor, said):
    assert said in tell_more(Judged(n, 0.5, 0.1, 0.8, 0.7, 0.5, 0.9), factor)


@pytest.mark.parametrize(
    ("srcc", "high", "said"), [(-0.03, 0.65, "too early"), (0.05, 0.7, "from .05 to about .05")]
)
def test_an_order_that_is_wrong_by_chance_is_not_called_enough(srcc, high, said):
    assert said in tell_more(Judged(9, srcc, -0.68, high, 0.56, 0.2, 0.9), 1.06)
