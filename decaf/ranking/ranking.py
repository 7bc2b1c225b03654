"""An album in order: scored photos ranked, the table of them, copies of the best.

Nothing here moves, changes or deletes a photo.
"""

from __future__ import annotations

import csv
import filecmp
import io
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from decaf.models.model import ScoredPhotos
from decaf.networks.votes import mean_and_spread
from decaf.ranking.stacks import NEAR, find_stacks
from features.errors import InputError
from features.files import whole_file, writing
from features.photos import capture_time


@dataclass(frozen=True)
class RankedPhoto:
    """A photo's place among the photos of its folder.

    Attributes
    ----------
    name, path : str
    rank : int
        1 is the best.
    percentile : float
        Share of the other photos that it is ranked above, 0 to 100.
    probability : float
        Of professional; calibrated.
    stack : int or None
        Photos of one stack have one number; None for a photo by itself.
    is_top : bool
        Whether it is the best of its stack, or by itself.
    mean, spread : float or None
        Of the votes that the network predicts.
    votes : tuple of float
        Predicted shares of the votes; empty where the network predicts none.
    """

    name: str
    path: str
    rank: int
    percentile: float
    probability: float
    stack: int | None
    is_top: bool
    mean: float | None = None
    spread: float | None = None
    votes: tuple[float, ...] = ()


def rank_photos(
    names: Sequence[str], paths: Sequence[str], scored: ScoredPhotos, pooling: str
) -> list[RankedPhoto]:
    """Put scored photos in order, and stack those of one burst.

    Parameters
    ----------
    names, paths : sequence of str
        Of all photos that were to be scored.
    scored : ScoredPhotos
        Those that could be read.
    pooling : {"flatten", "multilevel", "average"}
        Of the model's network.

    Returns
    -------
    list of RankedPhoto
        The best first; photos with equal scores by their names.
    """
    positions = scored.activations.positions
    names, paths = [names[i] for i in positions], [paths[i] for i in positions]
    n = len(names)
    order = sorted(range(n), key=lambda i: (-scored.score[i], names[i]))
    times = np.array([capture_time(path) for path in tqdm(paths, "times", unit="photo", delay=1)])
    tops = find_stacks(scored.activations, times, order, NEAR[pooling])
    sizes = np.bincount(tops, minlength=n)
    several = [top for top in order if sizes[top] > 1]
    stack_of_top = {top: number for number, top in enumerate(several, start=1)}
    predicted = [{} for _ in range(n)]
    if scored.votes is not None:
        predicted = [
            {"mean": float(mean), "spread": float(spread), "votes": tuple(map(float, votes))}
            for mean, spread, votes in zip(*mean_and_spread(scored.votes), scored.votes)
        ]
    return [
        RankedPhoto(
            name=names[i],
            path=paths[i],
            rank=rank,
            percentile=100 * (n - rank) / (n - 1) if n > 1 else 100.0,
            probability=float(scored.probability[i]),
            stack=stack_of_top.get(tops[i]),
            is_top=bool(tops[i] == i),
            **predicted[i],
        )
        for rank, i in enumerate(order, start=1)
    ]


def write_table(
    path: Path, ranking: Sequence[RankedPhoto], failed: Sequence[tuple[str, str]]
) -> None:
    """Write ranking.csv: the ranked photos, then those that failed, without a rank.

    Parameters
    ----------
    path : Path
    ranking : sequence of RankedPhoto
    failed : sequence of (str, str)
        Names and reasons.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    rows = [_row(photo) for photo in ranking]
    columns = [*rows[0], "reason"]
    rows += [{"file": name, "reason": reason} for name, reason in failed]
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    with writing(path), whole_file(path) as part:
        # Names need not be UTF-8; `find_photos` reads them back from a .csv as they were.
        part.write_bytes(text.getvalue().encode("utf-8", "surrogateescape"))


def copy_best(ranking: Sequence[RankedPhoto], n: int, folder: Path) -> int:
    """Copy the best photos, one of each stack, to names that begin with their ranks.

    Parameters
    ----------
    ranking : sequence of RankedPhoto
        The best first.
    n : int
        How many.
    folder : Path
        Is made if it is not there.

    Returns
    -------
    int
        How many are in the folder then: fewer where there are fewer.

    Raises
    ------
    InputError
        If another file has one of the names, when none is copied; or a photo cannot be copied.
    """
    best = [photo for photo in ranking if photo.is_top][:n]
    digits = len(str(ranking[-1].rank))
    targets = [folder / f"{photo.rank:0{digits}} {Path(photo.path).name}" for photo in best]
    # An interrupted command has copied some.
    copied = [_is_copy(photo.path, target) for photo, target in zip(best, targets)]
    for target, is_copied in zip(targets, copied):
        if not is_copied and os.path.lexists(target):
            raise InputError(f"{target}: is there already; copy to another folder")
    for photo, target, is_copied in zip(best, targets, copied):
        if not is_copied:
            _copy(photo.path, target)
    return len(best)


def _row(photo):
    """A photo's line of ranking.csv."""
    row = {
        "file": photo.name,
        "rank": photo.rank,
        "percentile": f"{photo.percentile:.1f}",
        "probability": f"{photo.probability:.4f}",
    }
    if photo.votes:
        row["predicted_mean"] = f"{photo.mean:.3f}"
        row["predicted_spread"] = f"{photo.spread:.3f}"
    return row | {"stack": photo.stack}


def _is_copy(path, target):
    """Whether a file, and not a link, has the same bytes."""
    try:
        return target.is_file() and not target.is_symlink() and filecmp.cmp(path, target, False)
    except OSError as error:
        raise InputError(f"{target}: cannot be compared: {error.strerror or error}") from error


def _copy(path, target):
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Whoever takes the name first has it, and nobody's file is overwritten.
        open(target, "xb").close()
        try:
            shutil.copy2(path, target)
        except BaseException:
            target.unlink()
            raise
    except OSError as error:
        raise InputError(f"{target}: cannot be copied: {error.strerror or error}") from error
