"""Speed of extraction beside plain Keras and PyTorch loops, and beside what the machine allows.

A plain backbone, from photo files to an HDF5 file of its averages. Every contender runs in a
process of its own, in rounds, so that a slow minute of the machine meets all. It needs a machine on
which nothing else runs.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence

import numpy as np

from experiments import measuring
from experiments.benchmarks import contenders
from experiments.data import SIZE, parse_sizes
from experiments.figures import draw_bars
from experiments.frame import Experiment, option, several
from experiments.pages import Page, Row, Table, markdown_tables

BACKBONES = ("efficientnet-lite0", "alexnet-owt", "vgg16")
# Name: function of `experiments.benchmarks.contenders` and its arguments beside the work.
CONTENDERS = {
    "decaf": (contenders.decaf, "auto"),
    "decaf as before": (contenders.decaf_before,),
    "decaf float32": (contenders.decaf, "keras", "float32"),
    "Keras loop": (contenders.plain_keras,),
    "PyTorch loop float32": (contenders.plain_torch, "float32"),
    "PyTorch loop bfloat16": (contenders.plain_torch, "bfloat16"),
    "decoding alone": (contenders.decode_alone,),
    "forward pass alone": (contenders.forward_alone,),
}
# How many times as fast as these decaf must be with EfficientNet-Lite0: as before by size, as the
# plain loops at any.
BEFORE = {"224": 3.0, "448": 3.5}
KERAS, PYTORCH = 6.0, 4.0
SHARE = 0.9
TEXT = """\
The plain {backbone} at {size} pixels ({pooling} averages), {n:,} photos of {data}, from files to
features in an HDF5 file; best of {repeats}, and from the slowest to the fastest in brackets.
Starting Python, loading the network, measuring what runs it fastest and its first batch are not
counted, for anyone. *decaf* takes what it has measured to be the fastest here: {engine} in
{precision}. *decaf as before* has Keras compute in {precision_before}, chosen without measuring;
*decaf float32* is Keras's, too. The *Keras loop*, in float32, reads with `keras.utils.load_img`,
calls `predict` for every {batch} photos and writes with h5py at the end. The *PyTorch loop* has a
`DataLoader` with {workers} workers, Pillow's bilinear resize, the same weights in `torch.nn`, and
for bfloat16 `torch.autocast`; the faster of the two counts. *Decoding alone* and *forward pass
alone* (the convolutions, from memory) use all cores, as decaf itself does. The plain loops decode
every photo whole and show it as it is stored; decaf decodes large JPEGs at a reduced scale and
turns photos upright, so that their features differ a little.

