"""Commands on disks that fill up: each says so, loses nothing, and ends when there is room again.

Every command runs with its output, its cache, its temporary files, the album's sidecars or the
copies of the best on a small disk of their own, a mounted tmpfs, which has room for none, a part or
nearly all of what an undisturbed run writes there; half of the times there are results of a time
before. Then its last line, its status and the files are looked at; the disk gets room, and the same
command must give the files of the undisturbed run.

Only root may mount; for others, what a file may have in size is limited, wherever it lies.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import multiprocessing
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import h5py
import onnx
import pandas
from google.protobuf.message import DecodeError
from tqdm import tqdm

from experiments.figures import draw_bars
from experiments.frame import Experiment, option, run_experiment
from experiments.pages import Page, table
from features.samples import make_samples

# Many times what a run takes.
END_SECONDS = 120
PAGE_BYTES = 4096
# More than any of the disks is to hold.
ROOM_BYTES = 2**28
# What takes long to import, whichever command it is.
PRELOADED = [
    "tensorflow",
    "decaf.extraction.feature_file",
    "decaf.models.comparison",
    "decaf.models.export",
    "decaf.ranking.ranking",
    "decaf.training.networks",
]
OUTCOMES = ("refused", "survived", "lost", "crashed")
RATINGS = ("--ratings", "album/ratings.csv")
SMALL = ("--backbone", "alexnet-owt", "--blocks", "1", "--pooling", "multilevel", "--width", "8")
FLOAT = ("--precision", "float32", "--force")
NETWORK = "made/networks/alexnet-owt-multilevel-blocks1-8.keras"
FINETUNE = ("finetune-network", "album", *RATINGS, *SMALL, "--epochs", "2", *FLOAT)
EXTRACT = ("extract-features", "album", *RATINGS, "--network", NETWORK, *FLOAT)
FIT = (
    *("fit-classifier", "made/features.h5", "--network", NETWORK, "--jobs", "1", "--force"),
    *("--classifier", "logistic-regression"),
)
RANK = ("rank-photos", "album", "--model", "made/model", *FLOAT)
# What all others need, on the way to a model.
MADE = (
    (*FINETUNE, "-o", "made/networks"),
    (*EXTRACT, "-o", "made/features.h5"),
    (*FIT, "-o", "made/model"),
)
TEXT = """\
{n} runs of the commands on {disks}. *Refused* ended with one line that names the full disk,
and a status other than 0; *survived* had room enough. All else is *crashed*: tracebacks, other
lines, runs that did not end within {end} s, and such that, once there was room, did not give the
files of an undisturbed run. After a run that is *lost*, files of a time before were not as before,
or half-written ones were left."""


@dataclass(frozen=True)
class Work:
    """A command, and what it writes.

    Attributes
    ----------
    name : str
    argv : tuple of str
    outputs : tuple of str
        Files and folders, in the folder where it runs.
    places : dict of str to str
        Folders that may be small disks, by what is written there.
    kept_apart : bool
        Whether each file stands for itself, and some may be new while others are not.
    """

    name: str
    argv: tuple[str, ...]
    outputs: tuple[str, ...]
    places: dict[str, str]
    kept_apart: bool = False


_OUTPUT, _CACHE, _TEMPORARY = {"output": "out"}, {"cache": "cache"}, {"temporary files": "tmp"}
WORKS = (
    Work(
        "finetune-network",
        (*FINETUNE, "-o", "out/networks"),
        ("out/networks",),
        _OUTPUT | _CACHE,
    ),
    Work(
        "extract-features",
        (*EXTRACT, "-o", "out/features.h5"),
        ("out/features.h5",),
        _OUTPUT | _TEMPORARY,
    ),
    Work("fit-classifier", (*FIT, "-o", "out/model"), ("out/model",), _OUTPUT | _TEMPORARY),
    Work(
        "rank-photos",
        (*RANK, "-o", "out/ranking"),
        ("out/ranking",),
        _OUTPUT | _CACHE | _TEMPORARY,
    ),
    Work(
        "rank-photos --xmp",
        (*RANK, "-o", "out/ranking", "--xmp"),
        ("album",),
        {"sidecars": "album"},
        kept_apart=True,
    ),
    Work(
        "rank-photos --copy-best",
        (*RANK, "-o", "out/ranking", "--copy-best", "8", "copies/best"),
        ("copies/best",),
        {"copies": "copies"},
        kept_apart=True,
    ),
    Work(
        "export-network",
        ("export-network", "made/model", "--head", "softmax", "--force", "-o", "out/scorer.onnx"),
        ("out/scorer.onnx", "out/scorer.onnx.json"),
        _OUTPUT | _TEMPORARY,
    ),
)


def full_disks(args) -> Page:
    """Fill the disks of all commands."""
    with tempfile.TemporaryDirectory() as folder:
        rows = fill_all(Path(folder), WORKS, args.sizes, args.photos)
    mounts = all(row["place"] != _ANY_FILE for row in rows)
    columns = ("attack", "tried", *OUTCOMES, "seconds")
    return Page(
        title="Commands on disks that fill up",
        text=TEXT.format(
            n=sum(row["tried"] for row in rows),
            disks="small disks" if mounts else "files of limited size, since no disk was mounted",
            end=END_SECONDS,
        ),
        tables={"Full disks": table(rows, {name: f"{{{name}}}" for name in columns})},
        rows=rows,
        figure=draw_bars(
            [row["attack"] for row in rows],
            {name: [row[name] for row in rows] for name in OUTCOMES},
            xlabel="runs",
            size=(7, 4),
        ),
        facts={"photos": f"{args.photos}, of `python -m features.samples`"},
        failed=any(row["lost"] or row["crashed"] for row in rows),
    )


def fill_all(folder: Path, works: Sequence[Work], n_sizes: int, n_photos: int) -> list[dict]:
    """Run commands on disks of growing size; see the module.

    Parameters
    ----------
    folder : Path
        Empty.
    works : sequence of Work
    n_sizes : int
        Of each disk, from none to nearly what the undisturbed run writes.
    n_photos : int

    Returns
    -------
    list of dict
        A row for each command and disk.

    Raises
    ------
    RuntimeError
        An undisturbed run fails.
    """
    base = folder / "base"
    make_samples(base / "album", n_photos)
    for number, photo in enumerate(sorted((base / "album").rglob("*.jpg"))):
        if number % 3 == 0:
            _write_sidecar(photo, rating=3 if number % 2 else None)
    for name in ("out", "cache", "tmp", "copies", "made"):
        (base / name).mkdir()
    for argv in MADE:
        _require_end(base, argv)
    shutil.rmtree(base / "cache")
    (base / "cache").mkdir()
    if not can_mount(folder):
        print("no disk can be mounted here: the size of files is limited instead", file=sys.stderr)
    places = [(work, place) for work in works for place in places_of(work, folder)]

    def fill_copy(number: int) -> dict:
        copy = folder / str(number)
        shutil.copytree(base, copy)
        return fill(copy, *places[number], n_sizes)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(tqdm(pool.map(fill_copy, range(len(places))), "disks", len(places), delay=1))


def places_of(work: Work, folder: Path) -> list[str]:
    """What of a command's may be a disk that fills up."""
    return list(work.places) if can_mount(folder) else [_ANY_FILE]


