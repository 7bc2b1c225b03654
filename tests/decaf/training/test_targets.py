"""What is learnt of rated photos."""

import numpy as np
import pytest

from decaf.networks.votes import mean_and_spread
from decaf.training.targets import Targets, choose_levels, spread_scores
from features.errors import InputError
from features.ratings import RatedPhotos

VOTES = np.array([[3, 1, 0], [0, 0, 4]])


def rated(**columns):
    return RatedPhotos(np.array(["a", "b"]), np.array([0, 1]), **columns)


def test_labels_are_learnt_as_they_are_unless_scores_soften_them():
    hard = Targets.of(rated())
    np.testing.assert_array_equal(hard.wanted(0.1), [0, 1])
    soft = Targets.of(rated(score=np.array([2.0, 2.4]), midpoint=2.0, scale=(1.0, 3.0)))
    np.testing.assert_array_equal(soft.wanted(0.0), [0, 1])
    np.testing.assert_allclose(soft.wanted(0.2)[:, 1], [0.5, 1 / (1 + np.exp(-1))])


def test_votes_are_learnt_where_there_are_any():
    np.testing.assert_allclose(
        Targets.of(rated(votes=VOTES), "votes").wanted(0.05), [[0.75, 0.25, 0], [0, 0, 1]]
    )
    assert Targets.of(rated(votes=VOTES)).votes is None
    with pytest.raises(InputError, match="there are no votes to learn"):
        Targets.of(rated(), "votes")


def test_scores_are_spread_over_levels_that_tell_them_again():
    score = np.random.default_rng(0).normal(3.0, 0.4, 500).clip(2.2, 3.8)
    levels = choose_levels(score)
    assert levels[0] < score.min() < score.max() < levels[-1]
    mean, spread = mean_and_spread(spread_scores(score, levels), levels)
    assert np.abs(mean - score).max() < 0.25 * score.std()
    assert np.corrcoef(mean, score)[0, 1] > 0.999
    assert np.median(spread) == pytest.approx(levels[1] - levels[0], rel=0.02)


def test_the_scores_are_learnt_where_there_are_any_and_they_differ():
    scores = rated(score=np.array([1.0, 2.5]), midpoint=2.0, scale=(1.0, 3.0))
    targets = Targets.of(scores, "score")
    np.testing.assert_allclose(targets.levels.mean(), -0.125)
    assert targets.wanted(0.05).shape == (2, len(targets.levels))
    with pytest.raises(InputError, match="there are no scores to learn"):
        Targets.of(rated(), "score")
    with pytest.raises(InputError, match="the 1 scores are all the same"):
        Targets.of(scores, "score", np.array([1]))


def test_photos_are_judged_by_the_predicted_mean_or_the_second_class():
    rows = np.array([1, 0])
    votes = Targets.of(rated(votes=VOTES), "votes")
    wanted = votes.wanted(0.0)
    loss, auc = votes.judge(rows, wanted, wanted[rows])
    assert (loss, auc) == (pytest.approx(0, abs=1e-5), 1)
    scores = Targets.of(rated(score=np.array([1.0, 2.5]), midpoint=2, scale=(1, 3)), "score")
    wanted = scores.wanted(0.0)
    loss, auc = scores.judge(rows, wanted, wanted[rows])
    assert loss == pytest.approx(-(wanted * np.log(wanted)).sum(axis=1).mean(), rel=1e-3)
    assert auc == 1
    label = Targets.of(rated())
    loss, auc = label.judge(rows, label.wanted(0.0), np.array([[0.5, 0.5], [0.25, 0.75]]))
    assert loss == pytest.approx((np.log(2) + np.log(4)) / 2)
    assert auc == 0


def test_several_classes_are_judged_each_against_the_rest():
    label = np.array([0, 1, 2])
    loss, auc = Targets(label).judge(label, label, np.eye(3) * 0.7 + 0.1)
    assert loss == pytest.approx(-np.log(0.8))
    assert auc == 1