{bound}"""
BOUND = {
    "cpu": "What decoding and forward pass allow *together*: both want the same cores, so that a "
    "photo takes the sum of their times at best, 1 / (1 / decoding + 1 / forward pass).",
    "gpu": "What decoding and forward pass allow *together*: they need not wait for each other, so "
    "that the slower of both decides.",
}


def bench_extraction(args) -> Page:
    """Run every contender."""
    from tqdm import tqdm

    paths = measuring.choose_photos(args.data, args.n_photos)
    load = os.getloadavg()[0]
    runs = []
    with tempfile.TemporaryDirectory() as made:
        sizes = parse_sizes(args.size)
        work = contenders.Work(
            tuple(paths), args.backbone, sizes, args.pooling, made, batch=args.batch
        )
        facts = measuring.in_child(contenders.prepare, work)
        bar = tqdm([(name, n) for n in range(args.repeats) for name in args.contender], unit="run")
        for name, number in bar:
            bar.set_description(name)
            function, *arguments = CONTENDERS[name]
            outcome = measuring.in_child(function, work, *arguments)
            runs.append({"contender": name, "run": number + 1, **outcome})
        similar = compare_features(runs)
    best = summarize(runs, len(paths))
    tables = {
        "Photos a second": _speeds_table(best, targets(args.backbone, args.size, best)),
        "Photos a second that the machine allows": _bound_table(best, facts["device"]),
        "Cosine of the features with those of decaf in float32": Table(
            ["", "median", "5 % quantile"],
            [[name, f"{median:.5f}", f"{low:.5f}"] for name, (median, low) in similar.items()],
        ),
    }
    print(markdown_tables(tables))
    return Page(
        title="Speed of extraction",
        text=TEXT.format(
            **vars(args) | facts | {"data": args.data.resolve().name},
            n=len(paths),
            workers=work.workers,
            bound=BOUND[facts["device"]],
        ),
        tables=tables,
        rows=[{k: v for k, v in run.items() if k != "file"} for run in runs],
        figure=_draw(best),
        facts={
            "load at the start": f"{load:.1f}",
            "back end": "{back_end} on {device}".format(**facts),
        },
    )


def summarize(runs: Sequence[Row], n_photos: int) -> dict[str, dict[str, float]]:
    """Photos a second by contender: ``speed``, the best of its runs, and ``slowest``."""
    best = {}
    for name in dict.fromkeys(run["contender"] for run in runs):
        speeds = [n_photos / run["seconds"] for run in runs if run["contender"] == name]
        best[name] = {"speed": max(speeds), "slowest": min(speeds)}
    return best


def targets(backbone: str, size: str, best: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """How many times as fast as a contender decaf must be, by its name."""
    if backbone != "efficientnet-lite0":
        return {}
    loops = [name for name in best if name.startswith("PyTorch")]
    faster = sorted(loops, key=lambda name: best[name]["speed"])[-1:]
    before = {"decaf as before": BEFORE[size]} if size in BEFORE else {}
    return {**before, "Keras loop": KERAS, **dict.fromkeys(faster, PYTORCH)}


def bound(decoding: float, forward: float, device: str) -> float:
    """Photos a second that decoding and forward pass allow together; on a CPU they share cores."""
    return 1 / (1 / decoding + 1 / forward) if device == "cpu" else min(decoding, forward)


def compare_features(runs: Sequence[Row]) -> dict[str, tuple[float, float]]:
    """Contender → median and 5 % quantile of its features' cosines with ours in float32."""
    import h5py

    features = {}
    for run in runs:
        if "file" in run:
            with h5py.File(run["file"]) as store:
                features[run["contender"]] = store["features"][:]
    ours = features.pop("decaf float32", None)
    if ours is None:
        return {}
    return {
        name: np.quantile(measuring.cosines(ours, theirs), [0.5, 0.05])
        for name, theirs in features.items()
    }


def _speeds_table(best, wanted_of):
    lines = []
    for name, row in best.items():
        compared = ["", "", ""]
        if "decaf" in best and name != "decaf" and not name.endswith("alone"):
            ratio, wanted = best["decaf"]["speed"] / row["speed"], wanted_of.get(name)
            compared[0] = f"{ratio:.2f}"
            if wanted is not None:
                compared[1:] = f"{wanted:g}", "yes" if ratio >= wanted else "no"
        speeds = f"{row['speed']:.1f} ({row['slowest']:.1f}–{row['speed']:.1f})"
        lines.append([name, speeds, *compared])
    return Table(["", "photos a second", "decaf / it", "at least", "reached"], lines)


def _bound_table(best, device):
    lines = []
    names = ("decoding alone", "forward pass alone", "decaf")
    if all(name in best for name in names):
        decoding, forward, ours = (best[name]["speed"] for name in names)
        together = bound(decoding, forward, device)
        reached = "yes" if ours / together >= SHARE else "no"
        shares = [f"{together:.1f}", f"{ours:.1f}", f"{ours / together:.0%}", f"{SHARE:.0%}"]
        lines.append([f"{decoding:.1f}", f"{forward:.1f}", *shares, reached])
    header = ["decoding", "forward pass", "together", "decaf", "share", "at least", "reached"]
    return Table(header, lines)


def _draw(best):
    names = list(best)
    speeds = [best[name]["speed"] for name in names]
    spread = [best[name]["speed"] - best[name]["slowest"] for name in names]
    return draw_bars(
        names,
        {"": speeds},
        xlabel="photos a second",
        size=(8, 0.8 + 0.35 * len(names)),
        color=["C0" if name.startswith("decaf") else "C7" for name in names],
        xerr=[spread, [0] * len(names)],
        log=True,
    )


EXPERIMENT = Experiment(
    __doc__,
    bench_extraction,
    (
        measuring.PHOTOS,
        option("--backbone", "", "efficientnet-lite0", choices=BACKBONES),
        SIZE,
        option("--pooling", "", "multilevel", choices=("multilevel", "average")),
        option("--n-photos", "from all over the folder; best whole batches", 256),
        option("--batch", "in a forward pass", 32),
        option("--repeats", "rounds", 2),
        several("--contender", "", tuple(CONTENDERS), choices=tuple(CONTENDERS), metavar="NAME"),
    ),
    part=lambda args: f"{args.backbone}-{args.size}",
)
