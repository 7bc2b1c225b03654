"""Files that a command writes: what goes wrong with them is said in one line."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

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
