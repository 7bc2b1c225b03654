"""Plan the extraction of very many photos on a cluster: shards, storage, time and cost.

The speeds are what bench-extraction measured on one machine; prices are the reader's own. The sizes
are measured here, on a shard of random features.
"""

import argparse
import json
import tempfile
from pathlib import Path

from decaf.commands.common import run_command
from experiments.pages import remember_command, results_folder, write_page
from features.errors import InputError

# Only to have figures to replace; no offer of anybody's.
EXAMPLE_PRICES = {"cpu": 0.1, "gpu": 3.0}
NAME = "2026/11/23/photo-of-a-photographer-0123456789.jpg"

TEXT = """\
`extract-features --scheduler tcp://host:8786` gives each shard of {rows:,} photos to a worker,
which writes one HDF5 file and one JSON status to the folder FILE.parts; finished shards are skipped
when the command is started again, and in the end FILE is an index that presents all shards as one
store. {n_photos:,} photos are {n_shards:,} shards, {n_files:,} files in one folder.

**How to go about it**

1. Put photos, network and FILE into folders that have the same path on all machines.
2. `dask scheduler` on one machine; `dask worker tcp://host:8786 --nthreads 1` on each machine, one
   a GPU. A worker reads the network once and uses all cores for one shard at a time. Workers may
   join and leave at any time: a lost worker costs the shard it was working on.
3. `extract-features` with `--scheduler` on any machine; it holds the list of names in memory, and
   needs to run until the index is written. It looks at the size and the time of every photo of a
   finished shard when it is started again.
4. Read FILE with `FeatureStore`, a block of rows at a time; plain h5py reads it, too, where the
   limit of open files (`ulimit -n`) is above the number of shards.

**Prices** are the reader's own (`--cpu-price`, `--gpu-price`), a machine and hour; those below are
examples: {prices}. Several machines share the time, not the cost."""


def main(argv=None):
    """Write the plan's page.

    Parameters
    ----------
    argv : list of str, optional

    Returns
    -------
    int
        Exit status.
    """
    parser = argparse.ArgumentParser("python -m experiments many-photos", description=__doc__)
    parser.add_argument("--photos", type=int, default=100_000_000)
    parser.add_argument("--width", type=int, default=250, help="features a photo (250)")
    parser.add_argument("--photo-kb", type=float, default=200, help="size of a photo file (200)")
    for kind in EXAMPLE_PRICES:
        parser.add_argument(
            f"--{kind}-speed",
            type=float,
            metavar="PHOTOS/S",
            help=f"of a {kind.upper()} machine, from files, as bench-extraction measured it",
        )
        parser.add_argument(
            f"--{kind}-price",
            type=float,
            default=EXAMPLE_PRICES[kind],
            help=f"of a {kind.upper()} machine an hour (an example: {EXAMPLE_PRICES[kind]})",
        )
    parser.add_argument("--out", type=Path, help="folder for the results")
    parser.add_argument("--force", action="store_true", help="replace results")
    remember_command(parser, "many-photos", argv)
    return run_command(_run, parser, argv)


def measure_sizes(rows, width):
    """Write a shard of random features, its status and an index of it.

    Parameters
    ----------
    rows, width : int

    Returns
    -------
    dict of str to int
        Bytes of ``shard``, ``status`` and ``index``.
    """
    import numpy as np

    from features.store import StoreWriter, index_stores

    digest, stamp = "0" * 32, [200_000, 1_700_000_000_000_000_000]
    with tempfile.TemporaryDirectory() as folder:
        shard, index = Path(folder, "000000.h5"), Path(folder, "index.h5")
        with StoreWriter(shard, width) as writer:
            features = np.random.default_rng(0).random((rows, width), np.float32)
            writer.append(features, [NAME] * rows, [digest] * rows, finetuned=np.zeros(rows, bool))
        index_stores([shard], index)
        return {
            "shard": shard.stat().st_size,
            "status": len(json.dumps([(NAME, stamp, digest)] * rows)),
            "index": index.stat().st_size,
        }


