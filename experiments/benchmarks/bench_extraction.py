"""Speed of extraction beside plain Keras and PyTorch loops, and beside what the machine allows.

VGG16 with a reduced head, from photo files to an HDF5 file of fc7. Every contender runs in a
process of its own, in rounds, so that a slow minute of the machine meets all. It needs a machine on
which nothing else runs.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence

import numpy as np

from experiments import measuring
from experiments.benchmarks import contenders
from experiments.figures import draw_bars
from experiments.frame import Experiment, option, several
from experiments.pages import Page, Row, Table, cpu_info, markdown_tables

# Name: function of `experiments.benchmarks.contenders` and its arguments beside the work.
CONTENDERS = {
    "decaf": (contenders.decaf, "auto"),
    "decaf float32": (contenders.decaf, "float32"),
    "Keras loop float32": (contenders.plain_keras,),
    "PyTorch loop float32": (contenders.plain_torch, "float32"),
    "PyTorch loop bfloat16": (contenders.plain_torch, "bfloat16"),
    "decoding alone": (contenders.decode_alone,),
    "forward alone": (contenders.forward_alone, "auto"),
    "forward alone float32": (contenders.forward_alone, "float32"),
    "stages": (contenders.stages, "auto"),
    "stages float32": (contenders.stages, "float32"),
    "matrix product float32 NumPy": (contenders.matrix_peak, "numpy", "float32"),
    "matrix product float32 Keras": (contenders.matrix_peak, "keras", "float32"),
    "matrix product float32 PyTorch": (contenders.matrix_peak, "torch", "float32"),
    "matrix product bfloat16 Keras": (contenders.matrix_peak, "keras", "bfloat16"),
    "matrix product bfloat16 PyTorch": (contenders.matrix_peak, "torch", "bfloat16"),
}
LOOPS = ("Keras loop float32", "PyTorch loop float32", "PyTorch loop bfloat16")
# How many times as fast as the plain loops decaf must be: by whether the CPU has matrix units.
RATIOS = {True: dict(zip(LOOPS, (7, 10, 2))), False: dict.fromkeys(LOOPS, 1.3)}
SHARE = 0.85
TEXT = """\
VGG16 with a head of {width} units that is not trained, {n:,} photos of {data}, from files to
fc7 in an HDF5 file; best of {repeats}, and from the slowest to the fastest in brackets. Starting
Python, loading the network and its first batch are not counted, for anyone. The *Keras loop* reads
with `keras.utils.load_img`, calls `predict` for every {batch} photos and writes with h5py at the
end. The *PyTorch loop* has a `DataLoader` with {workers} workers, Pillow's bilinear resize, the
same weights in `torch.nn`, and for bfloat16 `torch.autocast`. *Decoding alone* and *forward alone*
(from memory, convolutions and head) use all cores, as decaf itself does. The plain loops show a
photo as it is stored; decaf turns it upright, so that the features of turned photos differ.

