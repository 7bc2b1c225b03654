"""Files are written whole or not at all, and what goes wrong is said in one line."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from features.errors import AlreadyThere, InputError, Shortage
from features.shortage import shortage_of

if sys.platform != "win32":
    import fcntl

# Of a name, at most: the name to write to must not be too long where the file's own is not.
_STEM_LENGTH = 40
# A pattern of the names to write to, which only a kill leaves behind.
PARTIAL = f".*.{8 * '[0-9a-f]'}.part*"
_undoings: dict[object, Callable[[], object]] = {}


@contextlib.contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Turn what the system says while a file or a folder is written into one line.

    Parameters
    ----------
    path : path-like
        What is written, for the message.

    Raises
    ------
    Shortage
        A disk is full, or there is not enough memory.
    InputError
    """
    try:
        yield
    except InputError:
        raise
    # Libraries turn what the system says into errors of their own.
    except Exception as error:
        lacking = shortage_of(error, path)
        if lacking is not None:
            raise Shortage(f"{path}: cannot be written: {lacking}") from error
        if isinstance(error, OSError):
            raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error
        raise


@contextlib.contextmanager
def whole_file(path: str | os.PathLike, *, force: bool = True) -> Iterator[Path]:
    """A name to write to; the file takes its own name when that went well.

    It is on the disk before it takes its name, keeps what `keep_status` does of the file that it
    replaces, and where `path` is a link it replaces what that leads to. What killed processes have
    left of the same file is removed.

    Parameters
    ----------
    path : path-like
        Its folder has to be there.
    force : bool
        Replace a file that is there.

    Yields
    ------
    Path
        An empty file beside it, with its suffix; removed when the writing went wrong.

    Raises
    ------
    AlreadyThere
        The file is there, or is so when it would take its name, and is not to be replaced.
    InputError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "ratings.csv")
    ...     with writing(path), whole_file(path) as part:
    ...         _ = part.write_text("file,score")
    ...         before = path.exists()
    ...     before, path.read_text()
    (False, 'file,score')
    """
    check_replaceable(path, force=force)
    target = Path(os.path.realpath(path))
    # In here, for a disk is full only until the file is removed again.
    with part_of(target) as part, writing(path), _made_and_locked(part):
        remove_unlocked(_left_of(target))
        yield part
        # Or a power failure soon after could leave an empty file in the place of the old one.
        with open(part, "r+b") as file:
            os.fsync(file.fileno())
        if target.exists():
            if not force:
                raise AlreadyThere(
                    f"{path}: is there already, written in the meantime; choose another name"
                )
            # Results may be replaced by another person, and are then that person's.
            with contextlib.suppress(PermissionError):
                keep_status(target, part)
        os.replace(part, target)


@contextlib.contextmanager
def part_of(target: Path) -> Iterator[Path]:
    """A name beside a file, for what is to take its name.

    Parameters
    ----------
    target : Path

    Yields
    ------
    Path
        With the same suffix. Whatever has it in the end is removed.
    """
    # Other processes and, in a shared folder, other machines may write the same file.
    part = target.with_name(
        f".{target.stem[:_STEM_LENGTH]}.{secrets.token_hex(4)}.part{target.suffix}"
    )
    with removed_in_the_end(part):
        yield part


def _left_of(target: Path) -> list[Path]:
    """What was being written to take the name of a file, some of it perhaps still."""
    start = f".{target.stem[:_STEM_LENGTH]}."
    return [
        path
        for path in _parts_in(target.parent)
        if path.name.startswith(start) and path.name.endswith(f".part{target.suffix}")
    ]


# Once in the life of a process: shards of millions of photos lie in one folder, and to go through
# that for each would take hours.
@lru_cache(maxsize=64)
def _parts_in(folder: Path) -> list[Path]:
    """What is being written in a folder, now or when that was killed."""
    return list(folder.glob(PARTIAL))


