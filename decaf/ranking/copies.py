"""Copies of the best photos of a ranking, in a folder of their own."""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from features.albums import raw_companions
from features.errors import InputError
from features.files import is_part, part_of
from features.replacing import take_free_name
from features.shortage import shortage_of
from features.xmp import SIDECARS, holds_stars_alone, sidecar_of

if TYPE_CHECKING:
    from decaf.ranking.ranking import Ranking


# Of a name, on nearly all file systems.
_LONGEST_NAME = 255


def copy_best(ranking: Ranking, n: int, folder: str | os.PathLike) -> int:
    """Copy the best photos, one of each stack, to names that begin with their ranks.

    The raw file that is one photo with a JPEG, and the sidecars of both, are copied with it; not so
    sidecars that hold decaf's stars alone.

    Parameters
    ----------
    ranking : Ranking
    n : int
        How many.
    folder : path-like
        Is made if it is not there; it may hold what an interrupted call has copied, and no more, so
        that no two selections are mixed.

    Returns
    -------
    int
        How many photos are in the folder then: fewer where there are fewer.

    Raises
    ------
    InputError
        If the folder is one of the photos' own, or holds other files, when none is copied; or a
        file cannot be copied.
    """
    folder = Path(folder)
    best = ranking.tops[:n]
    digits = len(str(len(ranking)))
    sources = {
        folder / f"{photo.rank:0{digits}} {Path(path).name}": path
        for photo in best
        for path in _files_of(photo.path)
    }
    _check_folder(folder, sources, {os.path.dirname(photo.path) for photo in ranking})
    # An interruption may have left some.
    missing = {target: path for target, path in sources.items() if not _is_copy(path, target)}
    for target in missing:
        if os.path.lexists(target):
            raise InputError(f"{target}: is there already; copy to another folder")
    for part in filter(is_part, _names_in(folder)):
        (folder / part).unlink(missing_ok=True)
    for target, path in missing.items():
        _copy(path, target)
    return len(best)


def _files_of(path: str) -> list[str]:
    """A photo, the raw file that is one photo with it, and their sidecars.

    Sidecars that hold decaf's stars alone change with every ranking, and stay with the album.
    """
    photos = [path, *raw_companions(path)]
    sidecars = [sidecar_of(each, naming) for each in photos for naming in SIDECARS]
    there = filter(os.path.isfile, dict.fromkeys(sidecars))
    return [*photos, *(sidecar for sidecar in there if not holds_stars_alone(sidecar))]


def _check_folder(folder: Path, sources: dict[Path, str], own: set[str]) -> None:
    """Refuse what could not be copied to, before anything is copied."""
    if os.path.realpath(folder) in map(os.path.realpath, own):
        raise InputError(f"{folder}: is the photos' own folder; copy to another one")
    for target in sources:
        if len(os.fsencode(target.name)) > _LONGEST_NAME:
            raise InputError(f"{target}: its name is too long; shorten that of the photo")
    others = [
        name for name in _names_in(folder) if folder / name not in sources and not is_part(name)
    ]
    if others:
        raise InputError(
            f"{folder}: holds {others[0]!r}, perhaps of an earlier selection; copy to an empty "
            "folder"
        )


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror or error}") from error


def _is_copy(path: str, target: Path) -> bool:
    """Whether a file, and not a link, has the same bytes."""
    try:
        return target.is_file() and not target.is_symlink() and filecmp.cmp(path, target, False)
    except OSError as error:
        raise InputError(f"{target}: cannot be compared: {error.strerror or error}") from error


def _copy(path: str, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part_of(target) as part:
            shutil.copy2(path, part)
            take_free_name(part, target)
    except OSError as error:
        reason = shortage_of(error, target) or error.strerror or error
        raise InputError(f"{target}: cannot be copied: {reason}") from error
