"""Bookkeeping as photos become millions: cache, index, resume, merge, ratings and the leak guard.

Rows are made up and small, so that what is measured is what decaf does a row; no photo is needed.
Every step is a process of its own.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from experiments.figures import Panel, draw_lines, lines_of
from experiments.frame import Experiment, at_once
from experiments.measuring import in_child, peak_megabytes
from experiments.pages import Page, Row, number, table

# A small network's.
N_FEATURES = 8
# Rows that are read at once, as heads are trained and features judged.
BLOCK_ROWS = 2**16
TEXT = """\
Rows of {n_features} numbers in the place of activations and features, with names, digests and
ratings. Every step is a process of its own: its *seconds*, and its *peak* of resident memory;
*bytes a row* are what that has more than with the fewest rows. *Disk* is what the step has written.

- *cache*: activations, {cache_rows:,} rows a shard
- *index*: where each photo's activations are
- *read*: all of them looked up and read in the order of their shards, then {block:,} at random
- *shards*: a feature file's, {shard_rows:,} rows each, with their statuses
- *resume*: an extraction all of whose shards are finished
- *merge*: one feature file of them
- *ratings*: what `fit-classifier` reads of it beside the features
- *leak guard*: the set of photos that a network was finetuned on, kept, read, and asked for all"""


def bench_growth(args) -> Page:
    """Measure every step at every number of rows."""
    from decaf.extraction.activations import SHARD_ROWS as CACHE_ROWS
    from decaf.extraction.feature_file import SHARD_ROWS

    rows: list[Row] = []
    for n_rows in sorted(args.rows):
        rows += measure(n_rows)
        for row in rows[-len(STEPS) :]:
            print("{step}: {rows:,} rows, {seconds:,.1f} s, {peak_mb:,.0f} MB".format_map(row))
    least = {row["step"]: row["peak_mb"] for row in reversed(rows)}
    for row in rows:
        row["bytes_a_row"] = (row["peak_mb"] - least[row["step"]]) * 1e6 / row["rows"]
        row["microseconds_a_row"] = row["seconds"] * 1e6 / row["rows"]
    by_step = sorted(rows, key=lambda row: list(STEPS).index(row["step"]))
    columns = {
        "rows": "{rows:,}",
        "seconds": number("seconds", ",.1f"),
        "µs a row": number("microseconds_a_row", ",.1f"),
        "peak, MB": number("peak_mb", ",.0f"),
        "bytes a row": number("bytes_a_row", ",.0f"),
        "disk, MB": number("disk_mb", ",.1f"),
    }
    axes = {"xscale": "log", "xlabel": "rows"}
    seconds, peak = (lines_of(rows, "rows", column, ("step",)) for column in ("seconds", "peak_mb"))
    return Page(
        title="Bookkeeping of millions of photos",
        text=TEXT.format(
            n_features=N_FEATURES, cache_rows=CACHE_ROWS, shard_rows=SHARD_ROWS, block=BLOCK_ROWS
        ),
        tables={
            step: table(list(own), columns) for step, own in groupby(by_step, itemgetter("step"))
        },
        rows=rows,
        figure=draw_lines(
            Panel(seconds, axes | {"yscale": "log", "ylabel": "seconds"}),
            Panel(peak, axes | {"ylim": (0, None), "ylabel": "peak of the memory, MB"}),
            size=(9, 3.6),
        ),
    )


def measure(n_rows: int) -> list[Row]:
    """Take all steps with so many rows."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, step in STEPS.items():
            before = _megabytes(Path(folder))
            seconds, peak = in_child(_timed, step, Path(folder), n_rows)
            written = _megabytes(Path(folder)) - before
            figures = {"seconds": seconds, "peak_mb": peak, "disk_mb": written}
            rows.append({"step": name, "rows": n_rows} | figures)
    return rows


def write_cache(folder: Path, n_rows: int) -> None:
    """Shards of the cache, as `decaf.extraction.activations` writes them."""
    from decaf.extraction.activations import SHARD_ROWS
    from features.store import StoreWriter

    for number_, names, digests in _photos(n_rows, SHARD_ROWS):
        path = folder / "cache" / f"{number_:06}.h5"
        with StoreWriter(path, N_FEATURES, dtype="float16") as writer:
            writer.append(np.zeros((len(names), N_FEATURES), np.float16), names, digests)


def index_cache(folder: Path, n_rows: int) -> None:
    """List what the cache holds."""
    from decaf.extraction.activations import index_shards

    _, index = index_shards(folder / "cache")
    assert len(index) == n_rows


