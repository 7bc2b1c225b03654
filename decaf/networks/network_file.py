"""A network's file: Keras's `.keras` zip with two members more, a record and a set of photos.

The record is `decaf.json`; the photos that the network was finetuned on are `finetuned_on.bin`,
where there are any. The record is read here without Keras, and what Keras would build is looked
through before it does. Nothing here knows who made a file: checksums protect from accident, these
checks from what a stranger may have put there.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from decaf.networks.graph import Call, calls_of
from decaf.networks.record import NetworkRecord
from features.errors import InputError
from features.photo_set import PhotoSet
from features.records import parse_json
from features.shortage import blame_machine

RECORD_MEMBER = "decaf.json"
PHOTOS_MEMBER = "finetuned_on.bin"
# Keras unpacks whatever else there is, wherever its name leads.
_MEMBERS = frozenset(
    ["metadata.json", "config.json", "model.weights.h5", RECORD_MEMBER, PHOTOS_MEMBER]
)

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
        ("decaf.networks.hub_tower", "HubTower"),
    ]
)

# Three times as many calls as the deepest backbone has.
MOST_CALLS = 1_000

# What zipfile raises on truncated and altered files.
_UNREADABLE = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, MemoryError
)  # fmt: skip


def add_record(
    path: str | os.PathLike, record: NetworkRecord, finetuned_on: PhotoSet | None = None
) -> None:
    """Add the record to a file that Keras has just written, and what the network was finetuned on.

    Parameters
    ----------
    path : path-like
    record : NetworkRecord
    finetuned_on : PhotoSet, optional
    """
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(RECORD_MEMBER, json.dumps(record.to_json(), indent=1))
        if finetuned_on:
            archive.writestr(PHOTOS_MEMBER, finetuned_on.to_bytes())


def read_record(path: str | os.PathLike) -> NetworkRecord:
    """Read the record of a network's file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    NetworkRecord

    Raises
    ------
    InputError
        There is no such file, it is not a whole zip, or has no record that is one.
    """
    with _opened(path) as archive:
        try:
            values = parse_json(archive.read(RECORD_MEMBER))
        except KeyError:
            raise InputError(
                f"{path}: not a network of decaf's (it has no {RECORD_MEMBER}); "
                "make one with finetune-network"
            ) from None
        except ValueError as error:
            raise InputError(
                f"{path}: its {RECORD_MEMBER} is not JSON ({error}); make it anew"
            ) from None
    try:
        return NetworkRecord.from_json(values)
    except InputError as error:
        raise InputError(
            f"{path}: its {RECORD_MEMBER}: {error}; make it anew with finetune-network"
        ) from None


def read_finetuned_on(path: str | os.PathLike) -> PhotoSet:
    """Read which photos the network in a file was finetuned on.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    PhotoSet
        Empty where it has no such member.

    Raises
    ------
    InputError
        There is no such file, or it is not whole.
    """
    with _opened(path) as archive:
        content = archive.read(PHOTOS_MEMBER) if PHOTOS_MEMBER in archive.namelist() else b""
    try:
        return PhotoSet.from_bytes(content)
    except InputError as error:
        raise InputError(
            f"{path}: its {PHOTOS_MEMBER} {error}; make it anew with finetune-network"
        ) from None


@dataclass(frozen=True)
class Described:
    """What a network's file would have Keras build.

    Attributes
    ----------
    calls : list of Call
        Of its layers, each after those whose outputs it takes.
    weight_bytes : int
        Size of the file of its weights.
    """

    calls: list[Call]
    weight_bytes: int


def check_harmless(path: str | os.PathLike) -> Described:
    """Make sure that a network's file is whole, and that Keras will do nothing unexpected with it.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Described

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
            config = parse_json(archive.read("config.json"))
            weight_bytes = archive.getinfo("model.weights.h5").file_size
            foreign = sorted(str(part[1]) for part in set(_parts(config)) - _PARTS)
            if not foreign:
                calls = _in_order(config["config"])
        except (LookupError, ValueError, TypeError, AttributeError):
            raise InputError(f"{path}: not a network that Keras can load; make it anew") from None
    if foreign:
        raise InputError(
            f"{path}: has parts that no network of decaf's has: {', '.join(foreign)[:200]}; it is "
            "not opened"
        )
    return Described(calls, weight_bytes)


@contextmanager
def _opened(path: str | os.PathLike) -> Iterator[zipfile.ZipFile]:
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
        blame_machine(error, path)
        raise InputError(f"{path}: not a whole network file ({error}); make it anew") from error


def _parts(config: Any) -> Iterator[tuple[str | None, str]]:
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


def _in_order(config: dict[str, Any]) -> list[Call]:
    calls = list(calls_of(config).values())
    if len(calls) > MOST_CALLS:
        raise ValueError("it has too many layers")
    return calls
