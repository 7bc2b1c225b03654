"""A session: questions one after the other, undone, resumed, with photos that vanish."""

import threading
from itertools import takewhile

import pytest
from given_features import make_session, stars_of

from decaf.rating.session import Outdated
from features.errors import InputError, Shortage


def rate(session, worth, n):
    """Answer n questions as a person would; give them."""
    questions = []
    while len(questions) < n:
        (question, *_) = session.questions()
        if len(question.photos) == 2:
            better = max(question.photos, key=lambda photo: worth[photo])
            session.answer(question.number, "preferred", better=better)
        else:
            session.answer(question.number, "rated", stars_of(worth[question.photos[0]]))
        questions.append(question)
    return questions


def wait_until_measured(session):
    session._measurer.join()
    session._thinking.submit(lambda: None).result()


@pytest.fixture
def started(tmp_path):
    """A session whose features are there, and what the person thinks of each photo."""
    session, worth = make_session(tmp_path, bursts=[(0, 1), (1, 2), (7, 9)])
    session.start()
    wait_until_measured(session)
    yield session, worth
    session.close()


def test_the_album_s_order_is_learnt_and_its_certainty_told(started):
    session, worth = started
    questions = rate(session, worth, 40)
    purposes = [question.purpose for question in questions]
    assert purposes[3::4] == ["check"] * 10
    assert {"pair", "repeat"} <= set(purposes)
    order = session.order()
    assert sorted(place.photo for place in order) == list(range(60))
    best, worst = order[:15], order[-15:]
    assert (
        sum(worth[place.photo] for place in best) > sum(worth[place.photo] for place in worst) + 15
    )
    told = session.progress()
    assert "photos were drawn at random" in told.certainty[0]
    assert told.n_asked == 40 and told.n_measured == told.n_photos == 60


def test_nothing_is_asked_twice_but_what_is_to_be_repeated(started):
    session, worth = started
    questions = rate(session, worth, 56)
    shown = [each.photos[0] for each in questions if each.purpose in ("chosen", "check")]
    assert len(shown) == len(set(shown))
    repeated = [each.photos[0] for each in questions if each.purpose == "repeat"]
    checks = [each.photos[0] for each in questions if each.purpose == "check"]
    assert set(repeated) <= set(checks) and len(repeated) == len(set(repeated))


def test_undoing_brings_photos_back_as_far_as_the_first_and_no_check_with_them(started):
    session, worth = started
    questions = rate(session, worth, 6)
    for question in reversed(questions):
        assert session.undo()
        again = session.questions()[0]
        assert again.photos == question.photos
        assert again.purpose == ("pair" if question.purpose == "pair" else "again")
    assert not session.undo()
    assert session.answers.n_asked == 0
    assert [each.photos for each in rate(session, worth, 6)] == [each.photos for each in questions]


def test_those_judge_who_come_before_the_next_that_is_drawn_and_were_rated_blind(started):
    session, worth = started
    learner = session._learner

    def judging():
        answers = session.answers
        learner.learn(answers)
        ratings = learner.known(answers).ratings
        return {ratings[place].digest for place in learner.checks(answers)}

    questions = rate(session, worth, 24)
    wait_until_measured(session)
    by_turn = sorted(learner.row_of, key=lambda digest: learner._turns[photo_of(learner, digest)])
    rated = {rating.digest for rating in session.answers.ratings}
    sample = set(takewhile(rated.__contains__, by_turn))
    assert judging() == sample
    assert {each.digests[0] for each in questions if each.purpose == "check"} <= sample
    # A photo whose expected grade was seen, and one that is skipped, judge nothing.
    seen = next(digest for digest in by_turn if digest in sample)
    session.change(photo_of(learner, seen), "rated", 3)
    wait_until_measured(session)
    assert judging() == sample - {seen}


def test_photos_that_come_into_an_album_leave_the_turns_of_others(tmp_path):
    few, _ = make_session(tmp_path / "few", n=20)
    more, _ = make_session(tmp_path / "more", n=30)
    turns = [session._learner._turns for session in (few, more)]
    assert turns[0] == turns[1][:20] and len(set(turns[1])) == 30
    assert turns[0] != sorted(turns[0])
    few.close()
    more.close()


def photo_of(learner, digest):
    return learner.photos[learner.row_of[digest]]