def read_cache(folder: Path, n_rows: int) -> None:
    """Look all photos up, and read their activations."""
    from decaf.extraction.activations import SHARD_ROWS, Activations, index_shards

    shards, index = index_shards(folder / "cache")
    digests = np.concatenate([digests for _, _, digests in _photos(n_rows, SHARD_ROWS)])
    activations = Activations(
        positions=np.arange(n_rows),
        digests=digests,
        failed=[],
        shape=(n_rows, N_FEATURES),
        _shards=shards,
        _places=index.places(digests),
    )
    order = activations.storage_order
    for start in range(0, n_rows, BLOCK_ROWS):
        activations.read(order[start : start + BLOCK_ROWS])
    activations.read(np.random.default_rng(0).integers(n_rows, size=min(n_rows, BLOCK_ROWS)))


def write_shards(folder: Path, n_rows: int) -> None:
    """Shards of a feature file and their statuses, as `decaf.extraction.shards` writes them."""
    from decaf.extraction.shards import Status
    from features.store import StoreWriter

    photos = _named(n_rows)
    for (shard, own), (_, names, digests) in zip(
        _in_shards(photos, folder).items(), _photos(n_rows, _shard_rows())
    ):
        with StoreWriter(shard, N_FEATURES, attributes=own.attributes) as writer:
            writer.append(np.zeros((len(names), N_FEATURES)), names, digests, **own.ratings)
        Status(
            photos=[(name, None, digest) for name, digest in zip(names, digests)],
            rows=len(names),
            failed=[],
            ratings=own.digest_of_ratings(),
            bytes=shard.stat().st_size,
            began=0.0,
            seconds=0.0,
            worker="",
        ).write(shard)


def resume(folder: Path, n_rows: int) -> None:
    """Find all shards finished."""
    from decaf.extraction.shards import finished_shard

    photos = _named(n_rows)
    for shard, own in _in_shards(photos, folder).items():
        finished, changed = finished_shard(shard, own, photos.attributes)
        assert finished and not changed


def merge(folder: Path, n_rows: int) -> None:
    """Make one file of the shards."""
    from features.store import merge_stores

    merge_stores(sorted((folder / "shards").glob("*.h5")), folder / "features.h5")


def read_ratings(folder: Path, n_rows: int) -> None:
    """Read names, digests and ratings of the file."""
    from features.store import FeatureStore

    with FeatureStore(folder / "features.h5") as store:
        assert len(store.rated()) == n_rows


def guard(folder: Path, n_rows: int) -> None:
    """Keep the set of all photos, read it, and ask for every one."""
    from features.photo_set import PhotoSet

    digests = np.concatenate([digests for _, _, digests in _photos(n_rows, BLOCK_ROWS)])
    path = folder / "finetuned_on"
    path.write_bytes(PhotoSet.of(digests).to_bytes())
    assert PhotoSet.from_bytes(path.read_bytes()).holds(digests).all()


STEPS: dict[str, Callable[[Path, int], None]] = {
    "cache": write_cache,
    "index": index_cache,
    "read": read_cache,
    "shards": write_shards,
    "resume": resume,
    "merge": merge,
    "ratings": read_ratings,
    "leak guard": guard,
}


def _timed(step: Callable[[Path, int], None], folder: Path, n_rows: int) -> tuple[float, float]:
    start = time.perf_counter()
    step(folder, n_rows)
    return time.perf_counter() - start, peak_megabytes()


def _photos(n_rows: int, shard_rows: int) -> Iterator[tuple[int, list[str], np.ndarray]]:
    """The number, the names and the digests of every shard's photos."""
    for number_, start in enumerate(range(0, n_rows, shard_rows)):
        rows = range(start, min(start + shard_rows, n_rows))
        # The same of a row, whatever the shards, and in no order.
        digests = [blake2b(b"%d" % row, digest_size=16).hexdigest() for row in rows]
        yield number_, [_name(row) for row in rows], np.array(digests)


def _name(row: int) -> str:
    return f"images/{row:07}.jpg"


def _named(n_rows: int) -> Any:
    """Photos that are nowhere, with scores."""
    from decaf.extraction.job import NamedPhotos

    names = [_name(row) for row in range(n_rows)]
    label = (np.arange(n_rows) % 2).astype(np.int8)
    return NamedPhotos(
        names,
        names,
        {"label": label, "score": label + 4.5},
        {"scale": [1.0, 10.0], "midpoint": 5.0},
    )


def _in_shards(photos: Any, folder: Path) -> dict[Path, Any]:
    (folder / "shards").mkdir(exist_ok=True)
    return photos.in_shards(folder / "shards", _shard_rows())


def _shard_rows() -> int:
    from decaf.extraction.feature_file import SHARD_ROWS

    return SHARD_ROWS


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


EXPERIMENT = Experiment(
    __doc__, bench_growth, (at_once("--rows", "", (2_000, 255_508, 5_000_000)),)
)
