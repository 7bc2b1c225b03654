"""Photos are told apart by the digests of their bytes, each of which is taken once in a process."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tqdm import tqdm

from features.photos import PhotoError, file_digest

# Photos whose digests are remembered: all of AVA, in 100 MB.
REMEMBERED = 2**18

# Path and, if it is there, inode, size and time of modification.
FileKey = tuple[str, ...] | tuple[str, int, int, int]

_remembered: dict[FileKey, str] = {}


def digest_files(paths: Sequence[str], progress: bool) -> tuple[list[str], dict[int, str]]:
    """Identify photos by the digests of their bytes.

    Parameters
    ----------
    paths : sequence of str
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    digests : list of str
        "" where a file cannot be read.
    failed : dict of int to str
        Reasons by position.
    """
    digests: list[str] = []
    failed: dict[int, str] = {}

    def digest(path: str) -> str | PhotoError:
        file = file_key(path)
        known = remembered_digest(file)
        if known is None:
            try:
                known = file_digest(path)
            except PhotoError as error:
                return error
            remember_digest(file, known)
        return known

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(digest, paths)
        bar = tqdm(found, "digests", len(paths), unit="photo", delay=1, disable=not progress)
        for position, result in enumerate(bar):
            digests.append("" if isinstance(result, PhotoError) else result)
            if isinstance(result, PhotoError):
                failed[position] = str(result)
    return digests, failed


def file_key(path: str | os.PathLike) -> FileKey:
    """What changes when a file is replaced or written to."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return (os.fspath(path),)
    return os.fspath(path), status.st_ino, status.st_size, status.st_mtime_ns


def remembered_digest(file: FileKey) -> str | None:
    """The digest that was taken of a file in this state; None where none was, or too long ago."""
    return _remembered.get(file)


def remember_digest(file: FileKey, digest: str) -> None:
    """Remember the digest of a file in the state that it was in before it was read."""
    if len(_remembered) >= REMEMBERED:
        _remembered.clear()
    _remembered[file] = digest
