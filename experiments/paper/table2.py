"""The paper's table II: how well networks of four widths tell the classes by their own softmax.

Each head is finetuned on the training photos, on cached activations, and judged on the others.
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

WIDTHS = (4096, 1000, 500, 250)
METRICS = ("accuracy", "balanced_accuracy", "auc")
# The paper's table II, on AVA: accuracy, balanced accuracy, AUC.
PAPER = {
    ("alexnet", 4096): (0.70, 0.69, 0.76),
    ("alexnet", 1000): (0.70, 0.67, 0.74),
    ("alexnet", 500): (0.69, 0.67, 0.73),
    ("alexnet", 250): (0.70, 0.66, 0.73),
    ("vgg16", 4096): (0.70, 0.71, 0.79),
    ("vgg16", 1000): (0.72, 0.71, 0.79),
    ("vgg16", 500): (0.74, 0.71, 0.79),
    ("vgg16", 250): (0.72, 0.71, 0.79),
}
# Whose numbers stand beside those of a backbone.
LIKE = {"alexnet": "alexnet", "alexnet-owt": "alexnet", "vgg16": "vgg16"}
TEXT = """\
The paper's table II: heads of each width finetuned on the training photos, judged on the test
photos by the network's own softmax. Brackets hold 95 % bootstrap intervals. The differences are to
the widest head of the same backbone, resampled in pairs. The paper's numbers are of
AVA{stand_in}."""
STAND_IN = ", and of the AlexNet of one tower, for which `alexnet-owt` stands here"


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
    parser = argparse.ArgumentParser("python -m experiments table2", description=__doc__)
    add_data_options(parser)
    networks = parser.add_argument_group("networks")
    networks.add_argument(
        "--backbone",
        action="append",
        metavar="NAME",
        help="(alexnet-owt, or alexnet where its weights are given; vgg16)",
    )
    networks.add_argument(
        "--alexnet-weights", metavar="FILE", help="BVLC AlexNet's, for the paper's alexnet"
    )
    networks.add_argument("--blocks", type=int, metavar="N", help="cut the backbones after N (all)")
    networks.add_argument(
        "--width", action="append", type=int, metavar="UNITS", help="(4096 1000 500 250)"
    )
    add_training_options(parser)
    add_out_options(parser)
    pages.remember_command(parser, "table2", argv)
    return run_command(table2, parser, argv)


def table2(args):
    """Finetune and judge every network, write the results.

    Parameters
    ----------
    args : argparse.Namespace
    """
    folder = pages.results_folder(args)
    import_keras()
    import numpy as np

    from classifiers.evaluation.evaluation import FeatureSet
    from decaf.training.heads import FinetunedHead
    from experiments.judging import Cell, add_differences, judge_cells

    settings = training_settings(args)
    backbones = args.backbone or ["alexnet" if args.alexnet_weights else "alexnet-owt", "vgg16"]
    widths = sorted(args.width or WIDTHS, reverse=True)
    weights = dict.fromkeys(backbones, "pretrained")
    if args.alexnet_weights:
        weights["alexnet"] = args.alexnet_weights
    rated = read_data(args)
    activations = {
        backbone: compute_activations(
            rated,
            backbone,
            ("flatten",),
            args,
            blocks=args.blocks,
            weights=weights[backbone],
        )["flatten"]
        for backbone in backbones
    }
    photos = divide(take_readable(rated, list(activations.values())), args)
    positions = np.arange(len(photos.rated))[:, None]
    networks = [(backbone, width) for backbone in backbones for width in widths]
    cells = [
        Cell(
            f"{backbone}-{width}",
            FeatureSet(f"{backbone} {width}", positions),
            {"softmax": FinetunedHead(activations[backbone], width, settings)},
            network_settings(args) | {"weights": weights[backbone], "training": asdict(settings)},
        )
        for backbone, width in networks
    ]
    judged = judge_cells(cells, photos, folder, seed=args.seed, force=args.force)
    rows = [
        {"backbone": backbone, "width": width} | row | _paper(backbone, width)
        for (backbone, width), (row,) in zip(networks, judged)
    ]
    for row in rows:
        widest = next(each for each in rows if each["backbone"] == row["backbone"])
        add_differences(row, widest, str(widths[0]))
    differences = [f"{metric}_minus_{widths[0]}" for metric in ("accuracy", "auc")]
    header = ["network", *METRICS, *differences, "the paper's accuracy, balanced, AUC"]
    pages.write_page(
        folder,
        title="Table II: networks of four widths",
        text=TEXT.format(stand_in=STAND_IN if "alexnet-owt" in backbones else ""),
        command=args.command,
        facts=photos.facts | training_facts(settings),
        tables={
            f"Networks on {args.data.name}": (
                [name.replace("_", " ") for name in header],
                [
                    [
                        f"{row['backbone']} {row['width']}",
                        *(pages.figure_text(row, metric) for metric in METRICS),
                        *(pages.figure_text(row, metric) for metric in differences),
                        ", ".join(
                            f"{row[f'paper_{m}']:.2f}" for m in METRICS if f"paper_{m}" in row
                        ),
                    ]
                    for row in rows
                ],
            )
        },
        rows=rows,
        figure=_draw(rows, backbones),
    )
    print(folder / pages.PAGE)


def _paper(backbone, width):
    printed = PAPER.get((LIKE.get(backbone), width), ())
    return {f"paper_{metric}": value for metric, value in zip(METRICS, printed)}


def _draw(rows, backbones):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    panels = figure.subplots(1, len(METRICS))
    for axes, metric in zip(panels, METRICS):
        groups = {
            backbone: [(str(row["width"]), row) for row in rows if row["backbone"] == backbone]
            for backbone in backbones
        }
        pages.draw_intervals(axes, groups, metric)
    panels[0].set_ylabel("width")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
