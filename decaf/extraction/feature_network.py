"""What turns photos into features: a finetuned network, or a plain backbone."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from decaf.backend import choose_precision, import_keras, versions
from features.errors import InputError

if TYPE_CHECKING:
    import keras

    from decaf.networks.network import Network

# Of a network's record, what its features depend on.
_DECIDING = ("backbone", "blocks", "pooling", "weights", "resize", "width")


@dataclass(frozen=True)
class PlainBackbone:
    """Names a backbone whose pooled activations are the features.

    Attributes
    ----------
    name : str
        One of `decaf.list_backbones`.
    pooling : {"average", "multilevel", "flatten"}
        The averages of the last block, or of all blocks, or the last block's whole map.
    blocks : int, optional
        Cut the backbone after so many blocks.
    weights : {"pretrained", None} or path-like
    resize : {"squash", "crop", "pad"}
        How photos are brought to its input size.
    """

    name: str
    pooling: str = "average"
    blocks: int | None = None
    weights: str | os.PathLike | None = "pretrained"
    resize: str = "squash"


@dataclass(frozen=True)
class FeatureNetwork:
    """What turns photos into features.

    Attributes
    ----------
    convolutions : keras.Model
        Gives the activations of one pooling, as `decaf.networks.convolutions.build_activations`
        builds it.
    to_features : callable
        A batch of activations (n, n_activations), float16, to features (n, n_features) and to the
        columns that the network predicts; n is always the same.
    n_features : int
    settings : dict
        What the features depend on, ``resize`` with it; JSON values. An unfinished run with others
        is not gone on with.
    attributes : dict
        What else is to be known of the network.
    finetuned : frozenset of str
        Digests of the photos that the network was finetuned on.
    batch_size : int
        Photos in a forward pass.
    """

    convolutions: keras.Model
    to_features: Callable[[np.ndarray], tuple[np.ndarray, dict[str, np.ndarray]]]
    n_features: int
    settings: dict[str, Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    finetuned: frozenset[str] = frozenset()
    batch_size: int = 32


def load_feature_network(
    network: str | os.PathLike | PlainBackbone, precision: str = "auto"
) -> FeatureNetwork:
    """Load what turns photos into features.

    Parameters
    ----------
    network : path-like or PlainBackbone
        A file of a finetuned network.
    precision : {"auto", "float32", "bfloat16"}
        Of the convolutions.

    Returns
    -------
    FeatureNetwork

    Raises
    ------
    InputError
        The file is not a network's, or the network has no head; the backbone is unknown.
    """
    import_keras()
    precision = choose_precision(precision)
    if isinstance(network, PlainBackbone):
        return _build(network, precision)
    return _load(Path(network), precision)


def portable(network: str | os.PathLike | PlainBackbone) -> str | PlainBackbone:
    """The same network by names that hold in another folder, as on the workers of a cluster."""
    if not isinstance(network, PlainBackbone):
        return os.path.abspath(network)
    weights = network.weights
    if weights is not None and Path(weights).exists():
        return replace(network, weights=os.path.abspath(weights))
    return network


def _load(path: Path, precision: str) -> FeatureNetwork:
    from decaf.networks.network import load_network
    from decaf.networks.weights import file_sha256

    network = load_network(path, precision)
    record = network.record
    if not record.has_head:
        blocks = f" --blocks {record.blocks}" if record.blocks else ""
        raise InputError(
            f"{path}: is a plain backbone, without a head; give --backbone {record.backbone}"
            f"{blocks} --pooling {record.pooling} instead of --network"
        )
    file = {"network": path.name, "network_digest": file_sha256(path)}
    return _feature_network(network, precision, file)


def _build(backbone: PlainBackbone, precision: str) -> FeatureNetwork:
    from decaf.networks.network import build_plain_network

    network = build_plain_network(
        backbone.name,
        backbone.pooling,
        backbone.blocks,
        backbone.weights,
        backbone.resize,
        precision,
    )
    return _feature_network(network, precision, {})


def _feature_network(network: Network, precision: str, file: dict[str, str]) -> FeatureNetwork:
    """A network, and what the feature file says of it and of its own file."""
    from decaf.networks.votes import mean_and_spread

    record = network.record.to_json()
    del record["finetuned_on"]
    settings = {name: record.pop(name) for name in _DECIDING}
    head = network.head_model()

    def to_features(activations: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        given = head.predict_on_batch(activations.astype("float32"))
        if network.record.kind != "votes":
            return given["features"], {}
        mean, spread = mean_and_spread(given["output"])
        return given["features"], {"predicted_mean": mean, "predicted_spread": spread}

    return FeatureNetwork(
        network.activations_model(),
        to_features,
        network.record.width,
        settings | file | {"precision": precision},
        record | {"versions": versions()},
        frozenset(network.record.finetuned_on),
    )
