"""What the machine lacks, memory or room on a disk, told apart from what is wrong with a file."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from features.errors import InputError, Shortage

_FULL = (errno.ENOSPC, errno.EDQUOT)
# TensorFlow says this of a full disk by the class of its errors of memory.
_SAID_OF_DISKS = os.strerror(errno.ENOSPC)
# TensorFlow, JAX, PyTorch, ONNX Runtime: exceptions of their own, of classes that are not imported.
_SAID_OF_MEMORY = re.compile(
    "ResourceExhausted|RESOURCE_EXHAUSTED|out ?of ?memory|can't allocate memory|bad_alloc", re.I
)
# An archive that leads to before its own start brings a file to say so of itself.
_MAY_BE_DAMAGE = (None, errno.EINVAL)


def shortage_of(error: BaseException, path: str | os.PathLike | None = None) -> str | None:
    """What the machine lacked, where that is why something went wrong.

    Libraries turn it into errors of their own, so those that an error followed upon count, too.

    Parameters
    ----------
    error : exception
    path : path-like, optional
        What was read or written; where a disk is full, it is that of this, or of temporary files.

    Returns
    -------
    str or None
        In words, with the remedy; None where nothing was lacking.

    Examples
    --------
    >>> shortage_of(MemoryError())
    'there is not enough memory; close other programs, or take fewer at once'
    >>> shortage_of(ValueError("a scale of one step")) is None
    True
    """
    for each in _with_causes(error):
        number, said = getattr(each, "errno", None), f"{type(each).__name__}: {each}"
        if number in _FULL or _SAID_OF_DISKS in said:
            return f"{_SAID_OF_DISKS}; make room on the disk of {_fullest_folder(path)}"
        if isinstance(each, MemoryError) or number == errno.ENOMEM or _SAID_OF_MEMORY.search(said):
            return "there is not enough memory; close other programs, or take fewer at once"
        # joblib's, of a worker that is not there any more.
        if type(each).__name__ == "TerminatedWorkerError":
            return (
                "a worker process was killed; where memory was short, close other programs, or "
                "take fewer at once"
            )
    return None


def blame_machine(error: Exception, path: str | os.PathLike) -> None:
    """Raise what the machine lacks or refuses, where that is why a file could not be read.

    To be called before a file is called damaged, for whatever its reader has raised.

    Parameters
    ----------
    error : exception
    path : path-like
        Of the file.

    Raises
    ------
    Shortage
        There is not enough memory, or a disk is full.
    InputError
        The system does not let the file be read.
    """
    lacking = shortage_of(error, path)
    if lacking is not None:
        raise Shortage(f"{path}: cannot be read: {lacking}") from error
    if isinstance(error, OSError) and error.errno not in _MAY_BE_DAMAGE:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that it followed upon; what an `InputError` says is said already."""
    following: BaseException | None = error
    seen: set[int] = set()
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        if not isinstance(following, InputError):
            yield following
        following = following.__cause__ or following.__context__


def _fullest_folder(path: str | os.PathLike | None) -> Path:
    """The one of whose disk the least is free: where a file lies, or where temporary files do."""
    lies = Path.cwd() if path is None else Path(os.path.realpath(path))
    folders = [next(folder for folder in (lies, *lies.parents) if folder.is_dir())]
    with contextlib.suppress(OSError):  # none is left where a file could be made
        folders.append(Path(tempfile.gettempdir()))
    return min(folders, key=lambda folder: shutil.disk_usage(folder).free)
