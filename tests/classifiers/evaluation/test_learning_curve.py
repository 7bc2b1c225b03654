"""The learning curve."""

import numpy as np
import pytest
from rated_photos import rated_photos
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from classifiers.evaluation.evaluation import FeatureSet, evaluate
from classifiers.evaluation.folds import make_folds
from classifiers.evaluation.learning_curve import learning_curve

LOGISTIC = LogisticRegression()


class Seen(BaseEstimator, TransformerMixin):
    """Keeps what it was fitted on: the features hold the rows' numbers."""

    fits = ()

    def fit(self, X, y):
        Seen.fits += ((X[:, 0].astype(int), y),)
        return self

    def transform(self, X):
        return X[:, 1:]


def curve_of(photos, folds, *, transformer=None, classifier=LOGISTIC):
    features = FeatureSet("x", photos[0], transformer)
    evaluation = evaluate([features], folds, {"c": classifier}, n_jobs=1, n_resamples=200)
    Seen.fits = ()
    return evaluation, learning_curve(evaluation)


def test_the_curve_ends_with_the_best_result(photos):
    evaluation, curve = curve_of(photos, make_folds(rated_photos(photos[1])))
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
    folds = make_folds(rated_photos(label, group=group))
    _, curve = curve_of(numbered, folds, transformer=Seen())
    n_halvings = len(curve.n_train) - 1
    assert n_halvings >= 2
    before = [fold.train for fold in folds]
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
    folds = make_folds(rated_photos(label))
    _, curve = curve_of(numbered, folds, transformer=Seen())
    aucs = [
        roc_auc_score(
            label[fold.test],
            LogisticRegression().fit(X[rows], label[rows]).decision_function(X[fold.test]),
        )
        for fold, (rows, _) in zip(folds, Seen.fits)
    ]
    assert curve.auc[-2] == pytest.approx(np.mean(aucs))
    assert curve.gain[0] == curve.auc[-1] - curve.auc[-2]


def test_one_split_is_halved_several_times(photos):
    X, label, _ = photos
    folds = make_folds(rated_photos(label, split=np.where(np.arange(200) < 100, "train", "test")))
    numbered = np.c_[np.arange(200), X], label, None
    curve_of(numbered, folds, transformer=Seen())
    assert len({tuple(rows) for rows, _ in Seen.fits[:5]}) == 5


def test_photos_within_the_margin_train_no_point_of_the_curve(photos):
    X, label, _ = photos
    train_on = np.arange(200) % 3 > 0
    numbered = np.c_[np.arange(200), X], label, None
    curve_of(numbered, make_folds(rated_photos(label)).training_on(train_on), transformer=Seen())
    assert all(train_on[rows].all() for rows, _ in Seen.fits)


def rising(n_features, n=1000):
    """Photos whose many features each tell a little; they take many photos to learn."""
    random = np.random.default_rng(0)
    label = random.integers(0, 2, n)
    X = random.normal(size=(n, n_features)) + label[:, None] / np.sqrt(n_features)
    return X, label, None


def test_the_curve_tells_whether_more_ratings_would_help():
    photos = rising(300)
    _, curve = curve_of(photos, make_folds(rated_photos(photos[1])))
    difference, low, high = curve.gain
    assert 0 < low < difference < high
    told = curve.describe()
    assert told[0] == (
        f"From 400 to 800 training photos the AUC rose by {difference:.3f} "
        f"(95 % interval of the rise {low:.3f} to {high:.3f})."
    )
    assert told[1].startswith("More ratings promise more")

    photos = rising(1)
    _, curve = curve_of(photos, make_folds(rated_photos(photos[1])))
    assert curve.describe()[1] == "More ratings promise little."

    photos = rising(20, n=50)
    _, curve = curve_of(photos, make_folds(rated_photos(photos[1])))
    assert curve.gain[1] < 0 < curve.gain[2]
    assert " −0." in curve.describe()[0]
    assert curve.describe()[1].startswith("These photos are too few to tell")


def test_the_curve_stops_where_photos_are_too_few(photos):
    _, curve = curve_of(
        photos, make_folds(rated_photos(photos[1])), classifier=KNeighborsClassifier(n_neighbors=50)
    )
    assert curve.n_train == [80, 160]
    few = rising(3, n=24)
    assert curve_of(few, make_folds(rated_photos(few[1]), n_folds=2))[1] is None
