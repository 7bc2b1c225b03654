"""Probabilities of held-back scores, against scikit-learn's own calibration."""

import json

import numpy as np
import pytest
from rated_photos import rated_photos, scored_photos
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from classifiers.catalogue import list_classifiers, make_classifier
from classifiers.evaluation.calibration import Calibration, calibrate, decision_score
from classifiers.evaluation.evaluation import FeatureSet, evaluate
from classifiers.evaluation.folds import make_folds
from classifiers.evaluation.uncertainty import expected_calibration_error
from features.errors import InputError


def overlapping(n, seed=0, n_features=4):
    random = np.random.default_rng(seed)
    label = (random.random(n) < 0.4).astype(int)
    return random.normal(size=(n, n_features)) + 0.6 * label[:, None], label


def test_the_sigmoid_is_scikit_learns():
    X, label = overlapping(300)
    classifier = LogisticRegression().fit(*overlapping(100, seed=1))
    theirs = CalibratedClassifierCV(FrozenEstimator(classifier), method="sigmoid", cv=3)
    theirs.set_params(ensemble=False).fit(X, label)
    calibration = Calibration.fit(decision_score(classifier, X), label)
    inside = calibration.probability(decision_score(classifier, X))
    np.testing.assert_allclose(inside, theirs.predict_proba(X)[:, 1], atol=1e-3)


def test_beyond_the_scores_that_were_seen_the_probability_stays():
    score = np.linspace(-2, 3, 50)
    calibration = Calibration.fit(score, (score + np.sin(9 * score) > 0).astype(int))
    low, lowest, highest, high = calibration.probability(np.array([-99, -2, 3, 99]))
    assert low == lowest < highest == high


def test_probabilities_of_0_and_1_do_not_spoil_the_others():
    X, label = overlapping(200)
    forest = RandomForestClassifier(20, random_state=0).fit(*overlapping(200, seed=1))
    score = decision_score(forest, X)
    assert np.abs(score).max() == np.finfo(float).max
    calibration = Calibration.fit(score, label)
    assert calibration.slope > 0.2 and calibration.highest < 5


def test_scores_no_better_than_chance_give_every_photo_the_share_of_the_positives():
    score = np.arange(100.0)
    label = (score < 30).astype(int)
    calibration = Calibration.fit(score, label)
    np.testing.assert_allclose(calibration.probability(score), 0.3, atol=0.01)


def test_classes_that_a_score_separates_do_not_make_a_step():
    score = np.r_[np.linspace(-2, -1, 20), np.linspace(1, 2, 20)]
    calibration = Calibration.fit(score, (score > 0).astype(int))
    assert 0.6 < calibration.probability(np.array([0.5]))[0] < 0.99


@pytest.mark.parametrize("name", list_classifiers())
def test_every_classifier_is_scored_as_it_was_judged(name):
    X, label = overlapping(120)
    split = np.where(np.arange(120) < 80, "train", "test")
    folds = make_folds(scored_photos(label, split=split))
    evaluation = evaluate([FeatureSet("X", X)], folds, [name], n_jobs=1, n_resamples=10)
    classifier = make_classifier(name)
    classifier.fit(X[:80], folds.target_of(classifier)[:80])
    np.testing.assert_allclose(decision_score(classifier, X[80:]), evaluation.results[1].score)


@pytest.fixture(scope="module")
def overconfident():
    X, label = overlapping(400, n_features=1)
    folds = make_folds(rated_photos(label), n_folds=4)
    repeated = FeatureSet("one feature 20 times", np.repeat(X, 20, axis=1))
    return evaluate([repeated], folds, {"naive": GaussianNB()}, n_jobs=1)


def test_an_overconfident_classifier_is_calibrated_and_judged_on_other_folds(overconfident):
    result = overconfident.results[1]
    found = calibrate(overconfident, result)
    assert found.error_before > 0.15 and found.error_after < 0.08
    ends = np.cumsum([len(fold.test) for fold in overconfident.folds])
    probability = []
    for start, end in zip([0, *ends], ends):
        own = np.zeros(len(result.score), bool)
        own[start:end] = True
        of_others = Calibration.fit(result.score[~own], overconfident.judged_label[~own])
        probability.append(of_others.probability(result.score[own]))
    wanted = expected_calibration_error(overconfident.judged_label, np.concatenate(probability))
    assert found.error_after == pytest.approx(wanted)
    assert found.photos == 400


def test_one_split_is_judged_in_parts_where_there_are_photos_enough():
    X, label = overlapping(200)
    split = np.where(np.arange(200) < 100, "train", "test")
    for n_test, is_judged in ((100, True), (8, False)):
        rows = np.arange(100 + n_test)
        folds = make_folds(rated_photos(label[rows], split=split[rows]))
        features = [FeatureSet("X", X[rows])]
        evaluation = evaluate(features, folds, {"linear": LogisticRegression()}, n_jobs=1)
        found = calibrate(evaluation, evaluation.results[1])
        assert (found.error_after is not None) == is_judged


RECORD = Calibration(0.5, -0.1, -3.0, 4.0, 60, None, 0.02).to_json()


def test_a_calibration_comes_back_from_json_as_it_was():
    assert Calibration.from_json(json.loads(json.dumps(RECORD))) == Calibration(
        slope=0.5,
        intercept=-0.1,
        lowest=-3.0,
        highest=4.0,
        photos=60,
        error_before=None,
        error_after=0.02,
    )


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"slope": "steep"}, "slope must be a number, 0 or more"),
        ({"intercept": True}, "intercept must be a number"),
        ({"lowest": float("nan")}, "lowest must be a number"),
        ({"highest": float("inf")}, "highest must be a number"),
        ({"highest": None}, "highest must be a number"),
        ({"slope": -0.1}, "slope must be a number, 0 or more"),
        ({"lowest": 5.0}, "lowest is above highest"),
        ({"photos": 0}, "photos must be a whole number, 1 or more"),
        ({"photos": 2.5}, "photos must be a whole number, 1 or more"),
        ({"error_before": -0.1}, "error_before must be a number, 0 or more, or none"),
        ({"error_after": "small"}, "error_after must be a number, 0 or more, or none"),
        ({"method": "isotonic"}, "method must be sigmoid on held-back scores"),
    ],
)
def test_a_calibration_that_cannot_be_is_refused(changed, message):
    with pytest.raises(InputError, match=message):
        Calibration.from_json(RECORD | changed)


@pytest.mark.parametrize("name", sorted(set(RECORD) - {"method"}))
def test_a_calibration_that_lacks_a_value_is_refused(name):
    with pytest.raises(InputError, match=f"does not tell {name}"):
        Calibration.from_json({key: value for key, value in RECORD.items() if key != name})
    with pytest.raises(InputError, match="is no dictionary"):
        Calibration.from_json([RECORD])
