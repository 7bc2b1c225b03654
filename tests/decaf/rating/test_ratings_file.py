"""The ratings file: appended, replayed, undone, locked, killed, damaged, on a full disk."""

import os
import sqlite3
import subprocess
import sys

import pytest
from robustness.rating_kills import acknowledged, kill_writer

from decaf.rating.ratings_file import Event, RatingsFile
from features.errors import Damaged, InputError, Shortage

STARS = (1, 2, 3, 4, 5)


def rated(name, grade, purpose="chosen"):
    return Event("rated", purpose, name, "a digest", grade=grade, predicted=2.5)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ratings.sqlite"


def test_what_was_appended_is_there_again(path):
    with_bytes = os.fsdecode(b"caf\xe9/a.jpg")
    pair = Event("preferred", "pair", "a", "1", other_path=with_bytes, other_digest="2")
    file = RatingsFile(path, STARS)
    file.append([rated(with_bytes, 4.0, "check")])
    file.append([pair, Event("skipped", "chosen", "b", "3")])
    before = file.standing
    file.close()
    assert [event.number for event in before] == [1, 2, 3]
    assert before[0].path == with_bytes and before[1].other_path == with_bytes
    again = RatingsFile(path, STARS)
    assert again.standing == before
    again.close()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_undoing_goes_back_without_limit_but_not_beyond_what_was_said_on_the_page(path):
    file = RatingsFile(path, STARS)
    file.append([rated("old", 5, "taken in")])
    for name in "abc":
        file.append([rated(name, 3)])
    assert [file.undo().path for _ in range(3)] == ["c", "b", "a"]
    assert file.undo() is None
    file.append([rated("d", 1)])
    file.close()
    again = RatingsFile(path, STARS)
    assert [event.path for event in again.standing] == ["old", "d"]
    assert again.undo().path == "d"
    again.close()


def test_two_at_once_are_refused_from_the_beginning_and_until_the_end(path):
    first = RatingsFile(path, STARS)
    code = "import sys; from decaf.rating.ratings_file import RatingsFile as File; "
    code += "File(sys.argv[1], (1, 2, 3, 4, 5))"
    other = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert "is open in another rate-photos" in other.stderr
    with pytest.raises(InputError, match="is open in another rate-photos"):
        RatingsFile(path, STARS)
    first.append([rated("a", 3)])
    first.close()
    RatingsFile(path, STARS).close()


def test_another_scale_is_refused(path):
    RatingsFile(path, STARS).close()
    with pytest.raises(InputError, match=r"begun with the grades \[1, 2, 3, 4, 5\]"):
        RatingsFile(path, (0, 1))


def test_files_of_others_and_damaged_ones_are_told_apart(path, tmp_path):
    path.write_bytes(b"no database at all, though it is long enough to look like one" * 9)
    with pytest.raises(Damaged, match="is damaged"):
        RatingsFile(path, STARS)
    other = tmp_path / "other.sqlite"
    database = sqlite3.connect(other)
    database.execute("CREATE TABLE notes (text)")
    database.close()
    with pytest.raises(InputError, match="not a ratings file"):
        RatingsFile(other, STARS)


def test_a_grade_that_is_none_of_the_scale_s_is_refused(path):
    file = RatingsFile(path, STARS)
    file.append([rated("a", 9)])
    file.close()
    with pytest.raises(Damaged, match="at event 1"):
        RatingsFile(path, STARS)


@pytest.mark.parametrize(
    "change, reason",
    [
        ("UPDATE events SET digest = x'00'", "at event 1"),
        ("UPDATE events SET path = 7", "at event 1"),
        ("UPDATE events SET act = 'eaten'", "at event 1"),
        ("UPDATE events SET predicted = 'much'", "at event 1"),
        ("UPDATE events SET other_digest = 'a'", "at event 1"),
        ("DROP TABLE events; CREATE VIEW events AS SELECT 1", "other tables"),
        ("CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events; END", "other tables"),
    ],
)
def test_what_a_stranger_has_put_into_it_is_refused(path, change, reason):
    file = RatingsFile(path, STARS)
    file.append([rated("a", 3)])
    file.close()
    database = sqlite3.connect(path)
    database.executescript(change)
    database.close()
    with pytest.raises(Damaged, match=reason):
        RatingsFile(path, STARS)


def test_a_full_disk_loses_nothing_of_before_and_is_told(path):
    file = RatingsFile(path, STARS)
    file.append([rated("a", 3)])
    (pages,) = file._database.execute("PRAGMA page_count").fetchone()
    file._database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Shortage, match="No space left"):
        file.append([rated("b" * 100, 3) for _ in range(200)])
    assert [event.path for event in file.standing] == ["a"]
    file._database.execute("PRAGMA max_page_count = 1000000")
    file.append([rated("c", 3)])
    file.close()
    again = RatingsFile(path, STARS)
    assert [event.path for event in again.standing] == ["a", "c"]
    again.close()


def test_a_kill_loses_nothing_that_was_acknowledged(path):
    said = kill_writer(path, after_lines=20)
    assert len(said) >= 20
    file = RatingsFile(path, STARS)
    assert acknowledged(said, file.standing)
    file.close()
