"""Folders of results: what is there is not replaced unasked, and what was begun can be begun again.

A folder is filled by one who has a name, such as a command; until all of its files are there, a
mark of that name says so, and the same one may fill it again.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from features.errors import AlreadyThere, InputError
from features.files import writing


def check_output_folder(
    folder: str | os.PathLike, *, force: bool = False, owner: str | None = None
) -> None:
    """Refuse a folder for results that cannot take them, before the work that leads to them.

    Parameters
    ----------
    folder : path-like
        Need not be there yet, and is not made.
    force : bool
        Whether it may hold something.
    owner : str, optional
        As in `filling_folder`: what this one has begun there and not finished may be replaced.

    Raises
    ------
    AlreadyThere
        It holds something.
    InputError
        It is a file, or cannot be written.
    """
    folder = Path(folder)
    with writing(folder):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is a file; choose another folder")
        unfinished = owner is not None and _unfinished_mark(folder, owner).exists()
        if folder.is_dir() and any(folder.iterdir()) and not (force or unfinished):
            raise AlreadyThere(f"{folder}: is not empty; choose another folder")
    check_writable(folder)


def check_writable(folder: str | os.PathLike) -> None:
    """Make sure that files can be made in a folder, or in the one where it would be made.

    Raises
    ------
    InputError
    """
    with writing(folder):
        path = Path(folder).absolute()
        there = next(path for path in (path, *path.parents) if path.exists())
        tempfile.TemporaryFile(dir=there).close()


@contextlib.contextmanager
def filling_folder(
    folder: str | os.PathLike, owner: str, own_files: Sequence[str]
) -> Iterator[None]:
    """Replace one's files in a folder; until all are there, a mark says so.

    Thus `check_output_folder` knows what an interruption has left from a result to be kept.

    Parameters
    ----------
    folder : path-like
        Is made if it is not there.
    owner : str
        The name of who fills it, such as ``rank-photos``.
    own_files : sequence of str
        Names of the files that are written; those of a time before are removed.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    folder = Path(folder)
    mark = _unfinished_mark(folder, owner)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
        for name in own_files:
            (folder / name).unlink(missing_ok=True)
    yield
    with writing(folder):
        mark.unlink(missing_ok=True)


def _unfinished_mark(folder: Path, owner: str) -> Path:
    return folder / f".{owner}-unfinished"
