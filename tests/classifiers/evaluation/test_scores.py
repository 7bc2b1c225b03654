"""What is learnt and judged where photos have scores."""

import numpy as np
import pytest
from rated_photos import rated_photos, scored_photos
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression, Ridge

from classifiers.evaluation.evaluation import MAJORITY, FeatureSet, evaluate
from classifiers.evaluation.folds import make_folds
from features.errors import InputError


@pytest.fixture(scope="module")
def rated():
    return scored_photos(np.arange(200) % 2, group=np.arange(200) // 4)


@pytest.fixture(scope="module")
def X(rated):
    """One feature that follows the score exactly, and noise."""
    noise = np.random.default_rng(2).normal(size=(200, 3))
    return np.column_stack([rated.score, noise])


@pytest.fixture(scope="module")
def evaluation(rated, X):
    learners = {"ridge": Ridge(0.01), "logistic": LogisticRegression(C=0.01)}
    return evaluate([FeatureSet("X", X)], make_folds(rated), learners, n_jobs=1, n_resamples=200)


def test_a_regressor_learns_how_far_scores_lie_above_the_midpoint(evaluation, rated):
    ridge = evaluation.results[1]
    above = rated.above_midpoint[evaluation.folds.test_rows]
    np.testing.assert_allclose(ridge.score, above, atol=0.01)
    far = np.abs(above) > 0.02
    np.testing.assert_array_equal(ridge.prediction[far], above[far] > 0)
    assert ridge.probability is None and "calibration_error" not in ridge.metrics


def test_the_order_is_the_mean_of_the_folds(evaluation, rated):
    logistic = evaluation.results[2]
    above = rated.above_midpoint[evaluation.folds.test_rows]
    of_fold = [
        spearmanr(above[rows], logistic.score[rows]).statistic
        for rows in (evaluation.folds.number_of_test_row == number for number in range(5))
    ]
    assert logistic.metrics["srcc"] == pytest.approx(np.mean(of_fold))
    low, high = logistic.interval("srcc")
    assert low < logistic.metrics["srcc"] < high


def test_the_best_is_chosen_by_rank_correlation_or_by_what_is_asked_for(evaluation, rated, X):
    assert evaluation.choose_by == "srcc" and evaluation.best.classifier == "ridge"
    difference, low, _ = evaluation.behind_best(evaluation.results[2])
    assert difference > 0 and low > 0 and not evaluation.equals
    by_auc = evaluate(
        [FeatureSet("X", X)], make_folds(rated), evaluation.classifiers, n_jobs=1, choose_by="auc"
    )
    assert by_auc.choose_by == "auc" and by_auc.best.metrics["auc"] == max(
        result.metrics["auc"] for result in by_auc.results
    )


def test_the_tables_tell_the_order_and_by_what_was_chosen(evaluation):
    table = evaluation.to_pandas().set_index("classifier")
    assert set(table["chosen_by"]) == {"srcc"}
    assert {"srcc_low", "tau_high", "best_first", "group_pairs"} <= set(table)
    assert np.isnan(table.loc[MAJORITY, "srcc"]) and np.isnan(table.loc[MAJORITY, "behind_best"])
    markdown = evaluation.to_markdown().splitlines()
    assert "SRCC (95 % interval)" in markdown[0] and "ridge" in markdown[2]
    assert "nan" not in evaluation.to_markdown() and " – |" in markdown[-1]


def test_without_scores_all_is_as_it_was(X):
    folds = make_folds(rated_photos(np.arange(200) % 2))
    found = evaluate([FeatureSet("X", X)], folds, {"logistic": LogisticRegression()}, n_jobs=1)
    assert found.choose_by == "auc" and "srcc" not in found.best.metrics
    assert not {"srcc", "tau"} & set(found.to_pandas())


def test_what_needs_scores_is_refused_without(X):
    folds = make_folds(rated_photos(np.arange(200) % 2))
    with pytest.raises(InputError, match="Ridge learns scores, and these photos have labels only"):
        evaluate([FeatureSet("X", X)], folds, {"ridge": Ridge()}, n_jobs=1)
    learners = {"logistic": LogisticRegression()}
    with pytest.raises(InputError, match="srcc needs scores"):
        evaluate([FeatureSet("X", X)], folds, learners, n_jobs=1, choose_by="srcc")
    with pytest.raises(InputError, match="choose_by speed: unknown; one of srcc, auc"):
        evaluate([FeatureSet("X", X)], folds, learners, n_jobs=1, choose_by="speed")
