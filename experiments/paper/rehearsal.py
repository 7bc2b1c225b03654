"""The paper's way on AVA's folder, from end to end: what each stage takes, and all of AVA would.

Table II, the margin δ, networks' features, votes, and the classifiers on fc7, by the experiments
and commands that there are, each in a process of its own; they begin with an empty cache.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np

from experiments import data
from experiments.figures import draw_bars
from experiments.frame import Experiment, option, several
from experiments.judging import compute_once
from experiments.measuring import in_child, peak_megabytes
from experiments.pages import Page, Row, machine, number, table
from features.errors import InputError
from features.files import write_file

# All of AVA.
WHOLE = 255_508
# Of AlexNet and VGG16, whose weights packages ship.
BACKBONES = ("alexnet-owt", "vgg16")
TEST_LIST = Path(data.AVA_TEST_LISTS[0])
TEXT = """\
*Photos*: {name} has {n_all:,}; of these {n_subset:,}, drawn at random, go through the stages for
which all are too many where there are two cores. *Photos/s* are photos by all seconds of a stage,
the start of Python and of Keras included; what another stage has left in the cache is not computed
again. *Peak memory* is that of the stage's largest process. *Disk* is what the stage has added to
the cache of activations and descriptors, and to its own results. The *estimate*, for AVA's
{whole:,} photos on this machine, takes seconds to be proportional to photos: what grows faster
(kernels, searches for structures) will take longer, and what learns from samples less. ≥ stands
before a stage that was interrupted: its seconds are those of what was left to do. No GPU is in
these figures."""


@dataclass(frozen=True)
class Stage:
    """A step of the way.

    Attributes
    ----------
    name : str
    command : str
        An experiment's name, a command of decaf's, or "activations".
    arguments : tuple of str
        Beside photos, network, cache and results.
    quick : tuple of str
        What ``--quick`` adds.
    whole : bool
        Whether two cores take all photos in a time that one can wait for.
    """

    name: str
    command: str
    arguments: tuple[str, ...]
    quick: tuple[str, ...]
    whole: bool = False

    @property
    def folder(self) -> str:
        """Of its results."""
        return self.name.replace(",", "").replace(" ", "-")


def stages(backbones: Sequence[str]) -> list[Stage]:
    """What is done, in this order; the first backbone's heads make the features of the end."""
    small, brief = ("--blocks", "2"), ("--epochs", "1")
    head, one = ("--width", "6"), ("--classifier", "gaussian-naive-bayes", "--jobs", "1")
    first, last = backbones[0], backbones[-1]
    networks = tuple(word for name in backbones for word in ("--backbone", name))
    flat = ("--pooling", "average", "--pooling", "flatten")
    return [
        *(
            Stage(
                f"activations, {name}, flattened", "activations", (*flat, "--backbone", name), small
            )
            for name in backbones
        ),
        *(
            Stage(f"table II, {name}", "table2", ("--backbone", name), small + brief + head)
            for name in backbones
        ),
        Stage(
            "generic descriptors",
            "baseline",
            (),
            ("--family", "sift words", "--words", "8", *one),
        ),
        Stage("margins", "delta", ("--backbone", first), small + brief + head + one),
        Stage("classifiers on plain features", "convnet", networks, small + brief + head + one),
        Stage("votes", "votes", ("--backbone", last), small + head),
        Stage(
            f"activations, {first}, averages",
            "activations",
            ("--pooling", "multilevel", "--backbone", first),
            small,
            whole=True,
        ),
        Stage(
            "a head", "finetune-network", ("--backbone", first), small + brief + head, whole=True
        ),
        Stage("fc7 to HDF5", "extract-features", (), (), whole=True),
        Stage("classifiers on fc7", "fit-classifier", (), one, whole=True),
    ]


def rehearsal(args) -> Page:
    """Go through all stages that are not finished."""
    work = args.folder / "cells"  # which git ignores
    lines = _lines(args.data / "AVA.txt")
    subset = args.data
    if args.subset < len(lines):
        subset = make_subset(args.data, work / "subset", args.subset)
    rows: list[Row] = []
    for stage in stages(list(dict.fromkeys(args.backbone))):
        photos = args.data if stage.whole else subset
        n_photos = len(lines) if stage.whole else min(args.subset, len(lines))
        words = [*stage.arguments, *(stage.quick if args.quick else ())]
        settings = {"photos": n_photos, "data": str(args.data.resolve()), "words": words}
        run = partial(_measured, stage, words, photos, work)
        print(f"{stage.name}: {n_photos:,} photos", file=sys.stderr, flush=True)
        found = compute_once(args, stage.folder, settings, run)
        seconds = found["seconds"]
        rows.append(
            {"stage": stage.name, "command": shlex.join([stage.command, *stage.arguments])}
            | {"photos": n_photos, "photos_per_second": n_photos / seconds, **found}
            | {"estimated_hours": seconds * WHOLE / n_photos / 3600}
        )
    return _page(rows, args, len(lines))


def make_subset(folder: Path, into: Path, n_photos: int) -> Path:
    """Make a folder in AVA's layout of some photos of another, which are not copied."""
    chosen = np.random.default_rng(0).permutation(len(_lines(folder / "AVA.txt")))[:n_photos]
    lines = _lines(folder / "AVA.txt")
    kept = [lines[i] for i in np.sort(chosen)]
    into.mkdir(parents=True, exist_ok=True)
    write_file(into / "AVA.txt", "".join(kept))
    photos = folder / "images"
    images = into / "images"
    images.unlink(missing_ok=True)
    images.symlink_to((photos if photos.is_dir() else folder).resolve())
    found = [folder / name for name in data.AVA_TEST_LISTS if (folder / name).is_file()]
    if found:
        ids = {line.split()[1] for line in kept}
        test = [line for line in _lines(found[0]) if line.strip() in ids]
        write_file(into / TEST_LIST, "".join(test))
    return into


