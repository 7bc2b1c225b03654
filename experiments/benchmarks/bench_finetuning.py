"""Speed of finetuning heads on cached activations, beside training through the whole network.

The whole network is trained as the paper does it, its convolutions frozen, for every width and
epoch anew; a part of an epoch is timed, and its time extrapolated. Labels are random, since they
change no time. It needs a machine on which nothing else runs.
"""

import argparse
import os
import tempfile
import time
from itertools import chain
from pathlib import Path

from decaf.backend import import_keras
from decaf.commands.common import run_command
from experiments import pages
from experiments.benchmarks import contenders
from experiments.benchmarks.bench_extraction import choose_photos, in_child
from experiments.data import add_out_options
from features.errors import InputError

WIDTHS = (4096, 1000, 500, 250)
PRECISIONS = ("auto", "float32")
TARGET = 20
# The smaller share of the activations is held in memory, the more often blocks are read.
SHARE_IN_MEMORY = 1 / 8
TEXT = """\
{backbone}, {n_photos:,} photos of {data}, {epochs} epochs of batches of {batch}, widths {widths}.
*decaf* runs the convolutions once a photo, from files to an empty cache (in {precision}), and
trains the heads on that. *The whole network*, its convolutions frozen, runs them in every epoch of
every width; it was timed on {part} photos of one epoch, decoded and in memory, and that time
**multiplied** to {passes} epochs of all photos. *From blocks*: only an eighth of the activations is
held in memory, and the cache read by shuffled blocks in every epoch. The share of the peak counts
the operations of the heads' matrix products only, and all of the time that finetuning takes."""


def main(argv=None):
    """Run the benchmark, print its tables and write its page.

    Parameters
    ----------
    argv : list of str, optional

    Returns
    -------
    int
        Exit status.
    """
    parser = argparse.ArgumentParser(
        "python -m experiments bench-finetuning",
        description=__doc__,
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="PHOTOS",
        help="folder of photos, .txt list of paths, or .csv with a column file",
    )
    parser.add_argument(
        "--n-photos", type=int, default=1024, metavar="N", help="from all over the folder (1024)"
    )
    parser.add_argument("--backbone", default="vgg16", metavar="NAME", help="(vgg16)")
    parser.add_argument("--blocks", type=int, metavar="N", help="cut the backbone after N (all)")
    parser.add_argument(
        "--width", action="append", type=int, metavar="UNITS", help="(4096 1000 500 250)"
    )
    parser.add_argument("--epochs", type=int, default=10, metavar="N", help="(10)")
    parser.add_argument("--batch", type=int, default=128, metavar="PHOTOS", help="(128)")
    parser.add_argument(
        "--part",
        type=int,
        default=256,
        metavar="PHOTOS",
        help="of an epoch through the whole network that are timed (256)",
    )
    add_out_options(parser)
    pages.remember_command(parser, "bench-finetuning", argv)
    return run_command(bench_finetuning, parser, argv)


def bench_finetuning(args):
    """Time both ways, print the tables, write the page.

    Parameters
    ----------
    args : argparse.Namespace
    """
    folder = pages.results_folder(args)
    if args.part < args.batch:
        raise InputError(f"--part {args.part}: at least a batch is timed ({args.batch})")
    part = args.part // args.batch * args.batch
    load = os.getloadavg()[0]
    paths = choose_photos(args.data, args.n_photos)
    widths = sorted(args.width or WIDTHS, reverse=True)
    products = [
        in_child(contenders.matrix_peak, None, library, "float32")
        for library in ("numpy", "keras", "torch")
    ]
    peak = max(product["flop"] / product["seconds"] for product in products)
    with tempfile.TemporaryDirectory() as cache:
        ours = in_child(
            time_heads, paths, args.backbone, args.blocks, widths, args.epochs, args.batch, cache
        )
    rows = []
    for width, head in zip(widths, ours["heads"]):
        flop = args.epochs * len(paths) * count_training_flop(ours["n_activations"], width)
        row = {"width": width, **head, "share_of_peak": flop / head["heads"] / peak}
        for precision in PRECISIONS:
            seconds = in_child(
                time_whole_network,
                paths[: args.batch],
                args.backbone,
                args.blocks,
                width,
                precision,
                part // args.batch,
            )
            row[f"whole_{precision}"] = seconds / part * args.epochs * len(paths)
        rows.append(row)
    taken = ours["activations"] + sum(row["heads"] for row in rows)
    tables = {
        f"Seconds of {args.epochs} epochs": _widths_table(rows),
        "All widths": _total_table(rows, ours["activations"], taken),
    }
    for caption, (header, lines) in tables.items():
        print(f"\n{caption}\n{pages.markdown_table(header, lines)}")
    import_keras()
    pages.write_page(
        folder,
        title="Speed of finetuning",
        text=TEXT.format(
            backbone=args.backbone,
            n_photos=len(paths),
            data=args.data.resolve().name,
            epochs=args.epochs,
            batch=args.batch,
            widths=", ".join(map(str, widths)),
            precision=ours["precision"],
            part=part,
            passes=args.epochs * len(widths),
        ),
        command=args.command,
        facts={
            "load at the start": f"{load:.1f}",
            "fastest float32 matrix product": f"{peak / 1e9:,.0f} GFLOP a second",
        },
        tables=tables,
        rows=[row | {"activations": ours["activations"]} for row in rows],
        figure=_draw(rows, ours["activations"]),
    )
    print(f"\n{folder / pages.PAGE}")


