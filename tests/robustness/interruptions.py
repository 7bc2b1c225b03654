"""Kills extract-features at random moments; what it ends with must equal an uninterrupted run's.

The same command is started again and again, and killed by SIGINT, SIGTERM and SIGKILL in turn,
until it ends by itself; then the feature file is compared, dataset by dataset, and everything
begins anew. After every kill, all finished shards must open and hold whole rows, and the output
must be there whole or not at all.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from decaf.extraction.feature_file import SHARD_ROWS
from experiments.benchmarks.tiny import make_photos, save_network
from experiments.figures import Panel, draw_lines, lines_of
from experiments.frame import Experiment, option, run_experiment
from experiments.pages import Page, table
from features.store import FeatureStore

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
# What the command promises, or, before it has begun, what Python gives.
STATUSES = {signal.SIGINT: (130, 1), signal.SIGTERM: (143, -15), signal.SIGKILL: (-9,)}
# Many times what a run takes.
END_SECONDS = 120
TEXT = """\
`extract-features` was killed {n_kills} times on the way to {n_files} feature files, by three
signals in turn, each at a moment drawn evenly from the time that the fastest uninterrupted run so
far took. After every kill all finished shards opened and held whole rows, and the output was whole
or not there. **All feature files equalled the uninterrupted run's, dataset by dataset.** SIGKILL
(status -9) leaves no time to remove temporary files; the next run removes them."""


def interruptions(args) -> Page:
    """Kill until there were enough kills."""
    with tempfile.TemporaryDirectory() as folder:
        kills, n_compared = kill_at_random_moments(Path(folder), args.kills, args.photos, args.seed)
    n_shards = -(-args.photos // SHARD_ROWS)
    by_signal = [
        {
            "signal": chosen.name,
            "tried": len(own),
            "survived": len(own),  # else it had ended in an error
            "statuses": ", ".join(sorted({str(kill["status"]) for kill in own})),
            "fewest": min(kill["shards"] for kill in own),
            "most": max(kill["shards"] for kill in own),
            "late": sum(kill["shards"] == n_shards for kill in own),
            "left": sum(kill["left"] for kill in own),
        }
        for chosen in SIGNALS
        if (own := [kill for kill in kills if kill["signal"] == chosen.name])
    ]
    columns = {
        "signal": "{signal}",
        "tried": "{tried}",
        "survived": "{survived}",
        "exit status": "{statuses}",
        "finished shards": "{fewest}–{most}",
        "while merging or later": "{late}",
        "temporary files left": "{left}",
    }
    lines = lines_of(
        kills, "moment", "shards", ("signal",), {chosen.name: "o" for chosen in SIGNALS}
    )
    axes = {"xlabel": "seconds from the run's start to the kill", "ylabel": "finished shards"}
    return Page(
        title="Extraction that is killed at random moments",
        text=TEXT.format(n_kills=len(kills), n_files=n_compared),
        tables={"Kills": table(by_signal, columns)},
        rows=kills,
        figure=draw_lines(Panel(lines, axes), size=(7, 3)),
        facts={
            "photos": f"{args.photos:,}, generated, some of them broken; a tiny random network",
        },
    )


def kill_at_random_moments(folder, n_kills, n_photos, seed=0):
    """Interrupt extractions until there were enough kills, and end the last one.

    Parameters
    ----------
    folder : pathlib.Path
        For photos, network and feature files; empty.
    n_kills, n_photos : int
    seed : int
        Of the moments.

    Returns
    -------
    kills : list of dict
        Signal, moment in seconds, exit status, finished shards, whether the output was there, and
        how many temporary files were left.
    n_compared : int
        Feature files that equalled the uninterrupted run's; all did.

    Raises
    ------
    RuntimeError
        If a shard is not whole, a file differs, or a status is not the promised one.
    """
    make_photos(folder / "photos", n_photos)
    _end(_fork(save_network, folder / "network.keras"))
    argv = [str(folder / "photos"), "--network", str(folder / "network.keras")]
    argv += ["--precision", "float32", "--cache", str(folder / "cache"), "-o"]
    whole, output = folder / "whole.h5", folder / "features.h5"
    duration = _run_to_the_end([*argv, str(whole)])
    moments, kills, n_compared = random.Random(seed), [], 0
    bar = tqdm(total=n_kills, desc="kills", delay=1)
    while len(kills) < n_kills:
        chosen = SIGNALS[len(kills) % len(SIGNALS)]
        moment = moments.uniform(0, duration)
        began = time.monotonic()
        status = _run_and_kill([*argv, str(output)], chosen, moment)
        if status == 0:
            # The first run was slower; kills drawn from its time would come too late.
            duration = min(duration, time.monotonic() - began)
        else:
            bar.update()
            _require(status in STATUSES[chosen], f"{chosen.name} gives status {status}")
            kills.append(
                {
                    "signal": chosen.name,
                    "moment": moment,
                    "status": status,
                    "shards": _count_whole_shards(output),
                    "output": output.exists(),
                    "left": len(list(folder.glob("**/.*.part*"))),
                }
            )
        if output.exists():
            _compare(whole, output)
        if status == 0:
            n_compared += 1
            output.unlink()
        elif output.exists() and not _parts(output).exists():
            output.unlink()  # It had ended before the signal came.
    bar.close()
    if not output.exists():
        _run_to_the_end([*argv, str(output)])
    _compare(whole, output)
    return kills, n_compared + 1


def _run_to_the_end(argv):
    """Run the command; give the seconds that it took."""
    began = time.monotonic()
    status = _end(_fork(_extract, argv))
    _require(status == 0, f"a run that nobody interrupts gives status {status}")
    return time.monotonic() - began


def _run_and_kill(argv, chosen, moment):
    """Run the command and send it a signal; give its exit status."""
    process = _fork(_extract, argv)
    process.join(moment)
    with contextlib.suppress(ProcessLookupError):  # it may end by itself in this very moment
        if process.is_alive():
            os.kill(process.pid, chosen)
    return _end(process)


def _fork(function, *arguments):
    """A process of its own, forked from one that has imported everything: it begins at once."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tensorflow", "decaf.extraction.feature_file", "decaf.networks.network"]
    )
    process = context.Process(target=function, args=arguments)
    process.start()
    return process


