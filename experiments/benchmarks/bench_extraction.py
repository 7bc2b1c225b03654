"""Speed of extraction beside plain Keras and PyTorch loops, and beside what the machine allows.

VGG16 with a reduced head, from photo files to an HDF5 file of fc7. Every contender runs in a
process of its own, in rounds, so that a slow minute of the machine meets all. It needs a machine on
which nothing else runs.
"""

import argparse
import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from decaf.backend import import_keras
from decaf.commands.common import run_command
from experiments import pages
from experiments.benchmarks import contenders
from experiments.data import add_out_options
from features.errors import InputError

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
VGG16 with a head of {width} units that is not trained, {n_photos:,} photos of {data}, from files to
fc7 in an HDF5 file; best of {repeats}, and from the slowest to the fastest in brackets. Starting
Python, loading the network and its first batch are not counted, for anyone. The *Keras loop* reads
with `keras.utils.load_img`, calls `predict` for every {batch} photos and writes with h5py at the
end. The *PyTorch loop* has a `DataLoader` with {workers} workers, Pillow's bilinear resize, the
same weights in `torch.nn`, and for bfloat16 `torch.autocast`. *Decoding alone* and *forward alone*
(from memory, convolutions and head) use all cores, as decaf itself does. The plain loops show a
photo as it is stored; decaf turns it upright, so that the features of turned photos differ."""
BOUND = {
    "cpu": "What decoding and forward pass allow *together*: both want the same cores, so that a "
    "photo takes the sum of their times at best, 1 / (1 / decoding + 1 / forward).",
    "gpu": "What decoding and forward pass allow *together*: they need not wait for each other, so "
    "that the slower of both decides.",
}


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
        "python -m experiments bench-extraction",
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
        "--n-photos",
        type=int,
        default=512,
        metavar="N",
        help="from all over the folder; best a multiple of the batch (512)",
    )
    parser.add_argument("--width", type=int, default=250, metavar="UNITS", help="of the head (250)")
    parser.add_argument(
        "--batch", type=int, default=32, metavar="PHOTOS", help="in a forward pass (32)"
    )
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="rounds (3)")
    parser.add_argument(
        "--contender",
        action="append",
        choices=CONTENDERS,
        metavar="NAME",
        help=f"only some of: {', '.join(CONTENDERS)} (all)",
    )
    add_out_options(parser)
    pages.remember_command(parser, "bench-extraction", argv)
    return run_command(bench_extraction, parser, argv)


def bench_extraction(args):
    """Run every contender, print the tables, write the page.

    Parameters
    ----------
    args : argparse.Namespace
    """
    from tqdm import tqdm

    folder = pages.results_folder(args)
    import_keras()
    paths = choose_photos(args.data, args.n_photos)
    load = os.getloadavg()[0]
    names = args.contender or list(CONTENDERS)
    runs = []
    with tempfile.TemporaryDirectory() as made:
        work = contenders.Work(tuple(paths), made, args.batch)
        facts = in_child(contenders.prepare, work, args.width)
        bar = tqdm([(name, n) for n in range(args.repeats) for name in names], unit="run")
        for name, number in bar:
            bar.set_description(name)
            function, *arguments = CONTENDERS[name]
            outcome = in_child(function, work, *arguments)
            runs.append({"contender": name, "run": number + 1, **outcome})
        similar = {} if "decaf float32" not in names else compare_features(runs)
    best = summarize(runs, len(paths))
    tables = {
        "Photos a second": _speeds_table(best),
        "Photos a second from files that the machine allows": _bounds_table(best, facts),
        "Milliseconds a photo, each stage by itself": _stages_table(best),
        "Cosine of the features with those of decaf in float32": _similar_table(similar),
        "Fastest matrix product": _peaks_table(best),
    }
    tables = {caption: (header, lines) for caption, (header, lines) in tables.items() if lines}
    for caption, (header, lines) in tables.items():
        print(f"\n{caption}\n{_aligned(header, lines)}")
    text = TEXT.format(
        width=args.width,
        n_photos=len(paths),
        data=args.data.resolve().name,
        repeats=args.repeats,
        batch=work.batch,
        workers=work.workers,
    )
    pages.write_page(
        folder,
        title="Speed of extraction",
        text=f"{text}\n\n{BOUND[facts['device']]}",
        command=args.command,
        facts={
            "load at the start": f"{load:.1f}",
            "back end": f"{facts['back_end']} on {facts['device']}, which decaf uses in "
            f"{facts['precision']}",
            "work": f"{facts['flop'] / 1e9:.1f} GFLOP a photo",
        },
        tables=tables,
        rows=[{k: v for k, v in run.items() if k != "file"} for run in runs],
        figure=_draw(best),
    )
    print(f"\n{folder / pages.PAGE}")


def choose_photos(source, n_photos):
    """Photos from all over a folder.

    Parameters
    ----------
    source : path-like
        As of `features.photos.find_photos`.
    n_photos : int
        Where the folder holds fewer, all are taken.

    Returns
    -------
    list of str
        Paths.
    """
    import numpy as np

    from features.photos import find_photos, photo_root

    if n_photos < 1:
        raise InputError(f"--n-photos {n_photos}: it must be 1 or more")
    names = find_photos(source)
    chosen = np.linspace(0, len(names), min(n_photos, len(names)), endpoint=False).astype(int)
    return [str(photo_root(source) / names[i]) for i in chosen]


def summarize(runs, n_photos):
    """The best of each contender's runs, and the spread.

    Parameters
    ----------
    runs : list of dict
        ``contender`` and what it gave.
    n_photos : int

    Returns
    -------
    dict of str to dict
        By contender: ``speed`` (photos a second, or operations a second of matrix products) and
        ``slowest``; of stages the shortest milliseconds.
    """
    best = {}
    for name in dict.fromkeys(run["contender"] for run in runs):
        own = [run for run in runs if run["contender"] == name]
        if "seconds" in own[0]:
            speeds = [run.get("flop", n_photos) / run["seconds"] for run in own]
            best[name] = {"speed": max(speeds), "slowest": min(speeds)}
        else:
            stages = own[0].keys() - {"contender", "run"}
            best[name] = {
                stage: min(run[stage] for run in own) for stage in own[0] if stage in stages
            }
    return best


def bound(decoding, forward, device):
    """Photos a second that decoding and forward pass allow together.

    Parameters
    ----------
    decoding, forward : float
        Photos a second of each by itself.
    device : {"cpu", "gpu"}
        Of the forward pass; on the CPU both share the cores.

    Returns
    -------
    float
    """
    return 1 / (1 / decoding + 1 / forward) if device == "cpu" else min(decoding, forward)


def compare_features(runs):
    """How far the contenders' features agree with ours in float32.

    Parameters
    ----------
    runs : list of dict
        With the ``file`` of each contender.

    Returns
    -------
    dict of str to (float, float)
        Contender → median and 5 % quantile of the photos' cosines.
    """
    import h5py
    import numpy as np

    features = {}
    for run in runs:
        if "file" in run:
            with h5py.File(run["file"]) as store:
                features[run["contender"]] = store["features"][:]
    ours = features.pop("decaf float32")
    return {
        name: np.quantile(cosines(ours, theirs), [0.5, 0.05]) for name, theirs in features.items()
    }


def cosines(a, b):
    """Cosine of each row of ``a`` with the same row of ``b``.

    Parameters
    ----------
    a, b : ndarray, shape (n, d)

    Returns
    -------
    ndarray, shape (n,)
    """
    import numpy as np

    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))


def in_child(function, *arguments):
    """Call a function in a fresh process, whose thread pools are its own.

    Parameters
    ----------
    function : callable
        Of a module's top level.
    *arguments
        Plain data.

    Returns
    -------
    What the function gives.
    """
    # Not a Pool, whose processes may have no children: PyTorch's DataLoader has.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as child:
        return child.submit(function, *arguments).result()


def _has_matrix_units():
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False


def _speeds_table(best):
    header = ["", "photos a second", "decaf / it", "at least", "reached"]
    lines = []
    for name, row in best.items():
        if "speed" not in row or name.startswith("matrix product"):
            continue
        cells = [name, f"{row['speed']:.2f} ({row['slowest']:.2f}–{row['speed']:.2f})"]
        if name in LOOPS and "decaf" in best:
            ratio, wanted = best["decaf"]["speed"] / row["speed"], RATIOS[_has_matrix_units()][name]
            cells += [f"{ratio:.2f}", f"{wanted:g}", "yes" if ratio >= wanted else "no"]
        lines.append(cells + [""] * (len(header) - len(cells)))
    return header, lines


def _bounds_table(best, facts):
    header = ["", "together", "decaf", "share", "at least", "reached", "forward / peak"]
    lines = []
    for precision, suffix in ((facts["precision"], ""), ("float32", " float32")):
        names = ("decoding alone", f"forward alone{suffix}", f"decaf{suffix}")
        if any(name not in best for name in names):
            continue
        decoding, forward, ours = (best[name]["speed"] for name in names)
        together, peak = bound(decoding, forward, facts["device"]), _peak(best, precision)
        share = ours / together
        lines.append(
            [
                precision,
                f"{together:.2f}",
                f"{ours:.2f}",
                f"{share:.0%}",
                f"{SHARE:.0%}",
                "yes" if share >= SHARE else "no",
                f"{forward * facts['flop'] / peak:.0%}" if peak else "",
            ]
        )
    return header, lines


def _stages_table(best):
    names = [name for name in ("stages", "stages float32") if name in best]
    if not names:
        return [], []
    stages = list(best[names[0]])
    labels = {"stages": "decaf", "stages float32": "decaf float32"}
    return ["", *stages], [
        [labels[name], *(f"{best[name][s]:.2f}" for s in stages)] for name in names
    ]


def _similar_table(similar):
    return (
        ["", "median", "5 % quantile"],
        [[name, f"{median:.5f}", f"{low:.5f}"] for name, (median, low) in similar.items()],
    )


def _peaks_table(best):
    peaks = {precision: _peak(best, precision) for precision in ("float32", "bfloat16")}
    return ["", "GFLOP a second"], [[k, f"{v / 1e9:,.0f}"] for k, v in peaks.items() if v]


def _peak(best, precision):
    start = f"matrix product {precision}"
    return max((row["speed"] for name, row in best.items() if name.startswith(start)), default=None)


def _aligned(header, lines):
    import pandas

    return pandas.DataFrame(lines, columns=header).to_string(index=False)


def _draw(best):
    from matplotlib.figure import Figure

    names = [name for name in best if "matrix" not in name and "speed" in best[name]]
    speeds = [best[name]["speed"] for name in names]
    spread = [best[name]["speed"] - best[name]["slowest"] for name in names]
    figure = Figure(figsize=(8, 0.8 + 0.35 * len(names)), layout="constrained")
    axes = figure.subplots()
    colours = ["C0" if name.startswith("decaf") else "C7" for name in names]
    axes.barh(names, speeds, xerr=[spread, [0] * len(names)], color=colours)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="photos a second")
    axes.grid(axis="x", alpha=0.3)
    return figure
