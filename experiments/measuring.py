"""How speed, memory and agreement are measured."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from experiments.frame import option
from features.errors import InputError

PHOTOS = option(
    "--data",
    "folder of photos, .txt list of paths, or .csv with a column file",
    type=Path,
    required=True,
    metavar="PHOTOS",
)


def in_child(function: Callable, *arguments: Any) -> Any:
    """Call a module's function in a fresh process, whose thread pools are its own."""
    # Not a Pool, whose processes may have no children: PyTorch's DataLoader has.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as child:
        return child.submit(function, *arguments).result()


def best_seconds(function: Callable[[], object], n_times: int = 1) -> float:
    """The shortest of some runs."""
    times = []
    for _ in range(n_times):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def peak_megabytes() -> float:
    """The most memory that this process has had resident, on Linux."""
    # ru_maxrss would count the parent's, which a new process shares until it runs its program.
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) * 1024 / 1e6


def choose_photos(source: Path, n_photos: int) -> list[str]:
    """Paths of photos from all over a folder; all of them where it holds fewer."""
    from features.photos import find_photos, photo_root

    if n_photos < 1:
        raise InputError(f"--n-photos {n_photos}: it must be 1 or more")
    names = find_photos(source)
    chosen = np.linspace(0, len(names), min(n_photos, len(names)), endpoint=False).astype(int)
    return [str(photo_root(source) / names[i]) for i in chosen]


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of each row of ``a``, (n, d), with the same row of ``b``."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