def plan(n_photos, speed, price):
    """What one machine needs for some photos.

    Parameters
    ----------
    n_photos : int
    speed : float
        Photos a second.
    price : float
        A machine and hour.

    Returns
    -------
    dict of str to float
        ``machine_days``, and ``cost`` a million photos.
    """
    hours = n_photos / speed / 3600
    return {"machine_days": hours / 24, "cost": price * hours / n_photos * 1e6}


def _run(args):
    from decaf.extraction.feature_file import CLUSTER_SHARD_ROWS

    speeds = {kind: getattr(args, f"{kind}_speed") for kind in EXAMPLE_PRICES}
    speeds = {kind: speed for kind, speed in speeds.items() if speed}
    if not speeds:
        raise InputError("give --cpu-speed or --gpu-speed, as bench-extraction measured them")
    prices = {kind: getattr(args, f"{kind}_price") for kind in speeds}
    out = results_folder(args)
    n_shards = -(-args.photos // CLUSTER_SHARD_ROWS)
    sizes = measure_sizes(CLUSTER_SHARD_ROWS, args.width)
    rows = [
        {"machine": kind, "photos": args.photos, "speed": speed, "price": prices[kind]}
        | plan(args.photos, speed, prices[kind])
        for kind, speed in speeds.items()
    ]
    write_page(
        out,
        title=f"Planning {args.photos:,} photos",
        text=TEXT.format(
            rows=CLUSTER_SHARD_ROWS,
            n_photos=args.photos,
            n_shards=n_shards,
            n_files=2 * n_shards,
            prices=", ".join(f"{price:g} ({kind.upper()})" for kind, price in prices.items()),
        ),
        command=args.command,
        facts={
            "photos": f"{args.photo_kb:g} kB a file, {args.photos * args.photo_kb / 1e9:,.1f} TB",
            "features": f"{args.width:,} a photo, float32",
        },
        tables={
            "Time and cost, by measured photos a second": (
                [
                    "machine",
                    "photos/s",
                    "seconds a shard",
                    "MB/s of photos",
                    "machine-days",
                    "machines for a week",
                    "cost of a million photos",
                ],
                [
                    [
                        row["machine"].upper(),
                        f"{row['speed']:,.0f}",
                        f"{CLUSTER_SHARD_ROWS / row['speed']:,.0f}",
                        f"{row['speed'] * args.photo_kb / 1e3:,.0f}",
                        f"{row['machine_days']:,.1f}",
                        f"{max(1, -(-row['machine_days'] // 7)):,.0f}",
                        f"{row['cost']:,.2f}",
                    ]
                    for row in rows
                ],
            ),
            "Storage": (
                ["what", "files", "MB each", "GB together"],
                [
                    [
                        what,
                        f"{n_files:,}",
                        f"{n_bytes / 1e6:,.1f}",
                        f"{n_bytes * n_files / 1e9:,.0f}",
                    ]
                    for what, n_files, n_bytes in (
                        ("shards", n_shards, sizes["shard"]),
                        ("statuses", n_shards, sizes["status"]),
                        ("index", 1, sizes["index"] * args.photos / CLUSTER_SHARD_ROWS),
                    )
                ],
            ),
        },
        rows=rows,
        figure=_draw(rows),
    )


def _draw(rows):
    import numpy as np
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    for number, row in enumerate(rows):
        prices = row["price"] * np.geomspace(0.2, 5, 30)
        costs = [plan(row["photos"], row["speed"], price)["cost"] for price in prices]
        label = f"{row['machine'].upper()}, {row['speed']:,.0f} photos/s"
        axes.loglog(prices, costs, color=f"C{number}", label=label)
        axes.plot(row["price"], row["cost"], "o", color=f"C{number}")
    axes.set_xlabel("price of a machine an hour")
    axes.set_ylabel("cost of a million photos")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure
