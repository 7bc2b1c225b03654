"""The paper's figures 4 and 5: accuracy and AUC as the margin δ around the midpoint grows.

Training photos nearer to the midpoint than δ are left out; test photos all stay. On generic
descriptors (figure 4) and on fc7 of heads finetuned on what is left (figure 5).
"""

import argparse
from dataclasses import asdict

from decaf.backend import import_keras
from decaf.commands.common import run_command
from experiments import pages
from experiments.data import (
    add_data_options,
    add_out_options,
    add_training_options,
    compute_activations,
    divide,
    network_settings,
    read_data,
    take_readable,
    training_facts,
    training_settings,
)
from features.errors import InputError

# In units of AVA's scale; the paper goes from 0 to 2.
DELTAS = (0.0, 0.5, 1.0, 1.5, 2.0)
CLASSIFIERS = ("logistic-regression", "gaussian-naive-bayes")
TEXT = """\
The paper's figures 4 and 5: training photos whose mean score is nearer than δ to the midpoint are
left out, test photos all stay. δ is in units of AVA's scale from 1 to 10; {scale} Brackets hold
95 % bootstrap intervals; differences are to δ = 0, resampled in pairs."""


def main(argv=None):
    """Run the experiment.

    Parameters
    ----------
    argv : list of str, optional

    Returns
    -------
    int
        Exit status.
    """
    parser = argparse.ArgumentParser("python -m experiments delta", description=__doc__)
    add_data_options(parser)
    parser.add_argument(
        "--delta",
        action="append",
        type=float,
        metavar="δ",
        help="in units of AVA's scale; 0 is always there (0.5 1 1.5 2)",
    )
    parser.add_argument("--backbone", default="alexnet-owt", metavar="NAME", help="(alexnet-owt)")
    parser.add_argument("--blocks", type=int, metavar="N", help="cut the backbone after N (all)")
    parser.add_argument("--width", type=int, default=250, metavar="UNITS", help="of fc7 (250)")
    parser.add_argument(
        "--classifier", action="append", metavar="NAME", help=f"({' '.join(CLASSIFIERS)})"
    )
    parser.add_argument("--jobs", type=int, default=-1, metavar="N", help="at once (all cores)")
    add_training_options(parser)
    add_out_options(parser)
    pages.remember_command(parser, "delta", argv)
    return run_command(delta, parser, argv)