# Where nothing is mounted.
_ANY_FILE = "any file"


def fill(folder: Path, work: Work, place: str, n_sizes: int) -> dict:
    """Run one command on one disk of growing size; see `fill_all`.

    Parameters
    ----------
    folder : Path
        Holds the album, what the command needs, and empty folders for what it writes.
    work : Work
    place : str
        Of `places_of`.
    n_sizes : int
    """
    began = time.monotonic()
    counts = Counter()
    with contextlib.ExitStack() as stack:
        disk = None
        if place != _ANY_FILE:
            disk = stack.enter_context(_Disk.mounted(folder / work.places[place]))
        start = files_of(folder, FOLDERS)
        with _watching(disk) as written:
            _require_end(folder, work.argv)
        outputs = _outputs(folder, work)
        whole = fingerprints(outputs)
        earlier = {name: data + b"earlier" for name, data in outputs.items() if name not in start}
        if work.kept_apart:
            earlier = {}
        most = written[0]
        if disk is None:
            new = files_of(folder, FOLDERS).items() - start.items()
            most = max(len(data) for _, data in new)
        for number in range(n_sizes):
            room = most * number // n_sizes // PAGE_BYTES * PAGE_BYTES
            before = start | (earlier if number % 2 else {})
            outcome, told = _fill_once(folder, work, disk, room, before, whole)
            counts[outcome] += 1
            if outcome in ("lost", "crashed"):
                print(f"{work.name}, {place}, room for {room:,} of {most:,} bytes: {outcome}")
                print(told[-3000:])
    return {
        "attack": f"{work.name}: {place}",
        "place": place,
        "bytes": most,
        "tried": counts.total(),
        **{outcome: counts[outcome] for outcome in OUTCOMES},
        "seconds": round(time.monotonic() - began),
    }


