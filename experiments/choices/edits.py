"""Whether a model's scores respond to edits as people do, before any edit is recommended by them.

Good photos on which nothing was trained are damaged, and edited: how often does the score fall, and
is a good photo left alone? Pairs of training photos and their damaged copies may teach it.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from decaf.editing.damages import DAMAGES, damage, neutral
from decaf.editing.edits import Edit
from experiments import data
from experiments.figures import draw_bars
from experiments.frame import Experiment, option
from experiments.pages import Page, Row, number, pivot
from features.photos import read_photo
from features.ratings import RatedPhotos

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from decaf.training.training_photos import TrainingPhotos

PROCESS, ORDINAL, TAUGHT = "gaussian process", "ordinal process", "ordinal process, taught damage"
# A difference counts that is more than so many times the noise of neutral changes.
N_DEVIATIONS = 2
BEFORE, AFTER = "before", "damaged"
ANY, SRCC = "any of these", "SRCC"
N_LANDMARKS = 1000
QUALITY = 95
FAMILIES: dict[str, tuple[Edit, ...]] = {
    "crop": tuple(
        Edit("crop", (x * (1 - side), y * (1 - side), x + (1 - x) * side, y + (1 - y) * side))
        for side in (0.8, 0.9)
        for x, y in itertools.product((0.0, 0.5, 1.0), repeat=2)
    ),
    "straighten": tuple(Edit("straighten", (degrees,)) for degrees in (-5, -2, 2, 5)),
    "exposure": tuple(Edit("exposure", (stops,)) for stops in (-1, -0.5, 0.5, 1)),
    "warmth": tuple(Edit("warmth", (stops,)) for stops in (-1, -0.5, 0.5, 1)),
    "contrast": tuple(Edit("contrast", (factor,)) for factor in (0.8, 1.2, 1.4)),
    "saturation": tuple(Edit("saturation", (factor,)) for factor in (0.6, 1.2, 1.4)),
    "black and white": (Edit("black and white"),),
}
TEXT = """\
{n_good} photos of the upper third of the scores, on which nothing was trained, with the averages of
all blocks of {backbone} ({size} pixels). *Falls* is the share of them whose score is lower when
they are damaged, as people would say of nearly all; *clearly*, by more than {n_deviations} times
the deviation of the score over eight changes that nobody sees (JPEGs of quality 90 and 80, a
hundredth cut off each side, half a degree of tilt). A tilted photo is compared with the straight
part of its size. *Left alone* is the share of the photos of which no edit of a kind is expected to
make a clearly better one. The *{taught}* has also learnt that {n_taught} training photos are better
than copies of them, damaged in all these ways by strengths between half and one and a half of the
usual; that costs no ratings. *SRCC* is Spearman's correlation with people's scores of all {n_test}
test photos, as they are."""


@dataclass(frozen=True)
class Version:
    """A photo's row, what was done to it, and in which way."""

    row: int
    kind: str
    name: str = ""


def edits(args) -> Page:
    """Damage photos, edit them, and ask each learner."""
    from classifiers.evaluation.ordering import rank_correlation
    from features.splits import choose_test_photos

    rated = data.read_rated(args, "score", "its ratings have no scores, by which photos are good")
    photos = data.training_photos(rated, args.backbone, data.parse_sizes(args.size), args)
    rated, X = photos.rated, _features(photos)
    assert rated.score is not None and rated.paths is not None  # as was needed
    is_test = choose_test_photos(rated, args.test_fraction, args.seed)
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    random = np.random.default_rng(args.seed)
    good = test[rated.score[test] >= np.quantile(rated.score, 2 / 3)]
    good = random.permutation(good)[: args.good]
    taught = random.permutation(train)[: args.taught]
    tried, X_tried = _see((each for row in good for each in versions(row, rated.paths[row])), args)
    _, X_shown = _see(
        (each for row in taught for each in damaged(row, rated.paths[row], random)), args
    )
    pairs = X_shown[::2], X_shown[1::2]
    rows: list[Row] = []
    for name, learner in learners(args.seed).items():
        score = fit(learner, X[train], rated.score[train], pairs if name == TAUGHT else None)
        rows += [{"learner": name} | row for row in judge(tried, score(X_tried))]
        srcc = rank_correlation(rated.score[test], score(X[test]))
        rows.append({"learner": name, "of": SRCC, "share": srcc})
    return _page(rows, args, n_good=len(good), n_taught=len(taught), n_test=len(test))


def versions(row: int, path: str) -> Iterator[tuple[Version, np.ndarray]]:
    """A good photo as it is, changed as nobody sees, damaged, and edited."""
    rgb, _ = read_photo(path)
    yield Version(row, "as it is"), rgb
    for n, changed in enumerate(neutral(rgb)):
        yield Version(row, "neutral", str(n)), changed
    yield from damaged(row, path)
    for family, own in FAMILIES.items():
        for edit in own:
            yield Version(row, family, str(edit.amounts)), edit.apply(rgb)


def damaged(
    row: int, path: str, random: np.random.Generator | None = None
) -> Iterator[tuple[Version, np.ndarray]]:
    """Each damage in turn: what is to be seen against it, and it."""
    rgb, _ = read_photo(path)
    for name in DAMAGES:
        for kind, changed in zip((BEFORE, AFTER), damage(rgb, name, random)):
            yield Version(row, kind, name), changed


