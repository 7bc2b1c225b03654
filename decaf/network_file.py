"""A network's file: Keras's `.keras` zip with one member more, the record `decaf.json`.

The record (backbone, width, training settings, digests of the photos …) is read here without Keras.
"""

import json
import zipfile
import zlib
from contextlib import suppress

from features.errors import InputError

RECORD_MEMBER = "decaf.json"
# What zipfile raises on truncated and altered files.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)


def add_record(path, record):
    """Add the record to a file that Keras has just written.

    Parameters
    ----------
    path : path-like
    record : dict
        Plain JSON.
    """
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(RECORD_MEMBER, json.dumps(record, indent=1))


def read_record(path):
    """Read the record of a network's file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict

    Raises
    ------
    InputError
        There is no such file, it is not a whole zip, or has no record.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            record = archive.read(RECORD_MEMBER)
    except FileNotFoundError:
        raise InputError(f"{path}: no such network file") from None
    except KeyError:
        raise InputError(
            f"{path}: not a network of decaf's (it has no {RECORD_MEMBER}); "
            "make one with finetune-network"
        ) from None
    except _UNREADABLE as error:
        raise InputError(f"{path}: not a whole network file ({error}); make it anew") from error
    with suppress(ValueError):
        record = json.loads(record)
    if not isinstance(record, dict):
        raise InputError(f"{path}: its {RECORD_MEMBER} is no JSON dictionary; make it anew")
    return record


def check_intact(path):
    """Compare every member of a network's file with its checksum.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    InputError
        A member is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except _UNREADABLE as error:
        raise InputError(f"{path}: not a whole network file ({error}); make it anew") from error
    if damaged is not None:
        raise InputError(f"{path}: damaged ({damaged} fails its checksum); make it anew")
