"""What turns photos into features: a finetuned network, or a plain backbone."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from decaf.backend import can_train, import_keras, versions
from decaf.networks.backbones import HUB
from decaf.networks.digest import digest_of_graph
from features.photo_set import PhotoSet

if TYPE_CHECKING:
    import keras

    from decaf.networks.network import Network

# Of a network's record, what its features depend on.
_DECIDING = ("backbone", "blocks", "pooling", "weights", "resize", "sizes", "width")


@dataclass(frozen=True)
class PlainBackbone:
    """Names a backbone whose pooled activations are the features.

    Attributes
    ----------
    name : str
        One of `decaf.list_backbones`, or a preset of keras-hub's (`hub:…`).
    pooling : {"average", "multilevel", "flatten"}
        The averages of the last block, or of all blocks, or the last block's whole map.
    blocks : int, optional
        Cut the backbone after so many blocks.
    weights : {"pretrained", None} or path-like
    resize : {"squash", "crop", "pad"}
        How photos are brought to its input size.
    sizes : tuple of int, optional
        Height and width of the photos that it looks at, in pixels; by default those it was trained
        on. With several, it gives the activations of each side by side.
    """

    name: str
    pooling: str = "average"
    blocks: int | None = None
    weights: str | os.PathLike | None = "pretrained"
    resize: str = "squash"
    sizes: tuple[int, ...] = ()

    def build(self, precision: str = "float32") -> Network:
        """Build it, as `decaf.networks.network.build_plain_network` does."""
        from decaf.networks.network import build_plain_network

        return build_plain_network(
            self.name,
            self.pooling,
            self.blocks,
            self.weights,
            self.resize,
            precision,
            self.sizes,
        )


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
    finetuned_on : PhotoSet
        The photos that the network was finetuned on.
    batch_size : int
        Photos in a forward pass.
    """

    convolutions: keras.Model
    to_features: Callable[[np.ndarray], tuple[np.ndarray, dict[str, np.ndarray]]]
    n_features: int
    settings: dict[str, Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    finetuned_on: PhotoSet = field(default_factory=PhotoSet)
    batch_size: int = 32


def load_feature_network(
    network: str | os.PathLike | PlainBackbone | Network | FeatureNetwork,
    precision: str = "auto",
    engine: str = "auto",
    n_photos: int = 0,
    cache: str | os.PathLike | None = None,
) -> FeatureNetwork:
    """Load what turns photos into features.

    Parameters
    ----------
    network : path-like, str, PlainBackbone, Network or FeatureNetwork
        A network's file, ``.keras``; the name of a backbone, or a `PlainBackbone`, the averages of
        whose last block are the features; or what is loaded already.
    precision : {"auto", "float32", "bfloat16"}
        Of the convolutions of what is yet to be loaded.
    engine : {"auto", "keras", "openvino"}
        What runs them.
    n_photos : int
        How many are to be extracted; what is fastest is not measured for a few.
    cache : path-like, optional
        Keeps the measurement; as in `decaf.extraction.activations.cached_activations`.

    Returns
    -------
    FeatureNetwork

    Raises
    ------
    InputError
        The file is not a network's; the backbone is unknown; the engine cannot be had.
    """
    if isinstance(network, FeatureNetwork):
        return network
    import_keras()
    from decaf.networks.convolutions import precision_of
    from decaf.networks.network import Network, load_network
    from decaf.networks.weights import file_sha256

    asked: dict[str, Any] = {"n_photos": n_photos, "engine": engine, "cache": cache}
    if isinstance(network, Network):
        precision = precision_of(network.keras_model)
        digest = digest_of_graph(network.keras_model)
        return _of_network(network, network.record.name, digest, precision=precision, **asked)
    named = _named(network)
    if isinstance(named, PlainBackbone):
        return _of_network(named.build(), precision=precision, **asked)
    loaded, digest = load_network(named), file_sha256(named)
    return _of_network(loaded, named.name, digest, precision=precision, **asked)


def portable(network: str | os.PathLike | PlainBackbone) -> Path | PlainBackbone:
    """The same network by names that hold in another folder, as on the workers of a cluster."""
    named = _named(network)
    if isinstance(named, Path):
        return named.absolute()
    preset = named.name.removeprefix(HUB)
    if preset != named.name and os.path.isdir(preset):
        named = replace(named, name=f"{HUB}{os.path.abspath(preset)}")
    if named.weights is not None and os.path.exists(named.weights):
        return replace(named, weights=os.path.abspath(named.weights))
    return named


def _named(network: str | os.PathLike | PlainBackbone) -> Path | PlainBackbone:
    # A backbone's name has no suffix, and a network's file always has this one.
    if isinstance(network, str) and not network.endswith(".keras"):
        return PlainBackbone(network)
    return network if isinstance(network, PlainBackbone) else Path(network)


def _of_network(network: Network, name: str = "", digest: str = "", **asked: Any) -> FeatureNetwork:
    """A network, and what the feature file says of it and of its own file."""
    from decaf.extraction.choosing import settle
    from decaf.extraction.engines import batch_size_of, compiled_head
    from decaf.networks.convolutions import precision_of
    from decaf.networks.votes import mean_and_spread

    record = network.record.to_json()
    settings = {each: record.pop(each) for each in _DECIDING}
    # A plain backbone is told by its settings, and the digest of its convolutions.
    if network.record.has_head:
        settings |= {"network": name, "network_digest": digest}
    convolutions, head = network.activations_model(), network.head_model()
    batch_size = batch_size_of(convolutions)
    settle(convolutions, **asked, batch_size=batch_size)
    settings["precision"] = precision_of(convolutions)
    run = head.predict_on_batch if can_train() else compiled_head(head)

    def to_features(activations: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        given = run(activations.astype("float32"))
        if network.record.grades is None:
            return given["features"], {}
        mean, spread = mean_and_spread(given["output"], network.record.grades)
        return given["features"], {"predicted_mean": mean, "predicted_spread": spread}

    return FeatureNetwork(
        convolutions,
        to_features,
        network.record.width,
        settings,
        record | {"versions": versions()},
        network.finetuned_on,
        batch_size,
    )
