"""The rating page in a browser: a person rates through it, and how long a key takes.

The person is that of `experiments taste`, who presses the keys of a real page in Chromium.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments import data
from experiments.browser import Browser
from experiments.choices.taste import Person
from experiments.figures import Panel, draw_lines, lines_of
from experiments.frame import Experiment, at_once, option
from experiments.pages import Page, Row, number, pivot, table

if TYPE_CHECKING:
    from decaf.rating.session import Session

GRADES = (1, 2, 3, 4, 5)
# From a key to the next photo on the screen, in milliseconds: what is allowed.
ALLOWED = 100
# Between two keys: a person looks at a photo.
PAUSE = 0.3
READY = "question && isShown && !busy && questions.length > 1"
# From the key that comes next to the frame in which another photo has been decoded.
_WATCH = """
window.pressed = 0;
addEventListener("keydown", () => { window.pressed = performance.now(); },
  { once: true, capture: true });
window.seen = new Promise((done) => {
  const look = () => {
    if (question && question.number !== NUMBER && isShown)
      requestAnimationFrame(() => done(performance.now() - window.pressed));
    else setTimeout(look, 1);
  };
  look();
});
0
"""
TEXT = """\
A person, as in `experiments taste`, rates photos through the page of `rate-photos`, in Chromium
without a window, {pause} s after each has come; the averages of all blocks of {backbone} ({size}
pixels) are given. *SRCC* and *AUC* are those of the photos kept apart after so many keys, means of
{draws} draws, whose seeds are the first ones of that experiment. *Key to next photo* is told by the
page, from the key to the frame in which the next photo is shown; {allowed} ms are allowed. The
large album has {photos:,} photos, which are those of the others again and again, with features as
in `bench-taste`, and {ratings:,} ratings from the start."""


class GivenFeatures:
    """Features that are there, in place of `decaf.rating.measuring.Measuring`."""

    def __init__(self, features: np.ndarray):
        from features.photo_set import PhotoSet

        self.seen, self.failed = PhotoSet(), {}
        self._features = features

    def parts(self, order: Sequence[int]):
        """All photos at once."""
        from decaf.rating.learner import Part

        yield Part(list(order), [digest_of(photo) for photo in order], self._features[order], None)

    def bursts(self, photos: Sequence[int]) -> list[tuple[int, int]]:
        """None: the person is asked for stars alone."""
        return []


def digest_of(photo: int) -> str:
    """What tells photos apart: the files of a large album are a few, again and again."""
    return f"{photo:032x}"


def bench_rating(args) -> Page:
    """Rate draw after draw, then a large album."""
    from sklearn.metrics import roc_auc_score

    from classifiers.evaluation.ordering import rank_correlation
    from features.splits import choose_test_photos

    rated = data.read_rated(args, "score", "its ratings have no scores, by which people differ")
    photos = data.training_photos(rated, args.backbone, data.parse_sizes(args.size), args)
    rated, X = photos.rated, photos.activations.read(np.arange(len(photos))).astype(np.float32)
    rows: list[Row] = []
    waits: list[Row] = []
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(profile)
        try:
            for seed in range(args.seed, args.seed + args.draws):
                apart = choose_test_photos(replace(rated, split=None), args.test_fraction, seed)
                album = np.flatnonzero(~apart)
                person = Person(rated.score[album], args.noise, seed)

                def judge(session: Session, n: int, apart: np.ndarray = apart) -> None:
                    predicted = predict(session, X[apart])
                    srcc = rank_correlation(rated.score[apart], predicted)
                    auc = float(roc_auc_score(rated.label[apart], predicted))
                    rows.append({"keys": n, "srcc": srcc, "auc": auc})

                paths = [str(path) for path in rated.paths[album]]
                with rating_page(browser, paths, X[album], 0, person, seed) as session:
                    times = rate(browser, session, person, sorted(args.keys), judge)
                waits.append(describe(times, len(album), 0))
                print(waits[-1], flush=True)
            many = [str(rated.paths[n % len(rated)]) for n in range(args.photos)]
            features, worth = random_photos(args.photos, X.shape[1])
            person = Person(worth, args.noise, args.seed)
            with rating_page(browser, many, features, args.given, person, args.seed) as session:
                times = rate(browser, session, person, [100])
            waits.append(describe(times, args.photos, args.given))
        finally:
            browser.close()
    return _page(rows, waits, args)


def random_photos(n_photos: int, n_features: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of an album, and what a person thinks of its photos."""
    random = np.random.default_rng(0)
    along = random.normal(size=(n_photos, 100)).astype(np.float32)
    features = along @ random.normal(size=(100, n_features)).astype(np.float32)
    features += 10 * random.standard_normal(features.shape, np.float32)
    return features, along[:, 0]


