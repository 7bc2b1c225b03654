"""Peak memory of extract-features as the number of photos grows.

Each size is a process of its own on tiny photos, with a network of a few weights: what grows is
what decaf keeps a photo.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from decaf.commands.common import run_command
from experiments.benchmarks.tiny import make_photos
from experiments.pages import remember_command, results_folder, write_page
from features.errors import InputError

# What is asked for: so many megabytes more for the most photos than for the fewest.
TARGET = 150


def main(argv=None):
    """Run the benchmark and write its page.

    Parameters
    ----------
    argv : list of str, optional

    Returns
    -------
    int
        Exit status.
    """
    parser = argparse.ArgumentParser("python -m experiments bench-memory", description=__doc__)
    parser.add_argument(
        "--photos", type=int, nargs="+", default=(2_000, 20_000, 200_000), metavar="N"
    )
    parser.add_argument("--out", type=Path, help="folder for the results")
    parser.add_argument("--force", action="store_true", help="replace results")
    remember_command(parser, "bench-memory", argv)
    return run_command(_run, parser, argv)


def measure(n_photos):
    """Extract features of tiny photos in a process of its own.

    Parameters
    ----------
    n_photos : int

    Returns
    -------
    dict
        Photos, shards, peak of the resident memory in megabytes, seconds.
    """
    from decaf.extraction.feature_file import SHARD_ROWS

    with tempfile.TemporaryDirectory() as folder:
        photos, network = Path(folder, "photos"), Path(folder, "tiny.keras")
        make_photos(photos, n_photos)
        code = "import sys; from experiments.benchmarks.tiny import save_network as save; "
        code += "save(sys.argv[1])"
        subprocess.run([sys.executable, "-c", code, network], check=True, stderr=subprocess.DEVNULL)
        code = "import sys; from decaf.commands.extract_features import main; sys.exit(main())"
        command = [sys.executable, "-c", code, photos, "--network", network]
        command += ["--precision", "float32", "--cache", folder, "-o", Path(folder, "tiny.h5")]
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        message = process.stderr.read().decode(errors="replace")
        _, status, used = os.wait4(process.pid, 0)
        if status != 0:
            raise InputError(f"extract-features fails: {message.splitlines()[-1]}")
        return {
            "photos": n_photos,
            "shards": -(-n_photos // SHARD_ROWS),
            # Linux counts in KiB.
            "peak_mb": used.ru_maxrss * 1024 / 1e6,
            "seconds": time.monotonic() - began,
        }


def _run(args):
    out = results_folder(args)
    rows = []
    for n_photos in sorted(args.photos):
        rows.append(measure(n_photos))
        print(f"{n_photos:,} photos: {rows[-1]['peak_mb']:,.0f} MB", flush=True)
    more = rows[-1]["peak_mb"] - rows[0]["peak_mb"]
    write_page(
        out,
        title="Memory of extract-features",
        text=f"{rows[-1]['photos']:,} photos took {more:,.0f} MB more than {rows[0]['photos']:,} "
        f"(asked for: at most {TARGET}). Every size is a process of its own on tiny photos, with "
        "a network of a few weights.",
        command=args.command,
        facts={},
        tables={
            "Peak of the resident memory": (
                ["photos", "shards", "MB"],
                [
                    [f"{row['photos']:,}", f"{row['shards']:,}", f"{row['peak_mb']:,.0f}"]
                    for row in rows
                ],
            )
        },
        rows=rows,
        figure=_draw(rows),
    )


def _draw(rows):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    axes.semilogx([row["photos"] for row in rows], [row["peak_mb"] for row in rows], "o-")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("photos")
    axes.set_ylabel("peak of the memory, MB")
    axes.grid(alpha=0.3)
    return figure