def _fill_once(folder, work, disk, room, before, whole):
    """What becomes of a run for which there is so much room, and then of the same with more."""
    if disk:
        disk.leave(ROOM_BYTES)
    _put(folder, before)
    if disk:
        disk.leave(room)
    outcome, told = _try(folder, work, None if disk else room + PAGE_BYTES, before, whole)
    if outcome in ("lost", "crashed"):
        return outcome, told
    status, again = 0, ""
    if outcome == "refused":
        if disk:
            disk.leave(ROOM_BYTES)
        status, again = _run(folder, work.argv)
    differ = fingerprints(_outputs(folder, work)).items() ^ whole.items()
    if status or differ:
        return "crashed", f"{told}\n{again}\nstatus {status}; not as undisturbed: {sorted(differ)}"
    return outcome, told


def _try(folder, work, file_bytes, before, whole):
    """What becomes of a run on a disk that may fill up, and what it told."""
    status, told = _run(folder, work.argv, file_bytes)
    if status == 0:
        return "survived", told
    errors = [line for line in told.splitlines() if re.match(r"[a-z-]+: error: ", line)]
    full = os.strerror(errno.EFBIG if file_bytes else errno.ENOSPC)
    if status < 0 or "Traceback" in told or len(errors) != 1 or full not in errors[0]:
        return "crashed", f"{told}\nstatus {status}"
    now, own = _outputs(folder, work), {n for n in before if n.startswith(work.outputs)}
    lost = [
        name
        for name in sorted(now.keys() | own)
        if not _is_right(name, now.get(name), before, whole, work.kept_apart)
    ]
    left = [path for place in FOLDERS for path in (folder / place).rglob(".*.part*")]
    if lost or left:
        return "lost", f"{errors[0]}\nlost {lost}, left {left}"
    return "refused", errors[0]


def _is_right(name, data, before, whole, kept_apart):
    """Whether a file is as it was before; or, if it is new or stands for itself, whole."""
    if data == before.get(name):
        return True
    may_be_new = kept_apart or name not in before
    return may_be_new and data is not None and _fingerprint(name, data) == whole.get(name)


# --- Files ---------------------------------------------------------------------------------------

FOLDERS = ("album", "out", "cache", "tmp", "copies")


