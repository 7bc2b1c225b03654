import numpy as np

from classifiers.evaluation.disagreement import find_disagreements
from classifiers.evaluation.evaluation import FeatureSet, evaluate
from classifiers.evaluation.folds import make_folds
from features.ratings import RatedPhotos


def make_evaluation(X, label, split=None):
    names = np.array([f"{number}.jpg" for number in range(len(label))], object)
    rated = RatedPhotos(names, label=label, split=split)
    return evaluate(
        [FeatureSet("x", X)], make_folds(rated, n_folds=2), ["logistic-regression"], n_jobs=1
    )


def test_what_the_order_of_the_model_expects_is_told_beside_what_was_given():
    # The model goes by the one feature; two photos have each other's score.
    score = np.linspace(1, 5, 40)
    X = score.copy()
    X[[2, 37]] = X[[37, 2]]
    split = np.where(np.arange(40) % 4 == 1, "train", "test")
    evaluation = make_evaluation(X[:, None], (score > 3).astype(int), split)
    found = find_disagreements(evaluation, score, 3)
    tested = np.flatnonzero(split == "test")
    assert {37, 2} - {each.row for each in found} == set(np.setdiff1d([37, 2], tested))
    first = found[0]
    assert first.row == 2 and first.given == score[2]
    order = np.argsort(X[tested])
    expected = np.sort(score[tested])[np.flatnonzero(tested[order] == 2)[0]]
    assert first.expected == expected


def test_folds_are_put_in_orders_of_their_own():
    random = np.random.default_rng(0)
    label = np.tile([0, 1], 30)
    evaluation = make_evaluation(random.normal(size=(60, 2)) + label[:, None], label)
    score = random.normal(size=60)
    found = find_disagreements(evaluation, score, 60)
    for fold in evaluation.folds:
        rows = [each for each in found if each.row in fold.test]
        left = sorted(each.given for each in rows)
        assert left == sorted(each.expected for each in rows) or len(rows) < len(fold.test)
    away = [abs(each.given - each.expected) for each in found]
    assert away == sorted(away, reverse=True) and min(away) > 0


def test_a_model_that_agrees_has_no_disagreements():
    score = np.linspace(1, 5, 20)
    split = np.where(np.arange(20) % 2, "train", "test")
    evaluation = make_evaluation(score[:, None], (score > 3).astype(int), split)
    assert find_disagreements(evaluation, score, 5) == []
