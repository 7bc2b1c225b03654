"""Text as programs write it, in UTF-8 or in UTF-16 with its mark, and names that are no text."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

from features.errors import InputError


def decode_text(data: bytes, errors: str = "strict") -> str:
    """Decode a list or a table as programs write it: in UTF-8, or in UTF-16 with its mark.

    Windows PowerShell's ``>`` and Excel's "Unicode text" write UTF-16; some editors begin UTF-8
    with a byte order mark, too.

    Parameters
    ----------
    data : bytes
    errors : str
        What is done with bytes that are not of the encoding, as `bytes.decode` takes it.

    Returns
    -------
    str

    Raises
    ------
    UnicodeDecodeError
        With ``errors="strict"``.
    """
    is_utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_utf_16 else "utf-8-sig", errors)


def read_text(path: str | os.PathLike) -> str:
    """Read a file of text.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    str

    Raises
    ------
    InputError
        If it cannot be read, or is text of another encoding.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return decode_text(data)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: not UTF-8 text; save the file as UTF-8") from error


def displayable(name: str) -> str:
    r"""A name, or a text with names in it, that UTF-8 can hold: bytes that are not become U+FFFD.

    Examples
    --------
    >>> displayable("caf\udce9.jpg")
    'caf\ufffd.jpg'
    """
    return os.fsencode(name).decode("utf-8", "replace")