def _end(process):
    process.join(END_SECONDS)
    if process.is_alive():
        process.kill()
        raise RuntimeError(f"a run did not end within {END_SECONDS} seconds")
    return process.exitcode


def _extract(argv):
    """What the console script does, in silence."""
    from decaf.commands import extract_features

    # A shell that starts the experiment in the background lets it ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    sys.exit(extract_features.main(argv))


def _parts(output):
    return output.with_name(output.name + ".parts")


def _count_whole_shards(output):
    """How many shards are finished; each must open and hold the rows that its status tells."""
    n_shards = 0
    for status in _parts(output).glob("[0-9]*.json"):
        with FeatureStore(status.with_suffix(".h5")) as store:
            n_rows = json.loads(status.read_text())["rows"]
            lengths = {len(store), len(store.features[:]), len(store.digests)}
            _require(lengths == {n_rows}, f"{status}: {n_rows} rows, but the shard has {lengths}")
        n_shards += 1
    return n_shards


def _compare(whole, output):
    with h5py.File(whole) as one, h5py.File(output) as other:
        _require(one.keys() == other.keys(), "the files have other datasets")
        for name in one:
            same = one[name][()] == other[name][()]
            _require(np.all(same), f"the files differ in {name}")


def _require(condition, message):
    if not condition:
        raise RuntimeError(message)


EXPERIMENT = Experiment(
    __doc__,
    interruptions,
    (
        option("--kills", "", 45),
        option("--photos", "", 5_000),
        option("--seed", "of the moments", 0),
    ),
)


if __name__ == "__main__":
    sys.exit(run_experiment("interruptions", EXPERIMENT, module="tests.robustness.interruptions"))
