"""What is learnt while a person rates: which question comes next, the album's order, how sure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from classifiers.taste.album import AlbumTaste, Prediction, every_fourth
from classifiers.taste.certainty import judge_checks, judge_repeats, tell_more
from decaf.rating.answers import Answers
from features.photo_set import PhotoSet

# One question of eight is a pair, where there are bursts; one of sixteen is a photo that was shown
# before, so many questions ago: long enough that what was said of it is forgotten.
_PAIRS, _REPEATS, FORGOTTEN = 8, 16, 20
NEAREST = 3
_LEAST_REPEATS = 4
# Photos that judge at most: comparing all with all takes a quarter of a second of so many.
_MOST_JUDGING = 250


@dataclass(frozen=True)
class Part:
    """Photos whose features are there.

    Attributes
    ----------
    photos : list of int
        Their places in the album.
    digests : list of str
    features : ndarray, shape (n_photos, n_features)
    prior : ndarray, shape (n_photos,), or None
        A model's scores, where there is one.
    """

    photos: list[int]
    digests: list[str]
    features: np.ndarray
    prior: np.ndarray | None


@dataclass(frozen=True)
class Question:
    """A photo to be rated, or two to be compared, and what is expected of it.

    Attributes
    ----------
    purpose : str
        One of `decaf.rating.ratings_file.PURPOSES`.
    photos : tuple of int
        Places in the album: one, or two.
    digests : tuple of str
    predicted, deviation : float or None
        The grade that is expected, and how far off that may be. Nobody is told before they answer.
    nearest : tuple of (int, float)
        The rated photos that are most like it, and their grades.
    number : int
        Tells questions apart, once they are asked.
    """

    purpose: str
    photos: tuple[int, ...]
    digests: tuple[str, ...]
    predicted: float | None = None
    deviation: float | None = None
    nearest: tuple[tuple[int, float], ...] = ()
    number: int = 0


@dataclass(frozen=True)
class Place:
    """A photo's place in the album's order.

    Attributes
    ----------
    photo : int
        Its place in the album.
    score : float
        The grade that is expected of it.
    given : float or None
        The grade that it has.
    """

    photo: int
    score: float
    given: float | None


class Learner:
    """An album's taste, by the photos whose features are there. For one thread at a time.

    Parameters
    ----------
    grades : sequence of int
        The whole scale, ascending.
    seen : PhotoSet
        Photos that trained the prior, and can judge nothing.
    turns : sequence of int
        By photo of the album, its turn in a random order, by which photos are drawn that judge.
    is_there : callable
        Whether a photo of the album is still where it was.
    seed : int
    """

    def __init__(
        self,
        grades: Sequence[int],
        seen: PhotoSet,
        turns: Sequence[int],
        is_there: Callable[[int], bool] = lambda photo: True,
        seed: int = 0,
    ):
        self.grades = tuple(grades)
        self.photos: list[int] = []  # by row
        self.row_of: dict[str, int] = {}  # by digest
        self.taste: AlbumTaste | None = None
        self._seen, self._is_there, self._seed = seen, is_there, seed
        self._turns = turns
        self._by_turn: list[int] = []  # rows
        self.copies: list[tuple[int, int]] = []  # photos, and the rows of the first ones
        self._never: set[int] = set()  # rows that cannot judge
        self._bursts: list[tuple[int, int]] = []  # rows
        self._parts: list[Part] = []
        self._digests: list[str] = []  # by row
        self._given: dict[int, float] = {}  # by row

    @property
    def good(self) -> float:
        """The middle of the scale: a better grade is a good one."""
        return (self.grades[0] + self.grades[-1]) / 2

    def known(self, answers: Answers) -> Answers:
        """What was said of photos whose features are there."""
        ratings = [each for each in answers.ratings if each.digest in self.row_of]
        pairs = [pair for pair in answers.pairs if self.row_of.keys() >= set(pair)]
        return replace(answers, ratings=ratings, pairs=pairs)

    def take(self, part: Part) -> None:
        """Take photos whose features have come.

        Parameters
        ----------
        part : Part
        """
        new, seen = [], self._seen.holds(part.digests)
        for place, (photo, digest) in enumerate(zip(part.photos, part.digests)):
            if digest in self.row_of:
                self.copies.append((photo, self.row_of[digest]))
                continue
            if seen[place]:
                self._never.add(len(self.photos))
            self.row_of[digest] = len(self.photos)
            self.photos.append(photo)
            self._digests.append(digest)
            new.append(place)
        if new:
            self._by_turn = sorted(
                range(len(self.photos)), key=lambda row: self._turns[self.photos[row]]
            )
            prior = None if part.prior is None else part.prior[new]
            digests = [part.digests[place] for place in new]
            photos = [part.photos[place] for place in new]
            self._parts.append(Part(photos, digests, part.features[new], prior))
            if self.taste is not None:
                self.taste.extend(self._parts[-1].features, prior)

    def fresh(self) -> AlbumTaste:
        """Begin anew, with all photos that are there: the first ones were few to tell apart by.

        It takes a second or two, changes nothing, and may run beside whatever else is done.

        Returns
        -------
        AlbumTaste
            For `begin_anew`.
        """
        parts = list(self._parts)
        priors = [part.prior for part in parts if part.prior is not None]
        return AlbumTaste(
            np.concatenate([part.features for part in parts]),
            self.grades,
            np.concatenate(priors) if priors else None,
            self._seed,
        )

    def begin_anew(self, taste: AlbumTaste, bursts: Sequence[tuple[int, int]] = ()) -> None:
        """Take what `fresh` has made, and the bursts of those photos.

        Parameters
        ----------
        taste : AlbumTaste
        bursts : sequence of (int, int)
            Places in the album.
        """
        for part in self._parts_after(taste.n_photos):
            taste.extend(part.features, part.prior)
        self.taste = taste
        row_of = {photo: row for row, photo in enumerate(self.photos)}
        self._bursts = [
            (row_of[first], row_of[second])
            for first, second in bursts
            if first in row_of and second in row_of
        ]

    def learn(self, answers: Answers, pending: Sequence[Question] = ()) -> None:
        """Learn what was said, and as if pending photos were given what is expected of them.

        Parameters
        ----------
        answers : Answers
        pending : sequence of Question
            Shown, or about to be.
        """
        assert self.taste is not None
        known = self.known(answers)
        ratings = [(self.row_of[each.digest], each.grade) for each in known.ratings]
        self._given = dict(ratings)
        grades = np.array(self.grades)
        for question in pending:
            if question.predicted is not None:
                nearest = grades[np.abs(grades - question.predicted).argmin()]
                ratings.append((self.row_of[question.digests[0]], nearest))
        pairs = [(self.row_of[better], self.row_of[other]) for better, other in known.pairs]
        self.taste.learn(ratings, pairs)

    def choose(self, answers: Answers, pending: Sequence[Question]) -> Question | None:
        """Choose the question after those that are pending.

        Parameters
        ----------
        answers : Answers
        pending : sequence of Question

        Returns
        -------
        Question or None
            None if nothing is left to ask, or no photo's features are there yet.
        """
        if self.taste is None:
            return None
        self.learn(answers, pending)
        n_asked = answers.n_asked + len(pending)
        busy = {self.row_of[d] for each in pending for d in each.digests if d in self.row_of}
        never = busy | self._left(answers)
        if n_asked % _REPEATS == _REPEATS - 7:
            question = self._repeat(answers, busy)
        elif n_asked % _PAIRS == _PAIRS - 3:
            question = self._pair(answers, busy)
        elif every_fourth(n_asked):
            question = self._check(never | self._never)
        else:
            question = None
        return question or self._chosen(never) or self._check(never)

    def order(self, answers: Answers) -> list[Place]:
        """Put the album in the order that was learnt.

        Parameters
        ----------
        answers : Answers

        Returns
        -------
        list of Place
            The best first; of photos whose features are there.
        """
        if self.taste is None:
            return []
        self.learn(answers)
        found = self.taste.predict()
        worth = found.worth
        # On the line on which the model will put them: their order is then that of their figures.
        step, start = score_line(found)
        scores = np.clip(step * worth + start, self.grades[0], self.grades[-1])
        placed = [*((photo, row) for row, photo in enumerate(self.photos)), *self.copies]
        placed.sort(key=lambda each: (-worth[each[1]], each[0]))
        return [Place(photo, float(scores[row]), self._given.get(row)) for photo, row in placed]

    def certainty(self, answers: Answers) -> list[str]:
        """Say how well the order is known, by photos that were drawn at random alone.

        Parameters
        ----------
        answers : Answers

        Returns
        -------
        list of str
            Sentences; the last one tells what twenty more ratings would bring.
        """
        if self.taste is None:
            return []
        self.learn(answers)
        judging, ratings = self.checks(answers), self.known(answers).ratings
        given = np.array([ratings[place].grade for place in judging])
        judged = judge_checks(self.taste.wins(judging), given, self.good + 0.5)
        said = []
        if judged.n:
            said.append(
                f"{judged.n} photos were drawn at random to try it. In their order it agrees with "
                f"you by {_share(judged.srcc)} ({_share(judged.srcc_low)} to "
                f"{_share(judged.srcc_high)}; 1 is your very order, 0 none)."
            )
        if np.isfinite(judged.auc):
            said.append(
                f"Of a good photo and another it knows the good one in {judged.auc:.0%} "
                f"({judged.auc_low:.0%} to {judged.auc_high:.0%})."
            )
        if len(answers.repeats) >= _LEAST_REPEATS:
            agreement = judge_repeats(*np.array(answers.repeats).T)
            said.append(
                f"You agree with yourself by {_share(agreement.agreement)}, of "
                f"{agreement.n} photos that you saw twice; about {_share(agreement.ceiling)} is "
                "the most that anybody could reach."
            )
        return [*said, tell_more(judged, self.taste.foresee())]

    def checks(self, answers: Answers) -> list[int]:
        """Which ratings judge, among those that were learnt: of a random sample of the album.

        They are of the photos before the one that would be drawn next. Some of them were chosen
        before their turn came: without these, the others would be a sample of what was never
        chosen. A rating that was not given blind judges nothing.
        """
        following = next(self._drawn(self._left(answers) | self._never), None)
        sample = self._by_turn[: None if following is None else self._by_turn.index(following)]
        places = {
            self.row_of[each.digest]: place
            for place, each in enumerate(self.known(answers).ratings)
            if each.is_blind
        }
        judging = [row for row in sample if row in places and row not in self._never]
        return [places[row] for row in judging[:_MOST_JUDGING]]

    def _left(self, answers: Answers) -> set[int]:
        return {self.row_of[digest] for digest in answers.left if digest in self.row_of}

    def _drawn(self, never: Collection[int]) -> Iterator[int]:
        """Photos that were not rated, in the order in which they are drawn."""
        for row in self._by_turn:
            if row not in self._given and row not in never and self._is_there(self.photos[row]):
                yield row

    def _chosen(self, never: Collection[int]) -> Question | None:
        assert self.taste is not None
        refused = set(never)
        while (row := self.taste.next_photo(refused)) is not None:
            if self._is_there(self.photos[row]):
                return self._ask("chosen", row)
            refused.add(row)
        return None

    def _check(self, never: Collection[int]) -> Question | None:
        row = next(self._drawn(never), None)
        return None if row is None else self._ask("check", row)

    def _repeat(self, answers: Answers, busy: Set[int]) -> Question | None:
        """A photo that was drawn at random once, long ago."""
        n_times = Counter(each.digest for each in answers.ratings)
        rows = [
            self.row_of[each.digest]
            for each in answers.ratings
            if each.is_check
            and n_times[each.digest] == 1
            and answers.n_asked - each.asked >= FORGOTTEN
            and each.digest in self.row_of
        ]
        rows = [row for row in rows if row not in busy and self._is_there(self.photos[row])]
        if not rows:
            return None
        random = np.random.default_rng((self._seed, answers.n_asked))
        return self._ask("repeat", int(random.choice(rows)))

    def _pair(self, answers: Answers, busy: Set[int]) -> Question | None:
        assert self.taste is not None
        pairs = [
            pair
            for pair in self._bursts
            if not busy & set(pair)
            and frozenset(self._digests[row] for row in pair) not in answers.compared
            and all(self._is_there(self.photos[row]) for row in pair)
        ]
        place = self.taste.next_pair(pairs)
        if place is None:
            return None
        # In the order of the album, so that a pair that is asked again looks as it did.
        return self._ask("pair", *sorted(pairs[place], key=lambda row: self.photos[row]))

    def _ask(self, purpose: str, *rows: int) -> Question:
        assert self.taste is not None
        photos = tuple(self.photos[row] for row in rows)
        digests = tuple(self._digests[row] for row in rows)
        if len(rows) > 1:
            return Question(purpose, photos, digests)
        found = self.taste.predict(rows)
        # Among the nearest may be such as are pending, of which nothing was said yet.
        near = [each for each in self.taste.nearest(rows[0], NEAREST + 2) if each in self._given]
        return Question(
            purpose,
            photos,
            digests,
            float(found.score[0]),
            float(found.deviation[0]),
            tuple((self.photos[each], self._given[each]) for each in near[:NEAREST]),
        )

    def _parts_after(self, n_photos: int) -> list[Part]:
        """Parts that have come since there were so many photos."""
        parts, n_before = [], 0
        for part in self._parts:
            if n_before >= n_photos:
                parts.append(part)
            n_before += len(part.photos)
        return parts


def score_line(found: Prediction) -> tuple[float, float]:
    """The line from worth to expected grades, as `AlbumTaste.to_pipeline` takes it.

    Parameters
    ----------
    found : Prediction
        Of an album.

    Returns
    -------
    step, start : float
    """
    if not np.ptp(found.worth):
        return 1.0, 0.0
    step, start = np.polyfit(found.worth, found.score, 1)
    return float(step), float(start)


def _share(value: float) -> str:
    """A correlation as it is usually written: .61."""
    return f"{value:.2f}".replace("0.", ".", 1)
