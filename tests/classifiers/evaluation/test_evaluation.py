"""Figures of classifiers; scikit-learn is the oracle."""

import numpy as np
import pandas
import pytest
from rated_photos import rated_photos
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
)
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import GaussianNB

from classifiers.evaluation.evaluation import MAJORITY, FeatureSet, evaluate
from classifiers.evaluation.folds import make_folds
from features.errors import InputError

LOGISTIC = {"logistic": LogisticRegression()}


def judge(photos, folds, classifiers=LOGISTIC, **options):
    return evaluate([FeatureSet("x", photos[0])], folds, classifiers, n_jobs=1, **options)


def test_predictions_and_figures_are_those_of_scikit_learn(photos):
    X, label, _ = photos
    folds = make_folds(rated_photos(label))
    evaluation = judge(photos, folds)
    result = evaluation.results[1]
    predicted, probability = (
        cross_val_predict(LogisticRegression(), X, label, cv=folds, method=method)
        for method in ("predict", "predict_proba")
    )
    assert np.array_equal(result.prediction, predicted[folds.test_rows])
    assert np.array_equal(evaluation.judged_label, label[folds.test_rows])
    probability = probability[:, 1]
    assert result.probability == pytest.approx(probability[folds.test_rows])
    assert result.metrics == pytest.approx(
        {
            "auc": np.mean(
                [roc_auc_score(label[fold.test], probability[fold.test]) for fold in folds]
            ),
            "accuracy": accuracy_score(label, predicted),
            "balanced_accuracy": balanced_accuracy_score(label, predicted),
            "brier": brier_score_loss(label, probability),
            "log_loss": log_loss(label, probability),
            "calibration_error": result.metrics["calibration_error"],
        }
    )
    assert result.confusion.tolist() == [
        [np.sum((label == true) & (predicted == called)) for called in (0, 1)] for true in (0, 1)
    ]


def test_the_auc_does_not_depend_on_the_scales_of_different_folds(photos):
    """A classifier whose scores shift by fold: pooled, they would rank at random."""

    class Shifted(LogisticRegression):
        def decision_function(self, X):
            return super().decision_function(X) + 1000 * self.coef_[0, 0]

    folds = make_folds(rated_photos(photos[1]))
    plain, shifted = (
        judge(photos, folds, {"c": classifier}).results[1].metrics["auc"]
        for classifier in (LogisticRegression(), Shifted())
    )
    assert shifted == pytest.approx(plain)


def test_the_majority_class_is_in_the_same_table(photos):
    baseline = judge(photos, make_folds(rated_photos(photos[1]))).results[0]
    assert baseline.classifier == MAJORITY
    assert baseline.metrics["accuracy"] == photos[1].mean()
    assert baseline.metrics["balanced_accuracy"] == baseline.metrics["auc"] == 0.5


def test_the_best_has_the_highest_auc_and_differences_to_it_are_paired(photos):
    X, label, _ = photos
    evaluation = evaluate(
        [FeatureSet("noise", np.random.default_rng(1).normal(size=(200, 3))), FeatureSet("x", X)],
        make_folds(rated_photos(label)),
        LOGISTIC,
        n_jobs=1,
    )
    assert evaluation.best.features == "x"
    table = evaluation.to_pandas().set_index("features")
    assert table.loc["x", ["behind_best", "behind_best_low", "behind_best_high"]].eq(0).all()
    noise = table.loc["noise"]
    assert noise.behind_best == pytest.approx(table.auc["x"] - table.auc["noise"])
    assert 0 < noise.behind_best_low < noise.behind_best < noise.behind_best_high


def test_scores_are_finer_than_probabilities_that_have_run_into_one(photos):
    X, label, _ = photos
    X = np.tile(X, 400)  # 2,000 features: naive Bayes is sure of everything
    result = judge((X, label, None), make_folds(rated_photos(label)), {"nb": GaussianNB()}).results[
        1
    ]
    assert len(np.unique(result.probability)) < len(np.unique(result.score))


def test_the_seed_makes_the_same_figures_again(photos):
    folds = make_folds(rated_photos(photos[1]))
    once, again, other = (judge(photos, folds, seed=seed).results[1] for seed in (3, 3, 4))
    assert once.interval("auc") == again.interval("auc") != other.interval("auc")


def test_the_margin_takes_photos_out_of_training_only(photos):
    seen = []

    class Recorder(LogisticRegression):
        def fit(self, X, y):
            seen.append(X)
            return super().fit(X, y)

    X, label, _ = photos
    train_on = np.arange(200) % 3 > 0
    folds = make_folds(rated_photos(label))
    evaluation = judge(photos, folds.training_on(train_on), {"c": Recorder()})
    for fold, trained in zip(folds, seen, strict=True):
        assert np.array_equal(trained, X[fold.train[train_on[fold.train]]])
    assert len(evaluation.judged_label) == 200


def test_a_margin_that_leaves_one_class_is_refused(photos):
    with pytest.raises(InputError, match="use a smaller delta"):
        make_folds(rated_photos(photos[1])).training_on(photos[1] == 1)


def test_a_transformer_is_fitted_anew_on_the_training_photos_of_each_fold(photos):
    fitted = []

    class Recorder(TransformerMixin, BaseEstimator):
        def fit(self, X, y):
            fitted.append((X, y))
            return self

        def transform(self, X):
            return X[:, :2]

    X, label, _ = photos
    folds = make_folds(rated_photos(label))
    steps = []
    evaluation = evaluate(
        [FeatureSet("x", X, Recorder())],
        folds,
        LOGISTIC | {"nb": GaussianNB()},
        n_jobs=1,
        progress=lambda done, doing: steps.append((done, list(doing))),
    )
    for fold, (trained, y) in zip(folds, fitted, strict=True):
        assert np.array_equal(trained, X[fold.train])
        assert np.array_equal(y, label[fold.train])
    assert evaluation.results[1].n_features == 2
    # The heads first; then the classifiers, one at a time.
    assert steps[:6] == [("x", [])] * 5 + [("", ["logistic"])]
    assert steps[6:] == [("logistic", ["nb"]), ("nb", ["logistic"])] * 4 + [
        ("logistic", ["nb"]),
        ("nb", []),
    ]


def test_parallel_fits_give_the_same_figures(photos):
    X, label, _ = photos
    one, two = (
        evaluate(
            [FeatureSet("x", X)],
            make_folds(rated_photos(label)),
            ["gaussian-naive-bayes"],
            n_jobs=n,
        )
        for n in (1, 2)
    )
    assert np.array_equal(one.best.score, two.best.score)


def test_a_data_frame_is_judged_as_its_values(photos):
    X, label, _ = photos
    folds = make_folds(rated_photos(label))
    frame = pandas.DataFrame(X).add_prefix("column ")
    of_frame = evaluate([FeatureSet("x", frame)], folds, LOGISTIC, n_jobs=1)
    metrics = judge(photos, folds).results[1].metrics
    assert of_frame.results[1].metrics == pytest.approx(metrics)
