"""What stands of what a person said."""

from itertools import count

from decaf.rating.answers import Answers
from decaf.rating.ratings_file import Event

GRADES = (1, 2, 3, 4, 5)
_numbers = count(1)


def said(act, name, grade=None, purpose="chosen", **values):
    values = {"number": next(_numbers)} | values
    return Event(act, purpose, f"{name}.jpg", name, grade, **values)


def grades(*events):
    return [(each.digest, each.grade) for each in Answers.of(events, GRADES).ratings]


def test_a_photo_has_the_grade_that_was_said_last_where_it_was_said_first():
    events = [said("rated", "a", 2), said("rated", "b", 3), said("rated", "a", 5, "changed")]
    assert grades(*events) == [("a", 5), ("b", 3)]


def test_a_photo_that_is_shown_twice_is_rated_twice():
    events = [
        said("rated", "a", 2, "check"),
        said("rated", "b", 3),
        said("rated", "a", 4, "repeat"),
    ]
    assert grades(*events) == [("a", 2), ("a", 4), ("b", 3)]
    assert Answers.of(events, GRADES).repeats == [(2, 4)]


def test_a_rejected_photo_has_the_lowest_grade_and_a_cleared_one_none():
    events = [said("rejected", "a"), said("rated", "b", 3), said("cleared", "b")]
    answers = Answers.of(events, GRADES)
    assert [(each.digest, each.grade, each.is_rejected) for each in answers.ratings] == [
        ("a", 1, True)
    ]
    assert answers.left == {"b"}


def test_what_was_changed_after_its_prediction_was_seen_judges_nothing():
    events = [said("rated", "a", 2, "check"), said("rated", "b", 4, "check")]
    events.append(said("rated", "a", 3, "changed"))
    assert [each.digest for each in Answers.of(events, GRADES).ratings if each.is_check] == ["b"]


def test_the_loser_of_a_pair_has_no_rating_and_skipped_pairs_teach_nothing():
    other = {"other_path": "b.jpg", "other_digest": "b"}
    events = [said("preferred", "a", purpose="pair", **other)]
    events.append(said("skipped", "c", purpose="pair", **other))
    answers = Answers.of(events, GRADES)
    assert (answers.pairs, answers.ratings, answers.n_asked) == ([("a", "b")], [], 2)
    assert answers.compared == {frozenset("ab"), frozenset("bc")}
