"""What a GPU does for decaf: right features, photos a second, seconds of finetuning, the tests.

Runs on a CPU too, with fewer photos. Every step is a process of its own: one that fails, or for
which no time is left, is told, and the others go on. What was found is in gpu-check.json after each
step.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from experiments import measuring
from experiments.benchmarks import contenders, gpu_steps
from experiments.benchmarks.bench_extraction import BACKBONES, bound
from experiments.data import WIDTHS
from experiments.figures import draw_bars
from experiments.frame import Experiment, option, several
from experiments.pages import Page, Row, Table, markdown_tables
from features.errors import InputError
from features.files import write_file

PARTS = ("agreement", "extraction", "finetuning", "tests")
JSON = "gpu-check.json"
# Photos, rows of activations: on a GPU what AVA's training photos are, on a CPU what it bears.
N_PHOTOS = {"gpu": 8192, "cpu": 32}
N_ROWS = {"gpu": 235_508, "cpu": 2_000}
# The averages of all blocks of alexnet-owt.
N_ACTIVATIONS = 1_152
# To reach: the largest relative difference in float32, the lowest cosine in bfloat16; VGG16's share
# of the matrix peak at 224, from memory; the share of what decoding and forward pass allow, and
# AlexNet's photos a second at 224, from files.
DIFFERENCE, COSINE = 1e-3, 0.999
VGG16_SHARE, SHARE, ALEXNET = 0.5, 0.85, 1500
# What touches networks; on a CPU a part of it.
TESTS = {
    "gpu": (
        "tests/decaf/networks",
        "tests/decaf/extraction",
        "tests/decaf/training",
        "tests/decaf/test_back_ends.py",
    ),
    "cpu": ("tests/decaf/extraction/test_forward_pass.py",),
}
# Of the tests at once: they share the GPU.
N_TESTERS = 4
TEXT = """\
{n:,} photos ({photos}) on {device}; random weights. Features are compared with those of the same
network on the CPU in float32, computed without TensorFloat-32: the largest relative difference of a
photo, and its lowest cosine. *From files* is what extract-features does with an empty cache, into
an HDF5 file. *From memory* is the forward pass over batches in the host's memory, activations back
there; the peak that it is a share of is that of a bfloat16 matrix product here. *Allowed* is what
decoding and forward pass allow together{together}. Finetuning is an epoch of the default recipe on
{rows:,} rows of {n_activations:,} random activations. Targets are for a GPU with 16 cores beside
it."""
# Of a step, what tells it from others.
KEYS = ("step", "backbone", "size", "precision", "processes", "width")
SPEEDS = ("from files", "allowed", "from memory", "of the peak", "decoding, threads")
SPEEDS += ("decoding, processes", "transfer", "writing", "batch", "first batch, s")
TOGETHER = {"cpu": ", which share the cores", "gpu": ": the slower of both"}


class Steps:
    """The steps, each a row of what it was and what it gave, until the time is up.

    Parameters
    ----------
    file : Path
        Takes all rows after each step.
    minutes : float
    """

    def __init__(self, file: Path, minutes: float):
        self.rows: list[Row] = []
        self._file = file
        self._end = time.monotonic() + 60 * minutes

    @property
    def seconds_left(self) -> float:
        """Until no step begins any more."""
        return self._end - time.monotonic()

    def run(self, what: Row, function: Callable[..., Row], *arguments: Any) -> Row:
        """Run a step in a process of its own; what goes wrong is its ``failed``."""
        start = time.perf_counter()
        try:
            if self.seconds_left <= 0:
                raise InputError("the time was up before it")
            given = measuring.in_child(function, *arguments)
        # Whatever a GPU lets fail: the others are to be measured all the same.
        except Exception as error:
            given = {"failed": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
        row = what | given | {"took": time.perf_counter() - start}
        self.rows.append(row)
        write_file(self._file, json.dumps(self.rows, indent=1))
        print(f"{_name(row)}: {row['took']:.1f} s", flush=True)
        return row


def gpu_check(args) -> Page:
    """Run all parts."""
    _check(args)
    args.folder.mkdir(parents=True, exist_ok=True)
    steps = Steps(args.folder / JSON, args.minutes)
    machine = steps.run({"step": "machine"}, gpu_steps.describe_machine)
    if "failed" in machine:
        raise InputError(f"the back end does not start: {machine['failed']}")
    device = machine["device"]
    n_photos, n_rows = args.n_photos or N_PHOTOS[device], args.rows or N_ROWS[device]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        paths = (
            gpu_steps.make_photos(folder / "photos", n_photos)
            if args.data is None
            else measuring.choose_photos(args.data, n_photos)
        )
        if "agreement" in args.part:
            _compare_features(steps, paths[: 32 if device == "gpu" else 4], args, folder)
        if "extraction" in args.part:
            _time_extraction(steps, paths, args, folder, machine["back end"])
        if "finetuning" in args.part:
            for width in sorted(args.width, reverse=True):
                given = n_rows, args.activations, width, folder
                steps.run({"step": "finetuning", "width": width}, gpu_steps.time_finetuning, *given)
        if "tests" in args.part:
            steps.run({"step": "tests"}, run_tests, TESTS[device], steps.seconds_left)
    tables = make_tables(steps.rows, device)
    print(markdown_tables(tables))
    return Page(
        title=f"decaf on {machine['gpu'] or 'a CPU'}, by {machine['back end']}",
        text=TEXT.format(
            n=len(paths),
            photos="made" if args.data is None else args.data.resolve().name,
            device=machine["gpu"] or "no GPU, the CPU alone",
            together=TOGETHER[device],
            rows=n_rows,
            n_activations=args.activations,
        ),
        tables=tables,
        rows=steps.rows,
        figure=_draw(steps.rows),
        facts={"run on a GPU": "yes" if device == "gpu" else "no", "cores": str(machine["cores"])},
        failed=any("failed" in row for row in steps.rows) or "no" in _reached(tables),
    )


def _check(args):
    from decaf.networks.convolutions import check_sizes

    for name, value in (("--n-photos", args.n_photos), ("--rows", args.rows)):
        if value is not None and value < 1:
            raise InputError(f"{name} {value}: it must be 1 or more")
    for backbone in args.backbone:
        for size in args.size:
            check_sizes(backbone, (size,))


def _compare_features(steps, paths, args, folder):
    """Features in both precisions, beside the CPU's in float32, of the same weights."""
    save = gpu_steps.save_activations
    for backbone in args.backbone:
        weights, reference = folder / f"{backbone}.npz", folder / f"{backbone}-cpu.npy"
        what = {"step": "activations", "backbone": backbone}
        given = paths, backbone, args.size[0]
        with gpu_steps.without_gpu():
            steps.run(what | {"precision": "cpu"}, save, *given, "float32", weights, reference)
        for precision in gpu_steps.PRECISIONS:
            file, what = folder / f"{backbone}-{precision}.npy", what | {"precision": precision}
            steps.run(what, save, *given, precision, weights, file)
            steps.run(what | {"step": "agreement"}, gpu_steps.compare, reference, file)