@contextmanager
def rating_page(
    browser: Browser,
    paths: Sequence[str],
    features: np.ndarray,
    n_rated: int,
    person: Person,
    seed: int,
) -> Iterator[Session]:
    """The page of an album, of which some photos have ratings, in the browser."""
    from decaf.rating.ratings_file import Event, RatingsFile
    from decaf.rating.server import PageServer
    from decaf.rating.session import Session

    with tempfile.TemporaryDirectory() as folder:
        names = [f"{place}/{Path(path).name}" for place, path in enumerate(paths)]
        file = RatingsFile(Path(folder, "ratings.sqlite"), GRADES)
        rated = np.random.default_rng(seed).permutation(len(paths))[:n_rated]
        grades = person.grade(rated)
        file.append(
            [
                Event("rated", "chosen", names[photo], digest_of(photo), grade=float(grade))
                for photo, grade in zip(rated, grades)
            ]
        )
        session = Session(names, paths, file, GivenFeatures(features), seed)
        server = PageServer(session, lambda line: "")
        session.start()
        serving = threading.Thread(target=server.run)
        serving.start()
        try:
            browser.visit(server.address)
            session._measurer.join()
            browser.wait_for(READY, 60)
            yield session
        finally:
            browser.call("Page.navigate", url="about:blank")
            server.end()
            serving.join()
            session.close()


def rate(
    browser: Browser,
    session: Session,
    person: Person,
    stops: Sequence[int],
    judge: Callable[[Session, int], None] = lambda session, n: None,
) -> list[float]:
    """Press keys; milliseconds from each to the next photo."""
    times = []
    for n in range(1, stops[-1] + 1):
        question = json.loads(browser.run("JSON.stringify(question)"))
        browser.run(_WATCH.replace("NUMBER", str(question["number"])))
        browser.press(str(person.grade(np.array(question["photos"][:1]))[0]))
        times.append(browser.run("window.seen"))
        time.sleep(PAUSE)
        browser.wait_for(READY, 60)
        browser.events.clear()
        if n in stops:
            judge(session, n)
    return times


def predict(session: Session, X: np.ndarray) -> np.ndarray:
    """Scores of photos that are not in the album, as a model of what was learnt gives them."""
    learner, answers = session._learner, session.answers

    def learnt() -> np.ndarray:
        learner.learn(answers)
        return learner.taste.to_pipeline().predict(X)

    return session._thinking.submit(learnt).result()


def describe(times: list[float], n_photos: int, n_ratings: int) -> Row:
    """The times of one session."""
    median, late = np.quantile(times, [0.5, 0.95])
    row = {"photos": n_photos, "ratings": n_ratings, "keys": len(times), "median": median}
    return row | {"late": late, "most": max(times)}


def _page(rows: list[Row], waits: list[Row], args) -> Page:
    keys = sorted(args.keys)
    means: list[Row] = [
        {"of": "the page", "keys": n}
        | {
            name: np.mean([row[name] for row in rows if row["keys"] == n])
            for name in ("srcc", "auc")
        }
        for n in keys
    ]
    headers = {n: f"{n} keys" for n in keys}
    told = {"photos": "{photos:,}", "ratings before": "{ratings:,}", "keys": "{keys}"}
    told |= {"median, ms": "{median:.0f}", "95 %, ms": "{late:.0f}", "most, ms": "{most:.0f}"}
    panel = Panel(lines_of(means, "keys", "srcc", ("of",)), {"xlabel": "keys", "ylabel": "SRCC"})
    return Page(
        title=f"Rating in a browser, on {args.data.resolve().name}",
        text=TEXT.format(
            pause=PAUSE,
            backbone=args.backbone,
            size=args.size,
            draws=args.draws,
            allowed=ALLOWED,
            photos=args.photos,
            ratings=args.given,
        ),
        tables={
            "SRCC": pivot(means, "of", "keys", number("srcc", ".3f"), headers),
            "AUC": pivot(means, "of", "keys", number("auc", ".3f"), headers),
            "Key to next photo": table(waits, told),
        },
        rows={"results": means, "waits": waits},
        figure=draw_lines(panel, size=(6, 3)),
    )


EXPERIMENT = Experiment(
    __doc__,
    bench_rating,
    (
        data.data_options,
        option("--backbone", "", "efficientnet-lite0"),
        data.SIZE,
        data.BLOCKS,
        at_once("--keys", "after which it is judged", (10, 20, 40, 80, 160)),
        option("--noise", "of the person, over the deviation of the scores", 0.5),
        option("--draws", "", 3),
        option("--photos", "of the large album", 10_000),
        option("--given", "ratings that it has from the start", 1_000),
    ),
)
