"""Files for small devices: bytes and one-thread latency of every network, format and precision.

Beside the paper's parameters and sizes. Weights are random: they change neither. What the files
lose in accuracy is the experiment `exported`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

from experiments.choices.exported import TARGET_BYTES
from experiments.data import WIDTHS
from experiments.figures import Panel, draw_lines, lines_of
from experiments.frame import Experiment, option
from experiments.judging import compute_once
from experiments.pages import Page, Row, Table, machine
from experiments.paper.table1 import PAPER_MILLIONS, count_networks

# The float32 file of each format that latencies are given in units of.
REFERENCE = ("mobilenet-v2", "multilevel", 250)
# The network of the experiment `exported`.
TARGET = ("alexnet-owt", "multilevel", 250)
# Of noise: the ranges that int8-full finds do not matter here.
N_PHOTOS = 4
MARKERS = {"float32": "o", "float16": "D", "int8": "^", "int8-full": "v"}
RUNTIMES = {"onnx": "ONNX Runtime", "tflite": "LiteRT"}
COLUMNS = ("backbone", "pooling", "width", "parameters", "paper_millions", "paper_mib")
TEXT = f"""\
Every backbone with heads of the paper's widths on the averages of all blocks, and the networks of
the paper's table I (*flatten*), each exported by `decaf.models.export` to one file with everything
inside, from RGB bytes to the probability. MB are 10**6 bytes of the file. The number in brackets
is the latency in units of that of {{like}} in float32 and the same format: the median of {{runs}}
runs on one thread, each file's right before the reference's. ONNX files are run by ONNX Runtime,
LiteRT files by ai-edge-litert. float16 and int8 are of the weights; LiteRT rounds the activations
of int8 layers as well; int8-full computes in int8. Weights are random. The paper's sizes are its
table I's.
Networks of more than {{up_to:g}} million parameters are left out.

The target, `{{target}}` in int8 in at most {TARGET_BYTES / 1e6:.1f} MB: {{reached}}."""


def devices(args) -> Page:
    """Export and time every network."""
    from tqdm import tqdm

    from decaf.networks.backbones import list_backbones

    rows = []
    with tempfile.TemporaryDirectory() as place:
        networks = list_networks(args.backbone or list_backbones(), args.width, args.up_to)
        for row in tqdm(networks, "exporting", unit="network"):
            network = row["backbone"], row["pooling"], row["width"]
            files = compute_once(
                args,
                "-".join(map(str, network)),
                {"runs": args.runs, "machine": machine()},
                lambda network=network: measure_files(*network, args.runs, Path(place)),
            )
            rows += [row | file for file in files]
    reached = [
        f"{row['bytes'] / 1e6:.2f} MB and {row['ratio']:.2f} of the reference's latency in "
        f"{row['format']}"
        for row in rows
        if _network(row) == TARGET and row["precision"] == "int8"
    ]
    packages = ("onnxruntime", "ai-edge-litert")
    runtimes = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    return Page(
        title="Files for small devices: size and latency",
        text=TEXT.format(
            **vars(args),
            like=" ".join(map(str, REFERENCE)),
            target=" ".join(map(str, TARGET)),
            reached=", ".join(reached) or "not among these networks",
        ),
        tables={
            f"{runtime}: MB (latency, the reference's being 1)": _table(rows, suffix)
            for suffix, runtime in RUNTIMES.items()
        },
        rows=rows,
        figure=_draw(rows),
        facts={"runtimes": runtimes},
    )


def list_networks(backbones: Sequence[str], widths: Sequence[int], limit: float) -> list[Row]:
    """The networks of at most `limit` million parameters, smallest first."""
    papers = dict.fromkeys(backbone for backbone, _ in PAPER_MILLIONS)
    asked = [(name, "multilevel") for name in backbones]
    asked += [(name, "flatten") for name in papers if name in backbones]
    rows = [
        {name: row[name] for name in COLUMNS if name in row}
        for backbone, pooling in asked
        for row in count_networks(backbone, pooling, widths)
        if row["parameters"] <= limit * 1e6
    ]
    return sorted(rows, key=lambda row: row["parameters"])


def measure_files(backbone: str, pooling: str, width: int, runs: int, folder: Path) -> list[Row]:
    """Export a network to every format and precision; measure the files.

    Files of `REFERENCE` are made in the folder once. A file each has ``format``, ``precision``,
    ``bytes``, ``seconds`` (the median of the runs) and ``ratio``, to the reference's.
    """
    from decaf.models.formats import FORMATS, PRECISIONS, write_scorer
    from decaf.models.runtime import measure_latency, open_scorer

    rng = np.random.default_rng(0)
    network = _build(backbone, pooling, width)
    size = network.input_shape[1]
    photos = rng.integers(0, 256, (N_PHOTOS, size, size, 3), np.uint8)
    rows = []
    for suffix in FORMATS:
        reference = folder / f"reference{suffix}"
        if not reference.exists():
            write_scorer(_build(*REFERENCE), reference)
        score_reference = open_scorer(reference)
        reference_photo = rng.integers(0, 256, (224, 224, 3), np.uint8)
        for precision in PRECISIONS:
            path = folder / f"scorer{suffix}"
            write_scorer(network, path, precision, photos)
            seconds = measure_latency(open_scorer(path), photos[0], runs)
            reference_seconds = measure_latency(score_reference, reference_photo, runs)
            row = {"format": suffix[1:], "precision": precision, "bytes": path.stat().st_size}
            rows.append(row | {"seconds": seconds, "ratio": seconds / reference_seconds})
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


def _network(row):
    return row["backbone"], row["pooling"], row["width"]


def _table(rows, suffix):
    own = [row for row in rows if row["format"] == suffix]
    precisions = list(dict.fromkeys(row["precision"] for row in own))
    lines = {}
    for row in own:
        papers = f"{row['paper_millions']:g} M" if "paper_millions" in row else ""
        papers += f", {row['paper_mib']} MiB" if "paper_mib" in row else ""
        parameters = f"{row['parameters'] / 1e6:.2f} M"
        start = [f"{row['backbone']} {row['width']}", row["pooling"], parameters, papers]
        line = lines.setdefault(_network(row), start)
        line.append(f"{row['bytes'] / 1e6:.2f} ({row['ratio']:.2f})")
    header = ["network", "pooling", "parameters", "the paper's", *precisions]
    return Table(header, list(lines.values()))


def _draw(rows):
    panels = []
    for suffix in dict.fromkeys(row["format"] for row in rows):
        own = [row for row in rows if row["format"] == suffix]
        by = ("backbone", "precision")
        lines = lines_of(own, lambda row: row["bytes"] / 1e6, "ratio", by, MARKERS)
        axes = {"xlabel": f"MB of the {suffix} file", "xscale": "log", "yscale": "log"}
        panels.append(Panel(lines, axes, {"x": TARGET_BYTES / 1e6, "y": 1}))
    panels[0].axes["ylabel"] = "latency, the reference's being 1"
    return draw_lines(*panels, size=(12, 4), ncols=2, sharey=True)


EXPERIMENT = Experiment(
    __doc__,
    devices,
    (
        option("--backbone", "(all)", action="append", metavar="NAME"),
        WIDTHS,
        option("--runs", "timed, of each file", 30),
        option("--up-to", "leave networks of more million parameters out", 70.0),
    ),
)