def _time_extraction(steps, paths, args, folder, back_end):
    """The matrix peak, decoding, and every backbone at every size."""
    peak = {"step": "matrix peak", "precision": "bfloat16"}
    steps.run(peak, contenders.matrix_peak, None, "keras", "bfloat16")
    for size in args.size:
        for n_processes in dict.fromkeys((1, os.cpu_count())):
            what = {"step": "decoding", "size": size, "processes": n_processes}
            steps.run(what, gpu_steps.time_decoding, paths, size, n_processes)
        for backbone in args.backbone:
            what = {"step": "extraction", "backbone": backbone, "size": size}
            steps.run(what, gpu_steps.time_extraction, paths, backbone, size, folder)
            if back_end == "torch":
                what = {"step": "in PyTorch", "backbone": backbone, "size": size}
                steps.run(what, gpu_steps.time_torch, len(paths), backbone, size)


def run_tests(tests: Sequence[str], seconds: float) -> Row:
    """Run tests on this back end and device; give how many did what.

    Tests that need pretrained weights which are not installed are counted for themselves.
    """
    import keras

    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider"]
    if find_spec("xdist"):
        command += ["-n", str(N_TESTERS)]
    environment = os.environ | {
        "KERAS_BACKEND": keras.backend.backend(),
        # The tests' own default is the CPU.
        "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0"),
        # What is expected is float32's.
        "NVIDIA_TF32_OVERRIDE": "0",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "COLUMNS": "300",
    }
    try:
        ended = subprocess.run(
            [*command, *tests], env=environment, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"the tests took longer than {seconds:.0f} s") from error
    return read_outcome(ended.stdout)


