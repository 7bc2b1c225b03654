"""A session of rating: a question is always ready, and each answer is on disk before it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from classifiers.taste.album import every_fourth
from decaf.extraction.digests import digest_files
from decaf.rating.answers import Answers
from decaf.rating.learner import Learner, Place, Question
from decaf.rating.ratings_file import Event, RatingsFile
from features.errors import InputError
from features.ratings import RatedPhotos
from features.shortage import shortage_of

if TYPE_CHECKING:
    from decaf.rating.measuring import Measuring

# The question on the screen, and the one after it, whose photo the browser loads meanwhile.
AHEAD = 2
# A question that waits for a photo's features, or for the choice of another.
_PATIENCE_SECONDS = 2.0


class Outdated(InputError):
    """An answer to a question that is not on the screen any more."""


@dataclass(frozen=True)
class Progress:
    """How far a session has come.

    Attributes
    ----------
    n_photos, n_measured, n_failed : int
        Of the album; those whose features are there; those that cannot be read.
    n_asked, n_rated : int
        Questions that were answered, and photos that have a grade.
    certainty : tuple of str
        Sentences on how well the order is known.
    problem : str or None
        What keeps features from being computed.
    """

    n_photos: int
    n_measured: int
    n_failed: int
    n_asked: int
    n_rated: int
    certainty: tuple[str, ...]
    problem: str | None


class Session:
    """An album that is being rated.

    One thread, the thinking one, owns the learner; another computes features. Answers wait for
    neither: what is shown next is ready before.

    Parameters
    ----------
    names, paths : sequence of str
        Of the album's photos.
    file : RatingsFile
    measuring : Measuring
    seed : int
        Of the order in which features are computed, and of what is drawn.
    """

    def __init__(
        self,
        names: Sequence[str],
        paths: Sequence[str],
        file: RatingsFile,
        measuring: Measuring,
        seed: int = 0,
    ):
        self.names, self.paths, self.grades = names, paths, file.grades
        self._file, self._measuring = file, measuring
        self._places = {name: place for place, name in enumerate(names)}
        turns = [_turn(name, seed) for name in names]
        self._learner = Learner(file.grades, measuring.seen, turns, self.is_there, seed)
        self._order = self._order_of(turns)
        self._changed = threading.Condition()  # guards what follows
        self._questions: list[Question] = []
        self._numbers = count(1)
        self._is_exhausted = self._is_measured = self._is_closed = False
        self._certainty: tuple[str, ...] = ()
        self._problem: str | None = None
        self._thinking = ThreadPoolExecutor(1, "thinking")
        self._measurer = threading.Thread(target=self._measure, name="measuring", daemon=True)

    def start(self) -> None:
        """Begin to compute features, and to choose."""
        self._think_soon(judging=True)
        self._measurer.start()

    def close(self) -> None:
        """Stop computing after the part at hand, and let others open the ratings."""
        self._is_closed = True
        if self._measurer.ident is not None:
            self._measurer.join()
        self._thinking.shutdown(cancel_futures=True)
        self._file.close()

    @property
    def answers(self) -> Answers:
        """What the person has said so far."""
        with self._changed:
            return Answers.of(self._file.standing, self.grades)

    @property
    def n_said(self) -> int:
        """How much was said, undoing included: of two lists of questions, this tells the later."""
        return self._file.n_events

    def is_there(self, photo: int) -> bool:
        """Whether a photo is still where it was."""
        return os.path.isfile(self.paths[photo])

    def take_in(self, rated: RatedPhotos) -> int:
        """Take ratings that photos had before, where nothing was said of these on the page.

        Parameters
        ----------
        rated : RatedPhotos
            Labels and other scales are brought to the grades.

        Returns
        -------
        int
            How many were taken in.
        """
        known = {event.path for event in self._file.standing}
        places = {os.path.normpath(path): place for place, path in enumerate(self.paths)}
        assert rated.paths is not None  # as of all ratings that were read
        events = []
        digests, _ = digest_files(list(rated.paths), progress=True)
        for path, digest, grade in zip(rated.paths, digests, _to_grades(rated, self.grades)):
            place = places.get(os.path.normpath(path))
            if place is not None and digest and self.names[place] not in known:
                events.append(Event("rated", "taken in", self.names[place], digest, grade=grade))
        if events:
            self._file.append(events)
        self._order = sorted(self._order, key=lambda photo: self.names[photo] not in known)
        return len(events)

    def questions(self, n: int = 1) -> list[Question]:
        """The question that is on the screen, and those after it.

        Parameters
        ----------
        n : int
            So many are waited for, a little while; at most `AHEAD`.

        Returns
        -------
        list of Question
            Empty while none is ready, and when nothing is left to ask.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: len(self._questions) >= n or self._is_exhausted, _PATIENCE_SECONDS
            )
            return list(self._questions)

    def progress(self) -> Progress:
        """Say how far the session has come."""
        answers = self.answers
        n_measured, n_failed = len(self._learner.photos), len(self._measuring.failed)
        return Progress(
            len(self.names),
            n_measured + len(self._learner.copies),
            n_failed,
            answers.n_asked,
            len({rating.digest for rating in answers.ratings}),
            self._certainty,
            self._problem,
        )

    def answer(
        self, number: int, act: str, grade: float | None = None, better: int | None = None
    ) -> Question:
        """Keep an answer; it is on disk when this returns.

        Parameters
        ----------
        number : int
            Of the question.
        act : {"rated", "rejected", "cleared", "skipped", "preferred"}
        grade : float, optional
            Of the scale, where the photo is rated.
        better : int, optional
            The photo of a pair that is preferred.

        Returns
        -------
        Question
            The one that was answered, with what had been expected.

        Raises
        ------
        Outdated
            Another question is on the screen.
        InputError
            It is no answer to this question, or cannot be kept.
        """
        with self._changed:
            if not self._questions or self._questions[0].number != number:
                raise Outdated("this question was answered already")
            question = self._questions[0]
            self._file.append([self._event(question, act, grade, better)])
            del self._questions[0]
        self._think_soon(judging=question.purpose in ("check", "repeat"))
        return question

    def undo(self) -> bool:
        """Take back the last answer, and ask again; False where there is none.

        What was expected has been seen then: the photo judges nothing any more.
        """
        with self._changed:
            event = self._file.undo()
            if event is None:
                return False
            standing = Answers.of(self._file.standing, self.grades)
            is_rated = any(rating.digest == event.digest for rating in standing.ratings)
            purpose = "pair" if event.purpose == "pair" else "changed" if is_rated else "again"
            asked = [(self._photo_of(event.path, event.digest), event.digest)]
            if event.other_path is not None and event.other_digest is not None:
                other = self._photo_of(event.other_path, event.other_digest)
                asked.append((other, event.other_digest))
            known = [(photo, digest) for photo, digest in asked if photo is not None]
            if len(known) == len(asked):
                # The event has the better one of a pair first; on the screen both are where they
                # were.
                photos, digests = zip(*sorted(known))
                question = Question(purpose, photos, digests, event.predicted)
                self._questions.insert(0, self._numbered(question))
        self._think_soon(judging=True)
        return True

    def given(self) -> list[tuple[int, Event]]:
        """The photos of which something was said on the page, and what stands; the last first."""
        with self._changed:
            last = {
                event.digest: event
                for event in self._file.standing
                if event.purpose not in ("pair", "taken in")
            }
        events = sorted(last.values(), key=lambda event: -event.number)
        found = [(self._photo_of(event.path, event.digest), event) for event in events]
        return [(photo, event) for photo, event in found if photo is not None]

    def change(self, photo: int, act: str, grade: float | None = None) -> None:
        """Say something else of a photo that was shown before.

        Parameters
        ----------
        photo : int
            One of `given`.
        act : {"rated", "rejected", "cleared"}
        grade : float, optional

        Raises
        ------
        InputError
            It is none of these, or cannot be kept.
        """
        event = dict(self.given()).get(photo)
        if event is None or act not in ("rated", "rejected", "cleared"):
            raise InputError("this photo was not shown before")
        self._check_grade(act, grade)
        with self._changed:
            changed = Event(act, "changed", event.path, event.digest, grade, event.predicted)
            self._file.append([changed])
        self._think_soon(judging=True)

    def order(self) -> list[Place]:
        """The album in the order that was learnt so far."""
        return self._thinking.submit(lambda: self._learner.order(self.answers)).result()

    def write(self, folder: Path, line: float | None = None, command: str | None = None) -> Answers:
        """Write the ratings, and a model of what was learnt.

        Parameters
        ----------
        folder : Path
        line : float, optional
            A better grade is a good one; the middle of the scale by default.
        command : str, optional
            What makes the model, for its record.

        Returns
        -------
        Answers

        Raises
        ------
        InputError
            A file cannot be written. Where no model can be made, the ratings are written.
        """
        with self._changed:
            self._changed.wait_for(self._knows_what_was_rated)
        return self._thinking.submit(self._write, folder, line, command).result()

    def _knows_what_was_rated(self) -> bool:
        """Whether the features of all photos that were rated are there."""
        there = {*self._learner.photos, *self._measuring.failed}
        there |= {photo for photo, _ in self._learner.copies}
        rated = {self._places.get(event.path) for event in self._file.standing}
        return self._is_measured or rated - {None} <= there

    def _write(self, folder: Path, line: float | None, command: str | None) -> Answers:
        from decaf.rating.result import TABLE_FILE, make_model, write_table

        answers = self.answers
        line = self._learner.good if line is None else line
        write_table(folder / TABLE_FILE, answers.ratings)
        learnt = self._learner.known(answers)
        if len({rating.grade > line for rating in learnt.ratings}) < 2:
            raise InputError(
                "there are no good photos and others among those that were rated, from which a "
                "taste could be learnt; rate on"
            )
        self._learner.begin_anew(self._learner.fresh())
        self._learner.learn(learnt)
        assert self._learner.taste is not None
        make_model(
            self._learner.taste,
            learnt,
            self._learner.checks(learnt),
            self._measuring.network,
            line,
            seen=self._measuring.seen,
            command=command,
        ).save(folder, force=True)
        return answers

    def _order_of(self, turns: Sequence[int]) -> list[int]:
        """The photos in random order; those that were rated come first."""
        rated = {event.path for event in self._file.standing}
        return sorted(
            range(len(turns)), key=lambda photo: (self.names[photo] not in rated, turns[photo])
        )

    def _photo_of(self, name: str, digest: str) -> int | None:
        """A photo's place in the album; under another name, too, once its features are there."""
        row = self._learner.row_of.get(digest)
        if row is not None:
            return self._learner.photos[row]
        return self._places.get(name)

    def _event(
        self, question: Question, act: str, grade: float | None, better: int | None
    ) -> Event:
        photos, digests = list(question.photos), list(question.digests)
        if len(photos) == 1:
            if act == "preferred":
                raise InputError("one photo is not preferred to another")
            self._check_grade(act, grade)
            name = self.names[photos[0]]
            return Event(act, question.purpose, name, digests[0], grade, question.predicted)
        if act not in ("preferred", "skipped") or (act == "preferred" and better not in photos):
            raise InputError("of two photos one is preferred")
        if better == photos[1]:
            photos.reverse()
            digests.reverse()
        first, second = (self.names[photo] for photo in photos)
        return Event(act, "pair", first, digests[0], other_path=second, other_digest=digests[1])

    def _check_grade(self, act: str, grade: float | None) -> None:
        if act not in ("rated", "rejected", "cleared", "skipped"):
            raise InputError(f"{act!r} is no answer")
        if (act == "rated") != (grade in self.grades) or (act != "rated" and grade is not None):
            raise InputError(f"{grade!r} is none of the grades {self.grades}")

    def _think_soon(self, judging: bool) -> None:
        with self._changed:
            self._is_exhausted = False
        self._thinking.submit(self._told, self._think)
        if judging:
            self._thinking.submit(self._told, self._judge)

    def _told(self, think: Callable[[], object]) -> None:
        """Think, and keep for the page what goes wrong."""
        try:
            think()
        except Exception as error:
            self._problem = shortage_of(error) or str(error) or type(error).__name__

    def _think(self) -> None:
        """Choose questions until enough are ready."""
        while True:
            with self._changed:
                pending = list(self._questions)
                if len(pending) >= AHEAD:
                    return
            answers = self.answers
            question = self._learner.choose(answers, pending)
            if question is None and self._learner.taste is None:
                question = self._unmeasured(answers, pending)
            with self._changed:
                if question is None:
                    self._is_exhausted = self._is_measured
                    self._changed.notify_all()
                    return
                shown = {photo for each in self._questions for photo in each.photos}
                if not shown & set(question.photos):
                    self._questions.append(self._numbered(question))
                self._changed.notify_all()

    def _numbered(self, question: Question) -> Question:
        return replace(question, number=next(self._numbers))

    def _unmeasured(self, answers: Answers, pending: Sequence[Question]) -> Question | None:
        """The photo whose features will come first, while there are none at all."""
        shown = {photo for question in pending for photo in question.photos}
        rated = {rating.digest for rating in answers.ratings} | answers.left
        for photo in self._order:
            if photo in shown or not self.is_there(photo):
                continue
            (digest,), _ = digest_files([self.paths[photo]], progress=False)
            if digest and digest not in rated:
                n_asked = answers.n_asked + len(pending)
                purpose = "check" if every_fourth(n_asked) else "chosen"
                return Question(purpose, (photo,), (digest,))
        return None

    def _judge(self) -> None:
        self._certainty = tuple(self._learner.certainty(self.answers))

    def _measure(self) -> None:
        """Compute features; whenever the album has doubled, the learner begins anew."""
        self._told(self._measure_parts)
        with self._changed:
            self._is_measured = True
            self._changed.notify_all()
        if not self._is_closed:
            self._think_soon(judging=True)

    def _measure_parts(self) -> None:
        n_before = 0
        for part in self._measuring.parts(self._order):
            if self._is_closed:
                return
            self._thinking.submit(self._learner.take, part).result()
            with self._changed:
                self._changed.notify_all()
            if len(self._learner.photos) >= max(2 * n_before, 1):
                n_before = self._begin_anew()
        if len(self._learner.photos) > n_before:
            self._begin_anew()

    def _begin_anew(self) -> int:
        taste = self._learner.fresh()
        bursts = self._measuring.bursts(list(self._learner.photos))
        self._thinking.submit(self._learner.begin_anew, taste, bursts).result()
        self._think_soon(judging=True)
        return taste.n_photos


def _turn(name: str, seed: int) -> int:
    """A photo's turn in a random order, which others that come into the album do not change."""
    told = f"{seed}/{name}".encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(told, digest_size=8).digest())


def _to_grades(rated: RatedPhotos, grades: Sequence[int]) -> Iterable[float]:
    """Scores on the scale of the grades; labels stand between its middle and its ends."""
    if rated.score is None or rated.scale is None:
        low, high = np.quantile(grades, [0.25, 0.75], method="closest_observation")
        return [float(high if label else low) for label in rated.label]
    low, high = rated.scale
    places = np.rint((rated.score - low) / (high - low) * (len(grades) - 1)).astype(int)
    return [float(grades[place]) for place in places]