def learners(seed: int) -> dict[str, Pipeline]:
    """What learns scores, by name."""
    from sklearn.base import clone
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from classifiers import OrdinalGaussianProcess
    from classifiers.catalogue import make_classifier
    from classifiers.signed_logarithm import SignedLogarithm

    process = OrdinalGaussianProcess(n_landmarks=N_LANDMARKS, random_state=seed)
    ordinal = make_pipeline(StandardScaler(), SignedLogarithm(), process)
    found = {PROCESS: make_classifier("gaussian-process", seed), ORDINAL: ordinal}
    return found | {TAUGHT: clone(ordinal)}


def fit(
    learner: Pipeline, X: np.ndarray, y: np.ndarray, pairs: tuple[np.ndarray, np.ndarray] | None
) -> Callable[[np.ndarray], np.ndarray]:
    """Fit scores, and of pairs which is the better one; what predicts scores."""
    if pairs is None:
        return learner.fit(X, y).predict
    prepare, process = learner[:-1].fit(X, y), learner[-1]
    better, worse = map(prepare.transform, pairs)
    process.fit(prepare.transform(X), y, better=better, worse=worse)
    return lambda rows: process.predict(prepare.transform(rows))


def judge(tried: list[Version], score: np.ndarray) -> Iterator[Row]:
    """Shares of the photos whose score falls when they are damaged, and that are left alone."""
    import pandas

    table = pandas.DataFrame(
        {"row": each.row, "kind": each.kind, "name": each.name} for each in tried
    ).assign(score=score)
    by_kind = dict(iter(table.groupby("kind")))
    noise = by_kind["neutral"].groupby("row")["score"].std().pow(2).mean() ** 0.5
    before, after = (
        by_kind[kind].pivot(index="row", columns="name", values="score") for kind in (BEFORE, AFTER)
    )
    for name in DAMAGES:
        fall = before[name] - after[name]
        yield {"of": name, "share": (fall > 0).mean()} | {
            "clearly": (fall > N_DEVIATIONS * noise).mean()
        }
    as_it_is = by_kind["as it is"].set_index("row")["score"]
    gain = pandas.DataFrame(
        {family: by_kind[family].groupby("row")["score"].max() - as_it_is for family in FAMILIES}
    )
    for family, own in (gain.assign(**{ANY: gain.max(axis=1)})).items():
        yield {"of": family, "share": (own <= N_DEVIATIONS * noise).mean()}


def _see(
    made: Iterable[tuple[Version, np.ndarray]], args: argparse.Namespace
) -> tuple[list[Version], np.ndarray]:
    """Versions and their features; they are written as files, and cached as any photos."""
    done: list[Version] = []
    paths: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for version, rgb in made:
            paths.append(str(Path(folder, f"{len(done)}.jpg")))
            Image.fromarray(rgb).save(paths[-1], quality=QUALITY)
            done.append(version)
        named = np.array(paths, object)
        rated = RatedPhotos(named, np.arange(len(named)) % 2, named)
        sizes = data.parse_sizes(args.size)
        return done, _features(data.training_photos(rated, args.backbone, sizes, args))


def _features(photos: TrainingPhotos) -> np.ndarray:
    return photos.activations.read(np.arange(len(photos))).astype(np.float32)


def _page(rows: list[Row], args: argparse.Namespace, **counts: int) -> Page:
    def of(names: Iterable[str]) -> list[Row]:
        return [row for row in rows if row["of"] in set(names)]

    names = {name: name for name in learners(args.seed)}
    fall = {"falls": number("share", ".0%"), "clearly": number("clearly", ".0%")}
    tables = {
        f"Share of the damaged photos whose score {said}": pivot(
            of(DAMAGES), "of", "learner", cell, names
        )
        for said, cell in fall.items()
    }
    kept = [*FAMILIES, ANY]
    tables["Share of the photos left alone"] = pivot(
        of(kept), "of", "learner", number("share", ".0%"), names
    )
    tables["The order of whole photos"] = pivot(
        of([SRCC]), "of", "learner", number("share", ".3f"), names
    )
    taught = [row for row in of(DAMAGES) if row["learner"] == TAUGHT]
    return Page(
        title=f"Scores of edited photos, on {args.data.resolve().name}",
        text=TEXT.format(
            backbone=args.backbone,
            size=args.size,
            n_deviations=N_DEVIATIONS,
            taught=TAUGHT,
            **counts,
        ),
        tables=tables,
        rows=rows,
        figure=draw_bars(
            [row["of"] for row in taught],
            {"clearly": [row["clearly"] for row in taught]}
            | {"falls": [row["share"] - row["clearly"] for row in taught]},
            xlabel=f"share of the damaged photos whose score falls ({TAUGHT})",
            size=(8, 4),
        ),
        facts={"photos": args.data.name, "seed": str(args.seed)},
    )


EXPERIMENT = Experiment(
    __doc__,
    edits,
    (
        data.data_options,
        option("--backbone", "", "efficientnet-lite0"),
        data.SIZE,
        data.BLOCKS,
        option("--good", "photos that are damaged and edited", 60),
        option("--taught", "training photos whose damaged copies teach", 100),
    ),
)
