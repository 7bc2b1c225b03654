"""What a rating costs while a taste is learnt: a refit, and the choice of the next photo."""

from __future__ import annotations

from itertools import product

import numpy as np
from tqdm import tqdm

from experiments.figures import Panel, draw_lines, lines_of
from experiments.frame import Experiment, at_once, option
from experiments.measuring import best_seconds
from experiments.pages import Page, Row, number, pivot

# Milliseconds that a refit and a choice may take; a key to the next photo may take twice as long.
ALLOWED = 50
FEATURES = 2 * 2064
# Of the photos, which differ in so many ways.
DIRECTIONS = 100
TEXT = f"""\
Photos of {FEATURES:,} random features, as many as EfficientNet-Lite0's averages at two sizes have,
in {DIRECTIONS} directions with noise; five stars. *Album*: an `AlbumTaste` is made, once. *Refit*:
one rating is added to those that were learnt, or taken back. *Choice*: the photo whose rating tells
most. The best of {{runs}}, by the clock, with {{threads}} of the linear algebra. Both together may
take {ALLOWED} ms at 1,000 ratings and 10,000 photos."""


def bench_taste(args) -> Page:
    """Time each number of photos and ratings."""
    from threadpoolctl import threadpool_limits

    rows: list[Row] = []
    with threadpool_limits(args.threads):
        for n_photos, n_ratings in tqdm(list(product(args.photos, args.ratings))):
            rows.append(measure(n_photos, min(n_ratings, n_photos), args.runs))
    headers = {n: f"{n:,} ratings" for n in args.ratings}
    told = {"Refit and choice, ms": ("both", ".0f"), "Refit, ms": ("refit", ".0f")}
    told |= {"Album, s": ("album", ".1f")}
    text = TEXT.format(
        runs=f"{args.runs} runs", threads=f"{args.threads} thread{'s' * (args.threads > 1)}"
    )
    panel = Panel(
        lines_of(rows, "ratings", "both", ("photos",)),
        {"xscale": "log", "xlabel": "ratings", "ylabel": "refit and choice, ms", "ylim": (0, None)},
        {"y": ALLOWED},
    )
    return Page(
        title="A rating, and the next photo",
        text=text,
        tables={
            caption: pivot(rows, "photos", "ratings", number(*cell), headers)
            for caption, cell in told.items()
        },
        rows=rows,
        figure=draw_lines(panel, size=(6, 3)),
    )


def measure(n_photos: int, n_ratings: int, n_runs: int) -> Row:
    """Times of one size, in milliseconds; the album's in seconds."""
    from classifiers.taste.album import AlbumTaste

    random = np.random.default_rng(0)
    along = random.normal(size=(n_photos, DIRECTIONS)).astype(np.float32)
    features = along @ random.normal(size=(DIRECTIONS, FEATURES)).astype(np.float32)
    features += np.sqrt(DIRECTIONS) * random.standard_normal(features.shape, np.float32)
    stars = 1 + np.searchsorted([-1, -0.3, 0.3, 1], along[:, 0] + random.normal(size=n_photos) / 2)
    albums: list[AlbumTaste] = []
    of_album = best_seconds(lambda: albums.append(AlbumTaste(features)))
    (taste,) = albums
    ratings = [(int(photo), int(stars[photo])) for photo in random.permutation(n_photos)]
    taste.learn(ratings[: n_ratings - 1])
    taste.next_photo()
    sizes = [n_ratings, n_ratings - 1] * n_runs
    refit = best_seconds(lambda: taste.learn(ratings[: sizes.pop()]), n_runs)
    choice = best_seconds(taste.next_photo, n_runs)
    times = {"refit": 1e3 * refit, "choice": 1e3 * choice, "both": 1e3 * (refit + choice)}
    return {"photos": n_photos, "ratings": n_ratings, "album": of_album, **times}


EXPERIMENT = Experiment(
    __doc__,
    bench_taste,
    (
        at_once("--photos", "", (1_000, 10_000)),
        at_once("--ratings", "", (10, 100, 1_000)),
        option("--runs", "of which the best counts", 10),
        option("--threads", "of the linear algebra", 1),
    ),
    part=lambda args: "",
)
