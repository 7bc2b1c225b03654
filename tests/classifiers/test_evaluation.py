"""Folds without leaks, and figures with intervals; scikit-learn and SciPy are the oracles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap
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
from sklearn.neighbors import KNeighborsClassifier

from classifiers.evaluation import (
    MAJORITY,
    FeatureSet,
    evaluate,
    learning_curve,
    make_folds,
    score_table,
    training_rows,
)
from features.errors import InputError

LOGISTIC = {"logistic": LogisticRegression()}


@pytest.fixture(scope="module")
def photos():
    """Features, labels and groups of 200 photos; 60 % are professional."""
    random = np.random.default_rng(0)
    label = (random.random(200) < 0.6).astype(np.int8)
    X = random.normal(size=(200, 5)) + label[:, None] * 0.4
    return X, label, random.integers(0, 60, 200).astype(str)


def judge(photos, folds, classifiers=LOGISTIC, **options):
    X, label, _ = photos
    return evaluate([FeatureSet("x", X)], label, folds, classifiers, n_jobs=1, **options)


# Folds


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["split", "finetuned", "folds"]))
def test_no_judged_photo_was_seen_before(seed, design):
    random = np.random.default_rng(seed)
    n = 300
    label = random.integers(0, 2, n)
    columns = {
        "group": random.integers(0, 200, n).astype(str),
        "digest": random.integers(0, 2000, n).astype(str),
    }
    if design != "folds":
        columns["finetuned"] = random.random(n) < 0.3
    if design == "split":
        columns["split"] = np.where(random.random(n) < 0.5, "train", "test")
    folds = make_folds(label, **columns)
    judged = np.concatenate([fold.test for fold in folds.folds])
    assert len(judged) == len(set(judged))
    for train, test in folds.folds:
        seen = np.zeros(n, bool)
        seen[train] = True
        if design != "folds":
            seen |= columns["finetuned"]
        assert not seen[test].any()
        assert not np.isin(columns["group"][test], columns["group"][seen]).any()
        assert not np.isin(columns["digest"][test], columns["digest"][seen]).any()
    n_candidates = {
        "split": lambda: (columns["split"] == "test").sum(),
        "finetuned": lambda: (~columns["finetuned"]).sum(),
        "folds": lambda: n,
    }[design]()
    assert len(judged) + sum(folds.excluded.values()) == n_candidates


def test_a_given_split_is_taken_and_finetuned_test_photos_are_counted():
    label = np.array([0, 1, 0, 1, 0, 1, 1])
    split = np.array(["train"] * 3 + ["test"] * 4, object)
    finetuned = np.array([1, 1, 1, 0, 0, 0, 1], bool)
    folds = make_folds(label, split=split, finetuned=finetuned)
    ((train, test),) = folds.folds
    assert train.tolist() == [0, 1, 2]
    assert test.tolist() == [3, 4, 5]
    assert folds.excluded == {"the network was finetuned on them": 1}


def test_without_a_split_the_finetuned_photos_train_and_the_others_are_judged():
    label = np.array([0, 1, 0, 1, 0, 1])
    finetuned = np.array([1, 1, 1, 0, 0, 0], bool)
    group = np.array(["a", "b", "c", "c", "d", "e"])
    with pytest.raises(InputError, match="of one class"):
        make_folds(label[:5], finetuned=finetuned[:5], group=group[:5])
    label[4] = 0
    folds = make_folds(label, finetuned=finetuned, group=group)
    ((train, test),) = folds.folds
    assert train.tolist() == [0, 1, 2]
    assert test.tolist() == [4, 5]
    assert folds.excluded["of a group that was trained on"] == 1


def test_folds_are_stratified_and_keep_groups_whole(photos):
    _, label, group = photos
    folds = make_folds(label, group=group).folds
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(200))
    for fold in folds:
        assert abs(label[fold.test].mean() - label.mean()) < 0.1
        assert not set(group[fold.test]) & set(group[fold.train])


def test_copies_of_a_training_photo_are_not_judged():
    label = np.tile([0, 1], 20)
    digest = np.arange(40).astype(str)
    digest[1] = digest[3] = "copy"
    folds = make_folds(label, digest=digest, n_folds=4)
    judged = np.concatenate([fold.test for fold in folds.folds])
    n_copies = folds.excluded["copies of a photo that was trained on"]
    assert n_copies in (0, 2)  # 0 if both fall into one fold
    assert len(judged) == 40 - n_copies


def test_a_leak_is_allowed_when_the_user_says_so():
    label = np.tile([0, 1], 10)
    folds = make_folds(label, finetuned=np.ones(20, bool), allow_leak=True)
    assert len(folds.folds) == 5
    assert not any(folds.excluded.values())


def test_features_of_photos_that_were_all_finetuned_on_are_refused_with_the_remedy():
    with pytest.raises(InputError, match=r"finetuned on all 20: extract .* or say --allow-leak"):
        make_folds(np.tile([0, 1], 10), finetuned=np.ones(20, bool))


def test_a_split_whose_test_photos_are_all_leaks_says_how_many():
    split = np.repeat(["train", "test"], 10)
    finetuned = split == "test"
    with pytest.raises(InputError, match=r"no photo is left .*10 the network was finetuned on"):
        make_folds(np.tile([0, 1], 10), split=split, finetuned=finetuned)


def test_a_side_of_one_class_is_refused():
    split = np.repeat(["train", "test"], 10)
    label = np.r_[np.tile([0, 1], 5), np.ones(10, int)]
    with pytest.raises(InputError, match="all 10 photos on the test side are of one class: use"):
        make_folds(label, split=split)


def test_more_folds_than_photos_of_a_class_are_refused():
    with pytest.raises(InputError, match="5 photos of each class, and 3 hold a professional"):
        make_folds(np.array([0] * 20 + [1] * 3))


def test_more_folds_than_groups_of_a_class_are_refused():
    group = np.array(["a"] * 10 + ["b"] * 10)
    with pytest.raises(InputError, match="5 groups of each class, and 2 hold a snapshot"):
        make_folds(np.tile([0, 1], 10), group=group)


# Figures


def test_predictions_and_figures_are_those_of_scikit_learn(photos):
    X, label, _ = photos
    folds = make_folds(label)
    evaluation = judge(photos, folds)
    result = evaluation.results[1]
    predicted, probability = (
        cross_val_predict(LogisticRegression(), X, label, cv=folds.folds, method=method)
        for method in ("predict", "predict_proba")
    )
    assert np.array_equal(result.prediction, predicted[evaluation.row])
    assert np.array_equal(evaluation.label, label[evaluation.row])
    probability = probability[:, 1]
    assert result.probability == pytest.approx(probability[evaluation.row])
    assert result.metrics == pytest.approx(
        {
            "auc": np.mean(
                [roc_auc_score(label[fold.test], probability[fold.test]) for fold in folds.folds]
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

    folds = make_folds(photos[1])
    plain, shifted = (
        judge(photos, folds, {"c": classifier}).results[1].metrics["auc"]
        for classifier in (LogisticRegression(), Shifted())
    )
    assert shifted == pytest.approx(plain)


@pytest.mark.parametrize("decimals", [0, 1, 8])  # 0: many ties
def test_each_resampled_figure_is_scikit_learns_with_the_weights(photos, decimals):
    from classifiers.evaluation import (
        _bootstrap_weights,
        _resampled_accuracies,
        _resampled_auc,
    )

    X, label, _ = photos
    score = np.round(X[:, 0], decimals)
    prediction = score > 0
    weights = _bootstrap_weights(np.arange(200), np.zeros(200), None, 120, seed=1)
    resampled = _resampled_accuracies(label, prediction, weights)
    resampled["auc"] = _resampled_auc(label, score, weights)
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
    evaluation = judge(photos, make_folds(label, split=split), n_resamples=4000)
    result = evaluation.results[1]
    oracle = bootstrap(
        (evaluation.label == result.prediction,),
        np.mean,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    # Both are random; with 4,000 resamples their ends scatter by less than a tenth of a width.
    tolerance = 0.1 * (oracle[1] - oracle[0])
    assert result.interval("accuracy") == pytest.approx(tuple(oracle), abs=tolerance)


def test_groups_are_resampled_whole_and_within_their_fold():
    from classifiers.evaluation import _bootstrap_weights

    group = np.array(["a", "a", "b", "c", "c", "c", "d", "e"])
    fold_of_row = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    weights = _bootstrap_weights(np.arange(8), fold_of_row, group, 50, seed=0)
    assert np.array_equal(weights[:, 0], weights[:, 1])
    assert np.array_equal(weights[:, 3], weights[:, 5])
    assert set(weights[:, [0, 2, 3]].sum(axis=1)) == {3}
    assert set(weights[:, 6:].sum(axis=1)) == {2}


def test_intervals_are_wider_where_photos_of_a_group_are_alike():
    random = np.random.default_rng(0)
    X, label = random.normal(size=(30, 2)), np.tile([0, 1], 15)
    X = np.repeat(X + label[:, None], 8, axis=0)
    label, group = np.repeat(label, 8), np.repeat(np.arange(30), 8).astype(str)
    folds = make_folds(label, group=group)
    widths = [
        np.ptp(judge((X, label, None), folds, group=units).results[1].interval("auc"))
        for units in (None, group)
    ]
    assert widths[1] > 1.5 * widths[0]


def test_the_majority_class_is_in_the_same_table(photos):
    baseline = judge(photos, make_folds(photos[1])).results[0]
    assert baseline.classifier == MAJORITY
    assert baseline.metrics["accuracy"] == photos[1].mean()
    assert baseline.metrics["balanced_accuracy"] == baseline.metrics["auc"] == 0.5


def test_the_best_has_the_highest_auc_and_differences_to_it_are_paired(photos):
    X, label, _ = photos
    evaluation = evaluate(
        [FeatureSet("noise", np.random.default_rng(1).normal(size=(200, 3))), FeatureSet("x", X)],
        label,
        make_folds(label),
        LOGISTIC,
        n_jobs=1,
    )
    assert evaluation.best.features == "x"
    table = score_table(evaluation).set_index("features")
    assert table.loc["x", ["behind_best", "behind_best_low", "behind_best_high"]].eq(0).all()
    noise = table.loc["noise"]
    assert noise.behind_best == pytest.approx(table.auc["x"] - table.auc["noise"])
    assert 0 < noise.behind_best_low < noise.behind_best < noise.behind_best_high


def test_scores_are_finer_than_probabilities_that_have_run_into_one(photos):
    X, label, _ = photos
    X = np.tile(X, 400)  # 2,000 features: naive Bayes is sure of everything
    result = judge((X, label, None), make_folds(label), {"nb": GaussianNB()}).results[1]
    assert len(np.unique(result.probability)) < len(np.unique(result.score))


def test_the_seed_makes_the_same_figures_again(photos):
    folds = make_folds(photos[1])
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
    folds = make_folds(label)
    evaluation = judge(photos, folds, {"c": Recorder()}, train_on=train_on)
    for fold, trained, n_train in zip(folds.folds, seen, evaluation.n_train):
        assert np.array_equal(trained, X[fold.train[train_on[fold.train]]])
        assert n_train == len(trained)
    assert len(evaluation.row) == 200


def test_a_margin_that_leaves_one_class_is_refused(photos):
    with pytest.raises(InputError, match="use a smaller delta"):
        judge(photos, make_folds(photos[1]), train_on=photos[1] == 1)


def test_a_transformer_is_fitted_anew_on_the_training_photos_of_each_fold(photos):
    fitted = []

    class Recorder(TransformerMixin, BaseEstimator):
        def fit(self, X, y):
            fitted.append((X, y))
            return self

        def transform(self, X):
            return X[:, :2]

    X, label, _ = photos
    folds = make_folds(label)
    steps = []
    evaluation = evaluate(
        [FeatureSet("x", X, Recorder())],
        label,
        folds,
        LOGISTIC | {"nb": GaussianNB()},
        n_jobs=1,
        progress=lambda: steps.append(1),
    )
    for fold, (trained, y) in zip(folds.folds, fitted, strict=True):
        assert np.array_equal(trained, X[fold.train])
        assert np.array_equal(y, label[fold.train])
    assert evaluation.results[1].n_features == 2
    assert len(steps) == 5 * (1 + 2)


def test_parallel_fits_give_the_same_figures(photos):
    X, label, _ = photos
    one, two = (
        evaluate([FeatureSet("x", X)], label, make_folds(label), ["gaussian-naive-bayes"], n_jobs=n)
        for n in (1, 2)
    )
    assert np.array_equal(one.best.score, two.best.score)


def test_the_kept_classifier_is_fitted_on_the_training_side_of_a_split_else_on_all():
    label = np.tile([0, 1], 10)
    split = np.repeat(["train", "test"], 10)
    train_on = np.arange(20) != 4
    one = make_folds(label, split=split)
    assert training_rows(label, one).tolist() == list(range(10))
    assert training_rows(label, one, train_on).tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert training_rows(label, make_folds(label)).tolist() == list(range(20))


# The learning curve


class Seen(BaseEstimator, TransformerMixin):
    """Keeps what it was fitted on: the features hold the rows' numbers."""

    fits = ()

    def fit(self, X, y):
        Seen.fits += ((X[:, 0].astype(int), y),)
        return self

    def transform(self, X):
        return X[:, 1:]