{bound}"""
BOUND = {
    "cpu": "What decoding and forward pass allow *together*: both want the same cores, so that a "
    "photo takes the sum of their times at best, 1 / (1 / decoding + 1 / forward).",
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
        work = contenders.Work(tuple(paths), made, args.batch)
        facts = measuring.in_child(contenders.prepare, work, args.width)
        bar = tqdm([(name, n) for n in range(args.repeats) for name in args.contender], unit="run")
        for name, number in bar:
            bar.set_description(name)
            function, *arguments = CONTENDERS[name]
            outcome = measuring.in_child(function, work, *arguments)
            runs.append({"contender": name, "run": number + 1, **outcome})
        similar = compare_features(runs)
    best = summarize(runs, len(paths))
    tables = {
        "Photos a second": _speeds_table(best),
        "Photos a second from files that the machine allows": _bounds_table(best, facts),
        "Milliseconds a photo, each stage by itself": _stages_table(best),
        "Cosine of the features with those of decaf in float32": Table(
            ["", "median", "5 % quantile"],
            [[name, f"{median:.5f}", f"{low:.5f}"] for name, (median, low) in similar.items()],
        ),
        "Fastest matrix product": _peaks_table(best),
    }
    print(markdown_tables(tables))
    return Page(
        title="Speed of extraction",
        text=TEXT.format(
            **vars(args) | {"data": args.data.resolve().name},
            n=len(paths),
            workers=work.workers,
            bound=BOUND[facts["device"]],
        ),
        tables=tables,
        rows=[{k: v for k, v in run.items() if k != "file"} for run in runs],
        figure=_draw(best),
        facts={
            "load at the start": f"{load:.1f}",
            "back end": "{back_end} on {device}, which decaf uses in {precision}".format(**facts),
            "work": f"{facts['flop'] / 1e9:.1f} GFLOP a photo",
        },
    )


def summarize(runs: Sequence[Row], n_photos: int) -> dict[str, dict[str, float]]:
    """The best of each contender's runs, and the spread.

    Gives by contender ``speed`` (photos a second, or operations a second of matrix products) and
    ``slowest``; of stages the shortest milliseconds.
    """
    best = {}
    for name in dict.fromkeys(run["contender"] for run in runs):
        own = [run for run in runs if run["contender"] == name]
        if "seconds" in own[0]:
            speeds = [run.get("flop", n_photos) / run["seconds"] for run in own]
            best[name] = {"speed": max(speeds), "slowest": min(speeds)}
        else:
            stages = [stage for stage in own[0] if stage not in ("contender", "run")]
            best[name] = {stage: min(run[stage] for run in own) for stage in stages}
    return best


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


def _speeds_table(best):
    wanted_of = RATIOS["amx_bf16" in cpu_info().split()]
    lines = []
    for name, row in best.items():
        if "speed" not in row or name.startswith("matrix product"):
            continue
        compared = ["", "", ""]
        if name in LOOPS and "decaf" in best:
            ratio, wanted = best["decaf"]["speed"] / row["speed"], wanted_of[name]
            compared = [f"{ratio:.2f}", f"{wanted:g}", "yes" if ratio >= wanted else "no"]
        speeds = f"{row['speed']:.2f} ({row['slowest']:.2f}–{row['speed']:.2f})"
        lines.append([name, speeds, *compared])
    return Table(["", "photos a second", "decaf / it", "at least", "reached"], lines)


def _bounds_table(best, facts):
    header = ["", "together", "decaf", "share", "at least", "reached", "forward / peak"]
    lines = []
    for precision, suffix in ((facts["precision"], ""), ("float32", " float32")):
        names = ("decoding alone", f"forward alone{suffix}", f"decaf{suffix}")
        if any(name not in best for name in names):
            continue
        decoding, forward, ours = (best[name]["speed"] for name in names)
        together, peak = bound(decoding, forward, facts["device"]), _peak(best, precision)
        reached = "yes" if ours / together >= SHARE else "no"
        line = [precision, f"{together:.2f}", f"{ours:.2f}", f"{ours / together:.0%}"]
        of_peak = f"{forward * facts['flop'] / peak:.0%}" if peak else ""
        lines.append([*line, f"{SHARE:.0%}", reached, of_peak])
    return Table(header, lines)


def _stages_table(best):
    names = {"stages": "decaf", "stages float32": "decaf float32"}
    measured = {label: best[name] for name, label in names.items() if name in best}
    stages = list(next(iter(measured.values()), ()))
    lines = [
        [label, *(f"{of_stage[stage]:.2f}" for stage in stages)]
        for label, of_stage in measured.items()
    ]
    return Table(["", *stages], lines)


def _peaks_table(best):
    peaks = {precision: _peak(best, precision) for precision in ("float32", "bfloat16")}
    return Table(["", "GFLOP a second"], [[k, f"{v / 1e9:,.0f}"] for k, v in peaks.items() if v])


def _peak(best, precision):
    start = f"matrix product {precision}"
    return max((row["speed"] for name, row in best.items() if name.startswith(start)), default=None)


def _draw(best):
    names = [name for name in best if "matrix" not in name and "speed" in best[name]]
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
        option("--n-photos", "from all over the folder; best whole batches", 512),
        option("--width", "of the head", 250),
        option("--batch", "in a forward pass", 32),
        option("--repeats", "rounds", 3),
        several("--contender", "", tuple(CONTENDERS), choices=tuple(CONTENDERS), metavar="NAME"),
    ),
)
