"""Peak memory of extract-features as the number of photos grows.

Each size is a process of its own on tiny photos, with a network of a few weights: what grows is
what decaf keeps a photo.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from pathlib import Path

from experiments.benchmarks.tiny import make_photos, save_network
from experiments.figures import Line, Panel, draw_lines
from experiments.frame import Experiment, at_once
from experiments.measuring import in_child, peak_megabytes
from experiments.pages import Page, Row, table
from features.errors import InputError

# Megabytes more for the most photos than for the fewest.
TARGET = 150


def bench_memory(args) -> Page:
    """Measure each number of photos."""
    rows = []
    for n_photos in sorted(args.photos):
        rows.append(measure(n_photos))
        print(f"{n_photos:,} photos: {rows[-1]['peak_mb']:,.0f} MB", flush=True)
    more = rows[-1]["peak_mb"] - rows[0]["peak_mb"]
    columns = {"photos": "{photos:,}", "shards": "{shards:,}", "MB": "{peak_mb:,.0f}"}
    line = Line([row["photos"] for row in rows], [row["peak_mb"] for row in rows])
    axes = {"xscale": "log", "ylim": (0, None), "xlabel": "photos"}
    return Page(
        title="Memory of extract-features",
        text=f"{rows[-1]['photos']:,} photos took {more:,.0f} MB more than {rows[0]['photos']:,} "
        f"(the target: at most {TARGET}). Every size is a process of its own on tiny photos, with "
        "a network of a few weights.",
        tables={"Peak of the resident memory": table(rows, columns)},
        rows=rows,
        figure=draw_lines(Panel([line], axes | {"ylabel": "peak of the memory, MB"}), size=(6, 3)),
    )


def measure(n_photos: int) -> Row:
    """Extract features of tiny photos: shards, the peak of the memory, seconds."""
    from decaf.extraction.feature_file import SHARD_ROWS

    with tempfile.TemporaryDirectory() as folder:
        photos, network = Path(folder, "photos"), Path(folder, "tiny.keras")
        make_photos(photos, n_photos)
        in_child(save_network, network)
        options = ["--precision", "float32", "--cache", folder, "-o", f"{folder}/tiny.h5"]
        start = time.monotonic()
        peak = in_child(_extract, [str(photos), "--network", str(network), *options])
        return {
            "photos": n_photos,
            "shards": -(-n_photos // SHARD_ROWS),
            "peak_mb": peak,
            "seconds": time.monotonic() - start,
        }


def _extract(argv):
    from decaf.commands.extract_features import main

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = main(argv)
    if status != 0:
        raise InputError(f"extract-features fails: {said.getvalue().splitlines()[-1]}")
    return peak_megabytes()


EXPERIMENT = Experiment(__doc__, bench_memory, (at_once("--photos", "", (2_000, 20_000, 200_000)),))