def files_of(folder: Path, names: Sequence[str]) -> dict[str, bytes]:
    """The bytes of files, and of those in folders, by their names in a folder."""
    found = (folder / name for name in names)
    paths = (path for each in found for path in (each, *each.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _outputs(folder: Path, work: Work) -> dict[str, bytes]:
    """What a command has written for its user."""
    files = files_of(folder, work.outputs)
    return {name: data for name, data in files.items() if "/." not in name}


def _put(folder: Path, files: dict[str, bytes]) -> None:
    """Let folders hold these files and no others."""
    for name in FOLDERS:
        for path in (folder / name).iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def fingerprints(files: dict[str, bytes]) -> dict[str, str]:
    """Digests of what files say, by their names."""
    return {name: _fingerprint(name, data) for name, data in files.items()}


def _fingerprint(name: str, data: bytes) -> str:
    """A digest of what a file says, without times, addresses of objects and running numbers."""
    # What is half-written is none of these formats.
    with contextlib.suppress(zipfile.BadZipFile, OSError, ValueError, DecodeError):
        if name.endswith(".h5"):
            data = repr(_arrays(data)).encode()
        elif name.endswith((".keras", ".skops")):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                members = {each: archive.read(each) for each in archive.namelist()}
            said = [
                repr(_arrays(text)).encode() if each.endswith(".h5") else _NUMBERED.sub(b"", text)
                for each, text in members.items()
                if each not in _OF_THIS_RUN
            ]
            data = repr(sorted(said)).encode()
        elif name.endswith(".onnx"):
            # Its nodes are called otherwise each time.
            graph = onnx.load_from_string(data).graph
            values = sorted(value.raw_data for value in graph.initializer)
            data = repr(([node.op_type for node in graph.node], values)).encode()
        elif name.endswith("model.json"):
            data = json.dumps(json.loads(data) | {"sha256": None}).encode()
        elif name.endswith("results.csv"):
            data = pandas.read_csv(io.BytesIO(data)).drop(columns="fit_seconds").to_csv().encode()
    return hashlib.sha256(data).hexdigest()


# Members of archives: one tells the time, the other holds addresses and names of the other members.
_OF_THIS_RUN = ("metadata.json", "schema.json")
# Keras numbers graphs in the order in which a process makes them.
_NUMBERED = re.compile(rb"_object_id\W+\d+|functional_\d+")


def _arrays(data: bytes) -> list[tuple[str, bytes]]:
    """The values in an HDF5 file, by their names."""
    found = []
    with h5py.File(io.BytesIO(data), "r") as file:
        file.visititems(
            lambda name, item: (
                found.append((name, item[()].tobytes())) if isinstance(item, h5py.Dataset) else None
            )
        )
    return found


def _write_sidecar(photo: Path, rating: int | None) -> None:
    rated = "" if rating is None else f' xmp:Rating="{rating}"'
    photo.with_name(f"{photo.name}.xmp").write_text(
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        f'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Label="mine"{rated}/></rdf:RDF></x:xmpmeta>'
    )


# --- Disks ---------------------------------------------------------------------------------------


class _Disk:
    """A small file system in a folder."""

    def __init__(self, folder: Path):
        self._folder = folder

    @classmethod
    @contextlib.contextmanager
    def mounted(cls, folder: Path) -> Iterator[_Disk]:
        """Mount it, with room, and with what the folder holds."""
        files = files_of(folder, ["."])
        _mount(folder, ROOM_BYTES)
        try:
            for name, data in files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
            yield cls(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)

    @property
    def used(self) -> int:
        """Bytes that are taken."""
        status = os.statvfs(self._folder)
        return (status.f_blocks - status.f_bfree) * status.f_frsize

    def leave(self, n_bytes: int) -> None:
        """Leave room for so many bytes more; a size of 0 would be one without end."""
        size = max(self.used + n_bytes, PAGE_BYTES)
        subprocess.run(["mount", "-o", f"remount,size={size}", self._folder], check=True)


def _mount(folder: Path, n_bytes: int) -> None:
    options = ["-t", "tmpfs", "-o", f"size={n_bytes}", "tmpfs"]
    subprocess.run(["mount", *options, folder], check=True, capture_output=True)


def can_mount(folder: Path) -> bool:
    """Whether a disk can be mounted in a folder."""
    probe = folder / "mounted"
    probe.mkdir(exist_ok=True)
    try:
        _mount(probe, PAGE_BYTES)
    except (OSError, subprocess.CalledProcessError):
        return False
    subprocess.run(["umount", probe], check=True)
    return True


@contextlib.contextmanager
def _watching(disk: _Disk | None) -> Iterator[list[int]]:
    """Note how many bytes more than now are taken on a disk at most."""
    most, over = [0], threading.Event()
    start = disk.used if disk else 0

    def watch() -> None:
        while disk and not over.wait(0.002):
            most[0] = max(most[0], disk.used - start)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield most
    finally:
        over.set()
        watching.join()


# --- Commands ------------------------------------------------------------------------------------


def _require_end(folder: Path, argv: Sequence[str]) -> None:
    status, told = _run(folder, argv)
    if status:
        raise RuntimeError(f"{argv[0]} gives status {status} where nothing is full: {told}")


def _run(folder: Path, argv: Sequence[str], file_bytes: int | None = None) -> tuple[int, str]:
    """Run a command, in a process forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_command, args=(folder, argv, writer, file_bytes))
    process.start()
    writer.close()
    told = []
    reading = threading.Thread(target=lambda: told.extend(_read(reader.fileno())))
    reading.start()
    process.join(END_SECONDS)
    if process.is_alive():
        process.kill()
        told.append(b"\ndid not end")
        process.join()
    reading.join()
    reader.close()
    return process.exitcode, b"".join(told).decode(errors="replace")


def _read(pipe):
    while data := os.read(pipe, 2**16):
        yield data


def _command(folder, argv, writer, file_bytes):
    """What the console script does."""
    os.chdir(folder)
    os.dup2(writer.fileno(), 1)
    os.dup2(writer.fileno(), 2)
    # They were of files of another kind, perhaps.
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    os.environ |= {"TMPDIR": f"{folder}/tmp", "DECAF_CACHE": f"{folder}/cache"}
    tempfile.tempdir = None
    if file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    module = import_module(f"decaf.commands.{argv[0].replace('-', '_')}")
    sys.exit(module.main(list(argv[1:])))


EXPERIMENT = Experiment(
    __doc__,
    full_disks,
    (
        option("--sizes", "of each disk", 6),
        option("--photos", "", 24),
    ),
)


if __name__ == "__main__":
    sys.exit(run_experiment("full-disks", EXPERIMENT, module="tests.robustness.full_disks"))
