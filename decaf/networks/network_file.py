"""A network's file: Keras's `.keras` zip with one member more, the record `decaf.json`.

The record (backbone, width, training settings, digests of the photos …) is read here without Keras.
"""

import json
import os
import zipfile
import zlib
from contextlib import contextmanager

from features.errors import InputError

RECORD_MEMBER = "decaf.json"
# Keras unpacks whatever else there is, wherever its name leads.
_MEMBERS = frozenset(["metadata.json", "config.json", "model.weights.h5", RECORD_MEMBER])

# All that decaf's networks are made of. Keras would build many things more, some of which read
# other files or run code.
_PARTS = frozenset(
    [
        ("keras.src.models.functional", "Functional"),
        (None, "__keras_tensor__"),
        ("keras", "DTypePolicy"),
        *(("keras.initializers", name) for name in ("GlorotUniform", "Ones", "Zeros")),
        *(
            ("keras.layers", name)
            for name in (
                "Activation",
                "Add",
                "AveragePooling2D",
                "BatchNormalization",
                "Concatenate",
                "Conv2D",
                "Dense",
                "DepthwiseConv2D",
                "Dropout",
                "Flatten",
                "GlobalAveragePooling2D",
                "InputLayer",
                "MaxPooling2D",
                "ReLU",
                "Rescaling",
                "ZeroPadding2D",
            )
        ),
        ("decaf.networks.alexnet", "LocalResponseNormalization"),
    ]
)

# What is read of a record; all else is for whoever wants to know.
_REQUIRED = {
    "backbone": str,
    "pooling": str,
    "resize": str,
    "width": int,
    "outputs": list | None,
    "finetuned_on": list,
}

# What zipfile raises on truncated and altered files.
_UNREADABLE = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, MemoryError
)  # fmt: skip


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
        ``backbone``, ``pooling``, ``resize``, ``width``, ``outputs`` (None for a plain backbone)
        and ``finetuned_on`` (digests) are there.

    Raises
    ------
    InputError
        There is no such file, it is not a whole zip, or has no whole record.
    """
    with _opened(path) as archive:
        try:
            record = json.loads(archive.read(RECORD_MEMBER))
        except KeyError:
            raise InputError(
                f"{path}: not a network of decaf's (it has no {RECORD_MEMBER}); "
                "make one with finetune-network"
            ) from None
        # RecursionError: lists in lists, ten thousand deep.
        except (ValueError, RecursionError):
            record = None
    if not isinstance(record, dict):
        raise InputError(f"{path}: its {RECORD_MEMBER} is no JSON dictionary; make it anew")
    missing = [
        key
        for key, kind in _REQUIRED.items()
        if key not in record or not isinstance(record[key], kind)
    ]
    if missing:
        raise InputError(
            f"{path}: its {RECORD_MEMBER} does not tell {', '.join(missing)}; make it anew with "
            "finetune-network"
        )
    return record


def check_harmless(path):
    """Make sure that a network's file is whole, and that Keras will do nothing unexpected with it.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    InputError
        A member is damaged, or the network has parts that no network of decaf's has.
    """
    with _opened(path) as archive:
        damaged = archive.testzip()
        if damaged is not None:
            raise InputError(f"{path}: damaged ({damaged} fails its checksum); make it anew")
        try:
            config = json.loads(archive.read("config.json"))
            foreign = sorted(str(part[1]) for part in set(_parts(config)) - _PARTS)
        except (KeyError, ValueError, TypeError, RecursionError):
            raise InputError(f"{path}: not a network that Keras can load; make it anew") from None
    if foreign:
        raise InputError(
            f"{path}: has parts that no network of decaf's has: {', '.join(foreign)[:200]}; it is "
            "not opened"
        )


@contextmanager
def _opened(path):
    """The archive, if it holds what a network's file holds and no more than its own size."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            # Nothing is compressed. What unpacks to more than the file is would fill the memory.
            unpacked = sum(member.file_size for member in members)
            if len(set(names)) < len(names) or unpacked > os.path.getsize(path):
                raise zipfile.BadZipFile("its members are not as Keras writes them")
            if foreign := sorted(set(names) - _MEMBERS):
                raise InputError(
                    f"{path}: not a network of decaf's (it holds {', '.join(foreign)[:200]}); "
                    "make one with finetune-network"
                )
            yield archive
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such network file") from None
    except _UNREADABLE as error:
        raise InputError(f"{path}: not a whole network file ({error}); make it anew") from error


def _parts(config):
    """Module and class of all that Keras would build of a network's config."""
    if isinstance(config, dict):
        if "class_name" in config:
            name = config["class_name"]
            # Keras looks for the registered name first.
            registered = str(config.get("registered_name") or name).removeprefix("decaf>")
            yield config.get("module"), name if registered == name else registered
        config = config.values()
    elif not isinstance(config, list):
        return
    for value in config:
        yield from _parts(value)