def delta(args):
    """Judge the classifiers at every δ, write the results.

    Parameters
    ----------
    args : argparse.Namespace
    """
    folder = pages.results_folder(args)
    import_keras()
    import numpy as np

    from classifiers.evaluation.evaluation import FeatureSet
    from decaf.training.heads import FinetunedHead
    from experiments.judging import Cell, add_differences, judge_cells, known_classifiers
    from experiments.paper.described import describe
    from features.ratings import AVA_SCALE
    from features.splits import outside_margin

    settings = training_settings(args)
    deltas = sorted({0.0, *(args.delta or DELTAS)})
    if deltas[0] < 0:
        raise InputError(f"--delta {deltas[0]:g}: must not be negative")
    classifiers = known_classifiers(args.classifier or CLASSIFIERS)
    described, measured = describe(read_data(args), cache=args.cache, jobs=args.jobs)
    if described.score is None:
        raise InputError(f"{args.data}: the ratings are labels; δ needs scores or votes")
    activations = compute_activations(
        described, args.backbone, ("flatten",), args, blocks=args.blocks
    )["flatten"]
    rated = take_readable(described, [activations])
    photos = divide(rated, args)
    X = np.hstack(list(measured.values()))[activations.positions]
    head = FinetunedHead(activations, args.width, settings)
    training = network_settings(args) | {"training": asdict(settings) | {"width": args.width}}
    feature_sets = [
        (FeatureSet("descriptors", X), {}),
        (FeatureSet(f"{args.backbone} fc7", np.arange(len(rated))[:, None], head), training),
    ]
    unit = (rated.scale[1] - rated.scale[0]) / (AVA_SCALE[1] - AVA_SCALE[0])
    outside = {d: outside_margin(rated.score, rated.midpoint, d * unit) for d in deltas}
    wide = [d for d in deltas if not _leaves_both_classes(photos, outside[d])]
    deltas = [d for d in deltas if d not in wide]
    cells = [
        Cell(
            f"{feature_set.name} {d:g}",
            feature_set,
            classifiers,
            {"delta": d * unit} | of_features,
            outside[d],
        )
        for feature_set, of_features in feature_sets
        for d in deltas
    ]
    judged = judge_cells(cells, photos, folder, jobs=args.jobs, seed=args.seed, force=args.force)
    rows = [
        {"delta": d, "delta_in_scale": d * unit} | row
        for d, of_cell in zip(deltas * len(feature_sets), judged)
        for row in of_cell
    ]
    without = {(r["features"], r["classifier"]): r for r in rows if r["delta"] == 0}
    for row in rows:
        add_differences(row, without[row["features"], row["classifier"]], "without")
    low, high = rated.scale
    facts = photos.facts | {"width of fc7": str(args.width)} | training_facts(settings)
    if wide:
        facts["not judged"] = (
            f"δ of {', '.join(f'{d:g}' for d in wide)}: leaves training photos of one class only"
        )
    pages.write_page(
        folder,
        title="Figures 4 and 5: the margin δ",
        text=TEXT.format(scale=f"here, from {low:g} to {high:g}, it is multiplied by {unit:.3g}."),
        command=args.command,
        facts=facts,
        tables={
            f"{features} of {args.data.name}": _table(rows, features)
            for features in dict.fromkeys(row["features"] for row in rows)
        },
        rows=rows,
        figure=_draw(rows),
    )
    print(folder / pages.PAGE)


def _leaves_both_classes(photos, train_on):
    """Whether a margin leaves training photos of both classes in every fold."""
    label = photos.rated.label
    left = (label[fold.train][train_on[fold.train]] for fold in photos.folds)
    return all(0 < of_fold.sum() < len(of_fold) for of_fold in left)


def _table(rows, features):
    header = ["classifier", "δ", "training photos", "accuracy", "AUC", "AUC less that at δ = 0"]
    lines = [
        [
            row["classifier"],
            f"{row['delta']:g}",
            f"{row['n_train']:,.0f}",
            pages.figure_text(row, "accuracy"),
            pages.figure_text(row, "auc"),
            pages.figure_text(row, "auc_minus_without") if row["delta"] else "",
        ]
        for row in sorted(rows, key=lambda row: row["classifier"])
        if row["features"] == features
    ]
    return header, lines


def _draw(rows):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = figure.subplots(1, 3)
    lines = dict.fromkeys((row["features"], row["classifier"]) for row in rows)
    for number, (features, classifier) in enumerate(lines):
        line = [r for r in rows if (r["features"], r["classifier"]) == (features, classifier)]
        x = [row["delta"] for row in line]
        for axes, metric in zip(panels, ("accuracy", "auc")):
            axes.plot(x, [row[metric] for row in line], "o-", ms=3, color=f"C{number}")
            axes.fill_between(
                x,
                [row[f"{metric}_low"] for row in line],
                [row[f"{metric}_high"] for row in line],
                color=f"C{number}",
                alpha=0.1,
                lw=0,
            )
        panels[2].plot(
            x,
            [row["n_train"] for row in line],
            "o-",
            ms=3,
            color=f"C{number}",
            label=f"{classifier} on {features}",
        )
    for axes, label in zip(panels, ("accuracy", "AUC", "training photos")):
        axes.set(xlabel="δ, in units of AVA's scale", ylabel=label)
        axes.grid(alpha=0.3)
    panels[2].set_ylim(bottom=0)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure
