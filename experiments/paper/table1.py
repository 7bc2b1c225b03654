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

from experiments.figures import Line, Panel, draw_lines
from experiments.frame import Experiment, option, several
from experiments.pages import Page, Row, table

WIDTHS = (4096, 1000, 500, 250)
# The paper's table I, in millions of parameters, rounded there.
PAPER_MILLIONS = {
    **{("alexnet", width): n for width, n in zip(WIDTHS, (60, 14, 8.6, 6.1))},
    **{("vgg16", width): n for width, n in zip(WIDTHS, (134, 41, 28, 21))},
}
# It tells the file size of the largest; 513 can only be in units of 2**20 bytes.
PAPER_MIB = {("vgg16", 4096): 513}
POOLINGS = ("flatten", "multilevel")
KINDS = ("float32", "float16", "int8")
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

    backbones = [get_backbone(name).name for name in args.backbone or list_backbones()]
    rows = []
    for backbone in tqdm(backbones, unit="backbone"):
        for pooling in POOLINGS:
            rows += count_networks(backbone, pooling, args.width)
    saved = [row for row in rows if row["parameters"] <= args.save_up_to * 1e6]
    for row in tqdm(saved, unit="file"):
        row["saved_bytes"] = _save(row["backbone"], row["width"], row["pooling"])
    sizes = {
        "parameters": "{parameters:,}",
        **{f"{kind} MiB": lambda row, kind=kind: _mebibytes(row, kind) for kind in KINDS},
        "saved MiB": lambda row: _mebibytes(row, "saved"),
    }
    papers = {
        "network": "{backbone} {width}",
        "the paper's parameters": "{paper_millions:g} M",
        "the paper's MB": lambda row: str(row.get("paper_mib", "")),
    }
    others = {"network": "{backbone} {width}", "pooling": "{pooling}"}
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
        if pooling == "flatten":
            for column, printed in (("paper_millions", PAPER_MILLIONS), ("paper_mib", PAPER_MIB)):
                if (backbone, width) in printed:
                    row[column] = printed[backbone, width]
        rows.append(row)
    return rows


def count_int8_bytes(count: int, n_channels: int) -> int:
    """Bytes of so many numbers of a layer.

    They are quantised if they are a kernel's: it gives channels, each with a float32 scale.
    """
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


def _mebibytes(row, kind):
    size = row.get(f"{kind}_bytes")
    return "–" if size is None else f"{size / 2**20:.1f}"


def _printed(rows):
    return [row for row in rows if "paper_millions" in row]


def _draw(rows):
    lines = []
    for number, backbone in enumerate(dict.fromkeys(row["backbone"] for row in rows)):
        for pooling, style in zip(POOLINGS, ("o-", "s--")):
            own = [row for row in rows if (row["backbone"], row["pooling"]) == (backbone, pooling)]
            label = backbone if pooling == "flatten" else f"{backbone}, {pooling}"
            sizes = [row["float32_bytes"] / 2**20 for row in own]
            lines.append(Line([row["width"] for row in own], sizes, style, label, number))
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
        several("--width", "", WIDTHS, metavar="UNITS"),
        option(
            "--save-up-to",
            "save networks of so many parameters, to measure their files",
            8.0,
            metavar="MILLIONS",
        ),
    ),
)
