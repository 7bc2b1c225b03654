"""Intervals of the figures; scikit-learn and SciPy are the oracles."""

from dataclasses import replace

import numpy as np
import pytest
from rated_photos import rated_photos
from scipy.stats import bootstrap
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

from classifiers.evaluation.bootstrap import bootstrap_weights, resampled_accuracies, resampled_auc
from classifiers.evaluation.evaluation import FeatureSet, evaluate
from classifiers.evaluation.folds import Fold, Folds, make_folds

LOGISTIC = {"logistic": LogisticRegression()}


def judge(photos, folds, classifiers=LOGISTIC, **options):
    return evaluate([FeatureSet("x", photos[0])], folds, classifiers, n_jobs=1, **options)


def folds_of(label, *tests, group=None):
    return Folds(tuple(Fold(np.arange(0), test) for test in tests), label, group)


@pytest.mark.parametrize("decimals", [0, 1, 8])  # 0: many ties
def test_each_resampled_figure_is_scikit_learns_with_the_weights(photos, decimals):
    X, label, _ = photos
    score = np.round(X[:, 0], decimals)
    prediction = score > 0
    weights = bootstrap_weights(folds_of(label, np.arange(200)), 120, seed=1)
    resampled = resampled_accuracies(label, prediction, weights)
    resampled["auc"] = resampled_auc(label, score, weights)
    for i, weight in enumerate(weights):
        assert weight.sum() == 200
        for name, metric, values in (
            ("auc", roc_auc_score, score),
            ("accuracy", accuracy_score, prediction),
            ("balanced_accuracy", balanced_accuracy_score, prediction),
        ):
            assert resampled[name][i] == pytest.approx(
                metric(label, values, sample_weight=weight), rel=1e-6
            )


def test_the_interval_is_scipys_percentile_bootstrap(photos):
    label = photos[1]
    split = np.where(np.arange(200) < 100, "train", "test")
    evaluation = judge(photos, make_folds(rated_photos(label, split=split)), n_resamples=4000)
    result = evaluation.results[1]
    oracle = bootstrap(
        (evaluation.judged_label == result.prediction,),
        np.mean,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    # Both are random; with 4,000 resamples their ends scatter by less than a tenth of a width.
    tolerance = 0.1 * (oracle[1] - oracle[0])
    assert result.interval("accuracy") == pytest.approx(tuple(oracle), abs=tolerance)


def test_groups_are_resampled_whole_and_within_their_fold():
    group = np.array(["a", "a", "b", "c", "c", "c", "d", "e"])
    folds = folds_of(np.zeros(8), np.arange(6), np.arange(6, 8), group=group)
    weights = bootstrap_weights(folds, 50, seed=0)
    assert np.array_equal(weights[:, 0], weights[:, 1])
    assert np.array_equal(weights[:, 3], weights[:, 5])
    assert set(weights[:, [0, 2, 3]].sum(axis=1)) == {3}
    assert set(weights[:, 6:].sum(axis=1)) == {2}


def test_intervals_are_wider_where_photos_of_a_group_are_alike():
    random = np.random.default_rng(0)
    X, label = random.normal(size=(30, 2)), np.tile([0, 1], 15)
    X = np.repeat(X + label[:, None], 8, axis=0)
    label, group = np.repeat(label, 8), np.repeat(np.arange(30), 8).astype(str)
    folds = make_folds(rated_photos(label, group=group))
    widths = [
        np.ptp(judge((X, label, None), replace(folds, group=units)).results[1].interval("auc"))
        for units in (None, group)
    ]
    assert widths[1] > 1.5 * widths[0]
