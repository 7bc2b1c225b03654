"""Virtual datasets are told apart before HDF5 opens them, for that alone may never come to an end.

HDF5 1.14 reads the layout of a virtual dataset from a heap while it opens it, and believes every
size in it: an object of none keeps it where it is for ever, deaf to Ctrl-C. The file format is
described at https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

# Types of a header's messages.
_LAYOUT, _CONTINUATION = 0x08, 0x10
# The first version of the layout message in which a layout can be virtual.
_VIRTUAL_LAYOUT_VERSION = 4


def may_be_virtual(file: BinaryIO, address: int) -> bool:
    """Whether an object is a virtual dataset, or of a layout that h5py does not write by default.

    Parameters
    ----------
    file : binary file
        With addresses and lengths of eight bytes, and no user block before them.
    address : int
        Where the object's header begins.

    Raises
    ------
    ValueError
        When the header is damaged, or of another version than h5py writes by default.
    """
    return any(
        kind == _LAYOUT and body[:1] >= bytes([_VIRTUAL_LAYOUT_VERSION])
        for kind, body in _messages(file, address)
    )


def _messages(file: BinaryIO, address: int) -> Iterator[tuple[int, bytes]]:
    """Type and body of each message of an object's header."""
    version, n_bytes = struct.unpack("<BxxxxxxxI", _read(file, address, 12))
    if version != 1:
        raise ValueError("an object's header is not that of a feature store")
    # Blocks are appended while they are gone through.
    blocks = [(address + 16, n_bytes)]
    for start, length in blocks:
        block = _read(file, start, length)
        place = 0
        while place + 8 <= length:
            kind, size = struct.unpack_from("<HH", block, place)
            body = block[place + 8 : place + 8 + size]
            if kind == _CONTINUATION and len(body) >= 16:
                blocks.append(struct.unpack_from("<QQ", body))
                if sum(length for _, length in blocks) > os.fstat(file.fileno()).st_size:
                    raise ValueError("an object's header overlaps itself")
            yield kind, body
            place += 8 + size


def _read(file: BinaryIO, address: int, length: int) -> bytes:
    # Before it is asked for: a length may be of any size.
    if address + length > os.fstat(file.fileno()).st_size:
        raise ValueError(f"it ends before {address} + {length} bytes")
    file.seek(address)
    return file.read(length)
