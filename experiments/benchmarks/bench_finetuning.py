"""Speed of finetuning heads on cached activations, beside training through the whole network.

The whole network is trained as the paper does it, its convolutions frozen, for every width and
epoch anew; a part of an epoch is timed, and its time extrapolated. Labels are random, since they
change no time. It needs a machine on which nothing else runs.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from itertools import chain

import numpy as np

from experiments import measuring
from experiments.benchmarks import contenders
from experiments.data import BLOCKS, WIDTHS
from experiments.figures import draw_bars
from experiments.frame import Experiment, option
from experiments.pages import Page, Table, markdown_tables, table
from features.errors import InputError

PRECISIONS = ("auto", "float32")
TARGET = 20
# The smaller share of the activations is held in memory, the more often blocks are read.
SHARE_IN_MEMORY = 1 / 8
TEXT = """\
{backbone}, {n:,} photos of {data}, {epochs} epochs of batches of {batch}, widths {widths}.
*decaf* runs the convolutions once a photo, from files to an empty cache (in {precision}), and
trains the heads on that. *The whole network*, its convolutions frozen, runs them in every epoch of
every width; it was timed on {part} photos of one epoch, decoded and in memory, and that time
**multiplied** to {passes} epochs of all photos. *From blocks*: only an eighth of the activations is
held in memory, and the cache read by shuffled blocks in every epoch. The share of the peak counts
the operations of the heads' matrix products only, and all of the time that finetuning takes."""


def bench_finetuning(args) -> Page:
    """Time both ways."""
    if args.part < args.batch:
        raise InputError(f"--part {args.part}: at least a batch is timed ({args.batch})")
    part = args.part // args.batch * args.batch
    load = os.getloadavg()[0]
    paths = measuring.choose_photos(args.data, args.n_photos)
    widths = sorted(args.width, reverse=True)
    products = [
        measuring.in_child(contenders.matrix_peak, None, library, "float32")
        for library in ("numpy", "keras", "torch")
    ]
    peak = max(product["flop"] / product["seconds"] for product in products)
    with tempfile.TemporaryDirectory() as cache:
        ours = measuring.in_child(
            time_heads, paths, args.backbone, args.blocks, widths, args.epochs, args.batch, cache
        )
    rows = []
    for width, head in zip(widths, ours["heads"]):
        flop = args.epochs * len(paths) * count_training_flop(ours["n_activations"], width)
        row = {"width": width, **head, "share_of_peak": flop / head["heads"] / peak}
        for precision in PRECISIONS:
            seen = paths[: args.batch], args.backbone, args.blocks, width, precision
            seconds = measuring.in_child(time_whole_network, *seen, part // args.batch)
            row[f"whole_{precision}"] = seconds / part * args.epochs * len(paths)
        rows.append(row | {"activations": ours["activations"]})
    columns = {
        "width": "{width}",
        "head": "{heads:.1f}",
        "of the peak": "{share_of_peak:.0%}",
        "from blocks": "{from_blocks:.1f}",
        "from blocks / head": lambda row: f"{row['from_blocks'] / row['heads']:.2f}",
        **{f"whole network, {each}": f"{{whole_{each}:,.0f}}" for each in PRECISIONS},
    }
    tables = {
        f"Seconds of {args.epochs} epochs": table(rows, columns),
        "All widths": _total_table(rows, ours["activations"]),
    }
    print(markdown_tables(tables))
    return Page(
        title="Speed of finetuning",
        text=TEXT.format(
            **vars(args) | {"part": part, "data": args.data.resolve().name},
            n=len(paths),
            widths=", ".join(map(str, widths)),
            precision=ours["precision"],
            passes=args.epochs * len(widths),
        ),
        tables=tables,
        rows=rows,
        figure=_draw(rows, ours["activations"]),
        facts={
            "load at the start": f"{load:.1f}",
            "fastest float32 matrix product": f"{peak / 1e9:,.0f} GFLOP a second",
        },
    )


def time_heads(
    paths: list[str],
    backbone: str,
    blocks: int | None,
    widths: Sequence[int],
    epochs: int,
    batch: int,
    cache: str,
) -> dict:
    """Time the activations, into an empty cache, and the heads that are trained on them.

    Gives the seconds of the ``activations``, the ``precision`` of the convolutions,
    ``n_activations``, and ``heads``: a width each the seconds ``heads``, and ``from_blocks`` where
    an eighth of the activations is in memory.
    """
    from decaf.backend import choose_precision, import_keras

    import_keras()
    from decaf.extraction.activations import cached_activations
    from decaf.networks.convolutions import build_activations
    from decaf.training.finetune import finetune
    from decaf.training.settings import TrainingSettings
    from decaf.training.targets import Targets

    precision = choose_precision("auto")
    start = time.perf_counter()
    convolutions = build_activations(backbone, ("flatten",), blocks, precision=precision)
    activations = cached_activations(paths, convolutions, cache=cache)["flatten"]
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
        for name, share in (("heads", 1), ("from_blocks", SHARE_IN_MEMORY)):
            start = time.perf_counter()
            finetune(activations, Targets(label), width, settings, memory=int(n_bytes * share))
            seconds[name] = time.perf_counter() - start
        outcome["heads"].append(seconds)
    return outcome


def time_whole_network(
    paths: list[str], backbone: str, blocks: int | None, width: int, precision: str, n_batches: int
) -> float:
    """Seconds of training through the whole network, with frozen convolutions in a precision.

    The photos are one batch, which is trained on so often, after once that is not timed.
    """
    from decaf.backend import choose_precision, import_keras

    import_keras()
    import keras

    from decaf.extraction.forward_pass import decode_photos
    from decaf.networks.convolutions import set_precision
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


def count_training_flop(n_activations: int, width: int, outputs: int = 2) -> int:
    """Floating-point operations of a photo's training step in the matrix products of a head.

    Forward, and back to the weights and to the layer before, each with two for a weight; fc6 gives
    nothing back to the convolutions, which are frozen.
    """
    return 4 * n_activations * width + 6 * width * (width + outputs)


def _total_table(rows, activations):
    taken = activations + sum(row["heads"] for row in rows)
    ours = f"decaf ({activations:.0f} of them for the activations)"
    lines = [[ours, f"{taken:,.0f}", "", "", ""]]
    for precision in PRECISIONS:
        whole = sum(row[f"whole_{precision}"] for row in rows)
        reached = "yes" if whole / taken >= TARGET else "no"
        name = f"the whole network, {precision}, extrapolated"
        lines.append([name, f"{whole:,.0f}", f"{whole / taken:.1f}", str(TARGET), reached])
    return Table(["", "seconds", "times as long as decaf", "at least", "reached"], lines)


def _draw(rows, activations):
    names = ["decaf", *(f"whole network, {precision}" for precision in PRECISIONS)]
    parts = {"activations": [activations, 0, 0]}
    for row in rows:
        whole = [row[f"whole_{precision}"] for precision in PRECISIONS]
        parts[f"width {row['width']}"] = [row["heads"], *whole]
    return draw_bars(names, parts, xlabel="seconds", size=(8, 2.5))


EXPERIMENT = Experiment(
    __doc__,
    bench_finetuning,
    (
        measuring.PHOTOS,
        option("--n-photos", "from all over the folder", 1024),
        option("--backbone", "", "vgg16"),
        BLOCKS,
        WIDTHS,
        option("--epochs", "", 10),
        option("--batch", "photos", 128),
        option("--part", "photos of an epoch through the whole network that are timed", 256),
    ),
)
