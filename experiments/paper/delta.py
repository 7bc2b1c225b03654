"""The paper's figures 4 and 5: accuracy and AUC as the margin δ around the midpoint grows.

Training photos nearer to the midpoint than δ are left out; test photos all stay. On generic
descriptors (figure 4) and on fc7 of heads finetuned on what is left (figure 5).
"""

from __future__ import annotations

from dataclasses import asdict
from operator import itemgetter

import numpy as np

from experiments.data import (
    BLOCKS,
    JOBS,
    View,
    activations_of,
    data_options,
    divide,
    network_settings,
    read_rated,
    take_readable,
    training_facts,
    training_options,
    training_settings,
)
from experiments.figures import Line, Panel, draw_lines
from experiments.frame import Experiment, option, several
from experiments.pages import Page, interval, table
from features.errors import InputError

# In units of AVA's scale; the paper goes from 0 to 2.
DELTAS = (0.5, 1.0, 1.5, 2.0)
CLASSIFIERS = ("logistic-regression", "gaussian-naive-bayes")
TEXT = """\
The paper's figures 4 and 5: training photos whose mean score is nearer than δ to the midpoint are
left out, test photos all stay. δ is in units of AVA's scale from 1 to 10; {scale} Brackets hold
95 % bootstrap intervals; differences are to δ = 0, resampled in pairs."""


def delta(args) -> Page:
    """Judge the classifiers at every δ."""
    from classifiers.evaluation.evaluation import FeatureSet
    from decaf.training.heads import FinetunedHead
    from experiments.judging import Cell, add_differences, judge, known_classifiers
    from experiments.paper.described import describe
    from features.ratings import AVA_SCALE
    from features.splits import outside_margin

    settings = training_settings(args)
    deltas = sorted({0.0, *args.delta})
    if deltas[0] < 0:
        raise InputError(f"--delta {deltas[0]:g}: must not be negative")
    classifiers = known_classifiers(args.classifier)
    rated = read_rated(args, "score", "the ratings are labels; δ needs scores or votes")
    described, measured = describe(rated, cache=args.cache, jobs=args.jobs)
    view = View(args.backbone, blocks=args.blocks)
    activations = activations_of(described, [view], args)[view]
    photos = divide(take_readable(described, [activations]), args)
    X = np.hstack(list(measured.values()))[activations.positions]
    head = FinetunedHead(activations, args.width, settings)
    training = network_settings(args) | {"training": asdict(settings) | {"width": args.width}}
    feature_sets = [
        (FeatureSet("descriptors", X), {}),
        (FeatureSet(f"{args.backbone} fc7", photos.positions, head), training),
    ]
    rated = photos.rated
    low, high = rated.scale
    unit = (high - low) / (AVA_SCALE[1] - AVA_SCALE[0])
    outside = {d: outside_margin(rated.score, rated.midpoint, d * unit) for d in deltas}
    judged = [d for d in deltas if _leaves_both_classes(photos, outside[d])]
    cells = [
        Cell(
            f"{feature_set.name} {d:g}",
            feature_set,
            classifiers,
            {"delta": d * unit} | of_features,
            {"delta": d, "delta_in_scale": d * unit},
            outside[d],
        )
        for feature_set, of_features in feature_sets
        for d in judged
    ]
    rows = judge(cells, photos, args)
    without = [row for row in rows if row["delta"] == 0]
    add_differences(rows, without, "without", itemgetter("features", "classifier"))
    facts = photos.facts | {"width of fc7": str(args.width)} | training_facts(settings)
    if wide := [f"{d:g}" for d in deltas if d not in judged]:
        facts["not judged"] = f"δ of {', '.join(wide)}: leaves training photos of one class only"
    return Page(
        title="Figures 4 and 5: the margin δ",
        text=TEXT.format(scale=f"here, from {low:g} to {high:g}, it is multiplied by {unit:.3g}."),
        tables={
            f"{features} of {args.data.name}": _table(rows, features)
            for features in dict.fromkeys(row["features"] for row in rows)
        },
        rows=rows,
        figure=_draw(rows),
        facts=facts,
    )


def _leaves_both_classes(photos, train_on):
    """Whether a margin leaves training photos of both classes in every fold."""
    label = photos.rated.label
    left = (label[fold.train][train_on[fold.train]] for fold in photos.folds)
    return all(0 < of_fold.sum() < len(of_fold) for of_fold in left)


def _table(rows, features):
    difference = interval("auc_minus_without")
    columns = {
        "classifier": "{classifier}",
        "δ": "{delta:g}",
        "training photos": "{n_train:,.0f}",
        "accuracy": interval("accuracy"),
        "AUC": interval("auc"),
        "AUC less that at δ = 0": lambda row: difference(row) if row["delta"] else "",
    }
    own = [row for row in rows if row["features"] == features]
    return table(sorted(own, key=itemgetter("classifier")), columns)


def _draw(rows):
    lines = {"accuracy": [], "auc": [], "n_train": []}
    drawn = dict.fromkeys((row["features"], row["classifier"]) for row in rows)
    for number, (features, classifier) in enumerate(drawn):
        own = [r for r in rows if (r["features"], r["classifier"]) == (features, classifier)]
        x, label = [row["delta"] for row in own], f"{classifier} on {features}"
        for name, of_panel in lines.items():
            low, y, high = ([row.get(f"{name}{e}") for row in own] for e in ("_low", "", "_high"))
            band = None if name == "n_train" else (low, high)
            of_panel.append(Line(x, y, "o-", label, number, band, {"ms": 3}))
    labels = {"accuracy": "accuracy", "auc": "AUC", "n_train": "training photos"}
    panels = [
        Panel(of_panel, {"xlabel": "δ, in units of AVA's scale", "ylabel": labels[name]})
        for name, of_panel in lines.items()
    ]
    panels[-1].axes["ylim"] = (0, None)
    return draw_lines(*panels, size=(9, 3.6), legend="outside lower center", ncols=2)


EXPERIMENT = Experiment(
    __doc__,
    delta,
    (
        data_options,
        several("--delta", "in units of AVA's scale; 0 is always there", DELTAS, metavar="δ"),
        option("--backbone", "", "alexnet-owt", metavar="NAME"),
        BLOCKS,
        option("--width", "of fc7", 250, metavar="UNITS"),
        several("--classifier", "", CLASSIFIERS, metavar="NAME"),
        JOBS,
        training_options,
    ),
)
