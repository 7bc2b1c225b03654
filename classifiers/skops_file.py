"""What a skops file holds, as plain values: nothing that it names is imported or made.

skops writes a ZIP archive: a tree of nodes in ``schema.json``, and a member for each array. Its own
reader makes whatever the tree asks for, and only then can one look at it; a tree in C may have been
read out of bounds by then, and 8 kB of schema take for ever to walk.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# A forest of 300 trees takes 6 MB.
_MOST_SCHEMA_BYTES = 2**26


@dataclass(frozen=True)
class SavedObject:
    """An object as its file describes it.

    Attributes
    ----------
    kind : str
        Module and class.
    attributes : dict
        Values of JSON, lists, dictionaries, `SavedArray`, `SavedObject`. What is made in other ways
        than by setting attributes, which no prediction needs, has none.
    """

    kind: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class SavedArray:
    """An array that is read when it is asked for, and once: many may name the same member."""

    archive: zipfile.ZipFile
    member: str
    read_members: set[str] = field(repr=False)

    def read(self) -> np.ndarray:
        """Read it.

        Raises
        ------
        ValueError
            It was read before, or is no whole array of numbers.
        """
        if self.member in self.read_members:
            raise ValueError(f"{self.member!r} stands for several arrays")
        self.read_members.add(self.member)
        with self.archive.open(self.member) as member:
            # Memory for more than there is would be asked for in vain, and said to be short.
            if np.lib.format.read_magic(member) != (1, 0):
                raise ValueError(f"{self.member!r} is no array of numbers")
            shape, _, dtype = np.lib.format.read_array_header_1_0(member)
            if math.prod(shape) * dtype.itemsize > self.archive.getinfo(self.member).file_size:
                raise ValueError(f"{self.member!r} is not whole")
            member.seek(0)
            return np.lib.format.read_array(member, allow_pickle=False)


@contextmanager
def opened_skops(path: str | os.PathLike) -> Iterator[Any]:
    """Give what a skops file holds, while its arrays can be read.

    Parameters
    ----------
    path : path-like

    Yields
    ------
    object
        Mostly a `SavedObject`; see its attributes.

    Raises
    ------
    Exception
        Any of the kinds that damaged archives, JSON and arrays raise.
    """
    with zipfile.ZipFile(path) as archive:
        # skops compresses nothing; what unpacks to more than the file is would fill the memory.
        if sum(member.file_size for member in archive.infolist()) > os.path.getsize(path):
            raise zipfile.BadZipFile("it is compressed")
        if archive.getinfo("schema.json").file_size > _MOST_SCHEMA_BYTES:
            raise ValueError("its schema.json is too large")
        yield _value(json.loads(archive.read("schema.json")), archive, set())


def _value(node: Any, archive: zipfile.ZipFile, read_members: set[str]) -> Any:
    """What a node of the schema stands for."""
    content = node.get("content")
    match node["__loader__"]:
        case "JsonNode":
            return json.loads(content)
        case "DictNode":
            return {key: _value(each, archive, read_members) for key, each in content.items()}
        case "ListNode" | "TupleNode":
            return [_value(each, archive, read_members) for each in content]
        case "NdArrayNode" if node["type"] == "numpy":
            return SavedArray(archive, node["file"], read_members)
        case "NdArrayNode":  # of objects
            return [_value(each, archive, read_members) for each in content]
    kind = f"{node['__module__']}.{node['__class__']}"
    if node["__loader__"] in ("ObjectNode", "TreeNode") and content:
        return SavedObject(kind, _value(content, archive, read_members))
    return SavedObject(kind, {})
