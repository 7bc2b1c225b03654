"""The paper's future work: networks that predict how people vote, beside those of two classes.

NIMA (Talebi and Milanfar 2018): a softmax over the rating scale, trained with the earth mover's
distance. Both kinds of network of each width are finetuned on the same photos and judged on the
same others.
"""

import argparse
from dataclasses import asdict, replace

import numpy as np

from decaf.backend import import_keras
from decaf.commands.common import run_command
from experiments import pages
from experiments.data import (
    add_data_options,
    add_out_options,
    compute_activations,
    divide,
    read_data,
    take_readable,
    training_facts,
)
from features.errors import InputError

WIDTHS = (4096, 1000, 500, 250)
OUTPUTS = ("label", "votes")
METRICS = ("accuracy", "balanced_accuracy", "auc")
VOTE_METRICS = ("emd", "srcc_mean", "lcc_mean", "srcc_spread", "lcc_spread")
TEXT = """\
Heads that learn the shares of the votes with the squared earth mover's distance (r = 2), and heads
that learn the label, finetuned on the same training photos and judged on the same others. A head of
votes calls a photo professional whose predicted mean lies above the midpoint, {midpoint:g}; a head
of labels one whose probability is above 0.5. Brackets hold 95 % bootstrap intervals; differences
are resampled in pairs. EMD (r = 1, as NIMA reports it), Spearman's and Pearson's correlations
(SRCC, LCC) are means over the folds. *Constant* predicts for every photo the mean shares of the
training photos: what is known without looking."""


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
    parser = argparse.ArgumentParser("python -m experiments votes", description=__doc__)
    add_data_options(parser)
    networks = parser.add_argument_group("networks")
    networks.add_argument("--backbone", default="vgg16", metavar="NAME", help="(vgg16)")
    networks.add_argument("--blocks", type=int, metavar="N", help="cut the backbone after N (all)")
    networks.add_argument(
        "--pooling", choices=("flatten", "multilevel", "average"), default="flatten"
    )
    networks.add_argument(
        "--width", action="append", type=int, metavar="UNITS", help="(4096 1000 500 250)"
    )
    networks.add_argument("--recipe", choices=("paper", "decaf"), default="decaf", help="(decaf)")
    add_out_options(parser)
    pages.remember_command(parser, "votes", argv)
    return run_command(votes, parser, argv)


def votes(args):
    """Finetune and judge every network, write the results.

    Parameters
    ----------
    args : argparse.Namespace
    """
    folder = pages.results_folder(args)
    import_keras()
    from tqdm import tqdm

    from classifiers.evaluation.evaluation import FeatureSet
    from decaf.backend import choose_precision
    from decaf.training.finetune import RECIPES
    from experiments.judging import (
        Cell,
        GivenScores,
        add_differences,
        cells_folder,
        compute_once,
        judge_cells,
    )

    settings = replace(RECIPES[args.recipe], validation_fraction=0.0, seed=args.seed)
    rated = read_data(args)
    if rated.votes is None:
        raise InputError(f"{args.data}: the ratings hold no votes (columns count1 … countK)")
    activations = compute_activations(
        rated, args.backbone, (args.pooling,), args, blocks=args.blocks
    )[args.pooling]
    photos = divide(take_readable(rated, [activations]), args)
    networks = [
        {"width": width, "outputs": outputs}
        for width in sorted(args.width or WIDTHS, reverse=True)
        for outputs in OUTPUTS
    ]
    what = {
        "backbone": args.backbone,
        "pooling": args.pooling,
        "blocks": args.blocks,
        "precision": choose_precision(args.precision),
        "training": asdict(settings),
    }
    kept = cells_folder(folder)
    cells, measured = [], []
    for network in tqdm(networks, "finetuning", unit="network"):
        name = f"{network['width']}-{network['outputs']}"
        found = compute_once(
            kept / f"{name}-predicted.json",
            what | network | {"photos": photos.identity},
            lambda network=network: predict_unseen(activations, photos, settings, **network),
            force=args.force,
        )
        score = np.array(found["score"], float)[:, None]
        threshold = 0.5 if network["outputs"] == "label" else photos.rated.midpoint
        cells.append(
            Cell(name, FeatureSet(name, score), {"softmax": GivenScores(threshold)}, what | network)
        )
        measured.append(found["measures"])
    judged = judge_cells(cells, photos, folder, seed=args.seed, force=args.force)
    rows = [
        {"backbone": args.backbone} | network | row | measures
        for network, (row,), measures in zip(networks, judged, measured)
    ]
    for label, row in zip(rows[::2], rows[1::2]):
        add_differences(row, label, "label")
    _write(args, folder, photos, rows, settings)
    print(folder / pages.PAGE)


