"""HDF5's heaps of texts, checked before HDF5 reads them, for it may never come to an end.

HDF5 goes through a heap from object to object, and believes every size in it: one of 0, or one that
overflows, keeps it where it is, deaf to Ctrl-C. The file format is described at
https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
"""

import os
import struct

import numpy as np

# As the file holds them: what a text or a list is replaced by, its length and which object of which
# heap it is, and what an object of a heap begins with.
_REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("object", "<u4")])
_OBJECT = struct.Struct("<HHxxxxQ")
_UNDEFINED = 2**64 - 1
_HEAP = b"GCOL"
# The type of the message that says where a header goes on.
_CONTINUATION = 0x10


class TextHeaps:
    """Check the heaps of texts of an HDF5 file before HDF5 reads them.

    What reads a heap is text in datasets and attributes, the layout of virtual datasets, and fill
    values.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    ValueError
        From any method, when what it checks is damaged.
    """

    def __init__(self, path):
        self._file = open(path, "rb")  # noqa: SIM115 - as long as HDF5 has it open, too
        self._n_bytes = os.fstat(self._file.fileno()).st_size
        self._checked = set()
        # Heaps that overlap could take for ever, too.
        self._heap_bytes = 0

    def check_superblock(self):
        """Check that addresses and lengths are of the size that h5py gives them."""
        superblock = self._bytes(0, 16)
        sizes = superblock[13:15] if superblock[8] < 2 else superblock[9:11]
        if superblock[:8] != b"\x89HDF\r\n\x1a\n" or sizes != b"\x08\x08":
            raise ValueError("its addresses are not those of a feature store")

    def close(self):
        """Close the file."""
        self._file.close()

    def check_rows(self, dataset, rows=slice(None)):
        """Check the heaps of rows of a dataset, which lie in the file as they are: unpacked.

        Parameters
        ----------
        dataset : h5py.Dataset
        rows : slice or array of int, increasing
            Whole chunks are checked, each once.
        """
        stored = _stored_type(dataset.dtype)
        if stored is None or not dataset.size:
            return
        rows = np.arange(len(dataset))[rows]
        if dataset.chunks is None:
            blocks = [(dataset.id.get_offset(), dataset.nbytes // dataset.dtype.itemsize)]
        else:
            n_rows = dataset.chunks[0]
            chunks = [
                dataset.id.get_chunk_info_by_coord((int(number) * n_rows,))
                for number in np.unique(rows // n_rows)
            ]
            if any(chunk.size not in (0, n_rows * stored.itemsize) for chunk in chunks):
                raise ValueError(f"a chunk of {dataset.name[1:]!r} is of a wrong size")
            blocks = [(chunk.byte_offset, n_rows) for chunk in chunks if chunk.size]
        for address, length in blocks:
            # In the header itself (`check_header`) where there is no address.
            if address is not None and ("rows", address) not in self._checked:
                values = np.frombuffer(self._bytes(address, length * stored.itemsize), stored)
                for name in stored.names:
                    self._check_heaps(values[name]["heap"])
                self._checked.add(("rows", address))

    def check_header(self, address):
        """Check the heaps that an object's header may refer to, before HDF5 opens the object.

        Whatever could be a heap's address is taken for one, if a heap is there.

        Parameters
        ----------
        address : int
            Where the header begins.
        """
        version, n_bytes = struct.unpack("<Bxxxxxxx I", self._bytes(address, 12))
        # Newer ones are of files that h5py was asked to write for new programs only.
        if version != 1:
            raise ValueError("an object's header is not that of a feature store")
        blocks = [(address + 16, n_bytes)]
        # Blocks are appended while they are gone through.
        for start, length in blocks:
            block = self._bytes(start, length)
            place = 0
            while place + 8 <= length:
                kind, size = struct.unpack_from("<HH", block, place)
                if kind == _CONTINUATION and place + 24 <= length:
                    continuation = struct.unpack_from("<QQ", block, place + 8)
                    if continuation not in blocks:
                        blocks.append(continuation)
                        if sum(length for _, length in blocks) > self._n_bytes:
                            raise ValueError("an object's header overlaps itself")
                place += 8 + size
            if length >= 8:
                windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(block, "u1"), 8)
                addresses = np.unique(np.ascontiguousarray(windows).view("<u8"))
                addresses = addresses[addresses < self._n_bytes - len(_HEAP)]
                self._check_heaps(
                    [at for at in addresses.tolist() if self._bytes(at, len(_HEAP)) == _HEAP]
                )

    def _check_heaps(self, addresses):
        for address in np.unique(np.asarray(addresses, "u8")).tolist():
            # Empty texts are nowhere.
            if address not in (0, _UNDEFINED) and ("heap", address) not in self._checked:
                self._check_heap(address)
                self._checked.add(("heap", address))

    def _check_heap(self, address):
        signature, version, n_bytes = struct.unpack("<4sBxxxQ", self._bytes(address, 16))
        if signature != _HEAP or version != 1:
            raise ValueError(f"no text is at {address}")
        heap = self._bytes(address, n_bytes)
        self._heap_bytes += n_bytes
        if self._heap_bytes > self._n_bytes:
            raise ValueError("its texts overlap")
        unpack, place, last = _OBJECT.unpack_from, 16, n_bytes - _OBJECT.size
        while place <= last:
            number, _, size = unpack(heap, place)
            # Number 0 is what is free, header and all. The others are padded.
            size = 16 + (size + 7 & ~7) if number else size
            if size < 16:
                break
            place += size
        if place <= last or place > n_bytes:
            raise ValueError(f"the texts at {address} overlap")

    def _bytes(self, address, length):
        # Before it is asked for: a length may be of any size.
        if address + length > self._n_bytes:
            raise ValueError(f"it ends before {address} + {length} bytes")
        self._file.seek(address)
        return self._file.read(length)


def _stored_type(dtype):
    """A type with text as the file holds it, or None where there is no text.

    h5py gives types as they are in memory, where a text is a pointer. Only the texts have names.
    """
    fields = dtype.fields or {"": (dtype, 0)}
    growth = _REFERENCE.itemsize - np.dtype(object).itemsize
    texts = sorted((field[1], name) for name, field in fields.items() if field[0].hasobject)
    if not texts:
        return None
    return np.dtype(
        {
            "names": [name for _, name in texts],
            "formats": [_REFERENCE] * len(texts),
            "offsets": [offset + number * growth for number, (offset, _) in enumerate(texts)],
            "itemsize": dtype.itemsize + len(texts) * growth,
        }
    )
