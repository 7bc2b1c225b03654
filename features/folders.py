"""Folders of results: what is there is not replaced unasked, and what was begun can be begun again.

A folder is filled by one who has a name, such as a command; until all of its files are there, a
mark of that name says so, and the same one may fill it again. What they replace is kept aside until
then, and put back where it does not come to that. From then on a record tells the digests of these
files: as long as nobody changes or adds one, they may be replaced.
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from features.errors import AlreadyThere, InputError
from features.files import PARTIAL, is_part, undone_in_the_end, write_file, writing

_RECORD = ".decaf.json"
# What file managers leave in the folders that they show.
_NOBODYS = frozenset([".DS_Store", ".directory", "desktop.ini", "Thumbs.db"])


def check_output_folder(
    folder: str | os.PathLike,
    *,
    force: bool = False,
    owner: str | None = None,
    own_files: Sequence[str] = (),
    command: str = "",
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
    own_files, command
        As in `filling_folder`: such files may be replaced, if they are as the same command left
        them, and if there are no others.

    Raises
    ------
    AlreadyThere
        It holds something else.
    InputError
        It is a file, or cannot be written.
    """
    folder = Path(folder)
    with writing(folder):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is a file; choose another folder")
        unfinished = owner is not None and (
            _unfinished_mark(folder, owner).exists() or _kept_aside(folder, owner).exists()
        )
        if folder.is_dir() and not (force or unfinished):
            kept = _what_is_kept(folder, own_files, command)
            if kept:
                raise AlreadyThere(f"{folder}: {kept}; choose another folder")
    check_writable(folder)


def lies_in(path: str | os.PathLike, folder: str | os.PathLike) -> bool:
    """Whether a path is a folder, or lies in it, also where links lead there."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


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
    folder: str | os.PathLike, owner: str, own_files: Sequence[str], *, command: str = ""
) -> Iterator[None]:
    """Replace one's files in a folder; until all are there, a mark says so.

    Thus `check_output_folder` knows what an interruption has left, and results that nobody has
    touched, from what is to be kept. Where something goes wrong, the files of a time before are put
    back; where there were none, those that are there already stay.

    Parameters
    ----------
    folder : path-like
        Is made if it is not there.
    owner : str
        The name of who fills it, such as ``rank-photos``.
    own_files : sequence of str
        Names of the files that are written, or patterns of them, such as ``"parts/*.js"``.
    command : str
        By which alone these files may be replaced unasked, for results that took long.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    folder = Path(folder)
    mark, aside = _unfinished_mark(folder, owner), _kept_aside(folder, owner)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _clear_up(folder, owner, own_files)

    def undo() -> None:
        if aside.exists():
            with writing(folder):
                if mark.exists():
                    _remove(folder, own_files)
                    # Of those, too, who have filled it as a part of this.
                    for unfinished in folder.glob(_unfinished_mark(Path(), "*").name):
                        unfinished.unlink()
                _put_back(folder, aside)

    try:
        with undone_in_the_end(undo):
            with writing(folder):
                if not aside.exists():
                    _keep_aside(folder, aside, own_files)
                mark.touch()
            yield
            with writing(folder):
                sha256 = {
                    path.relative_to(folder).as_posix(): _sha256(path)
                    for path in _own(folder, own_files)
                }
                write_file(folder / _RECORD, json.dumps({"command": command, "sha256": sha256}))
    except BaseException:
        undo()
        raise
    with writing(folder):
        mark.unlink(missing_ok=True)
        _clear_up(folder, owner, own_files)


def _clear_up(folder: Path, owner: str, own_files: Sequence[str]) -> None:
    """Go on from where a kill may have come: files of a time before are aside, or in their place.

    The record tells apart what the kill has interrupted: it is the first that is kept aside, the
    last that is put back, and is written before the mark is removed.
    """
    aside = _kept_aside(folder, owner)
    if _unfinished_mark(folder, owner).exists():
        _remove(folder, own_files)
    elif aside.exists() and (folder / _RECORD).exists():
        shutil.rmtree(aside)
    elif aside.exists():
        _put_back(folder, aside)


def _keep_aside(folder: Path, aside: Path, own_files: Sequence[str]) -> None:
    for path in (folder / _RECORD, *_own(folder, own_files)):
        if path.exists():
            kept = aside / path.relative_to(folder)
            kept.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, kept)


def _put_back(folder: Path, aside: Path) -> None:
    kept = [path for path in aside.rglob("*") if not path.is_dir()]
    for path in sorted(kept, key=lambda path: path.name == _RECORD):
        own = folder / path.relative_to(aside)
        own.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, own)
    shutil.rmtree(aside)


def _remove(folder: Path, own_files: Sequence[str]) -> None:
    """Remove one's files, whole ones and what a kill has left of them."""
    for path in (folder / _RECORD, *_own(folder, [*own_files, PARTIAL])):
        path.unlink(missing_ok=True)


def _what_is_kept(folder: Path, own_files: Sequence[str], command: str) -> str | None:
    """What a folder holds that is not to be replaced unasked."""
    if not any(folder.iterdir()):
        return None
    try:
        record = json.loads((folder / _RECORD).read_bytes())
        made_by, sha256 = record["command"], dict(record["sha256"])
    except (OSError, ValueError, TypeError, KeyError):
        return "is not empty"
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name == _RECORD or path.name in _NOBODYS or is_part(path.name):
            continue
        is_own = any(fnmatch.fnmatchcase(name, pattern) for pattern in own_files)
        if not is_own or name not in sha256:
            return f"is not empty, and {name!r} in it would not be replaced"
        if _sha256(path) != sha256[name]:
            return f"{name!r} in it was changed since it was written"
    return None if made_by == command else f"was made by another command: {made_by}"


def _own(folder: Path, own_files: Sequence[str]) -> list[Path]:
    """One's files that are in a folder."""
    found = (path for pattern in own_files for path in folder.glob(pattern))
    return [path for path in found if path.is_symlink() or not path.is_dir()]


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unfinished_mark(folder: Path, owner: str) -> Path:
    return folder / f".{owner}-unfinished"


def _kept_aside(folder: Path, owner: str) -> Path:
    """Where files of a time before are until the new ones are there."""
    return folder / f".{owner}-before"
