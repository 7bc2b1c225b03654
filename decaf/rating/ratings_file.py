"""The ratings file: all that a person said of photos, each word on disk before the next photo.

One SQLite file, ``ratings.sqlite``. Events are only ever appended: undoing is an event, too. What
stands is told by reading them anew.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from features.errors import Damaged, InputError, Shortage

RATINGS_FILE = "ratings.sqlite"
SCHEMA_VERSION = 1

ACTS = ("rated", "rejected", "cleared", "skipped", "preferred", "undone")
# Why a photo was shown: it tells most; it was drawn at random and judges what was learnt; its
# answer was undone; it is shown once more, or beside another of its burst; the person went back to
# it; or it was not shown, and had its stars before.
PURPOSES = ("chosen", "check", "again", "repeat", "pair", "changed", "taken in")

# "deca": what tells the file from other programs'.
_APPLICATION = 0x64656361
_TABLES = {
    "scale": "CREATE TABLE scale (grades TEXT NOT NULL)",
    "events": """CREATE TABLE events (
    number INTEGER PRIMARY KEY,
    time TEXT NOT NULL,
    act TEXT NOT NULL,
    purpose TEXT NOT NULL,
    path BLOB NOT NULL,
    digest TEXT NOT NULL,
    grade REAL,
    predicted REAL,
    other_path BLOB,
    other_digest TEXT,
    undone INTEGER
)""",
}
_BEGIN = f"""
BEGIN IMMEDIATE;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {SCHEMA_VERSION};
{";".join(_TABLES.values())};
"""
_FULL, _BUSY, _NO_DATABASE, _CORRUPT = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CORRUPT,
)


@dataclass(frozen=True)
class Event:
    """One thing that a person said.

    Attributes
    ----------
    act : {"rated", "rejected", "cleared", "skipped", "preferred", "undone"}
    purpose : {"chosen", "check", "again", "repeat", "pair", "changed", "taken in"}
        Why the photo was shown.
    path, digest : str
        Of the photo, relative to the album, and of its bytes; of the better one of a pair.
    grade : float or None
        That a photo was given.
    predicted : float or None
        The grade that was expected, before the person saw the photo.
    other_path, other_digest : str or None
        Of the other photo of a pair.
    undone : int or None
        The number of the event that this one takes back.
    time : str
        In UTC, by ISO 8601; "" until it is on disk.
    number : int
        Counts from 1; 0 until it is on disk.
    """

    act: str
    purpose: str
    path: str
    digest: str
    grade: float | None = None
    predicted: float | None = None
    other_path: str | None = None
    other_digest: str | None = None
    undone: int | None = None
    time: str = ""
    number: int = 0


class RatingsFile:
    """The events of one album, open for one process alone.

    Parameters
    ----------
    path : path-like
        Made if it is not there; its folder must be.
    grades : sequence of int
        The whole scale, ascending; that of a file that is there must be the same.

    Attributes
    ----------
    standing : list of Event
        Those that were not undone.
    n_events : int
        All of them, so that it only grows.

    Raises
    ------
    Damaged
        It is not whole.
    InputError
        Another process has it open; it is not a ratings file; it has another scale; it cannot be
        written.
    """

    def __init__(self, path: str | os.PathLike, grades: Sequence[int]):
        self.path, self.grades = Path(path), tuple(grades)
        self.standing: list[Event] = []
        self.n_events = 0
        with self._told():
            # The session calls it from one thread at a time, but not always from the same.
            self._database = sqlite3.connect(
                path, timeout=0, isolation_level=None, check_same_thread=False
            )
            try:
                self._open()
            except BaseException:
                self._database.close()
                raise

    def append(self, events: Iterable[Event]) -> list[Event]:
        """Add events; when this returns they are on the disk, all or none of them.

        Parameters
        ----------
        events : iterable of Event

        Returns
        -------
        list of Event
            With their times and numbers.

        Raises
        ------
        Shortage
            The disk is full.
        InputError
            It cannot be written.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        written = [replace(event, time=now, number=0) for event in events]
        with self._told():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                for place, event in enumerate(written):
                    written[place] = replace(event, number=self._insert(event))
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # a full disk has ended it already
                    self._database.execute("ROLLBACK")
                raise
        for event in written:
            self._stand(event)
        return written

    def undo(self) -> Event | None:
        """Take back the last thing that the person said on the page.

        Returns
        -------
        Event or None
            It; None where there is none.
        """
        last = next((each for each in reversed(self.standing) if each.purpose != "taken in"), None)
        if last is not None:
            self.append([replace(last, act="undone", undone=last.number)])
        return last

    def close(self) -> None:
        """Let others open it; all is in the one file then."""
        self._database.close()

    def _open(self):
        # Exclusive before anything is read: no other process can open it until this one ends,
        # and none of SQLite's shared memory is needed.
        for pragma in ("locking_mode = EXCLUSIVE", "trusted_schema = OFF", "synchronous = FULL"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("PRAGMA journal_mode = WAL")
        if not self._database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            self._database.executescript(_BEGIN)
            self._database.execute("INSERT INTO scale VALUES (?)", [json.dumps(self.grades)])
            self._database.execute("COMMIT")
        self._check()
        columns = ", ".join(field.name for field in fields(Event))
        for row in self._database.execute(f"SELECT {columns} FROM events ORDER BY number"):
            self._stand(self._event(row))
        # Whatever was read, nobody else may begin.
        self._database.execute("BEGIN EXCLUSIVE")
        self._database.execute("COMMIT")

    def _check(self):
        (application,) = self._database.execute("PRAGMA application_id").fetchone()
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION:
            raise InputError(
                f"{self.path}: is not a ratings file of decaf's; choose another folder"
            )
        if version != SCHEMA_VERSION:
            raise InputError(
                f"{self.path}: has schema version {version}, this program reads {SCHEMA_VERSION}; "
                "update it"
            )
        # A view or a trigger of a stranger's could run for ever.
        if dict(self._database.execute("SELECT name, sql FROM sqlite_schema")) != _TABLES:
            raise Damaged(f"{self.path}: is damaged: it holds other tables than ratings have")
        (grades,) = self._database.execute("SELECT grades FROM scale").fetchone()
        if grades != json.dumps(self.grades):
            raise InputError(f"{self.path}: was begun with the grades {grades}; go on with these")

    def _event(self, row: tuple) -> Event:
        event = Event(*row)
        is_pair = event.purpose == "pair"
        try:
            other = None if event.other_path is None else os.fsdecode(event.other_path)
            event = replace(event, path=os.fsdecode(event.path), other_path=other)
            is_sound = isinstance(event.predicted, float | None) and isinstance(event.digest, str)
            is_sound &= isinstance(event.other_path, str) == is_pair
            is_sound &= isinstance(event.other_digest, str) == is_pair
            is_sound &= event.act in ACTS and event.purpose in PURPOSES
            is_sound &= event.act != "rated" or event.grade in self.grades
        except TypeError:
            is_sound = False
        if not is_sound:
            raise Damaged(f"{self.path}: is damaged at event {event.number}")
        return event

    def _insert(self, event: Event) -> int:
        values = asdict(event)
        del values["number"]
        for name in ("path", "other_path"):
            # Names need not be UTF-8.
            if values[name] is not None:
                values[name] = os.fsencode(values[name])
        insert = f"INSERT INTO events ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
        number = self._database.execute(insert, list(values.values())).lastrowid
        assert number is not None
        return number

    def _stand(self, event: Event) -> None:
        self.n_events += 1
        if event.act == "undone":
            self.standing = [each for each in self.standing if each.number != event.undone]
        else:
            self.standing.append(event)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what SQLite says into one line."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # extended codes lie above
            if code == _BUSY:
                said = "is open in another rate-photos; end that one first"
                raise InputError(f"{self.path}: {said}") from error
            if code == _FULL:
                said = "No space left on device; make room on its disk"
                raise Shortage(f"{self.path}: cannot be written: {said}") from error
            if code in (_NO_DATABASE, _CORRUPT):
                raise Damaged(f"{self.path}: is damaged ({error}); take a copy") from error
            raise InputError(f"{self.path}: cannot be used: {error}") from error