def curve_of(photos, folds, *, transformer=None, classifier=LOGISTIC["logistic"], **options):
    X, label, _ = photos
    features = FeatureSet("x", X, transformer)
    evaluation = evaluate(
        [features], label, folds, {"c": classifier}, n_jobs=1, n_resamples=200, **options
    )
    Seen.fits = ()
    curve = learning_curve(evaluation, features, label, classifier, n_jobs=1, **options)
    return evaluation, curve


def test_the_curve_ends_with_the_best_result(photos):
    evaluation, curve = curve_of(photos, make_folds(photos[1]))
    assert curve.n_train == [20, 40, 80, 160]
    assert curve.auc[-1] == evaluation.best.metrics["auc"]
    assert curve.intervals[-1] == evaluation.best.interval("auc")
    assert curve.auc[0] < curve.auc[-1]
    assert all(low < auc < high for auc, (low, high) in zip(curve.auc, curve.intervals))


@pytest.mark.parametrize("grouped", [False, True])
def test_halves_lie_in_halves_with_whole_groups_and_both_classes(photos, grouped):
    X, label, group = photos
    group = group if grouped else None
    numbered = np.c_[np.arange(200), X], label, group
    folds = make_folds(label, group=group)
    _, curve = curve_of(numbered, folds, transformer=Seen(), group=group)
    n_halvings = len(curve.n_train) - 1
    assert n_halvings >= 2
    before = [fold.train for fold in folds.folds]
    for halving in range(n_halvings):
        fits = Seen.fits[5 * halving : 5 * halving + 5]
        for (rows, y), whole in zip(fits, before):
            assert set(rows) < set(whole)
            assert len(rows) == pytest.approx(len(whole) / 2, rel=0.25)
            assert y.mean() == pytest.approx(label[whole].mean(), abs=0.12)
            np.testing.assert_array_equal(y, label[rows])
            if grouped:
                rest = np.setdiff1d(whole, rows)
                assert not np.isin(group[rest], group[rows]).any()
        before = [rows for rows, _ in fits]


