"""Signals at random moments to every command: it ends in time, says so, and leaves nothing behind.

Each command is started as its users start it, and gets SIGINT or SIGTERM at a moment drawn evenly
from the time that an uninterrupted run takes, from the moment on at which it answers to signals.
Then its exit status, its last line, its processes, the folder of temporary files and the shared
memory are looked at, and the album is compared. At last the same command runs to its end, and must
give the files that it gave at first.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from experiments.figures import draw_bars
from experiments.frame import Experiment, option, run_experiment
from experiments.pages import Page, table
from features.samples import make_samples

SIGNALS = (signal.SIGINT, signal.SIGTERM)
IN_TIME_SECONDS = 2.0
# Many times what a run takes.
END_SECONDS = 300
TEXT = """\
{n_signals} signals to the five commands, SIGINT and SIGTERM in turn. *In time* is within two
seconds, by the signal's status and with one line, or, once the work was done, as programs end by
themselves; those that *ended before* gave status 0; all else is *crashed*. *Left* counts processes,
temporary files and shared memory. After the signals the same command ran to its end each time, and
gave the files that the first run had given."""


@dataclass(frozen=True)
class Shot:
    """What a signal to a command brought."""

    command: str
    signal: str
    moment: float
    status: int
    seconds: float
    n_left: int
    told: str

    @property
    def ended_before(self) -> bool:
        """Whether the work was done when the signal came."""
        return self.status == 0 and "interrupted" not in self.told

    @property
    def as_promised(self) -> bool:
        """Whether it ended by the signal's status, with its line and no traceback."""
        number = signal.Signals[self.signal]
        said = "interrupted; the same command" in self.told
        # Once its work is done, and Python takes its leave, it ends as programs do by themselves.
        ended = (self.status == 128 + number and said) or self.status == -number
        return ended and "Traceback" not in self.told

    @property
    def in_time(self) -> bool:
        """Whether it ended as it should, and soon."""
        return self.as_promised and self.seconds <= IN_TIME_SECONDS


def signals(args) -> Page:
    """Send them to all commands."""
    with tempfile.TemporaryDirectory() as folder:
        shots = shoot_all(Path(folder), args.signals, args.photos, args.seed)
    commands = dict.fromkeys(shot.command for shot in shots)
    rows = [_row(command, [s for s in shots if s.command == command]) for command in commands]
    outcomes = ("in time", "ended before", "crashed")
    return Page(
        title="Commands that get a signal at a random moment",
        text=TEXT.format(n_signals=len(shots)),
        tables={"Signals": table(rows, {name: f"{{{name}}}" for name in rows[0]})},
        rows=rows,
        figure=draw_bars(
            list(commands),
            {name: [row[name] for row in rows] for name in outcomes},
            xlabel="signals",
            size=(7, 2.6),
        ),
        facts={
            "photos": f"{args.photos}, of `python -m features.samples`",
            "slowest end": f"{max(shot.seconds for shot in shots):.2f} s after the signal",
        },
        failed=any(row["crashed"] or row["left"] for row in rows),
    )


def _row(command, shots):
    in_time = sum(shot.in_time for shot in shots)
    before = sum(shot.ended_before for shot in shots)
    crashes = [shot for shot in shots if not (shot.in_time or shot.ended_before)]
    for shot in crashes:
        print(f"{shot.command} {shot.signal}: status {shot.status} after {shot.seconds:.1f} s")
        print(shot.told[-1000:])
    return {
        "attack": f"a signal to {command}",
        "tried": len(shots),
        "survived": in_time + before,
        "in time": in_time,
        "ended before": before,
        "crashed": len(crashes),
        "left": sum(shot.n_left for shot in shots),
        "seconds": round(sum(shot.moment + shot.seconds for shot in shots)),
    }


def shoot_all(folder: Path, n_signals: int, n_photos: int, seed: int = 0) -> list[Shot]:
    """Send signals to all commands, one command after another on the way to a ranking.

    Raises
    ------
    RuntimeError
        If an uninterrupted run fails, the album has changed, or a command gives other files than
        before.
    """
    make_samples(folder / "album", n_photos)
    moments = random.Random(seed)
    album = _contents(folder / "album")
    network = "networks/alexnet-owt-multilevel-8.keras"
    ratings = ("--ratings", "album/ratings.csv")
    judged = ("--classifier", "logistic-regression", "--classifier", "aode")
    small = ("--backbone", "alexnet-owt", "--width", "8")
    shots = []
    for command, *arguments in (
        ("finetune-network", "album", *ratings, *small, "-o", "networks"),
        ("extract-features", "album", *ratings, "--network", network, "-o", "features.h5"),
        ("fit-classifier", "album", *ratings, *small, *judged, "--folds", "2", "-o", "model"),
        ("rank-photos", "album", "--model", "model", "-o", "ranking"),
        ("export-network", "model", "--head", "softmax", "-o", "scorer.onnx"),
    ):
        shots += shoot(folder, [command, *arguments], n_signals, moments)
        _require(_contents(folder / "album") == album, f"{command} has changed the album")
    return shots


