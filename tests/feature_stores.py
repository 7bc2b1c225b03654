"""Feature files of rated photos that a classifier can tell apart, and their network."""

from dataclasses import replace

import numpy as np

from decaf.networks.record import NetworkRecord
from features.store import StoreWriter

N = 60
RECORD = NetworkRecord(
    "label",
    "alexnet-owt",
    "multilevel",
    width=8,
    blocks=1,
    licence="weights of the tests' own (MIT)",
    training={"epochs": 10},
    history=({"epoch": 1, "loss": 0.5},),
)
# What extract-features writes of it.
NETWORK = RECORD.to_json() | {"network": "net.keras"}


def write_store(path, *, n_features=6, rows=slice(None), attributes=None, **changed):
    """A feature file of photos that a classifier can tell apart."""
    random = np.random.default_rng(0)
    label = np.tile([0, 1], N // 2).astype(np.int8)
    columns = {
        "label": label,
        "score": 5 + (label - 0.5) * random.uniform(0, 4, N),
        "group": np.repeat(np.arange(N // 2), 2).astype(str),
    } | changed
    X = np.maximum(random.normal(size=(N, n_features)) + label[:, None], 0)
    paths = np.array([f"photo {i}.jpg" for i in range(N)])
    digests = np.array([2 * f"{i:016x}" for i in range(N)])
    with StoreWriter(path, n_features, attributes=attributes or {"midpoint": 5.0}) as store:
        columns = {name: column[rows] for name, column in columns.items() if column is not None}
        store.append(X[rows], paths[rows], digests[rows], **columns)
    return str(path)


def write_network(path, **changed):
    """A network of one block and its feature file, as extract-features would write it."""
    from decaf.networks.network import build_network

    network = build_network("alexnet-owt", 8, pooling="multilevel", blocks=1, weights=None)
    record = replace(RECORD, **{"midpoint": 5.0, "versions": {"keras": "3"}} | changed)
    replace(network, record=record).save(path)
    return str(path)
