"""Files for small devices: bytes and one-thread latency of every network, format and precision.

Beside the paper's parameters and sizes. Weights are random: they change neither. What the files
lose in accuracy is the experiment `exported`.
"""

import argparse
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np

from decaf.backend import import_keras
from decaf.commands.common import run_command
from experiments import pages
from experiments.data import add_out_options
from experiments.paper.table1 import PAPER_MILLIONS, WIDTHS, count_networks

# The float32 file of each format that latencies are given in units of.
REFERENCE = ("mobilenet-v2", "multilevel", 250)
# What issue 6 asks of one file.
TARGET, TARGET_BYTES = ("alexnet-owt", "multilevel", 250), 3.5e6
# Of noise: the ranges that int8-full finds do not matter here.
N_PHOTOS = 4
MARKERS = {"float32": "o", "float16": "D", "int8": "^", "int8-full": "v"}
TEXT = """\
Every backbone with heads of the paper's widths on the averages of all blocks, and the networks of
the paper's table I (*flatten*), each exported by `decaf.models.export` to one file with everything
inside, from RGB bytes to the probability. MB are 10**6 bytes of the file. The number in brackets
is the latency in units of that of {reference} in float32 and the same format: the median of {runs}
runs on one thread, each file's right before the reference's. ONNX files are run by ONNX Runtime,
LiteRT files by ai-edge-litert. float16 and int8 are of the weights; LiteRT rounds the activations
of int8 layers as well; int8-full computes in int8. Weights are random. The paper's sizes are its
table I's.
Networks of more than {limit:g} million parameters are left out.

The target, `{target}` in int8 in at most {size:.1f} MB: {reached}."""


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
    parser = argparse.ArgumentParser("python -m experiments devices", description=__doc__)
    parser.add_argument("--backbone", action="append", metavar="NAME", help="(all)")
    parser.add_argument("--width", action="append", type=int, metavar="UNITS", help="(the paper's)")
    parser.add_argument(
        "--runs", type=int, default=30, metavar="N", help="timed, of each file (30)"
    )
    parser.add_argument(
        "--up-to",
        type=float,
        default=70.0,
        metavar="MILLIONS",
        help="leave networks of more parameters out (70)",
    )
    add_out_options(parser)
    pages.remember_command(parser, "devices", argv)
    return run_command(devices, parser, argv)


def devices(args):
    """Export and time every network, write the results.

    Parameters
    ----------
    args : argparse.Namespace
    """
    folder = pages.results_folder(args)
    import_keras()
    from tqdm import tqdm

    from experiments.judging import cells_folder, compute_once

    networks = list_networks(args.backbone, args.width or WIDTHS, args.up_to)
    kept = cells_folder(folder)
    rows = []
    with tempfile.TemporaryDirectory() as place:
        references = Path(place) / "references"
        references.mkdir()
        for row in tqdm(networks, "exporting", unit="network"):
            network = row["backbone"], row["pooling"], row["width"]
            files = compute_once(
                kept / "{}-{}-{}.json".format(*network),
                {"runs": args.runs, "machine": pages.machine()},
                lambda network=network: measure_files(*network, args.runs, references),
                force=args.force,
            )
            rows += [row | file for file in files]
    _write(args, folder, rows)
    print(folder / pages.PAGE)


def list_networks(backbones, widths, limit):
    """The networks of which files are made, smallest first.

    Parameters
    ----------
    backbones : list of str or None
        All by default.
    widths : sequence of int
    limit : float
        In millions of parameters.

    Returns
    -------
    list of dict
        ``backbone``, ``pooling``, ``width``, ``parameters`` and, where the paper has the network,
        ``paper_millions`` and perhaps ``paper_mib``.
    """
    from decaf.networks.backbones import list_backbones

    papers = dict.fromkeys(backbone for backbone, _ in PAPER_MILLIONS)
    names = backbones or list_backbones()
    rows = [row for name in names for row in count_networks(name, "multilevel", widths)]
    rows += [
        row for name in papers if name in names for row in count_networks(name, "flatten", widths)
    ]
    columns = ("backbone", "pooling", "width", "parameters", "paper_millions", "paper_mib")
    return sorted(
        (
            {name: row[name] for name in columns if name in row}
            for row in rows
            if row["parameters"] <= limit * 1e6
        ),
        key=lambda row: row["parameters"],
    )