def shoot(folder: Path, argv: list[str], n_signals: int, moments: random.Random) -> list[Shot]:
    """Send signals to one command, whose last argument is its output; see `shoot_all`."""
    output = folder / argv[-1]
    began = time.monotonic()
    process = start(folder, argv)
    told = process.communicate(timeout=END_SECONDS)[1]
    _require(process.returncode == 0, f"{argv[0]} gives status {process.returncode}: {told}")
    duration = time.monotonic() - began
    first = set(_contents(output))
    shots = []
    for number in tqdm(range(n_signals), argv[0], delay=1):
        for made in folder.glob(f"{output.name}*"):
            subprocess.run(["rm", "-rf", made])
        shots.append(_shot(folder, argv, SIGNALS[number % 2], moments.uniform(0, duration)))
    # Where the last one has begun something, the same command goes on.
    process = start(folder, [*argv, "--force"])
    told = process.communicate(timeout=END_SECONDS)[1]
    _require(process.returncode == 0, f"{argv[0]} does not go on: {told}")
    _require(set(_contents(output)) == first, f"{argv[0]} gives other files than before")
    return shots


def _shot(folder, argv, chosen, moment):
    process = start(folder, argv)
    while process.poll() is None and not _answers(process.pid):
        time.sleep(0.01)
    told = []
    # From the start on, for a full pipe would stop the command.
    reading = threading.Thread(target=lambda: told.append(process.stderr.read()))
    reading.start()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    send_signal(process.pid, chosen)
    began = time.monotonic()
    process.wait(END_SECONDS)
    seconds = time.monotonic() - began
    reading.join()
    time.sleep(0.2)  # The killed take a moment to die.
    left = [
        *running_processes(process.pid),
        *(folder / "tmp").iterdir(),
        *shared_memory(process.pid),
    ]
    subprocess.run(["rm", "-rf", folder / "tmp"])
    return Shot(argv[0], chosen.name, moment, process.returncode, seconds, len(left), told[0])


def start(folder: Path, argv: Sequence[str]) -> subprocess.Popen[str]:
    """Start a command as its users do, in a session of its own, with a cache of its own."""
    (folder / "tmp").mkdir(exist_ok=True)
    command = Path(sys.executable).with_name(argv[0])
    environment = {
        "TMPDIR": str(folder / "tmp"),
        "DECAF_CACHE": str(folder / "cache"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    return subprocess.Popen(
        [command, *argv[1:]],
        cwd=folder, env=os.environ | environment, start_new_session=True, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, errors="replace",
        # A shell that starts the experiment in the background lets it ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


def _answers(pid):
    """Whether a process has a handler for SIGTERM, as a command has once it works."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) & 1 << signal.SIGTERM - 1)


def running_processes(leader: int) -> list[str]:
    """The processes of a session that run; the dead may wait to be taken notice of."""
    asked = ["ps", "-s", str(leader), "-o", "stat=,args="]
    listed = subprocess.run(asked, capture_output=True, text=True).stdout
    return [process for process in listed.splitlines() if not process.startswith("Z")]


def shared_memory(pid: int) -> list[Path]:
    """What joblib keeps in shared memory for a process: arrays and semaphores."""
    return list(Path("/dev/shm").glob(f"*[_-]{pid}[_-]*"))


def send_signal(leader: int, number: int) -> None:
    """Send a signal to the leader of a session; as a terminal does, SIGINT to its workers, too."""
    with contextlib.suppress(ProcessLookupError):
        (os.killpg if number == signal.SIGINT else os.kill)(leader, number)


def _contents(path):
    """Names and digests of files."""
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return {
        str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file()
    }


def _require(condition, message):
    if not condition:
        raise RuntimeError(message)


EXPERIMENT = Experiment(
    __doc__,
    signals,
    (
        option("--signals", "to each command", 30),
        option("--photos", "", 60),
        option("--seed", "of the moments", 0),
    ),
)


if __name__ == "__main__":
    sys.exit(run_experiment("signals", EXPERIMENT, module="tests.robustness.signals"))
