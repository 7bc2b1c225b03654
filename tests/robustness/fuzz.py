"""Damaged files for every reader: what is neither read nor refused with its own error is a finding.

Damages are drawn at random: Hypothesis, which draws them in the tests, takes longer to draw a file
than a reader to read it. Every reader has a process of its own, with a limit on its memory; one
that crashes or hangs is started again, and the file that did it is kept.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
from importlib import metadata
from pathlib import Path

from experiments.figures import draw_bars
from experiments.frame import Experiment, option, run_experiment, several
from experiments.measuring import peak_megabytes
from experiments.pages import Page, table
from features.errors import InputError
from features.photos import PhotoError
from tests.robustness.fuzzed_readers import READERS

# A reader that needs more would bring down a machine that reads many files at once.
MEMORY_LIMIT = 2**32
HANG_SECONDS = 30
MOST_DAMAGES = 8
LIBRARIES = ("h5py", "pillow", "pillow-heif", "skops")
TEXT = """\
Every reader is given whole files of its kinds that were damaged: bytes changed, numbers put in the
place of others, spans removed, repeated or taken from another file, the end cut off. Where
checksums would catch all of that, a member of an archive is damaged and packed anew.

A file is *read*, or *refused* with the project's own error (`InputError`, `PhotoError`). Anything
else is a *finding*: another exception, a crash of the process, or {hang} seconds without an answer.
A process may have {memory:.0f} GiB of address space; *peak MB* is its resident memory, libraries
included; *stderr* counts the bytes that libraries wrote there."""


def fuzz(args) -> Page:
    """Give every reader its share of the time."""
    kept = args.keep or Path(tempfile.mkdtemp(prefix="decaf-fuzz-"))
    kept.mkdir(parents=True, exist_ok=True)
    rows, findings = [], []
    for reader in args.reader:
        row, found = fuzz_reader(reader, kept, 60 * args.minutes / len(args.reader), args.seed)
        print("  ".join(f"{name} {value}" for name, value in row.items()))
        for finding in found:
            print(f"  {finding['what']} ({finding['file']})")
        rows.append(row)
        findings += found
    print(f"files that were findings are in {kept}")
    said = table(findings, {"reader": "{reader}", "what": "`{what}`"})
    names = [f"{row['reader']} ({row['files']:,})" for row in rows]
    shares = {
        outcome: [100 * row[outcome] / max(1, row["files"]) for row in rows]
        for outcome in ("read", "refused")
    }
    return Page(
        title="Damaged files for every reader",
        text=TEXT.format(hang=HANG_SECONDS, memory=MEMORY_LIMIT / 2**30),
        tables={
            "Readers": table(rows, {name: f"{{{name}}}" for name in rows[0]}),
            "Findings, each once": said if findings else said._replace(lines=[["none", ""]]),
        },
        rows=rows,
        figure=draw_bars(
            names, shares, xlabel="% of the damaged files", size=(7, 0.8 + 0.35 * len(rows))
        ),
        facts={
            "time": f"{args.minutes:g} minutes, {sum(row['files'] for row in rows):,} files",
            "libraries": ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES),
        },
        failed=bool(findings),
    )


def fuzz_reader(name, kept, seconds, seed=0):
    """Damage files for one reader until its time is up.

    Parameters
    ----------
    name : str
        One of `READERS`.
    kept : pathlib.Path
        Folder for the files that are findings.
    seconds : float
    seed : int

    Returns
    -------
    row : dict
        How many files there were, and what became of them.
    findings : list of dict
        ``reader``, ``what`` and ``file``; those of one exception at one place once.
    """
    processes = multiprocessing.get_context("spawn")
    counts = processes.Array("d", len(_COUNTS))
    findings = {}
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        while (left := seconds - (time.monotonic() - start)) > 0:
            process = processes.Process(target=_damage, args=(name, folder, left, seed, counts))
            process.start()
            process.join()
            seed += 1_000_000
            found = [json.loads(line) for line in _read(folder / "findings").splitlines()]
            (folder / "findings").unlink(missing_ok=True)
            if process.exitcode and not counts[0]:
                raise InputError(f"{name}: fails before its first file: {_read(folder / 'stderr')}")
            if process.exitcode:
                hung = "Timeout (" in _read(folder / "stderr")
                what = f"hangs for {HANG_SECONDS} s" if hung else f"crashes: {process.exitcode}"
                found.append({"what": what, "content": (folder / "input").read_bytes().hex()})
            for finding in found:
                if finding["what"] not in findings:
                    file = kept / f"{name}-{len(findings)}"
                    file.write_bytes(bytes.fromhex(finding["content"]))
                    findings[finding["what"]] = {
                        "reader": name,
                        "what": finding["what"],
                        "file": str(file),
                    }
        row = {"reader": name} | dict(zip(_COUNTS, (round(count) for count in counts)))
        row["findings"] = len(findings)
        row["slowest s"] = round(counts[_COUNTS.index("slowest s")], 2)
        row["stderr"] = len(_read(folder / "stderr"))
        (kept / f"{name}-stderr").write_text(_read(folder / "stderr"))
    return row, list(findings.values())


_COUNTS = ("files", "read", "refused", "peak MB", "slowest s")


def _read(path):
    return path.read_text(errors="replace") if path.exists() else ""


def _damage(name, folder, seconds, seed, counts):
    """Draw damaged files until the time is up; in a process of its own."""
    import faulthandler
    import resource

    with open(folder / "stderr", "a") as stderr:
        os.dup2(stderr.fileno(), 2)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    reader = READERS[name]()
    warnings.simplefilter("error")
    end = time.monotonic() + seconds
    path = folder / f"input{reader.suffix}"
    draws = random.Random(seed)
    armed = 0.0
    while (now := time.monotonic()) < end:
        content = damage_file(reader, draws)
        path.write_bytes(content)
        (folder / "input").write_bytes(content)
        if now - armed > 1:  # Arming it takes longer than most files.
            faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
            armed = now
        start = time.monotonic()
        try:
            reader.read(path)
            outcome = "read"
        except (InputError, PhotoError):
            outcome = "refused"
        except Exception as error:
            outcome = None
            finding = {"what": _describe(error), "content": content.hex()}
            with open(folder / "findings", "a") as file:
                file.write(json.dumps(finding) + "\n")
        slowest = time.monotonic() - start
        peak = peak_megabytes()
        for position, value in enumerate(counts[:]):
            count = _COUNTS[position]
            if count in ("peak MB", "slowest s"):
                counts[position] = max(value, peak if count == "peak MB" else slowest)
            else:
                counts[position] = value + (count in ("files", outcome))


def damage_file(reader, draws):
    """Draw a whole file and damage it.

    Parameters
    ----------
    reader : tests.robustness.fuzzed_readers.Reader
    draws : random.Random

    Returns
    -------
    bytes
    """
    content = bytearray(draws.choice(reader.wholes))
    for _ in range(draws.randrange(MOST_DAMAGES + 1)):
        # Half of them near the start, where most formats have their headers.
        share = draws.random() ** draws.choice((1, 4))
        number = draws.choice((draws.getrandbits(64), draws.choice(_NUMBERS)))
        draws.choice(_DAMAGES)(
            content,
            int(share * len(content)),
            draws.randint(1, 64),
            number,
            draws.choice(reader.wholes),
        )
    return reader.pack(bytes(content))


def _change(content, place, length, number, other):
    content[place : place + 1] = bytes([number & 255])


def _flip(content, place, length, number, other):
    content[place : place + 1] = bytes(
        byte ^ 1 << length % 8 for byte in content[place : place + 1]
    )


def _put_number(content, place, length, number, other):
    size = (2, 4, 8)[length % 3]
    order = "little" if length % 2 else "big"
    content[place : place + size] = (number % 256**size).to_bytes(size, order)


def _put_digits(content, place, length, number, other):
    content[place : place + length % 4] = str(number).encode()


def _remove(content, place, length, number, other):
    del content[place : place + length]


def _repeat(content, place, length, number, other):
    content[place:place] = content[place : place + length] * (number % 100)


def _take_from_other(content, place, length, number, other):
    start = number % (len(other) + 1)
    content[place : place + length] = other[start : start + length]


def _cut_off(content, place, length, number, other):
    del content[place:]


_DAMAGES = (
    _change,
    _flip,
    _put_number,
    _put_digits,
    _remove,
    _repeat,
    _take_from_other,
    _cut_off,
)
# Where counts and sizes turn over.
_NUMBERS = [2**bits + step for bits in (0, 7, 8, 15, 16, 31, 32, 62, 63) for step in (-1, 0)]


def _describe(error):
    """The exception and where in this project it came from."""
    ours = Path(__file__).parents[2]
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(ours) and ".venv" not in frame.filename
    ]
    place = f"{Path(frames[-1].filename).relative_to(ours)}:{frames[-1].name}"
    return f"{type(error).__name__} in {place}: {' '.join(str(error).split())[:100]}"


EXPERIMENT = Experiment(
    __doc__,
    fuzz,
    (
        option("--minutes", "for all readers together", 10.0),
        several("--reader", "", tuple(READERS), choices=tuple(READERS), metavar="NAME"),
        option("--seed", "of what is drawn", 0),
        option("--keep", "for files that were findings (a new one)", type=Path, metavar="FOLDER"),
    ),
)


if __name__ == "__main__":
    sys.exit(run_experiment("fuzz", EXPERIMENT, module="tests.robustness.fuzz"))
