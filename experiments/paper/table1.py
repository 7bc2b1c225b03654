"""The paper's table I: parameters and file size of AlexNet and VGG16 with heads of four widths.

Beside the paper's numbers; and the same of every other backbone, and of heads on the averages of
all blocks, and in float16 and int8, which the paper did not have. No photos and no weights needed.
"""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

from experiments.data import PAPER_WIDTHS, WIDTHS
from experiments.figures import Line, Panel, draw_lines, lines_of
from experiments.frame import Experiment, option
from experiments.pages import Page, Row, table

# The paper's table I, in millions of parameters, rounded there.
PAPER_MILLIONS = {
    **{("alexnet", width): n for width, n in zip(PAPER_WIDTHS, (60, 14, 8.6, 6.1))},
    **{("vgg16", width): n for width, n in zip(PAPER_WIDTHS, (134, 41, 28, 21))},
}
# It tells the file size of the largest; 513 can only be in units of 2**20 bytes.
PAPER_MIB = {("vgg16", 4096): 513}
POOLINGS = ("flatten", "multilevel")
KINDS = ("float32", "float16", "int8", "saved")
TEXT = """\
The paper's table I. MiB are 2**20 bytes. The sizes float32, float16 and int8 are **computed**: 4 or
2 bytes a parameter; in int8, 1 byte a number of every kernel, and 4 bytes (float32) a channel that
a kernel gives, for its scale, and a number of everything else (biases, normalisation), as in
quantisation of the weights only. *Saved* is **measured**: the size of the float32 file that
`Network.save` wrote, only for networks of at most {limit:.0f} million parameters; – was not saved.
Parameters include those of the frozen backbone and the statistics of batch normalisation."""


def table1(args) -> Page:
    """Count the parameters, save the small networks."""
    from tqdm import tqdm

    from decaf.networks.backbones import get_backbone, list_backbones

    rows = []
    for name in tqdm(args.backbone or list_backbones(), unit="backbone"):
        for pooling in POOLINGS:
            rows += count_networks(get_backbone(name).name, pooling, args.width)
    saved = [row for row in rows if row["parameters"] <= args.save_up_to * 1e6]
    for row in tqdm(saved, unit="file"):
        row["saved_bytes"] = _save(row["backbone"], row["width"], row["pooling"])
    papers = {
        "network": "{backbone} {width}",
        "the paper's parameters": "{paper_millions:g} M",
        "the paper's MB": lambda row: str(row.get("paper_mib", "")),
    }
    others = {"network": "{backbone} {width}", "pooling": "{pooling}"}
    sizes = {"parameters": "{parameters:,}"} | {f"{kind} MiB": _mebibytes(kind) for kind in KINDS}
    return Page(
        title="Table I: parameters and file size",
        text=TEXT.format(limit=args.save_up_to),
        tables={
            "The paper's networks": table(_printed(rows), papers | sizes),
            "Networks that the paper does not have": table(
                [row for row in rows if "paper_millions" not in row], others | sizes
            ),
        },
        rows=rows,
        figure=_draw(rows),
    )


def count_networks(backbone: str, pooling: str, widths: Sequence[int]) -> list[Row]:
    """Count the parameters and bytes of a backbone with heads of some widths.

    The heads are counted, not built: the largest have 500 million parameters. Rows have
    ``paper_millions`` and ``paper_mib`` where the paper does.
    """
    from decaf.networks.convolutions import build_activations

    activations = build_activations(backbone, (pooling,), weights=None)
    n_activations = activations.output[pooling].shape[1]
    convolutions = [each for layer in activations.layers for each in _layer_weights(layer)]
    rows = []
    for width in widths:
        weights = [*convolutions, *_head_weights(n_activations, width)]
        parameters = sum(count for count, _ in weights)
        row = {
            "backbone": backbone,
            "pooling": pooling,
            "width": width,
            "activations": n_activations,
            "parameters": parameters,
            "float32_bytes": 4 * parameters,
            "float16_bytes": 2 * parameters,
            "int8_bytes": sum(count_int8_bytes(*each) for each in weights),
        }
        for column, printed in (("paper_millions", PAPER_MILLIONS), ("paper_mib", PAPER_MIB)):
            if pooling == "flatten" and (backbone, width) in printed:
                row[column] = printed[backbone, width]
        rows.append(row)
    return rows


def count_int8_bytes(count: int, n_channels: int) -> int:
    """Bytes of a layer's numbers: a kernel's, with channels, are quantised, a scale a channel."""
    return count + 4 * n_channels if n_channels else 4 * count


def _layer_weights(layer):
    """Count of numbers, and of channels where it is a kernel, of each weight of a layer."""
    import keras

    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    for weight in layer.weights:
        *_, n_inputs, n_channels = (0, 0, *weight.shape)
        if depthwise:
            n_channels *= n_inputs  # so many a channel of its input
        yield math.prod(weight.shape), n_channels if len(weight.shape) > 1 else 0


def _head_weights(n_activations, width, outputs=2):
    """The same of the layers of `decaf.networks.network.build_head`."""
    for n_inputs, n_units in itertools.pairwise((n_activations, width, width, outputs)):
        yield n_inputs * n_units, n_units
        yield n_units, 0


def _save(backbone, width, pooling):
    from decaf.networks.network import build_network

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.keras"
        build_network(backbone, width, pooling=pooling, weights=None).save(path)
        return path.stat().st_size


def _mebibytes(kind):
    name = f"{kind}_bytes"
    return lambda row: f"{row[name] / 2**20:.1f}" if name in row else "–"


def _printed(rows):
    return [row for row in rows if "paper_millions" in row]


def _draw(rows):
    styles = {"flatten": "o-", "multilevel": "s--"}
    by = ("backbone", "pooling")
    lines = lines_of(rows, "width", lambda row: row["float32_bytes"] / 2**20, by, styles)
    printed = _printed(rows)
    sizes = [row["paper_millions"] * 4e6 / 2**20 for row in printed]
    label, black = "4 bytes × the paper's parameters", {"ms": 8, "color": "k"}
    lines.append(Line([row["width"] for row in printed], sizes, "x", label, more=black))
    widths = sorted({row["width"] for row in rows})
    axes = {"xlabel": "width", "ylabel": "float32 MiB", "xscale": "log", "yscale": "log"}
    return draw_lines(Panel(lines, axes | {"xticks": widths, "xticklabels": widths}))


EXPERIMENT = Experiment(
    __doc__,
    table1,
    (
        option("--backbone", "(all)", action="append", metavar="NAME"),
        WIDTHS,
        option("--save-up-to", "save networks of so many million parameters, to measure", 8.0),
    ),
)
