import numpy as np
import pytest

from features.errors import InputError, NoMidpoint, NoScores
from features.ratings import read_ratings
from features.splits import choose_test_photos, outside_margin


@pytest.fixture
def folder(tmp_path):
    """A photo folder with a.jpg, b.jpg, c.jpg and d.jpg."""
    for name in "abcd":
        (tmp_path / f"{name}.jpg").touch()
    return tmp_path


def read(folder, text):
    path = folder / "r.csv"
    path.write_text(text)
    return read_ratings(path)


def test_the_margin_keeps_its_borders_and_delta_0_keeps_all():
    score = np.array([3, 4.5, 5, 5.25, 5.5])
    assert outside_margin(score, 5, 0.5).tolist() == [True, True, False, False, True]
    assert outside_margin(score, 5, 0).all()


def test_labels_alone_have_no_margin():
    with pytest.raises(NoScores, match="needs ratings with scores"):
        outside_margin(None, None, 0.5)


def test_scores_without_a_midpoint_have_no_margin():
    with pytest.raises(NoMidpoint, match="needs the midpoint"):
        outside_margin(np.array([0.5]), None, 0.5)


@pytest.fixture
def grouped(folder):
    """Build ratings of 40 photos, 30 % professional, in 20 groups of two."""
    rows = []
    for i in range(40):
        (folder / f"{i}.jpg").touch()
        rows.append(f"{i}.jpg,{int(i % 10 < 3)},{i // 2}\n")
    return read(folder, "file,label,group\n" + "".join(rows))


def test_a_grouped_split_keeps_groups_whole_and_fraction_and_balance_near(grouped):
    rows = choose_test_photos(grouped, 0.25, seed=0)
    assert not set(grouped.group[rows]) & set(grouped.group[~rows])
    assert rows.sum() == 10
    assert grouped.label[rows].mean() == pytest.approx(0.3)


def test_the_same_seed_gives_the_same_split_and_another_does_not(grouped):
    first = choose_test_photos(grouped, 0.2, 3)
    np.testing.assert_array_equal(choose_test_photos(grouped, 0.2, 3), first)
    assert (choose_test_photos(grouped, 0.2, 4) != first).any()


def test_a_split_without_groups_is_stratified(folder, grouped):
    lines = [f"{i}.jpg,{int(i % 10 < 3)}\n" for i in range(40)]
    rated = read(folder, "file,label\n" + "".join(lines))
    rows = choose_test_photos(rated, 0.25, seed=1)
    assert rows.sum() == 10 and rated.label[rows].sum() == 3
    assert (rows != choose_test_photos(rated, 0.25, seed=2)).any()


def test_a_given_split_is_used_as_it_is(folder):
    text = "file,label,split\na.jpg,1,test\nb.jpg,0,test\nc.jpg,1,train\nd.jpg,0,train\n"
    assert choose_test_photos(read(folder, text), 0.1, 0).tolist() == [True, True, False, False]


def test_a_given_split_without_test_photos_is_refused(folder):
    text = "file,label,split\na.jpg,1,train\nb.jpg,0,train\n"
    with pytest.raises(InputError, match="without one class"):
        choose_test_photos(read(folder, text), 0.5, 0)


def test_groups_that_cannot_be_split_are_refused(folder):
    text = "file,label,group\na.jpg,1,x\nb.jpg,0,y\nc.jpg,0,y\n"
    with pytest.raises(InputError, match="smaller groups, or a split column"):
        choose_test_photos(read(folder, text), 0.5, 0)


def test_too_few_photos_to_split_are_refused(folder):
    with pytest.raises(InputError, match="cannot split 2 photos"):
        choose_test_photos(read(folder, "file,label\na.jpg,1\nb.jpg,0\n"), 0.5, 0)
