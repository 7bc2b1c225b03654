"""Kills whoever writes ratings, by SIGKILL at any moment; what was acknowledged must be there.

The writer rates and undoes without a pause, and tells of each event after it was appended, as the
server of `rate-photos` answers a key. After the kill the file must open, hold every event that was
told, in order, and at most one more, which was on disk and could not be told any more.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from decaf.rating.ratings_file import RATINGS_FILE, Event, RatingsFile
from experiments.figures import draw_bars
from experiments.frame import Experiment, option, run_experiment
from experiments.pages import Page, table

GRADES = (1, 2, 3, 4, 5)
# Every fifth is taken back; all is numbered on from what is there.
WRITER = """
import itertools, sys
from decaf.rating.ratings_file import Event, RatingsFile
file = RatingsFile(sys.argv[1], (1, 2, 3, 4, 5))
for number in itertools.count():
    if number % 5 == 4:
        print("undone", file.undo().path, flush=True)
        continue
    name = f"{len(file.standing)}.jpg"
    file.append([Event("rated", "chosen", name, name, grade=1 + number % 5)])
    print("rated", name, flush=True)
"""
TEXT = """\
A process rated photos and undid some without a pause, told of each event as soon as it was on disk,
and was killed by SIGKILL {kills} times after as many events as stand below; the next one went on
from what it found. *Lost* are events that were told and were not there afterwards."""


def kill_writer(path: Path, after_lines: int) -> list[str]:
    """Kill a writer soon after it has told of so many events; give all that it told."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(after_lines)]
    process.kill()
    said += process.stdout.readlines()
    process.wait()
    return [line.strip() for line in said if line.endswith("\n")]


def acknowledged(
    said: Sequence[str], standing: Sequence[Event], before: Sequence[str] = ()
) -> bool:
    """Whether what stands is what stood before and was told, and at most one event more."""
    expected = list(before)
    for line in said:
        act, name = line.split()
        if act == "rated":
            expected.append(name)
        else:
            expected.remove(name)
    found = [event.path for event in standing]
    untold = expected[:-1] if len(said) % 5 == 4 else [*expected, *found[-1:]]
    return found in (expected, untold)


def kill_ratings(args) -> Page:
    """Kill writers one after the other, which go on in one file."""
    rows = []
    before: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, RATINGS_FILE)
        for number in range(args.kills):
            said = kill_writer(path, after_lines=1 + 7 * number)
            file = RatingsFile(path, GRADES)
            kept = acknowledged(said, file.standing, before)
            before = [event.path for event in file.standing]
            file.close()
            rows.append({"kill": number + 1, "events told": len(said), "lost": int(not kept)})
    lost = sum(row["lost"] for row in rows)
    total = {
        "attack": "SIGKILL while ratings are written",
        "tried": len(rows),
        "survived": len(rows) - lost,
        "lost": lost,
    }
    return Page(
        title="Ratings that are killed at any moment",
        text=TEXT.format(kills=args.kills),
        tables={
            "Kills": table([total], {name: f"{{{name}}}" for name in total}),
            "Each": table(rows, {name: f"{{{name}}}" for name in rows[0]}),
        },
        rows=rows,
        figure=draw_bars(
            [total["attack"]],
            {name: [total[name]] for name in ("survived", "lost")},
            xlabel="kills",
            size=(6, 1.5),
        ),
        failed=lost > 0,
    )


EXPERIMENT = Experiment(__doc__, kill_ratings, (option("--kills", "", 30),))


if __name__ == "__main__":
    sys.exit(run_experiment("rating-kills", EXPERIMENT, module="tests.robustness.rating_kills"))