def test_a_pair_that_is_asked_again_looks_as_it_did(started):
    session, worth = started
    while len((question := session.questions()[0]).photos) == 1:
        rate(session, worth, 1)
    for better in question.photos:
        session.answer(session.questions()[0].number, "preferred", better=better)
        session.undo()
        assert session.questions()[0].photos == question.photos


def test_an_answer_counts_once_and_none_that_is_no_answer(started):
    session, worth = started
    (question, *_) = rate(session, worth, 1)
    with pytest.raises(Outdated):
        session.answer(question.number, "rated", 5)
    number = session.questions()[0].number
    for act, grade in (("rated", 6), ("rated", None), ("skipped", 3), ("undone", None), ("", 1)):
        with pytest.raises(InputError):
            session.answer(number, act, grade)
    with pytest.raises(InputError):
        session.answer(number, "preferred", better=0)
    assert session.answers.n_asked == 1


def test_a_session_goes_on_where_it_stopped(tmp_path):
    session, worth = make_session(tmp_path)
    session.start()
    wait_until_measured(session)
    last = rate(session, worth, 25)[-1]
    before = session.answers
    session.close()
    again, _ = make_session(tmp_path)
    assert again.answers == before
    again.start()
    wait_until_measured(again)
    asked = {question.photos for question in rate(again, worth, 10) if question.purpose == "chosen"}
    assert not asked & {(again.names.index(rating.path),) for rating in before.ratings}
    for _ in range(10):
        again.undo()
    assert again.undo() and again.questions()[0].photos == last.photos
    again.close()


def test_rating_begins_before_any_features_are_there_and_is_learnt_then(tmp_path):
    gate = threading.Event()
    session, worth = make_session(tmp_path, gate=gate, n_part=16)
    session.start()
    first = rate(session, worth, 10)
    assert all(question.predicted is None for question in first)
    gate.set()
    wait_until_measured(session)
    questions = rate(session, worth, 10)
    assert questions[-1].predicted is not None
    shown = [each.photos for each in first + questions if each.purpose in ("chosen", "check")]
    assert len(shown) == len(set(shown))
    assert session.progress().problem is None
    assert len(session._learner.known(session.answers).ratings) == len(session.answers.ratings)
    session.close()


def test_photos_that_vanish_are_not_asked_and_the_end_is_told(tmp_path):
    session, worth = make_session(tmp_path, n=12)
    session.start()
    wait_until_measured(session)
    pending = {photo for question in session.questions(2) for photo in question.photos}
    for photo, name in enumerate(session.names):
        if photo % 2 and photo not in pending:
            (tmp_path / "album" / name).unlink()
    while questions := session.questions():
        assert all(session.is_there(photo) for photo in questions[0].photos)
        rate(session, worth, 1)
    assert session.questions() == []
    assert session.progress().problem is None
    session.close()


def test_what_was_said_is_looked_back_at_and_changed(started):
    session, worth = started
    rate(session, worth, 5)
    photo, event = session.given()[0]
    assert event.act == "rated"
    session.change(photo, "rated", 1 if event.grade != 1 else 2)
    assert dict(session.given())[photo].purpose == "changed"
    session.change(photo, "rejected")
    assert dict(session.given())[photo].act == "rejected"
    with pytest.raises(InputError):
        session.change(10**6, "rated", 3)
    session.undo()
    assert dict(session.given())[photo].act == "rated"


def test_on_a_full_disk_the_question_stays_until_there_is_room(started):
    session, worth = started
    number = session.questions()[0].number
    database = session._file._database
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Shortage):
        for _ in range(1000):
            rate(session, worth, 1)
    question = session.questions()[0]
    asked = session.answers.n_asked
    database.execute("PRAGMA max_page_count = 100000")
    assert question.number >= number
    session.answer(question.number, "skipped")
    assert session.answers.n_asked == asked + 1


def test_two_keys_are_a_scale_of_their_own(tmp_path):
    session, worth = make_session(tmp_path, n=30, grades=(0, 1))
    session.start()
    wait_until_measured(session)
    for _ in range(12):
        question = session.questions()[0]
        session.answer(question.number, "rated", int(worth[question.photos[0]] > 0))
    assert 0 <= session.order()[-1].score <= session.order()[0].score <= 1
    session.close()