def measure_files(backbone, pooling, width, runs, references):
    """Export a network to every format and precision; measure the files.

    Parameters
    ----------
    backbone, pooling : str
    width : int
    runs : int
        Timed runs of each file.
    references : pathlib.Path
        A folder for the files of `REFERENCE`, which are made there once.

    Returns
    -------
    list of dict
        A file each: ``format``, ``precision``, ``bytes``, ``seconds`` (the median), ``ratio``, to
        the reference's.
    """
    from decaf.models.formats import FORMATS, PRECISIONS, write_scorer
    from decaf.models.runtime import measure_latency, open_scorer

    rng = np.random.default_rng(0)
    network = _build(backbone, pooling, width)
    size = network.input_shape[1]
    photos = rng.integers(0, 256, (N_PHOTOS, size, size, 3), np.uint8)
    rows = []
    for suffix in FORMATS:
        reference = references / f"reference{suffix}"
        if not reference.exists():
            write_scorer(_build(*REFERENCE), reference)
        score_reference = open_scorer(reference)
        reference_photo = rng.integers(0, 256, (224, 224, 3), np.uint8)
        for precision in PRECISIONS:
            path = references / f"scorer{suffix}"
            write_scorer(network, path, precision, photos)
            seconds = measure_latency(open_scorer(path), photos[0], runs)
            reference_seconds = measure_latency(score_reference, reference_photo, runs)
            rows.append(
                {
                    "format": suffix[1:],
                    "precision": precision,
                    "bytes": path.stat().st_size,
                    "seconds": seconds,
                    "ratio": seconds / reference_seconds,
                }
            )
            path.unlink()
    return rows


def _build(backbone, pooling, width):
    import keras

    from decaf.models.scorer import softmax_probability
    from decaf.networks.network import build_network

    # With some random weights ResNet's activations grow beyond what int8-full's ranges can hold.
    keras.utils.set_random_seed(0)
    network = build_network(backbone, width, pooling=pooling, weights=None)
    for weight in network.keras_model.weights:
        if len(weight.shape) == 1:  # biases of 0, as they are at first, would be left out of files
            weight.assign(weight + 0.01)
    return softmax_probability(network)


def _write(args, folder, rows):
    kinds = list(dict.fromkeys((row["format"], row["precision"]) for row in rows))
    files = {}
    for row in rows:
        key = row["backbone"], row["pooling"], row["width"]
        files.setdefault(key, {})[row["format"], row["precision"]] = row
    tables = {}
    for suffix, runtime in (("onnx", "ONNX Runtime"), ("tflite", "LiteRT")):
        precisions = [precision for each, precision in kinds if each == suffix]
        tables[f"{runtime}: MB (latency, the reference's being 1)"] = (
            ["network", "pooling", "parameters", "the paper's", *precisions],
            [
                [
                    f"{backbone} {width}",
                    pooling,
                    f"{next(iter(of_kind.values()))['parameters'] / 1e6:.2f} M",
                    _papers(next(iter(of_kind.values()))),
                    *(
                        "{bytes:.2f} ({ratio:.2f})".format(
                            bytes=of_kind[suffix, precision]["bytes"] / 1e6,
                            ratio=of_kind[suffix, precision]["ratio"],
                        )
                        for precision in precisions
                    ),
                ]
                for (backbone, pooling, width), of_kind in files.items()
            ],
        )
    pages.write_page(
        folder,
        title="Files for small devices: size and latency",
        text=TEXT.format(
            reference=" ".join(map(str, REFERENCE)),
            target=" ".join(map(str, TARGET)),
            size=TARGET_BYTES / 1e6,
            runs=args.runs,
            limit=args.up_to,
            reached=_reached(files.get(TARGET, {})),
        ),
        command=args.command,
        facts={
            "runtimes": ", ".join(
                f"{name} {metadata.version(name)}" for name in ("onnxruntime", "ai-edge-litert")
            )
        },
        tables=tables,
        rows=rows,
        figure=_draw(rows),
    )


def _papers(row):
    if "paper_millions" not in row:
        return ""
    size = f", {row['paper_mib']} MiB" if "paper_mib" in row else ""
    return f"{row['paper_millions']:g} M{size}"


def _reached(of_kind):
    said = [
        f"{row['bytes'] / 1e6:.2f} MB and {row['ratio']:.2f} of the reference's latency in {suffix}"
        for (suffix, precision), row in of_kind.items()
        if precision == "int8"
    ]
    return ", ".join(said) or "not among these networks"


def _draw(rows):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    backbones = list(dict.fromkeys(row["backbone"] for row in rows))
    for axes, suffix in zip(panels, dict.fromkeys(row["format"] for row in rows)):
        for row in rows:
            if row["format"] == suffix:
                axes.loglog(
                    row["bytes"] / 1e6,
                    row["ratio"],
                    MARKERS[row["precision"]],
                    ms=5,
                    alpha=0.8,
                    color=f"C{backbones.index(row['backbone'])}",
                )
        axes.axvline(TARGET_BYTES / 1e6, color="0.5", lw=0.8)
        axes.axhline(1, color="0.5", lw=0.8)
        axes.set(xlabel=f"MB of the {suffix} file")
        axes.grid(alpha=0.3, which="both")
    panels[0].set_ylabel("latency, the reference's being 1")
    for number, backbone in enumerate(backbones):
        panels[0].plot([], [], "s", color=f"C{number}", label=backbone)
    for precision, marker in MARKERS.items():
        panels[0].plot([], [], marker, color="0.5", label=precision)
    figure.legend(loc="outside right center", fontsize=8)
    return figure
