"""A person rates photos one after another: how soon their taste is known, by which photo is next.

The person is simulated: their grades are fifths of the score with noise upon it, and of a pair that
photo is better whose score with noise is higher.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations, pairwise, product, takewhile
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from experiments import data
from experiments.figures import Panel, draw_lines, lines_of
from experiments.frame import Experiment, at_once, option
from experiments.judging import add_differences, compute_once, means_of_draws
from experiments.pages import Page, Row, Table, interval, pivot

if TYPE_CHECKING:
    from classifiers.taste.album import AlbumTaste

CHOSEN, PAIRS = "chosen", "chosen, and pairs"
RANDOM, LARGEST = "random", "largest variance"
WAYS = (CHOSEN, PAIRS, RANDOM, LARGEST)
METRICS = ("srcc", "auc")
HONEST = ("shown", "kept", "held")
OFF = "shown_minus_kept"
# Of the album, to tell whether what is shown is true of photos that nobody was asked of.
NEVER_ASKED = 0.2
# A person who wavers gives these photos other stars each time.
N_GRADINGS = 20
# With pairs, every so many keys there is one.
PAIR_EVERY = 5
GOOD = 4
TEXT = """\
Photos with their averages of all blocks of {backbone} ({size} pixels). In each of {draws} draws a
quarter of the photos is kept apart (whole groups); a person rates others with one to five stars, a
key each; a fifth of these, drawn at random, is never asked. Stars are the fifths of the scores in
which score and noise fall; the noise has {noise} of the scores' deviation. *Chosen* is
`AlbumTaste`'s next photo, and every fourth one at random; with *pairs* every fifth key tells which
of two photos of one group is better. *Random* and *largest variance* choose so, and learn alike.
*SRCC* is Spearman's rank correlation with the true scores, *AUC* tells the classes of the midpoint,
both of the photos kept apart; means of the draws. Brackets hold 95 % intervals of these means, from
resampled draws; differences are of the same draws. *Shown* is the SRCC of a random sample of what
may be asked, in {shown} draws: of the photos before the next one that is drawn at random, each two
compared without the stars of both; *kept* that of the fifth that was never asked, with the stars
that the person would give, the mean of {gradings} times; *held* the share of draws in which the
interval shown holds the latter."""


def taste(args) -> Page:
    """Let the person rate in each way, draw after draw."""
    from tqdm import tqdm

    rated = data.read_rated(args, "score", "its ratings have no scores, by which people differ")
    photos = data.training_photos(rated, args.backbone, data.parse_sizes(args.size), args)
    what = {"activations": photos.activations.identity, "noise": args.noise}
    what |= {"keys": sorted(args.keys), "test_fraction": args.test_fraction}
    drawn: list[list[Row]] = []
    n_draws = max(args.draws, args.shown)
    for draw in tqdm(range(args.seed, args.seed + n_draws), "draws", unit="draw"):
        drawn.append([])
        for way in args.ways:
            if draw < args.seed + args.draws or way == CHOSEN:
                judge = partial(_judge_draw, photos, args, way, draw)
                drawn[-1] += compute_once(args, f"draw-{draw}-{way}", what, judge)
    keys = sorted(args.keys)
    cells: list[Row] = [{"way": way, "keys": n} for way, n in product(args.ways, keys)]
    first = [row for own in drawn[: args.draws] for row in own]
    rows = means_of_draws(first, cells, METRICS, args.seed)
    cells = [cell for cell in cells if cell["way"] == CHOSEN]
    shown = [row for own in drawn[: args.shown] for row in own if row["way"] == CHOSEN]
    honest = means_of_draws(shown, cells, (*HONEST, OFF), args.seed)
    return Page(
        title=f"A taste learnt while it rates, on {args.data.resolve().name}",
        text=TEXT.format(
            backbone=args.backbone,
            size=args.size,
            draws=args.draws,
            noise=f"{args.noise:.0%}",
            shown=args.shown,
            gradings=N_GRADINGS,
        ),
        tables=_tables(rows, honest, keys),
        rows={"results": rows, "shown": honest},
        figure=_draw(rows),
        facts={
            "photos": f"{len(photos):,} of {args.data.name}",
            "seeds": f"{args.seed} to {args.seed + args.draws - 1}",
        },
    )


def _tables(rows: list[Row], honest: list[Row], keys: list[int]) -> dict[str, Table]:
    """Figures, differences from a random order, and what was shown while rating."""
    before = [row for row in rows if row["way"] == RANDOM]
    others = [row for row in rows if row["way"] != RANDOM]
    later = {after: n for n, after in pairwise(keys)}
    more = [row | {"keys": later[row["keys"]]} for row in before if row["keys"] in later]
    add_differences(others, before, "random", itemgetter("keys"), METRICS)
    add_differences(others, more, "later_random", itemgetter("keys"), METRICS)
    headers = {n: f"{n} keys" for n in keys}
    next_headers = {n: f"{n} keys less {after}" for after, n in later.items()}
    sooner = [row for row in others if row["keys"] in next_headers]
    told = [
        row | {"of it": name} | {f"x{end}": row[f"{name}{end}"] for end in ("", "_low", "_high")}
        for name in HONEST
        for row in honest
    ]

    def table(rows: list[Row], of: str, metric: str, headers: Mapping[int, str]) -> Table:
        return pivot(rows, of, "keys", interval(metric), headers)

    tables = {name.upper(): table(rows, "way", name, headers) for name in METRICS}
    for name in METRICS:
        caption = f"{name.upper()} less that in random order"
        tables[caption] = table(others, "way", f"{name}_minus_random", headers)
        tables[f"{caption} after more keys"] = table(
            sooner, "way", f"{name}_minus_later_random", next_headers
        )
    tables["Shown while rating, of the way chosen"] = table(told, "of it", "x", headers)
    tables["Shown less kept"] = table(honest, "way", OFF, headers)
    return tables


class Person:
    """Who rates photos by their scores, and wavers."""

    def __init__(self, score: np.ndarray, noise: float, seed: int):
        self._random = np.random.default_rng(seed)
        self._score, self._noise = score, noise * score.std()
        self._ends = np.quantile(self._felt(np.arange(len(score))), [0.2, 0.4, 0.6, 0.8])

    def grade(self, photos: np.ndarray) -> np.ndarray:
        """Give one to five stars."""
        return 1 + np.searchsorted(self._ends, self._felt(photos))

    def compare(self, pair: tuple[int, int]) -> tuple[int, int]:
        """Give the better one first."""
        first, second = self._felt(np.array(pair))
        return pair if first > second else pair[::-1]

    def _felt(self, photos: np.ndarray) -> np.ndarray:
        return self._score[photos] + self._noise * self._random.normal(size=len(photos))


def _judge_draw(photos, args, way, seed) -> list[Row]:
    """What is known after so many keys, in one draw."""
    from sklearn.metrics import roc_auc_score

    from classifiers.evaluation.ordering import rank_correlation
    from classifiers.taste.album import AlbumTaste
    from classifiers.taste.certainty import judge_checks
    from features.splits import choose_test_photos

    rated = photos.rated
    X = photos.activations.read(np.arange(len(photos))).astype(np.float32)
    apart = choose_test_photos(replace(rated, split=None), args.test_fraction, seed)
    album = np.flatnonzero(~apart)
    person = Person(rated.score[album], args.noise, seed)
    learner = AlbumTaste(X[album], seed=seed)
    kept = np.random.default_rng(seed).permutation(len(album))[: int(NEVER_ASKED * len(album))]
    pairs = [] if rated.group is None else pairs_of_groups(rated.group[album])
    pairs = [pair for pair in pairs if not set(pair) & set(kept)]
    rows: list[Row] = []
    asked = rate(learner, person, way, pairs, kept, stops=sorted(args.keys), seed=seed)
    for n_keys, judging in asked:
        predicted = learner.to_pipeline().predict(X[apart])
        row = {
            "way": way,
            "keys": n_keys,
            "srcc": rank_correlation(rated.score[apart], predicted),
            "auc": float(roc_auc_score(rated.label[apart], predicted)),
        }
        if way == CHOSEN:
            # Who has not answered yet, and is asked beside the others.
            same = Person(rated.score[album], args.noise, seed)
            given = np.array(list(judging.values()))
            shown = judge_checks(learner.wins(list(judging)), given, good=GOOD)
            worth = learner.predict(kept).worth
            gradings = (same.grade(kept) for _ in range(N_GRADINGS))
            told = [judge_checks(worth, given, good=GOOD).srcc for given in gradings]
            srcc = float(np.mean(told))
            row |= {"shown": shown.srcc, "kept": srcc, OFF: shown.srcc - srcc}
            row["held"] = float(shown.srcc_low <= srcc <= shown.srcc_high)
        rows.append(row)
    return rows


def rate(
    learner: AlbumTaste,
    person: Person,
    way: str,
    pairs: list[tuple[int, int]],
    never: np.ndarray,
    *,
    stops: list[int],
    seed: int,
) -> Iterator[tuple[int, dict[int, int]]]:
    """Let a person press keys; at each stop give their number, and places and stars that judge."""
    askable = np.setdiff1d(np.arange(learner.n_photos), never)
    drawn = np.random.default_rng(seed).permutation(askable)
    ratings: list[tuple[int, int]] = []
    compared: list[tuple[int, int]] = []
    open_pairs = list(pairs)
    for n_keys in range(1, max(stops) + 1):
        if way == PAIRS and open_pairs and n_keys % PAIR_EVERY == 0:
            compared.append(person.compare(open_pairs.pop(learner.next_pair(open_pairs))))
        else:
            rated = [photo for photo, _ in ratings]
            photo = _next(learner, way, rated, never, drawn)
            ratings.append((photo, int(person.grade(np.array([photo]))[0])))
        # A random order does not ask what has been learnt.
        if way != RANDOM or n_keys in stops:
            learner.learn(ratings, compared)
        if n_keys in stops:
            given = {photo: (place, stars) for place, (photo, stars) in enumerate(ratings)}
            yield n_keys, dict(given[photo] for photo in takewhile(given.__contains__, drawn))


def pairs_of_groups(group: np.ndarray) -> list[tuple[int, int]]:
    """All pairs of photos of one group."""
    members: dict[str, list[int]] = {}
    for photo, name in enumerate(group):
        members.setdefault(name, []).append(photo)
    return [pair for own in members.values() for pair in combinations(own, 2)]


def _next(learner, way, rated, never, drawn):
    """Which photo is asked."""
    from classifiers.taste.album import every_fourth

    at_random = next(int(photo) for photo in drawn if photo not in rated)
    if way == RANDOM or every_fourth(len(rated)):
        return at_random
    if way == LARGEST:
        spread = learner.predict().worth_deviation
        spread[[*rated, *never]] = -1
        return int(np.argmax(spread))
    photo = learner.next_photo(never)
    # An album may end in near-duplicates of what was rated.
    return at_random if photo is None else photo


def _draw(rows):
    keys = sorted({row["keys"] for row in rows})
    panels = [
        Panel(
            lines_of(rows, "keys", name, ("way",)),
            {"xscale": "log", "xlabel": "keys", "ylabel": name.upper()}
            | {"xticks": keys, "xticklabels": keys},
        )
        for name in METRICS
    ]
    return draw_lines(*panels, size=(9, 3.8), legend="outside lower center", ncols=4)


EXPERIMENT = Experiment(
    __doc__,
    taste,
    (
        data.data_options,
        option("--backbone", "", "efficientnet-lite0"),
        data.SIZE,
        data.BLOCKS,
        at_once("--keys", "after which it is judged", (10, 20, 40, 60, 80, 160)),
        at_once("--ways", "to choose the next photo", WAYS, choices=WAYS),
        option("--noise", "of the person, over the deviation of the scores", 0.5),
        option("--draws", "", 20),
        option("--shown", "draws in which what is shown is judged, of the way chosen", 120),
    ),
)
