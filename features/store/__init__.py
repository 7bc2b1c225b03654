"""Feature stores: a row a photo, in one HDF5 file or a folder of them, written once, read by all.

Plain h5py reads a file in three lines::

    import h5py
    store = h5py.File("features.h5")
    X, y, paths = store["features"][:], store["label"][:], store["path"].asstr()[:]
"""

from features.store.folder import MANIFEST, write_manifest
from features.store.merging import merge_stores
from features.store.reader import FeatureStore
from features.store.schema import RATINGS, SCHEMA_VERSION
from features.store.writer import StoreWriter

__all__ = [
    "MANIFEST",
    "RATINGS",
    "SCHEMA_VERSION",
    "FeatureStore",
    "StoreWriter",
    "merge_stores",
    "write_manifest",
]