def _lines(path):
    try:
        return path.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        raise InputError(f"{path}: is not there; the rehearsal takes AVA's folder") from None


def _measured(stage, words, photos, work) -> Row:
    """Run a stage in a fresh process; what it took."""
    cache, results = work / "cache", work / stage.folder
    was_begun = results.exists()
    results.mkdir(parents=True, exist_ok=True)
    before = _megabytes(cache)
    arguments = _arguments(stage.command, words, photos, work, results)
    start = time.perf_counter()
    status, peak = in_child(_run, stage.command, [*arguments, "--cache", str(cache)])
    if status != 0:
        raise InputError(f"{stage.name}: ended with status {status}; the reason stands above")
    return {
        "seconds": time.perf_counter() - start,
        "peak_mb": peak,
        "cache_mb": _megabytes(cache) - before,
        "results_mb": _megabytes(results),
        "was_begun": was_begun,
    }


def _arguments(command, words, photos, work, results) -> list[str]:
    """The command line of a stage."""
    if command in ("extract-features", "fit-classifier"):
        # finetune-network names its files itself.
        (network,) = (work / "a-head").glob("*.keras")
        words = ["--network", str(network), *words]
    if command == "fit-classifier":
        return [str(work / "fc7-to-HDF5" / "fc7.h5"), *words, "-o", str(results), "--force"]
    if "-" not in command:
        out = [] if command == "activations" else ["--out", str(results), "--force"]
        return ["--data", str(photos), "--skip-missing", *words, *out]
    given = ["--ratings", str(photos / "AVA.txt"), "--skip-missing"]
    if any((photos / name).is_file() for name in data.AVA_TEST_LISTS):
        given += ["--test-list", TEST_LIST.name]
    output = results / "fc7.h5" if command == "extract-features" else results
    return [str(photos), *given, *words, "-o", str(output), "--force"]


def _run(command: str, argv: list[str]) -> tuple[int, float]:
    """Run a stage here; its exit status, and the peak of the memory in MB."""
    run: Callable[[list[str]], int]
    if command == "activations":
        run = fill_cache
    elif "-" in command:
        run = import_module(f"decaf.commands.{command.replace('-', '_')}").main
    else:
        run = partial(_run_experiment, command)
    with contextlib.redirect_stdout(sys.stderr):
        status = run(argv)
    of_children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    return status, max(peak_megabytes(), of_children)


def _run_experiment(name, argv):
    from experiments.__main__ import main

    return main([name, *argv])


def fill_cache(argv: list[str]) -> int:
    """Compute activations of rated photos; give the exit status."""
    from decaf.backend import import_keras
    from decaf.commands.running import run_command

    parser = argparse.ArgumentParser("activations")
    for add in (data.data_options, option("--backbone", ""), data.BLOCKS):
        add(parser)
    parser.add_argument("--pooling", action="append")

    def work(args: argparse.Namespace) -> None:
        import_keras()
        views = [data.View(args.backbone, pooling, args.blocks) for pooling in args.pooling]
        data.activations_of(data.read_rated(args), views, args)

    return run_command(work, parser, argv)


def _megabytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _page(rows, args, n_all) -> Page:
    sign = {True: "≥ ", False: ""}
    columns = {
        "stage": "{stage}",
        "photos": "{photos:,}",
        "seconds": lambda row: f"{sign[row['was_begun']]}{row['seconds']:,.0f}",
        "photos/s": number("photos_per_second", ",.1f"),
        "peak memory, MB": number("peak_mb", ",.0f"),
        "cache, MB": number("cache_mb", ",.1f"),
        "results, MB": number("results_mb", ",.1f"),
        "AVA, hours (estimate)": number("estimated_hours", ".2f"),
        "command": "`{command}`",
    }
    total = sum(row["estimated_hours"] for row in rows)
    facts = {
        "the whole of AVA here": f"an estimate of {total:,.1f} hours",
        "largest peak of memory": f"{max(row['peak_mb'] for row in rows):,.0f} MB",
        "disk": f"{sum(row['cache_mb'] for row in rows):,.0f} MB of cache, "
        f"{sum(row['results_mb'] for row in rows):,.0f} MB of results",
    }
    if args.quick:
        facts["quick"] = "small backbones and heads of one epoch: no figure stands for the paper's"
    hours = {"hours": [row["estimated_hours"] for row in rows]}
    return Page(
        title=f"The rehearsal on {args.data.resolve().name}",
        text=TEXT.format(
            name=args.data.resolve().name,
            n_all=n_all,
            n_subset=min(n_all, args.subset),
            whole=WHOLE,
        ),
        tables={f"Stages, on {machine()}": table(rows, columns)},
        rows=rows,
        figure=draw_bars(
            [row["stage"] for row in rows],
            hours,
            xlabel=f"hours for {WHOLE:,} photos (an estimate)",
            size=(8, 4),
        ),
        facts=facts,
    )


EXPERIMENT = Experiment(
    __doc__,
    rehearsal,
    (
        option(
            "--data",
            "AVA's folder: AVA.txt, generic_test.jpgl, images",
            type=Path,
            required=True,
            metavar="FOLDER",
        ),
        several("--backbone", "", BACKBONES),
        option("--subset", "photos of the stages for which all are too many", 20_000),
        option("--quick", "try the way: cut backbones, tiny heads, one epoch", action="store_true"),
    ),
)