def test_the_size_before_the_last_is_judged_on_the_same_photos(photos):
    X, label, _ = photos
    numbered = np.c_[np.arange(200), X], label, None
    folds = make_folds(label)
    _, curve = curve_of(numbered, folds, transformer=Seen())
    aucs = [
        roc_auc_score(
            label[fold.test],
            LogisticRegression().fit(X[rows], label[rows]).decision_function(X[fold.test]),
        )
        for fold, (rows, _) in zip(folds.folds, Seen.fits)
    ]
    assert curve.auc[-2] == pytest.approx(np.mean(aucs))
    assert curve.gain[0] == curve.auc[-1] - curve.auc[-2]


def test_one_split_is_halved_several_times(photos):
    X, label, _ = photos
    folds = make_folds(label, split=np.where(np.arange(200) < 100, "train", "test"))
    numbered = np.c_[np.arange(200), X], label, None
    curve_of(numbered, folds, transformer=Seen())
    assert len({tuple(rows) for rows, _ in Seen.fits[:5]}) == 5


def test_photos_within_the_margin_train_no_point_of_the_curve(photos):
    X, label, _ = photos
    train_on = np.arange(200) % 3 > 0
    numbered = np.c_[np.arange(200), X], label, None
    curve_of(numbered, make_folds(label), transformer=Seen(), train_on=train_on)
    assert all(train_on[rows].all() for rows, _ in Seen.fits)


