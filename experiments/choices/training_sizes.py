"""Whether the recipe holds from 50 photos to 250,000: against other steps and decay at each size.

Draw after draw, heads are finetuned on some of the training photos, by the recipe `decaf` and with
its steps and its weight decay multiplied, and judged on the same test photos.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from operator import itemgetter

import numpy as np

from experiments import data
from experiments.figures import Panel, draw_lines, lines_of
from experiments.frame import Experiment, at_once, option
from experiments.judging import compute_once
from experiments.pages import Page, Row, number, pivot, table

RECIPE = "the recipe"
# By what the recipe's epochs and its weight decay are multiplied.
GRID = {
    RECIPE: (1, 1),
    "a quarter of the epochs": (0.25, 1),
    "4 times the epochs": (4, 1),
    "no decay": (1, 0),
    "4 times the decay": (1, 4),
    "a quarter of the epochs, no decay": (0.25, 0),
    "4 times the epochs, no decay": (4, 0),
    "4 times the epochs, 4 times the decay": (4, 4),
}
METRICS = ("auc", "srcc")
# Up to so many photos several draws; of more, one tells as much.
FEW_PHOTOS = 2000
TEXT = """\
Heads of {width} units on the averages of all blocks of {backbone} ({size} pixels) that learn
{kind}s, on so many photos drawn from the training photos; {draws} draws up to {few_photos:,}
photos, one above, with test photos of their own where neither ratings nor a list divide
them. *AUC* tells the classes of the midpoint and *SRCC* is Spearman's rank correlation with
people's scores, by the head's own output on the test photos, means of the draws. *Behind* is the
best of the grid less the recipe: of eight noisy figures the best is a little too good."""


def training_sizes(args) -> Page:
    """Finetune and judge the whole grid at every size."""
    from tqdm import tqdm

    from decaf.training.settings import RECIPES

    rated = data.read_rated(args, "score", "its ratings have no scores, by which order is judged")
    photos = data.training_photos(rated, args.backbone, data.parse_sizes(args.size), args)
    settings = replace(RECIPES["decaf"], validation_fraction=0.0)
    what = {"activations": photos.activations.identity, "training": settings.to_json()}
    what |= {"width": args.width, "kind": args.outputs, "fraction": args.test_fraction}
    rows: list[Row] = []
    grid = {name: GRID[name] for name in GRID if args.longest >= GRID[name][0]}
    for n_photos in sorted(args.photos):
        judged: list[Row] = []
        n_draws = args.draws if n_photos <= FEW_PHOTOS else 1
        for draw in range(args.seed, args.seed + n_draws):
            for name, factors in tqdm(grid.items(), f"{n_photos:,} photos, draw {draw}"):
                judge = partial(_judge, photos, settings, factors, n_photos, draw, args)
                here = what | {"factors": factors}
                judged += compute_once(args, f"{n_photos}-{draw}-{name}", here, judge)
        n_trained = judged[0]["photos"]
        for name in grid:
            own = [row for row in judged if row["factors"] == list(grid[name])]
            means = {each: float(np.mean([row[each] for row in own])) for each in METRICS}
            rows.append({"grid": name, "photos": n_trained} | means)
    behind = [_behind(rows, n_photos) for n_photos in dict.fromkeys(r["photos"] for r in rows)]
    headers = {row["photos"]: f"{row['photos']:,} photos" for row in rows}
    tables = {
        "The recipe, and the best of the grid": table(
            behind,
            {"photos": "{photos:,}"}
            | {f"{name.upper()}": number(name, ".3f") for name in METRICS}
            | {f"{name.upper()} behind": number(f"{name}_behind", ".3f") for name in METRICS},
        )
    } | {
        name.upper(): pivot(rows, "grid", "photos", number(name, ".3f"), headers)
        for name in METRICS
    }
    return Page(
        title=f"The recipe by the number of photos, on {args.data.resolve().name}",
        text=TEXT.format(
            width=args.width,
            backbone=args.backbone,
            size=args.size,
            kind=args.outputs,
            draws=args.draws,
            few_photos=FEW_PHOTOS,
        ),
        tables=tables,
        rows=rows,
        figure=_draw(rows),
        facts={"photos": f"{len(photos):,} of {args.data.name}"} | data.training_facts(settings),
    )


def _judge(photos, settings, factors, n_photos, seed, args) -> list[Row]:
    """What a head comes to, trained on some photos with epochs and decay multiplied."""
    from sklearn.metrics import roc_auc_score

    from classifiers.evaluation.ordering import rank_correlation
    from decaf.training.heads import FinetunedHead
    from features.splits import choose_test_photos

    rated = photos.rated
    is_test = choose_test_photos(rated, args.test_fraction, seed)
    train = np.random.default_rng(seed).permutation(np.flatnonzero(~is_test))[:n_photos]
    epochs, decay = factors
    changed = replace(
        settings,
        epochs=math.ceil(epochs * settings.epochs),
        weight_decay=decay * settings.weight_decay,
        seed=seed,
    )
    head = FinetunedHead(
        photos.activations, args.width, changed, rated.above_midpoint, args.outputs
    )
    positions = np.arange(len(rated))[:, None]
    head.fit(positions[train], rated.label[train])
    score = head.predict_proba(positions[is_test])[:, 1]
    return [
        {
            "factors": list(factors),
            "photos": len(train),
            "auc": float(roc_auc_score(rated.label[is_test], score)),
            "srcc": rank_correlation(rated.score[is_test], score),
        }
    ]


def _behind(rows: list[Row], n_photos: int) -> Row:
    """The recipe's figures at a size, and by how much the best of the grid is better."""
    own = [row for row in rows if row["photos"] == n_photos]
    (recipe,) = (row for row in own if row["grid"] == RECIPE)
    behind = {f"{name}_behind": max(map(itemgetter(name), own)) - recipe[name] for name in METRICS}
    return recipe | behind


def _draw(rows):
    panels = [
        Panel(
            lines_of(rows, "photos", name, ("grid",)),
            {"xscale": "log", "xlabel": "training photos", "ylabel": name.upper()},
        )
        for name in METRICS
    ]
    return draw_lines(*panels, size=(9, 4.2), legend="outside lower center", ncols=3)


EXPERIMENT = Experiment(
    __doc__,
    training_sizes,
    (
        data.data_options,
        option("--backbone", "", "efficientnet-lite0"),
        data.SIZE,
        data.BLOCKS,
        option("--width", "units of fc6 and of fc7", 250),
        option("--outputs", "what the heads learn", "label", choices=("label", "score")),
        at_once("--photos", "that are trained on", (50, 100, 200, 400, 800, 1_600)),
        option("--draws", "of few photos", 5),
        option("--longest", "leave out what takes more times the recipe's epochs", 4),
    ),
)
