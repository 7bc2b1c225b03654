"""How few ratings teach an order: learning curves of what learns, from 10 ratings on.

Draw after draw, other photos are held back and others rated; each learner has the same ones.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product
from operator import itemgetter

import numpy as np

from experiments import data
from experiments.figures import Panel, draw_lines, lines_of
from experiments.frame import Experiment, at_once, option
from experiments.judging import add_differences, compute_once, means_of_draws
from experiments.pages import Page, Row, interval, pivot

WIDTH = 250
BEFORE = f"head of {WIDTH}, logistic regression"
LEARNERS = (BEFORE, "ridge", "gaussian-process", "ordinal")
METRICS = ("srcc", "auc")
TEXT = """\
Photos with their averages of all blocks of {backbone} ({size} pixels). In each of {draws} draws a
quarter of the photos is held back (whole groups), and some of the others are rated: those of fewer
ratings are among those of more, and the fewest are of both classes. *{before}* is what
`fit-classifier` did before it learnt scores: the head is finetuned on the labels, softened near the
midpoint, with the recipe `decaf`. The others learn the scores on the plain averages. *SRCC* is
Spearman's rank correlation with people's scores, *AUC* tells the classes of the midpoint, both of
the photos held back; means of the draws. Brackets hold 95 % intervals of these means, from
resampled draws; differences are of the same draws."""


def few_ratings(args) -> Page:
    """Judge all learners on all draws."""
    from tqdm import tqdm

    from decaf.training.settings import RECIPES

    rated = data.read_rated(args, "score", "its ratings have no scores, by which order is judged")
    photos = data.training_photos(rated, args.backbone, data.parse_sizes(args.size), args)
    settings = replace(RECIPES["decaf"], least_batches=1, validation_fraction=0.0)
    what = {"activations": photos.activations.identity, "training": settings.to_json()}
    what |= {"ratings": sorted(args.rated), "test_fraction": args.test_fraction}
    drawn: list[Row] = []
    for draw in tqdm(range(args.seed, args.seed + args.draws), "draws", unit="draw"):
        judge = partial(_judge_draw, photos, settings, args, draw)
        drawn += compute_once(args, f"draw-{draw}", what, judge)
    cells = [
        {"learner": learner, "ratings": n} for learner, n in product(LEARNERS, sorted(args.rated))
    ]
    rows = means_of_draws(drawn, cells, METRICS, args.seed)
    before = [row for row in rows if row["learner"] == BEFORE]
    others = [row for row in rows if row["learner"] != BEFORE]
    add_differences(others, before, "before", itemgetter("ratings"), METRICS)
    headers = {n: f"{n} ratings" for n in args.rated}
    tables = {
        name.upper(): pivot(rows, "learner", "ratings", interval(name), headers) for name in METRICS
    } | {
        f"{name.upper()} less that of the {BEFORE}": pivot(
            others, "learner", "ratings", interval(f"{name}_minus_before"), headers
        )
        for name in METRICS
    }
    return Page(
        title=f"Few ratings, on {args.data.resolve().name}",
        text=TEXT.format(backbone=args.backbone, size=args.size, draws=args.draws, before=BEFORE),
        tables=tables,
        rows=rows,
        figure=_draw(rows),
        facts={
            "photos": f"{len(photos):,} of {args.data.name}, "
            f"{photos.rated.label.mean():.1%} professional",
            "seeds": f"{args.seed} to {args.seed + args.draws - 1}",
        }
        | data.training_facts(settings),
    )


def choose_rated(label: np.ndarray, sizes: list[int], seed: int) -> list[np.ndarray]:
    """Draw photos to be rated, as positions: each draw holds those of the smaller ones.

    The smallest is of both classes, without which nothing learns labels.
    """
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(len(label))
        if len(np.unique(label[order[: min(sizes)]])) == 2:
            return [order[:size] for size in sizes]


def _judge_draw(photos, settings, args, seed) -> list[Row]:
    """What every learner comes to with every number of ratings, in one draw."""
    from sklearn.base import is_regressor
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline

    from classifiers.catalogue import make_classifier
    from classifiers.evaluation.calibration import decision_score
    from classifiers.evaluation.ordering import rank_correlation
    from decaf.training.heads import FinetunedHead
    from features.splits import choose_test_photos

    rated, positions = photos.rated, np.arange(len(photos))[:, None]
    X = photos.activations.read(positions[:, 0]).astype(np.float32)
    is_test = choose_test_photos(replace(rated, split=None), args.test_fraction, seed)
    test, others = np.flatnonzero(is_test), np.flatnonzero(~is_test)
    head = FinetunedHead(
        photos.activations, WIDTH, replace(settings, seed=seed), rated.above_midpoint
    )
    old = make_pipeline(head, make_classifier("logistic-regression", seed))
    learners = {name: (make_classifier(name, seed), X) for name in LEARNERS if name != BEFORE}
    learners = {BEFORE: (old, positions)} | learners
    rows: list[Row] = []
    drawn = choose_rated(rated.label[others], sorted(args.rated), seed)
    for chosen, (name, (learner, values)) in product(drawn, learners.items()):
        train = others[chosen]
        target = rated.above_midpoint if is_regressor(learner) else rated.label
        score = decision_score(learner.fit(values[train], target[train]), values[test])
        rows.append(
            {
                "learner": name,
                "ratings": len(train),
                "srcc": rank_correlation(rated.score[test], score),
                "auc": float(roc_auc_score(rated.label[test], score)),
            }
        )
    return rows


def _draw(rows):
    ratings = sorted({row["ratings"] for row in rows})
    panels = [
        Panel(
            lines_of(rows, "ratings", name, ("learner",)),
            {"xscale": "log", "xlabel": "rated photos", "ylabel": name.upper()}
            | {"xticks": ratings, "xticklabels": ratings},
        )
        for name in METRICS
    ]
    return draw_lines(*panels, size=(9, 3.8), legend="outside lower center", ncols=4)


EXPERIMENT = Experiment(
    __doc__,
    few_ratings,
    (
        data.data_options,
        option("--backbone", "", "efficientnet-lite0"),
        data.SIZE,
        data.BLOCKS,
        at_once("--rated", "photos that are rated", (10, 20, 40, 80, 160)),
        option("--draws", "", 20),
    ),
)