def time_heads(paths, backbone, blocks, widths, epochs, batch, cache):
    """Time the activations, and the heads that are trained on them.

    Parameters
    ----------
    paths : list of str
    backbone : str
    blocks : int or None
    widths : sequence of int
    epochs, batch : int
    cache : str
        An empty folder.

    Returns
    -------
    dict
        ``activations``: seconds; ``precision`` of the convolutions; ``n_activations``; ``heads``:
        a dict a width, with the seconds ``heads``, and ``from_blocks`` where an eighth of the
        activations is in memory.
    """
    import_keras()
    import numpy as np

    from decaf.backend import choose_precision
    from decaf.extraction.activations import cached_activations
    from decaf.networks.backbones import build_activations
    from decaf.training.finetune import TrainingSettings, finetune

    precision = choose_precision("auto")
    start = time.perf_counter()
    model = build_activations(backbone, ("flatten",), blocks, dtype=precision)
    activations = cached_activations(paths, model, cache=cache)["flatten"]
    outcome = {
        "activations": time.perf_counter() - start,
        "precision": precision,
        "n_activations": activations.shape[1],
        "heads": [],
    }
    label = np.arange(len(activations)) % 2
    settings = TrainingSettings(epochs=epochs, batch_size=batch, validation_fraction=0.0)
    n_bytes = activations.shape[0] * activations.shape[1] * np.dtype(np.float16).itemsize
    for width in widths:
        seconds = {}
        memory = {"heads": n_bytes, "from_blocks": int(n_bytes * SHARE_IN_MEMORY)}
        for name, n_held in memory.items():
            start = time.perf_counter()
            finetune(activations, label, width, settings, memory=n_held)
            seconds[name] = time.perf_counter() - start
        outcome["heads"].append(seconds)
    return outcome


def time_whole_network(paths, backbone, blocks, width, precision, n_batches):
    """Time training through the whole network, with frozen convolutions.

    Parameters
    ----------
    paths : list of str
        Of one batch.
    backbone : str
    blocks : int or None
    width : int
    precision : {"auto", "float32"}
        Of the convolutions.
    n_batches : int
        The batch is trained on so often, after once that is not timed.

    Returns
    -------
    float
        Seconds.
    """
    import_keras()
    import keras
    import numpy as np

    from decaf.backend import choose_precision
    from decaf.extraction.forward_pass import decode_photos
    from decaf.networks.backbones import set_precision
    from decaf.networks.network import build_network

    network = build_network(backbone, width, blocks=blocks).keras_model
    for layer in network.layers:
        layer.trainable = layer.name in ("fc6", "fc7", "output")
    set_precision(network, choose_precision(precision))
    network.compile(
        keras.optimizers.SGD(0.001), "sparse_categorical_crossentropy", jit_compile=False
    )
    decoded = chain.from_iterable(decode_photos([paths], network.input_shape[1]))
    photos = np.stack([rgb for rgb, _ in decoded])
    label = np.arange(len(photos)) % 2
    network.train_on_batch(photos, label)
    start = time.perf_counter()
    for _ in range(n_batches):
        network.train_on_batch(photos, label)
    return time.perf_counter() - start


def count_training_flop(n_activations, width, outputs=2):
    """Floating-point operations of a photo's training step in the matrix products of a head.

    Forward, and back to the weights and to the layer before, each with two for a weight; fc6 gives
    nothing back to the convolutions, which are frozen.

    Parameters
    ----------
    n_activations, width, outputs : int

    Returns
    -------
    int
    """
    return 4 * n_activations * width + 6 * width * (width + outputs)


def _widths_table(rows):
    header = ["width", "head", "of the peak", "from blocks", "from blocks / head"]
    header += [f"whole network, {precision}" for precision in PRECISIONS]
    return header, [
        [
            str(row["width"]),
            f"{row['heads']:.1f}",
            f"{row['share_of_peak']:.0%}",
            f"{row['from_blocks']:.1f}",
            f"{row['from_blocks'] / row['heads']:.2f}",
            *(f"{row[f'whole_{precision}']:,.0f}" for precision in PRECISIONS),
        ]
        for row in rows
    ]


def _total_table(rows, activations, taken):
    header = ["", "seconds", "times as long as decaf", "at least", "reached"]
    lines = [
        [f"decaf ({activations:.0f} of them for the activations)", f"{taken:,.0f}", "", "", ""]
    ]
    for precision in PRECISIONS:
        whole = sum(row[f"whole_{precision}"] for row in rows)
        ratio = whole / taken
        reached = "yes" if ratio >= TARGET else "no"
        name = f"the whole network, {precision}, extrapolated"
        lines.append([name, f"{whole:,.0f}", f"{ratio:.1f}", str(TARGET), reached])
    return header, lines


def _draw(rows, activations):
    from matplotlib.figure import Figure

    names = ["decaf", *(f"whole network, {precision}" for precision in PRECISIONS)]
    figure = Figure(figsize=(8, 2.5), layout="constrained")
    axes = figure.subplots()
    ends = [activations, 0, 0]
    axes.barh(names, ends, color="C7", label="activations")
    for number, row in enumerate(rows):
        seconds = [row["heads"], *(row[f"whole_{precision}"] for precision in PRECISIONS)]
        axes.barh(names, seconds, left=ends, color=f"C{number}", label=f"width {row['width']}")
        ends = [end + each for end, each in zip(ends, seconds)]
    axes.invert_yaxis()
    axes.set(xlabel="seconds")
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside right center", fontsize=8)
    return figure