@contextlib.contextmanager
def _made_and_locked(part: Path) -> Iterator[None]:
    """Make a file, and keep it locked; without locks, nobody removes what a kill leaves of it."""
    with open(part, "xb") as file:
        try:
            lock(file.fileno())
        except OSError:
            file.close()
        yield


def lock(descriptor: int) -> None:
    """Lock an open file or folder until it is closed, or raise OSError; a kill ends the lock."""
    if sys.platform == "win32":
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def remove_unlocked(paths: Iterable[Path]) -> None:
    """Remove those files and folders that no process has locked, on whichever machine it is."""
    for path in list(paths):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
            try:
                lock(descriptor)
                remove([path])
            finally:
                os.close(descriptor)


def is_part(name: str) -> bool:
    """Whether a file was being written when that was killed, or is so now."""
    return fnmatch.fnmatchcase(name, PARTIAL)


@contextlib.contextmanager
def removed_in_the_end(path: Path) -> Iterator[None]:
    """Have a file removed, however this ends; it need not be there."""
    with undone_in_the_end(lambda: remove([path])):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def undone_in_the_end(undo: Callable[[], object]) -> Iterator[None]:
    """Have something called if the process ends meanwhile, without asking its threads."""
    key = object()
    _undoings[key] = undo
    try:
        yield
    finally:
        del _undoings[key]


def undo_unfinished() -> None:
    """Undo what is unfinished, the last first, because the process ends."""
    for undo in reversed(list(_undoings.values())):
        with contextlib.suppress(OSError, InputError):
            undo()


def remove(paths: Iterable[Path]) -> None:
    """Remove files, and folders with all that is in them, as far as that is possible."""
    for path in paths:
        with contextlib.suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_file(path: str | os.PathLike, content: str | bytes, *, force: bool = True) -> None:
    """Write a file, whole or not at all.

    Parameters
    ----------
    path, force
        As in `whole_file`.
    content : str or bytes
        Text is written as UTF-8.

    Raises
    ------
    AlreadyThere, InputError
        As from `whole_file`.
    """
    data = content.encode() if isinstance(content, str) else content
    with writing(path), whole_file(path, force=force) as part:
        part.write_bytes(data)


def keep_status(replaced: str | os.PathLike, by: str | os.PathLike) -> None:
    """Give a file the owner, group, mode and extended attributes of the one that it replaces.

    Parameters
    ----------
    replaced, by : path-like

    Raises
    ------
    PermissionError
        It belongs to somebody else, and would become the caller's.
    OSError
    """
    there, new = os.stat(replaced), os.stat(by)
    try:
        if (there.st_uid, there.st_gid) != (new.st_uid, new.st_gid):
            os.chown(by, there.st_uid, there.st_gid)
    except PermissionError as error:
        raise PermissionError(error.errno, "its owner and group would not be kept") from error
    finally:
        # After the owner, with whom some bits of the mode go.
        shutil.copystat(replaced, by)
        os.utime(by)


def check_replaceable(path: str | os.PathLike, *, force: bool = True) -> None:
    """Refuse a file that cannot be written, before the work that leads to it.

    Parameters
    ----------
    path, force
        As in `whole_file`.

    Raises
    ------
    AlreadyThere, InputError
        As from `whole_file`.
    """
    try:
        target = os.path.realpath(path)
    except ValueError as error:  # no file has a name with a NUL
        raise InputError(f"{path}: cannot be written: {error}") from error
    with writing(path):
        try:
            mode = os.stat(target).st_mode
        except FileNotFoundError:
            _check_folder(os.path.dirname(target))
            return
        if not force:
            raise AlreadyThere(f"{path}: is there already; choose another name")
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise InputError(f"{path}: is not a regular file; choose another name")
        open(target, "r+b").close()  # a file that may not be written is not replaced, either
        _check_folder(os.path.dirname(target))


def _check_folder(folder: str) -> None:
    os.stat(folder)  # tells apart what is missing from what may not be written
    effective = os.access in os.supports_effective_ids
    if not os.access(folder, os.W_OK, effective_ids=effective):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