def rising(n_features, n=1000):
    """Photos whose many features each tell a little; they take many photos to learn."""
    random = np.random.default_rng(0)
    label = random.integers(0, 2, n)
    X = random.normal(size=(n, n_features)) + label[:, None] / np.sqrt(n_features)
    return X, label, None


def test_the_curve_tells_whether_more_ratings_would_help():
    photos = rising(300)
    _, curve = curve_of(photos, make_folds(photos[1]))
    difference, low, high = curve.gain
    assert 0 < low < difference < high
    told = curve.describe()
    assert told[0] == (
        f"From 400 to 800 training photos the AUC rose by {difference:.3f} "
        f"(95 % interval of the rise {low:.3f} to {high:.3f})."
    )
    assert told[1].startswith("More ratings promise more")

    photos = rising(1)
    _, curve = curve_of(photos, make_folds(photos[1]))
    assert curve.describe()[1] == "More ratings promise little."

    photos = rising(20, n=50)
    _, curve = curve_of(photos, make_folds(photos[1]))
    assert curve.gain[1] < 0 < curve.gain[2]
    assert " −0." in curve.describe()[0]
    assert curve.describe()[1].startswith("These photos are too few to tell")


def test_the_curve_stops_where_photos_are_too_few(photos):
    _, curve = curve_of(
        photos, make_folds(photos[1]), classifier=KNeighborsClassifier(n_neighbors=50)
    )
    assert curve.n_train == [80, 160]
    few = rising(3, n=24)
    assert curve_of(few, make_folds(few[1], n_folds=2))[1] is None