def read_outcome(said: str) -> Row:
    """What pytest says in the end: how many did what, and as ``failed`` whose tests ``fell``."""
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|skipped)", said)}
    if not counts:
        return {"failed": f"the tests did not run: {' '.join(said.split())[-300:]}"}
    fell = [line for line in said.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    lacking = [line for line in fell if "which is not installed" in line]
    failed = [line.split()[1] for line in fell if line not in lacking]
    outcome: Row = {"passed": 0, "skipped": 0} | counts
    outcome |= {"without weights": len(lacking), "fell": len(failed)}
    return outcome | ({"failed": ", ".join(failed)} if failed else {})


def make_tables(rows: Sequence[Row], device: str) -> dict[str, Table]:
    """The tables of all steps; targets are judged on a GPU only."""
    of = {step: [row for row in rows if row["step"] == step] for step in {r["step"] for r in rows}}
    good = {step: [row for row in found if "failed" not in row] for step, found in of.items()}
    failed = [[_name(row), row["failed"]] for row in rows if "failed" in row]
    epochs = [
        [str(row["width"]), f"{row['seconds']:.1f}", f"{row['photos a second']:,.0f}"]
        for row in good.get("finetuning", ())
    ]
    tests = [
        [str(row[key]) for key in ("passed", "skipped", "without weights", "fell")]
        for row in of.get("tests", ())
        if "passed" in row
    ]
    wanted = list(_targets(good)) if device == "gpu" else []
    return {
        "Agreement with the CPU in float32": Table(
            ["", "precision", "largest difference", "lowest cosine"],
            [
                [r["backbone"], r["precision"], f"{r['difference']:.1e}", f"{r['cosine']:.6f}"]
                for r in good.get("agreement", ())
            ],
        ),
        "Photos a second": Table(["", *SPEEDS], list(_speed_lines(good, device))),
        "From memory in PyTorch, photos a second": Table(
            ["", "torch.nn, channels last"],
            [
                [f"{row['backbone']} {row['size']}", f"{row['channels last']:,.1f}"]
                for row in good.get("in PyTorch", ())
            ],
        ),
        "An epoch of finetuning": Table(["width", "seconds", "photos a second"], epochs),
        "Tests": Table(["passed", "skipped", "without pretrained weights", "failed"], tests),
        "To reach": Table(["", "found", "wanted", "reached"], wanted),
        "What failed": Table(["step", "why"], failed),
    }


def _decoding(good, size):
    """Photos a second of decoding, in threads and in processes."""
    found = [row for row in good.get("decoding", ()) if row["size"] == size]
    return {row["processes"] > 1: row["photos a second"] for row in found}


def _of_peak(good, row):
    """The share of the matrix peak that photos from memory reach; None without a peak."""
    for peak in good.get("matrix peak", ()):
        return row["memory"] * row["flop"] * peak["seconds"] / peak["flop"]
    return None


def _allowed(good, row, device):
    """Photos a second that decoding and forward pass allow together; None without decoding."""
    decoding = _decoding(good, row["size"])
    return bound(max(decoding.values()), row["memory"], device) if decoding else None


def _speed_lines(good, device) -> Iterator[list[str]]:
    def told(value, form=",.0f"):
        return "" if value is None else f"{value:{form}}"

    for row in good.get("extraction", ()):
        decoding = _decoding(good, row["size"])
        yield [
            f"{row['backbone']} {row['size']}, {row['precision']}, {row['engine']}",
            told(row["files"], ",.1f"),
            told(_allowed(good, row, device), ",.1f"),
            told(row["memory"], ",.1f"),
            told(_of_peak(good, row), ".0%"),
            told(decoding.get(False)),
            told(decoding.get(True)),
            told(row["transfer"]),
            told(row["writing"]),
            str(row["batch"]),
            told(row["preparation"], ".1f"),
        ]


def _targets(good) -> Iterator[list[str]]:
    """What is to be reached on a GPU, and whether it was."""

    def line(what, found, wanted, form, reached):
        return [what, f"{found:{form}}", f"{wanted:{form}}", "yes" if reached else "no"]

    for row in good.get("agreement", ()):
        name = f"{row['backbone']}, {row['precision']}"
        if row["precision"] == "float32":
            found = row["difference"]
            yield line(f"{name}: difference", found, DIFFERENCE, ".1e", found <= DIFFERENCE)
        else:
            found = row["cosine"]
            yield line(f"{name}: cosine", found, COSINE, ".4f", found >= COSINE)
    for row in good.get("extraction", ()):
        name, share, allowed = (
            f"{row['backbone']} {row['size']}",
            _of_peak(good, row),
            _allowed(good, row, "gpu"),
        )
        if name == "vgg16 224" and share is not None:
            yield line(f"{name}, of the peak", share, VGG16_SHARE, ".0%", share >= VGG16_SHARE)
        if allowed is not None:
            share = row["files"] / allowed
            yield line(f"{name}, of what is allowed", share, SHARE, ".0%", share >= SHARE)
        if name == "alexnet-owt 224":
            found = row["files"]
            yield line(f"{name}, photos a second", found, ALEXNET, ",.0f", found >= ALEXNET)


def _reached(tables):
    return {line[-1] for line in tables["To reach"].lines}


def _draw(rows):
    return draw_bars(
        [_name(row) for row in rows],
        {"": [row["took"] for row in rows]},
        xlabel="seconds that the step took",
        size=(8, 0.8 + 0.25 * len(rows)),
    )


def _name(row):
    return ", ".join(str(row[key]) for key in KEYS if key in row)


EXPERIMENT = Experiment(
    __doc__,
    gpu_check,
    (
        several("--part", "", PARTS, choices=PARTS),
        option("--data", "folder of photos (made ones)", type=Path, metavar="PHOTOS"),
        option("--n-photos", f"({N_PHOTOS['gpu']:,} on a GPU, else {N_PHOTOS['cpu']})", type=int),
        several("--backbone", "", BACKBONES, choices=BACKBONES),
        several("--size", "of the photos, in pixels", (224, 448)),
        WIDTHS,
        option("--rows", f"to finetune on ({N_ROWS['gpu']:,}, else {N_ROWS['cpu']:,})", type=int),
        option("--activations", "of a row", N_ACTIVATIONS),
        option("--minutes", "after which no step begins", 7.0),
    ),
    part=lambda args: os.environ.get("KERAS_BACKEND", "tensorflow"),
)
