"""Copies of the best photos of a ranking, in a folder of their own."""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from features.errors import InputError

if TYPE_CHECKING:
    from decaf.ranking.ranking import Ranking


def copy_best(ranking: Ranking, n: int, folder: str | os.PathLike) -> int:
    """Copy the best photos, one of each stack, to names that begin with their ranks.

    Parameters
    ----------
    ranking : Ranking
    n : int
        How many.
    folder : path-like
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
    folder = Path(folder)
    best = ranking.tops[:n]
    digits = len(str(len(ranking)))
    targets = [folder / f"{photo.rank:0{digits}} {Path(photo.path).name}" for photo in best]
    # An interruption may have left some.
    copied = [_is_copy(photo.path, target) for photo, target in zip(best, targets)]
    for target, is_copied in zip(targets, copied):
        if not is_copied and os.path.lexists(target):
            raise InputError(f"{target}: is there already; copy to another folder")
    for photo, target, is_copied in zip(best, targets, copied):
        if not is_copied:
            _copy(photo.path, target)
    return len(best)


def _is_copy(path: str, target: Path) -> bool:
    """Whether a file, and not a link, has the same bytes."""
    try:
        return target.is_file() and not target.is_symlink() and filecmp.cmp(path, target, False)
    except OSError as error:
        raise InputError(f"{target}: cannot be compared: {error.strerror or error}") from error


def _copy(path: str, target: Path) -> None:
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
