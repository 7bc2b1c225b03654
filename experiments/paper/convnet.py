"""The paper's figure 7: classifiers on plain features of convolutional networks.

On the global averages of a plain backbone's last block, and on fc7 of heads finetuned anew in each
fold; with the Bayesian-network classifiers, which the paper does not have.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from experiments import data
from experiments.figures import draw_comparison
from experiments.frame import Experiment, option, several
from experiments.judging import Cell, add_differences, judge, known_classifiers
from experiments.pages import Page, comparison_tables, interval, pivot

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


def convnet(args) -> Page:
    """Judge the classifiers on every feature set."""
    from decaf.training.heads import FinetunedHead

    settings = data.training_settings(args)
    backbones = list(dict.fromkeys(args.backbone))
    classifiers = known_classifiers(args.classifier)
    plain = ("average", "multilevel") if args.multilevel else ("average",)
    views = {
        (name, pooling): data.View(name, pooling, args.blocks)
        for name in backbones
        for pooling in (*plain, "flatten")
    }
    photos, seen = data.see(data.read_rated(args), views.values(), args)
    what = data.network_settings(args)
    training = what | {"training": asdict(settings) | {"width": args.width}}
    cells = []
    for name in backbones:
        for pooling in plain:
            X = seen[views[name, pooling]].read(photos.positions[:, 0]).astype(np.float32)
            cells.append(Cell(f"{name} {pooling}", X, classifiers, what))
        head = FinetunedHead(seen[views[name, "flatten"]], args.width, settings)
        fc7 = Cell(f"{name} fc7", photos.positions, classifiers, training, transformer=head)
        cells.append(fc7)
    rows = judge(cells, photos, args)
    fc7, average = (
        [row for row in rows if row["features"].endswith(s)] for s in ("fc7", "average")
    )
    add_differences(fc7, average, "average", _backbone_and_classifier)
    headers = {f"{backbone} fc7": backbone for backbone in backbones}
    gains = pivot(fc7, "classifier", "features", interval("auc_minus_average"), headers)
    return Page(
        title="Figure 7: features of convolutional networks",
        text=TEXT.format(others="; *multilevel*, those of all blocks" if args.multilevel else ""),
        tables=comparison_tables(rows, args.data.name) | {"AUC on fc7 less AUC on averages": gains},
        rows=rows,
        figure=draw_comparison(rows),
        facts=photos.facts | {"width of fc7": str(args.width)} | data.training_facts(settings),
    )


def _backbone_and_classifier(row):
    return row["features"].split()[0], row["classifier"]


EXPERIMENT = Experiment(
    __doc__,
    convnet,
    (
        data.data_options,
        several("--backbone", "", BACKBONES),
        data.BLOCKS,
        option("--multilevel", "judge the averages of all blocks, too", action="store_true"),
        option("--width", "of fc7", 250),
        several("--classifier", "", CLASSIFIERS),
        data.JOBS,
        data.training_options,
    ),
)