def predict_unseen(activations, photos, settings, *, width, outputs):
    """Finetune a head on each fold's training photos and predict its test photos.

    Parameters
    ----------
    activations : decaf.extraction.activations.Activations
    photos : experiments.data.Photos
    settings : decaf.training.finetune.TrainingSettings
    width : int
    outputs : {"label", "votes"}

    Returns
    -------
    dict
        ``score``, a list of n_photos, None where a photo is in no fold's test photos: the predicted
        mean of the votes, or the probability of the positive class. ``measures``: what
        `decaf.networks.votes.judge_votes` says, on the folds' average; of labels ``srcc_mean``
        only, that of the probability with the mean of the votes; of votes also ``emd_constant``.
    """
    from scipy.stats import spearmanr

    from decaf.networks.votes import judge_votes, mean_and_spread, mean_distance, vote_shares
    from decaf.training.finetune import finetune, predict

    rated = photos.rated
    score, measures = [None] * len(rated), []
    for train, test in photos.folds:
        head, _ = finetune(
            activations,
            rated.label,
            width,
            settings,
            votes=rated.votes if outputs == "votes" else None,
            above_midpoint=rated.above_midpoint,
            photos=train,
        )
        output = predict(head, activations, test)
        if outputs == "votes":
            found, _ = mean_and_spread(output)
            shares = vote_shares(rated.votes)
            constant = np.broadcast_to(shares[train].mean(axis=0), output.shape)
            measures.append(
                judge_votes(rated.votes[test], output)
                | {"emd_constant": mean_distance(shares[test], constant)}
            )
        else:
            found = output[:, 1]
            mean, _ = mean_and_spread(rated.votes[test])
            measures.append({"srcc_mean": float(spearmanr(mean, found).statistic)})
        for photo, value in zip(test, found):
            score[photo] = float(value)
    return {
        "score": score,
        "measures": {name: np.mean([fold[name] for fold in measures]) for name in measures[0]},
    }


def _write(args, folder, photos, rows, settings):
    binary = ["network", *(name.replace("_", " ") for name in METRICS), "AUC less the label's"]
    tables = {
        "Professional or snapshot": (
            binary,
            [
                [
                    f"{row['backbone']} {row['width']} {row['outputs']}",
                    *(pages.figure_text(row, metric) for metric in METRICS),
                    pages.figure_text(row, "auc_minus_label") if "auc_minus_label" in row else "",
                ]
                for row in rows
            ],
        ),
        "The votes": (
            ["network", "EMD", "SRCC of mean", "LCC of mean", "SRCC of spread", "LCC of spread"],
            [
                [
                    f"{row['backbone']} {row['width']} {row['outputs']}",
                    *(f"{row[name]:.3f}" if name in row else "–" for name in VOTE_METRICS),
                ]
                for row in rows
            ]
            + [["constant", f"{rows[1]['emd_constant']:.3f}", "–", "–", "–", "–"]],
        ),
    }
    pages.write_page(
        folder,
        title="Votes: networks that predict how people vote",
        text=TEXT.format(midpoint=photos.rated.midpoint),
        command=args.command,
        facts=photos.facts
        | {"activations": args.pooling, "blocks": str(args.blocks or "all")}
        | training_facts(settings),
        tables=tables,
        rows=rows,
        figure=_draw(rows),
    )


def _draw(rows):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    panels = figure.subplots(1, len(METRICS))
    for axes, metric in zip(panels, METRICS):
        groups = {
            f"trained on {outputs}": [
                (str(row["width"]), row) for row in rows if row["outputs"] == outputs
            ]
            for outputs in OUTPUTS
        }
        pages.draw_intervals(axes, groups, metric)
    panels[0].set_ylabel("width")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
