"""The paper's table II: how well networks of four widths tell the classes by their own softmax.

Each head is finetuned on the training photos, on cached activations, and judged on the others.
"""

from __future__ import annotations

from dataclasses import asdict
from itertools import product
from operator import itemgetter

from experiments import data
from experiments.figures import draw_widths
from experiments.frame import Experiment, option
from experiments.judging import Cell, add_differences, judge
from experiments.pages import Page, interval, table

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


def table2(args) -> Page:
    """Finetune and judge every network."""
    from decaf.training.heads import FinetunedHead

    settings = data.training_settings(args)
    backbones = args.backbone or ["alexnet" if args.alexnet_weights else "alexnet-owt", "vgg16"]
    own = {"alexnet": args.alexnet_weights} if args.alexnet_weights else {}
    views = {
        name: data.View(name, blocks=args.blocks, weights=own.get(name, "pretrained"))
        for name in backbones
    }
    photos, seen = data.see(data.read_rated(args), views.values(), args)
    what = data.network_settings(args) | {"training": asdict(settings)}
    widths = sorted(args.width, reverse=True)
    cells = [
        Cell(
            f"{backbone} {width}",
            photos.positions,
            {"softmax": FinetunedHead(seen[views[backbone]], width, settings)},
            what | {"weights": views[backbone].weights},
            {"backbone": backbone, "width": width},
        )
        for backbone, width in product(backbones, widths)
    ]
    rows = judge(cells, photos, args)
    for row in rows:
        printed = PAPER.get((LIKE.get(row["backbone"]), row["width"]), ())
        row |= {f"paper_{metric}": value for metric, value in zip(METRICS, printed)}
    widest = [row for row in rows if row["width"] == widths[0]]
    add_differences(rows, widest, str(widths[0]), itemgetter("backbone"))
    differences = [f"{metric}_minus_{widths[0]}" for metric in ("accuracy", "auc")]
    columns = {
        "network": "{features}",
        **{name.replace("_", " "): interval(name) for name in (*METRICS, *differences)},
        "the paper's accuracy, balanced, AUC": lambda row: ", ".join(
            f"{row[f'paper_{metric}']:.2f}" for metric in METRICS if f"paper_{metric}" in row
        ),
    }
    return Page(
        title="Table II: networks of four widths",
        text=TEXT.format(stand_in=STAND_IN if "alexnet-owt" in backbones else ""),
        tables={f"Networks on {args.data.name}": table(rows, columns)},
        rows=rows,
        figure=draw_widths(rows, METRICS, "{backbone}"),
        facts=photos.facts | data.training_facts(settings),
    )


EXPERIMENT = Experiment(
    __doc__,
    table2,
    (
        data.data_options,
        option("--backbone", "(alexnet-owt or, with its weights, alexnet; vgg16)", action="append"),
        option("--alexnet-weights", "BVLC AlexNet's, for the paper's alexnet", metavar="FILE"),
        data.BLOCKS,
        data.WIDTHS,
        data.training_options,
    ),
)
