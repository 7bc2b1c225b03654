"""The paper's table I: parameters and file size of AlexNet and VGG16 with heads of four widths.

Beside the paper's numbers; and the same of every other backbone, and of heads on the averages of
all blocks, and in float16 and int8, which the paper did not have. No photos and no weights needed.
"""

import argparse
import itertools
import math
import tempfile
from pathlib import Path

from decaf.backend import import_keras
from decaf.commands.common import run_command
from experiments import pages
from experiments.data import add_out_options

WIDTHS = (4096, 1000, 500, 250)
# The paper's table I, in millions of parameters, rounded there.
PAPER_MILLIONS = {
    ("alexnet", 4096): 60,
    ("alexnet", 1000): 14,
    ("alexnet", 500): 8.6,
    ("alexnet", 250): 6.1,
    ("vgg16", 4096): 134,
    ("vgg16", 1000): 41,
    ("vgg16", 500): 28,
    ("vgg16", 250): 21,
}
# It tells the file size of the largest; 513 can only be in units of 2**20 bytes.
PAPER_MIB = {("vgg16", 4096): 513}
POOLINGS = ("flatten", "multilevel")
TEXT = """\
The paper's table I. MiB are 2**20 bytes. The sizes float32, float16 and int8 are **computed**: 4 or
2 bytes a parameter; in int8, 1 byte a number of every kernel, and 4 bytes (float32) a channel that
a kernel gives, for its scale, and a number of everything else (biases, normalisation), as in
quantisation of the weights only. *Saved* is **measured**: the size of the float32 file that
`Network.save` wrote, only for networks of at most {limit:.0f} million parameters; – was not saved.
Parameters include those of the frozen backbone and the statistics of batch normalisation."""


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
    parser = argparse.ArgumentParser("python -m experiments table1", description=__doc__)
    parser.add_argument("--backbone", action="append", metavar="NAME", help="(all)")
    parser.add_argument("--width", action="append", type=int, metavar="UNITS", help="(the paper's)")
    parser.add_argument(
        "--save-up-to",
        type=float,
        default=8.0,
        metavar="MILLIONS",
        help="save networks of so many parameters, to measure their files (8)",
    )
    add_out_options(parser)
    pages.remember_command(parser, "table1", argv)
    return run_command(table1, parser, argv)


def table1(args):
    """Count the parameters, save the small networks, write the results.

    Parameters
    ----------
    args : argparse.Namespace
    """
    folder = pages.results_folder(args)
    import_keras()
    from tqdm import tqdm

    from decaf.networks.backbones import get_backbone, list_backbones

    backbones = [get_backbone(name).name for name in args.backbone or list_backbones()]
    rows = []
    for backbone in tqdm(backbones, unit="backbone"):
        for pooling in POOLINGS:
            rows += count_networks(backbone, pooling, args.width or WIDTHS)
    saved = [row for row in rows if row["parameters"] <= args.save_up_to * 1e6]
    for row in tqdm(saved, unit="file"):
        row["saved_bytes"] = _save(row["backbone"], row["width"], row["pooling"])
    printed = [row for row in rows if "paper_millions" in row]
    others = [row for row in rows if "paper_millions" not in row]
    header = ["parameters", "float32 MiB", "float16 MiB", "int8 MiB", "saved MiB"]
    tables = {}
    if printed:
        tables["The paper's networks"] = (
            ["network", "the paper's parameters", "the paper's MB", *header],
            [
                [
                    f"{row['backbone']} {row['width']}",
                    f"{row['paper_millions']:g} M",
                    f"{row['paper_mib']}" if "paper_mib" in row else "",
                    *_cells(row),
                ]
                for row in printed
            ],
        )
    if others:
        tables["Networks that the paper does not have"] = (
            ["network", "pooling", *header],
            [[f"{row['backbone']} {row['width']}", row["pooling"], *_cells(row)] for row in others],
        )
    pages.write_page(
        folder,
        title="Table I: parameters and file size",
        text=TEXT.format(limit=args.save_up_to),
        command=args.command,
        facts={},
        tables=tables,
        rows=rows,
        figure=_draw(rows),
    )
    print(folder / pages.PAGE)


def count_networks(backbone, pooling, widths):
    """Count the parameters and bytes of a backbone with heads of some widths.

    The heads are counted, not built: the largest have 500 million parameters.

    Parameters
    ----------
    backbone : str
    pooling : {"flatten", "multilevel", "average"}
    widths : sequence of int

    Returns
    -------
    list of dict
        A row a width: ``parameters``, ``float32_bytes``, ``float16_bytes``, ``int8_bytes`` and,
        where the paper has the network, ``paper_millions`` and ``paper_mib``.
    """
    from decaf.networks.backbones import build_activations

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
        key = backbone, width
        if pooling == "flatten" and key in PAPER_MILLIONS:
            row["paper_millions"] = PAPER_MILLIONS[key]
            if key in PAPER_MIB:
                row["paper_mib"] = PAPER_MIB[key]
        rows.append(row)
    return rows


def count_int8_bytes(count, n_channels):
    """Bytes of a layer's weight, quantised if it is a kernel.

    Parameters
    ----------
    count : int
        Numbers in it.
    n_channels : int
        Channels that a kernel gives, each with a float32 scale; 0 for what is no kernel.

    Returns
    -------
    int
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
    sizes = (n_activations, width, width, outputs)
    for n_inputs, n_units in itertools.pairwise(sizes):
        yield n_inputs * n_units, n_units
        yield n_units, 0


def _save(backbone, width, pooling):
    from decaf.networks.network import build_network

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.keras"
        build_network(backbone, width, pooling=pooling, weights=None).save(path)
        return path.stat().st_size


def _cells(row):
    sizes = (row[f"{kind}_bytes"] for kind in ("float32", "float16", "int8"))
    saved = row.get("saved_bytes")
    return [
        f"{row['parameters']:,}",
        *(f"{size / 2**20:.1f}" for size in sizes),
        "–" if saved is None else f"{saved / 2**20:.1f}",
    ]


def _draw(rows):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for number, backbone in enumerate(dict.fromkeys(row["backbone"] for row in rows)):
        for pooling, style in zip(POOLINGS, ("o-", "s--")):
            line = [row for row in rows if (row["backbone"], row["pooling"]) == (backbone, pooling)]
            axes.loglog(
                [row["width"] for row in line],
                [row["float32_bytes"] / 2**20 for row in line],
                style,
                ms=4,
                color=f"C{number}",
                label=backbone if pooling == "flatten" else f"{backbone}, multilevel",
            )
    printed = [row for row in rows if "paper_millions" in row]
    axes.plot(
        [row["width"] for row in printed],
        [row["paper_millions"] * 4e6 / 2**20 for row in printed],
        "kx",
        ms=8,
        label="4 bytes × the paper's parameters",
    )
    widths = sorted({row["width"] for row in rows})
    axes.set_xticks(widths, map(str, widths))
    axes.minorticks_off()
    axes.set(xlabel="width", ylabel="float32 MiB")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right center", fontsize=8)
    return figure
