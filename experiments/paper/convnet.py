"""The paper's figure 7: classifiers on features of convolutional networks.

On the global averages of a plain backbone's last block, and on fc7 of heads finetuned anew in each
fold; with the Bayesian-network classifiers, which the paper does not have.
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

# The paper's two; alexnet-owt has weights that a package ships.
BACKBONES = ("alexnet-owt", "resnet50")
CLASSIFIERS = (
    "logistic-regression",
    "linear-svm",
    "gaussian-naive-bayes",
    "naive-bayes",
    "tan",
    "kdb",
    "aode",
    "bayesian-network",
)
TEXT = """\
The paper's figure 7: classifiers on plain features of convolutional networks (*average*, the global
averages of the last block{others}), beside fc7 of heads that were finetuned on the training photos
of each fold. The paper's classifiers are logistic-regression, linear-svm and gaussian-naive-bayes.
AUC with 95 % bootstrap intervals; the best of a table is chosen by these very figures. The last
table is what finetuning adds: AUC on fc7 less AUC on the same backbone's averages, in pairs."""


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
    parser = argparse.ArgumentParser("python -m experiments convnet", description=__doc__)
    add_data_options(parser)
    parser.add_argument(
        "--backbone", action="append", metavar="NAME", help=f"({' '.join(BACKBONES)})"
    )
    parser.add_argument("--blocks", type=int, metavar="N", help="cut the backbones after N (all)")
    parser.add_argument(
        "--multilevel", action="store_true", help="judge the averages of all blocks, too"
    )
    parser.add_argument("--width", type=int, default=250, metavar="UNITS", help="of fc7 (250)")
    parser.add_argument("--classifier", action="append", metavar="NAME")
    parser.add_argument("--jobs", type=int, default=-1, metavar="N", help="at once (all cores)")
    add_training_options(parser)
    add_out_options(parser)
    pages.remember_command(parser, "convnet", argv)
    return run_command(convnet, parser, argv)


def convnet(args):
    """Judge the classifiers on every feature set, write the results.

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

    settings = training_settings(args)
    backbones = list(dict.fromkeys(args.backbone or BACKBONES))
    classifiers = known_classifiers(args.classifier or CLASSIFIERS)
    plain = ("average", "multilevel") if args.multilevel else ("average",)
    rated = read_data(args)
    activations = {
        backbone: compute_activations(
            rated, backbone, (*plain, "flatten"), args, blocks=args.blocks
        )
        for backbone in backbones
    }
    flattened = [of_pooling["flatten"] for of_pooling in activations.values()]
    photos = divide(take_readable(rated, flattened), args)
    positions = np.arange(len(photos.rated))[:, None]
    plain_settings = network_settings(args)
    training = plain_settings | {"training": asdict(settings) | {"width": args.width}}
    cells = []
    for backbone in backbones:
        for pooling in plain:
            name = f"{backbone} {pooling}"
            X = activations[backbone][pooling].read(positions[:, 0]).astype(np.float32)
            cells.append(Cell(name, FeatureSet(name, X), classifiers, plain_settings))
        name = f"{backbone} fc7"
        head = FinetunedHead(activations[backbone]["flatten"], args.width, settings)
        feature_set = FeatureSet(name, positions, head)
        cells.append(Cell(name, feature_set, classifiers, training))
    judged = judge_cells(cells, photos, folder, jobs=args.jobs, seed=args.seed, force=args.force)
    rows = [row for of_features in judged for row in of_features]
    row_of = {(row["features"], row["classifier"]): row for row in rows}
    for backbone in backbones:
        for classifier in classifiers:
            average = row_of[f"{backbone} average", classifier]
            add_differences(row_of[f"{backbone} fc7", classifier], average, "average")
    gains = [
        [
            classifier,
            *(
                pages.figure_text(row_of[f"{backbone} fc7", classifier], "auc_minus_average")
                for backbone in backbones
            ),
        ]
        for classifier in classifiers
    ]
    others = "; *multilevel*, those of all blocks" if args.multilevel else ""
    pages.write_page(
        folder,
        title="Figure 7: features of convolutional networks",
        text=TEXT.format(others=others),
        command=args.command,
        facts=photos.facts | {"width of fc7": str(args.width)} | training_facts(settings),
        tables=pages.comparison_tables(rows, args.data.name)
        | {"AUC on fc7 less AUC on averages": (["classifier", *backbones], gains)},
        rows=rows,
        figure=pages.draw_comparison(rows),
    )
    print(folder / pages.PAGE)
