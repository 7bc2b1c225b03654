"""Photos whose decoding takes a gigabyte each, on sixteen threads: the memory stays in bounds.

A progressive JPEG of one colour, 13,300 pixels square in 2 MB, takes 1 GB of coefficients at
whatever scale it is decoded. Three hundred of them and a photo of 400 megapixels are decoded in a
process of their own.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from experiments.figures import draw_bars
from experiments.frame import Experiment, option, run_experiment
from experiments.measuring import in_child, peak_megabytes
from experiments.pages import Page, table
from features.photos import PhotoError, read_photo

N_THREADS = 16
SIDE, SIDE_OF_LARGEST = 13_300, 20_000
# What networks take.
MIN_SIDE = 224
MOST_MEGABYTES = 2_000
TEXT = """\
{photos} progressive JPEGs of {side:,} pixels square, each of which takes 1 GB of memory while it is
decoded, and a photo of 400 megapixels were decoded by {threads} threads of one process. *Refused*
is what was not decoded, with its reason. The process had {peak:,.0f} MB in memory at most; it
must not be more than {most:,}."""


def huge_photos(args) -> Page:
    """Decode them all."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        paths = make_huge_photos(Path(folder), args.photos, SIDE)
        largest = Path(folder) / "largest.png"
        Image.new("1", (SIDE_OF_LARGEST, SIDE_OF_LARGEST)).save(largest)
        outcomes, peak = decode_all([*paths[:N_THREADS], largest, *paths[N_THREADS:]])
    row = {
        "attack": "photos that take a gigabyte each",
        "tried": len(paths) + 1,
        "refused": outcomes["refused"],
        "survived": outcomes["decoded"],
        "lost": 0,
        "crashed": outcomes["crashed"],
        "peak MB": round(peak),
        "seconds": round(time.monotonic() - start),
    }
    return Page(
        title="Photos that take a gigabyte each",
        text=TEXT.format(
            photos=args.photos, side=SIDE, threads=N_THREADS, peak=peak, most=MOST_MEGABYTES
        ),
        tables={"Photos": table([row], {name: f"{{{name}}}" for name in row})},
        rows=[row],
        figure=draw_bars(
            ["all at once", "measured"], {"": [1_061 * N_THREADS, peak]}, "MB", (7, 1)
        ),
        failed=bool(outcomes["crashed"]) or peak > MOST_MEGABYTES,
    )


def make_huge_photos(folder, n_photos, side):
    """Make progressive JPEGs of one colour: one file of many names."""
    first = folder / "0.jpg"
    Image.new("RGB", (side, side), (120, 80, 40)).save(first, progressive=True, subsampling=0)
    paths = [folder / f"{number}.jpg" for number in range(n_photos)]
    for path in paths[1:]:
        path.hardlink_to(first)
    return paths


def decode_all(paths, n_bytes=None):
    """Decode photos in a process of their own, by so many threads.

    Parameters
    ----------
    paths : sequence of pathlib.Path
    n_bytes : int, optional
        That decoders share, if not as many as usual.

    Returns
    -------
    outcomes : dict of str to int
        How many were decoded, refused and crashed.
    peak : float
        Memory of the process, in MB.
    """
    return in_child(_decode_all, [os.fspath(path) for path in paths], n_bytes)


def _decode_all(paths, n_bytes):
    if n_bytes is not None:
        from features import decoding

        decoding._MEMORY = decoding.SharedMemory(n_bytes)
    with ThreadPoolExecutor(N_THREADS) as pool:
        outcomes = Counter(tqdm(pool.map(_decode, paths), "photos", len(paths), delay=1))
    return outcomes, peak_megabytes()


def _decode(path):
    try:
        read_photo(path, min_side=MIN_SIDE)
    except PhotoError:
        return "refused"
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return "crashed"
    return "decoded"


EXPERIMENT = Experiment(__doc__, huge_photos, (option("--photos", "", 300),))


if __name__ == "__main__":
    sys.exit(run_experiment("huge-photos", EXPERIMENT, module="tests.robustness.huge_photos"))
