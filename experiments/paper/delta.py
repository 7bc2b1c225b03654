"""The paper's figures 4 and 5: accuracy and AUC as the margin δ around the midpoint grows.

Training photos nearer to the midpoint than δ are left out; test photos all stay. On generic
descriptors (figure 4) and on fc7 of heads finetuned on what is left (figure 5).
"""

from __future__ import annotations

from dataclasses import asdict, replace
from operator import itemgetter

import numpy as np

from experiments import data
from experiments.figures import Panel, draw_lines, lines_of
from experiments.frame import Experiment, option, several
from experiments.judging import Cell, add_differences, judge, known_classifiers
from experiments.pages import Page, interval, table
from features.errors import InputError

# In units of AVA's scale; the paper goes from 0 to 2.
DELTAS = (0.5, 1.0, 1.5, 2.0)
CLASSIFIERS = ("logistic-regression", "gaussian-naive-bayes")
PANELS = {"accuracy": "accuracy", "auc": "AUC", "n_train": "training photos"}
TEXT = """\
The paper's figures 4 and 5: training photos whose mean score is nearer than δ to the midpoint are
left out, test photos all stay. δ is in units of AVA's scale from 1 to 10; {scale} Brackets hold
95 % bootstrap intervals; differences are to δ = 0, resampled in pairs."""


def delta(args) -> Page:
    """Judge the classifiers at every δ."""
    from decaf.training.heads import FinetunedHead
    from experiments.paper.described import describe
    from features.ratings import AVA_SCALE
    from features.splits import outside_margin

    settings = data.training_settings(args)
    deltas = sorted({0.0, *args.delta})
    if deltas[0] < 0:
        raise InputError(f"--delta {deltas[0]:g}: must not be negative")
    classifiers = known_classifiers(args.classifier)
    rated = data.read_rated(args, "score", "the ratings are labels; δ needs scores or votes")
    described, measured = describe(rated, cache=args.cache, jobs=args.jobs)
    view = data.View(args.backbone, blocks=args.blocks)
    photos, seen = data.see(described, [view], args)
    X = np.hstack(list(measured.values()))[seen[view].positions]
    head = FinetunedHead(seen[view], args.width, settings)
    training = data.network_settings(args)
    training |= {"training": asdict(settings) | {"width": args.width}}
    feature_sets = [
        Cell("descriptors", X, classifiers, {}),
        Cell(f"{args.backbone} fc7", photos.positions, classifiers, training, transformer=head),
    ]
    low, high = photos.rated.scale
    unit = (high - low) / (AVA_SCALE[1] - AVA_SCALE[0])
    score, midpoint = photos.rated.score, photos.rated.midpoint
    outside = {d: outside_margin(score, midpoint, d * unit) for d in deltas}
    judged = [d for d in deltas if _leaves_both_classes(photos, outside[d])]
    cells = [
        replace(
            cell,
            file=f"{cell.features} {d:g}",
            settings=cell.settings | {"delta": d * unit},
            columns={"delta": d, "delta_in_scale": d * unit},
            train_on=outside[d],
        )
        for cell in feature_sets
        for d in judged
    ]
    rows = judge(cells, photos, args)
    without = [row for row in rows if row["delta"] == 0]
    add_differences(rows, without, "without", itemgetter("features", "classifier"))
    facts = photos.facts | {"width of fc7": str(args.width)} | data.training_facts(settings)
    if wide := [f"{d:g}" for d in deltas if d not in judged]:
        facts["not judged"] = f"δ of {', '.join(wide)}: leaves training photos of one class only"
    return Page(
        title="Figures 4 and 5: the margin δ",
        text=TEXT.format(scale=f"here, from {low:g} to {high:g}, it is multiplied by {unit:.3g}."),
        tables={
            f"{cell.features} of {args.data.name}": _table(rows, cell.features)
            for cell in feature_sets
        },
        rows=rows,
        figure=_draw(rows),
        facts=facts,
    )


def _leaves_both_classes(photos, train_on):
    """Whether a margin leaves training photos of both classes in every fold."""
    left = (photos.rated.label[fold.train][train_on[fold.train]] for fold in photos.folds)
    return all(0 < label.sum() < len(label) for label in left)


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
    styles, panels = {"descriptors": "s--"}, []
    for name, label in PANELS.items():
        lines = lines_of(rows, "delta", name, ("classifier", "features"), styles)
        panels.append(Panel(lines, {"xlabel": "δ, in units of AVA's scale", "ylabel": label}))
    panels[-1].axes["ylim"] = (0, None)
    return draw_lines(*panels, size=(9, 3.6), legend="outside lower center", ncols=2)


EXPERIMENT = Experiment(
    __doc__,
    delta,
    (
        data.data_options,
        several("--delta", "in units of AVA's scale; 0 is always there", DELTAS, metavar="δ"),
        option("--backbone", "", "alexnet-owt"),
        data.BLOCKS,
        option("--width", "of fc7", 250),
        several("--classifier", "", CLASSIFIERS),
        data.JOBS,
        data.training_options,
    ),
)
