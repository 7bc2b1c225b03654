"""Files that other programs write, too: replaced only as they were read; no edit is lost."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from features.errors import WrittenMeanwhile
from features.files import (
    check_replaceable,
    keep_status,
    lock,
    remove_unlocked,
    removed_in_the_end,
    writing,
)

_PARTIALS = ".decaf-*.partial"

# Linux, renameat2(2).
_AT_FDCWD, _NOREPLACE, _EXCHANGE = -100, 1, 2
_NO_SUCH_CALL = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def replace_file(path: str | os.PathLike, before: bytes | None, after: bytes) -> None:
    """Write a file anew, unless another program has written it since it was read.

    The file is replaced at once and keeps its owner, group, mode and extended attributes; where
    `path` is a link, what that leads to is replaced.

    Its bytes, inode, size and time are compared just before it is replaced. On Linux that is an
    exchange of names, and what comes out is compared once more: if another program was quicker,
    its file is put back.

    Parameters
    ----------
    path : path-like
        Its folder has to be there.
    before : bytes or None
        What the file held when it was read; None where there was no file.
    after : bytes
        What it is to hold.

    Raises
    ------
    WrittenMeanwhile
        It does not hold `before` any more, and is left as it is.
    InputError
        It cannot be written.
    """
    check_replaceable(path)
    target = Path(os.path.realpath(path))
    with writing(path), _partial_in(target.parent) as file:
        file.write(after)
        file.flush()
        try:
            if before is not None:
                keep_status(target, file.name)
            # Or a power failure soon after could leave an empty file in the place of the old one.
            os.fsync(file.fileno())
            replaced = _take_place(file.name, target, before)
        except (FileExistsError, FileNotFoundError):
            replaced = False
        if not replaced:
            raise WrittenMeanwhile(f"{path}: another program is writing it; try again later")


def take_free_name(part: str | os.PathLike, target: str | os.PathLike) -> None:
    """Rename a file to a name that nothing has; whoever takes it first has it.

    Parameters
    ----------
    part, target : path-like
        In one folder.

    Raises
    ------
    FileExistsError
        Something has it.
    OSError
    """
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    if not _rename(part, target, _NOREPLACE):
        os.replace(part, target)


def remove_partials(folder: str | os.PathLike) -> None:
    """Remove what killed calls of `replace_file` have left in a folder, of whichever machine.

    Those of calls that are alive are locked, and stay.

    Parameters
    ----------
    folder : path-like
        Nothing is said of one that cannot be read or written.
    """
    with contextlib.suppress(OSError, ValueError):  # no folder has a name with a NUL
        remove_unlocked(Path(folder).glob(_PARTIALS))


@contextlib.contextmanager
def _partial_in(folder: Path) -> Iterator[BinaryIO]:
    """A new file in a folder, locked until it has another name, or is removed."""
    # 128 random bits: on a shared disk other machines draw names, too.
    path = folder / f".decaf-{secrets.token_hex(16)}.partial"
    with removed_in_the_end(path), open(path, "xb") as file:
        # Where there are no locks, nobody removes what is left, either.
        with contextlib.suppress(OSError):
            lock(file.fileno())
        yield file


def _take_place(part: str, target: Path, before: bytes | None) -> bool:
    """Put a file in the place of another one, if that still holds what it held."""
    if before is None:
        take_free_name(part, target)
        return True
    placed = Path(part).read_bytes()
    with open(target, "rb", buffering=0) as file:
        seen = os.fstat(file.fileno())
        # As little as can be between the last look and the exchange.
        if file.read() != before or _stamp(os.stat(target)) != _stamp(seen):
            return False
        if not _rename(part, target, _EXCHANGE):
            os.replace(part, target)
            return True
    out = Path(part).read_bytes()
    if out == before:
        return True
    # Another program was quicker, and its file is put back. What was written meanwhile comes out of
    # that, and is put back in its turn, until what comes out is what was put there last.
    while True:
        _rename(part, target, _EXCHANGE)
        came_out = Path(part).read_bytes()
        if came_out == placed:
            return False
        placed, out = out, came_out


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    """What changes when a file is renamed, or written into."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def _rename(source: str | os.PathLike, target: str | os.PathLike, flag: int) -> bool:
    """Rename in a way that Linux has; False where the system or the file system has it not."""
    renameat2 = _renameat2()
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_SUCH_CALL:
        return False
    raise OSError(number, os.strerror(number), str(target))


@functools.cache
def _renameat2() -> Callable[..., int] | None:
    try:
        return ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return None
