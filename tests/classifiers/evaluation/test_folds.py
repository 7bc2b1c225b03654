"""Folds without leaks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rated_photos import rated_photos

from classifiers.evaluation.folds import make_folds
from features.errors import InputError, SeenPhotos


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["split", "finetuned", "folds"]))
def test_no_judged_photo_was_seen_before(seed, design):
    random = np.random.default_rng(seed)
    n = 300
    label = random.integers(0, 2, n)
    columns = {
        "group": random.integers(0, 200, n).astype(str),
        "digests": random.integers(0, 2000, n).astype(str),
    }
    if design != "folds":
        columns["finetuned"] = random.random(n) < 0.3
    if design == "split":
        columns["split"] = np.where(random.random(n) < 0.5, "train", "test")
    folds = make_folds(rated_photos(label, **columns))
    judged = np.concatenate([fold.test for fold in folds])
    assert len(judged) == len(set(judged))
    for train, test in folds:
        seen = np.zeros(n, bool)
        seen[train] = True
        if design != "folds":
            seen |= columns["finetuned"]
        assert not seen[test].any()
        assert not np.isin(columns["group"][test], columns["group"][seen]).any()
        assert not np.isin(columns["digests"][test], columns["digests"][seen]).any()
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
    folds = make_folds(rated_photos(label, split=split, finetuned=finetuned))
    ((train, test),) = folds
    assert train.tolist() == [0, 1, 2]
    assert test.tolist() == [3, 4, 5]
    assert folds.excluded == {"the network was finetuned on them": 1}


def test_without_a_split_the_finetuned_photos_train_and_the_others_are_judged():
    label = np.array([0, 1, 0, 1, 0, 1])
    finetuned = np.array([1, 1, 1, 0, 0, 0], bool)
    group = np.array(["a", "b", "c", "c", "d", "e"])
    with pytest.raises(InputError, match="of one class"):
        make_folds(rated_photos(label[:5], finetuned=finetuned[:5], group=group[:5]))
    label[4] = 0
    folds = make_folds(rated_photos(label, finetuned=finetuned, group=group))
    ((train, test),) = folds
    assert train.tolist() == [0, 1, 2]
    assert test.tolist() == [4, 5]
    assert folds.excluded["of a group that was trained on"] == 1


def test_folds_are_stratified_and_keep_groups_whole(photos):
    _, label, group = photos
    folds = make_folds(rated_photos(label, group=group))
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(200))
    for fold in folds:
        assert abs(label[fold.test].mean() - label.mean()) < 0.1
        assert not set(group[fold.test]) & set(group[fold.train])


def test_copies_of_a_training_photo_are_not_judged():
    label = np.tile([0, 1], 20)
    digest = np.arange(40).astype(str)
    digest[1] = digest[3] = "copy"
    folds = make_folds(rated_photos(label, digests=digest), n_folds=4)
    judged = np.concatenate([fold.test for fold in folds])
    n_copies = folds.excluded["copies of a photo that was trained on"]
    assert n_copies in (0, 2)  # 0 if both fall into one fold
    assert len(judged) == 40 - n_copies


def test_a_leak_is_allowed_when_the_user_says_so():
    label = np.tile([0, 1], 10)
    folds = make_folds(rated_photos(label, finetuned=np.ones(20, bool)), allow_leak=True)
    assert len(folds) == 5
    assert not any(folds.excluded.values())


def test_features_of_photos_that_were_all_finetuned_on_are_refused_with_the_remedy():
    with pytest.raises(SeenPhotos, match=r"finetuned on all 20: extract .* has not seen$"):
        make_folds(rated_photos(np.tile([0, 1], 10), finetuned=np.ones(20, bool)))


def test_a_split_whose_test_photos_are_all_leaks_says_how_many():
    split = np.repeat(["train", "test"], 10)
    finetuned = split == "test"
    with pytest.raises(InputError, match=r"no photo is left .*10 the network was finetuned on"):
        make_folds(rated_photos(np.tile([0, 1], 10), split=split, finetuned=finetuned))


def test_a_side_of_one_class_is_refused():
    split = np.repeat(["train", "test"], 10)
    label = np.r_[np.tile([0, 1], 5), np.ones(10, int)]
    with pytest.raises(InputError, match="all 10 photos on the test side are of one class: use"):
        make_folds(rated_photos(label, split=split))


def test_more_folds_than_photos_of_a_class_are_refused():
    with pytest.raises(InputError, match="5 photos of each class, and 3 hold a professional"):
        make_folds(rated_photos(np.array([0] * 20 + [1] * 3)))


def test_more_folds_than_groups_of_a_class_are_refused():
    group = np.array(["a"] * 10 + ["b"] * 10)
    with pytest.raises(InputError, match="5 groups of each class, and 2 hold a snapshot"):
        make_folds(rated_photos(np.tile([0, 1], 10), group=group))


def test_the_kept_classifier_is_fitted_on_the_training_side_of_a_split_else_on_all():
    label = np.tile([0, 1], 10)
    split = np.repeat(["train", "test"], 10)
    train_on = np.arange(20) != 4
    one = make_folds(rated_photos(label, split=split))
    assert one.training_rows.tolist() == list(range(10))
    assert one.training_on(train_on).training_rows.tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert make_folds(rated_photos(label)).training_rows.tolist() == list(range(20))
