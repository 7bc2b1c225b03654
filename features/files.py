"""Files are written whole or not at all, and what goes wrong is said in one line."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from features.errors import InputError


@contextlib.contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Turn what the system says while a file or a folder is written into one line.

    Parameters
    ----------
    path : path-like
        What is written, for the message.

    Raises
    ------
    InputError
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name to write to; the file takes its own name when that went well.

    Parameters
    ----------
    path : Path

    Yields
    ------
    Path
        Beside it; removed when the writing went wrong.
    """
    # Other processes and, in a shared folder, other machines may write the same file.
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
