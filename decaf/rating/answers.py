"""What a person has said of an album so far, as the events that stand tell it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from decaf.rating.ratings_file import Event

# Why photos are shown: each of these was a question, which counts.
ASKED = ("chosen", "check", "again", "repeat", "pair")


@dataclass(frozen=True)
class Rating:
    """A grade that a photo has.

    Attributes
    ----------
    digest, path : str
        Of the photo.
    grade : float
        The lowest one for a photo that was rejected.
    is_rejected : bool
    is_check : bool
        Whether the photo was drawn at random, when it was asked.
    is_blind : bool
        Whether the grade was given before its prediction was seen.
    is_taken_in : bool
        Whether the photo had it before the first question.
    asked : int
        So many questions were asked before this one.
    """

    digest: str
    path: str
    grade: float
    is_rejected: bool = False
    is_check: bool = False
    is_blind: bool = False
    is_taken_in: bool = False
    asked: int = 0


@dataclass
class Answers:
    """What stands of all that a person said.

    Attributes
    ----------
    ratings : list of Rating
        In the order in which photos were first rated; a photo that was shown twice has two.
    repeats : list of (float, float)
        First and second grade of photos that were shown twice.
    pairs : list of (str, str)
        Digests, the better one first.
    left : set of str
        Digests of photos that were skipped, or lost their rating, and of which none is wanted.
    compared : set of frozenset of str
        Digests of the pairs that were shown.
    n_asked : int
        Questions that were answered or skipped.
    """

    ratings: list[Rating] = field(default_factory=list)
    repeats: list[tuple[float, float]] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    left: set[str] = field(default_factory=set)
    compared: set[frozenset[str]] = field(default_factory=set)
    n_asked: int = 0

    @classmethod
    def of(cls, standing: Iterable[Event], grades: Sequence[int]) -> Answers:
        """Read the events that stand.

        Parameters
        ----------
        standing : iterable of Event
        grades : sequence of int
            The scale.

        Returns
        -------
        Answers
        """
        answers = cls()
        by_photo: dict[str, list[Rating]] = {}
        order: list[str] = []
        for event in standing:
            if event.purpose == "pair":
                answers._compare(event)
            elif event.act in ("rated", "rejected"):
                answers.left.discard(event.digest)
                rating = _rating(event, grades, answers.n_asked)
                earlier = by_photo.setdefault(event.digest, [])
                if not earlier:
                    order.append(event.digest)
                # Who is shown a photo twice says it twice; who goes back to it says it anew.
                by_photo[event.digest] = [
                    *(earlier if event.purpose == "repeat" else ()),
                    rating,
                ]
            else:
                if event.act == "cleared" and event.digest in by_photo:
                    del by_photo[event.digest]
                    order.remove(event.digest)
                if event.digest not in by_photo:
                    answers.left.add(event.digest)
            answers.n_asked += event.purpose in ASKED
        answers.ratings = [rating for digest in order for rating in by_photo[digest]]
        twice = [ratings for ratings in by_photo.values() if len(ratings) > 1]
        answers.repeats = [(ratings[0].grade, ratings[1].grade) for ratings in twice]
        return answers

    def _compare(self, event: Event) -> None:
        assert event.other_digest is not None  # as of all pairs
        self.compared.add(frozenset((event.digest, event.other_digest)))
        if event.act == "preferred":
            self.pairs.append((event.digest, event.other_digest))


def _rating(event: Event, grades: Sequence[int], n_asked: int) -> Rating:
    is_rejected = event.act == "rejected"
    grade = grades[0] if is_rejected or event.grade is None else event.grade
    return Rating(
        event.digest,
        event.path,
        grade,
        is_rejected,
        is_check=event.purpose == "check",
        is_blind=event.purpose in ("chosen", "check"),
        is_taken_in=event.purpose == "taken in",
        asked=n_asked,
    )
