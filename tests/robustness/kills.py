"""Kills every command at moments spread over its run; the next run gives what no kill would have.

A command is killed several times in a row, each time later in its run, as by a lack of memory or a
failure of the power: nothing of it can answer. Its workers must end by themselves. Then the same
command, which was never told to replace anything, runs to its end: its files must say what an
undisturbed run's say, and nothing unfinished may lie beside them, nor temporary files elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from experiments.figures import draw_bars
from experiments.frame import Experiment, option, run_experiment
from experiments.pages import Page, table
from features.files import is_part, remove
from features.samples import make_samples
from tests.robustness.full_disks import files_of, fingerprints
from tests.robustness.signals import running_processes, shared_memory, start

# Many times what a run takes.
END_SECONDS = 300
# How soon the workers of a killed command end.
ORPHANS_SECONDS = 5
NETWORK = "networks/alexnet-owt-multilevel-8.keras"
RATINGS = ("--ratings", "album/ratings.csv")
SMALL = ("--backbone", "alexnet-owt", "--width", "8")
JUDGED = (
    "--classifier",
    "logistic-regression",
    "--classifier",
    "gaussian-naive-bayes",
    "--folds",
    "2",
)
# On the way to a ranking; the last argument is the output, and a file may have others beside it.
WAY = (
    ("finetune-network", "album", *RATINGS, *SMALL, "-o", "networks"),
    ("extract-features", "album", *RATINGS, "--network", NETWORK, "-o", "features.h5"),
    ("fit-classifier", "album", *RATINGS, *SMALL, *JUDGED, "--jobs", "2", "-o", "model"),
    ("rank-photos", "album", "--model", "model", "-o", "ranking"),
    ("export-network", "model", "--head", "softmax", "-o", "scorer.onnx"),
)
TEXT = """\
Each command was killed by SIGKILL, {in_a_row} times in a row at moments spread over the time that
an undisturbed run takes, then ran to its end, and so on. *Survived* are kills after which the same
command gave the files of an undisturbed run: equal features, weights, classifiers, tables and
scorers. *Lost* are those after which it did not, or asked for `--force`. *Left* counts what was
beside the results or in the folder of temporary files at the end, and workers that had not ended
{orphans} s after a kill."""


def kills(args) -> Page:
    """Kill all commands, two at once."""
    with tempfile.TemporaryDirectory() as folder:
        rows = kill_all(Path(folder), WAY, args.kills, args.row, args.photos)
    columns = ("attack", "tried", "survived", "ended before", "lost", "left", "seconds")
    return Page(
        title="Commands that are killed at any moment",
        text=TEXT.format(in_a_row=args.row, orphans=ORPHANS_SECONDS),
        tables={"Kills": table(rows, {name: f"{{{name}}}" for name in columns})},
        rows=rows,
        figure=draw_bars(
            [row["attack"] for row in rows],
            {name: [row[name] for row in rows] for name in ("survived", "lost")},
            xlabel="kills",
            size=(7, 2.6),
        ),
        facts={"photos": f"{args.photos}, of `python -m features.samples`"},
        failed=any(row["lost"] or row["left"] for row in rows),
    )


def kill_all(
    folder: Path, commands: Sequence[tuple[str, ...]], n_kills: int, in_a_row: int, n_photos: int
) -> list[dict]:
    """Kill commands, each in a folder of its own with all that it needs.

    Parameters
    ----------
    folder : Path
        Empty.
    commands : sequence of tuple of str
        Of `WAY`; those before them are run, too.
    n_kills : int
        Of each command.
    in_a_row : int
        After so many the command runs to its end.
    n_photos : int

    Returns
    -------
    list of dict
        A row for each command.

    Raises
    ------
    RuntimeError
        An undisturbed run fails.
    """
    base = folder / "base"
    make_samples(base / "album", n_photos)
    (base / "tmp").mkdir()
    for argv in WAY[: WAY.index(commands[-1])]:
        _require_end(base, argv)

    for argv in commands:
        shutil.copytree(base, folder / argv[0])
        _remove_outputs(folder / argv[0], argv)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(kill, folder / argv[0], argv, n_kills, in_a_row) for argv in commands]
        return [job.result() for job in tqdm(jobs, "commands", delay=1)]


def kill(folder: Path, argv: tuple[str, ...], n_kills: int, in_a_row: int) -> dict:
    """Kill one command; see `kill_all`."""
    began = time.monotonic()
    _require_end(folder, argv)
    duration = time.monotonic() - began
    whole, names = _fingerprints(folder, argv), _names(folder)
    row = {"attack": f"SIGKILL to {argv[0]}", "tried": 0, "survived": 0, "ended before": 0}
    row |= {"lost": 0, "left": 0}
    while row["tried"] < n_kills:
        _remove_outputs(folder, argv)
        n_killed, left, told = 0, [], ""
        for number in range(in_a_row):
            # Over all rows of kills, each moment is another one.
            moment = duration * (number + row["tried"] / n_kills) / in_a_row
            status, orphans = _kill_at(folder, argv, moment)
            left += orphans
            n_killed += status == -signal.SIGKILL
            if status != -signal.SIGKILL or _fingerprints(folder, argv) == whole:
                row["ended before"] += 1
                break
        else:
            status, told = _run_to_the_end(folder, argv)
        differ = _fingerprints(folder, argv).items() ^ whole.items()
        left += sorted(_names(folder) - names)
        row["tried"] += n_killed
        row["lost" if status > 0 or differ else "survived"] += n_killed
        row["left"] += len(left)
        if status > 0 or differ or left:
            print(f"{argv[0]}: status {status}, differ {sorted(differ)}, left {left}", told[-1000:])
    return row | {"seconds": round(time.monotonic() - began)}


def _require_end(folder, argv):
    status, told = _run_to_the_end(folder, argv)
    if status:
        raise RuntimeError(f"{argv[0]} gives status {status} where nobody kills it: {told}")


def _run_to_the_end(folder, argv):
    process = start(folder, argv)
    told = process.communicate(timeout=END_SECONDS)[1]
    return process.returncode, told


def _kill_at(folder, argv, moment):
    """Kill a run, but not its workers; give its status, and those that do not end."""
    process = start(folder, argv)
    # What it tells is read, for a full pipe would stop it.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=moment)
    process.kill()
    process.wait()
    deadline = time.monotonic() + ORPHANS_SECONDS
    while left := [*running_processes(process.pid), *map(str, shared_memory(process.pid))]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return process.returncode, left


def _outputs(folder, argv):
    return sorted(path.name for path in folder.glob(f"{argv[-1]}*"))


def _remove_outputs(folder, argv):
    """Let a command begin anew; without the cache, too."""
    remove(folder / name for name in ("cache", *_outputs(folder, argv)))


def _fingerprints(folder, argv):
    """What a command has written for its user says, by the files' names."""
    files = files_of(folder, [name for name in _outputs(folder, argv) if ".part" not in name])
    return fingerprints({name: data for name, data in files.items() if "/." not in name})


def _names(folder):
    """All files and folders, but for whole ones in the cache."""
    found = (path for path in folder.rglob("*") if folder / "cache" not in path.parents)
    parts = (path for path in (folder / "cache").rglob("*") if is_part(path.name))
    return {str(path.relative_to(folder)) for path in (*found, *parts)}


EXPERIMENT = Experiment(
    __doc__,
    kills,
    (
        option("--kills", "of each command", 30),
        option("--row", "kills in a row", 6),
        option("--photos", "", 30),
    ),
)


if __name__ == "__main__":
    sys.exit(run_experiment("kills", EXPERIMENT, module="tests.robustness.kills"))
