"""The network that fit-classifier keeps beside its classifier."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from decaf.backend import import_keras, versions
from features.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from decaf.commands.judged_photos import JudgedPhotos
    from decaf.networks.network import Network

# What a feature file says of its extraction and not of its network, or does not repeat.
OF_EXTRACTION = ("finetuned_on", "scale", "midpoint", "precision", "versions")


def find_networks(paths: Sequence[Path], networks: dict[str, dict]) -> dict[str, Path]:
    """Tell which network file gave which features.

    Parameters
    ----------
    paths : sequence of Path
        Network files.
    networks : dict of str to dict
        What feature files say of their networks, by the features' names.

    Returns
    -------
    dict of str to Path
        By the features' names, those that have one.

    Raises
    ------
    InputError
        A network gave none of them.
    """
    from decaf.networks.network_file import read_record

    found = {}
    for path in paths:
        record = read_record(path)
        differing = {
            name: [
                key
                for key, value in record.to_json().items()
                if key not in OF_EXTRACTION and attributes.get(key) != value
            ]
            for name, attributes in networks.items()
        }
        own = [name for name, keys in differing.items() if not keys]
        if not own:
            name, keys = min(differing.items(), key=lambda item: len(item[1]))
            raise InputError(
                f"{path}: did not give the features {name}, whose network has other "
                f"{' and '.join(keys[:3])}"
            )
        found |= dict.fromkeys(own, path)
    return found


def network_of_features(
    args: argparse.Namespace, name: str, attributes: dict, network_files: dict[str, Path]
) -> Network | None:
    """The network that gave the features of a file.

    Parameters
    ----------
    args : Namespace
        Of fit-classifier.
    name : str
        Of the features.
    attributes : dict
        What their file says of the network.
    network_files : dict of str to Path
        As `find_networks` gives it.

    Returns
    -------
    Network or None
        None where it cannot be had, which is said on stderr with the remedy.
    """
    if name in network_files or ("pooling" in attributes and "network" not in attributes):
        import_keras()
    if name in network_files:
        from decaf.networks.network import load_network

        return load_network(network_files[name])
    if "network" in attributes:
        print(
            f"{args.output}: holds a classifier only, and scores no photos; for a whole model add "
            f"--network with the file {attributes['network']}, and --force",
            file=sys.stderr,
        )
        return None
    if "pooling" not in attributes:
        print(
            f"{args.output}: holds a classifier only, and scores no photos: the features {name} "
            "are not a network's",
            file=sys.stderr,
        )
        return None
    weights = Path(args.weights).name
    if attributes.get("weights", weights) != weights:
        print(
            f"{args.output}: holds a classifier only, and scores no photos; for a whole model add "
            f"--weights {attributes['weights']}, as for the features, and --force",
            file=sys.stderr,
        )
        return None
    return _plain_network(args, attributes)


def finetune_network(
    args: argparse.Namespace, data: JudgedPhotos, features: str, rows: np.ndarray
) -> tuple[Network, np.ndarray]:
    """Finetune the network that is kept on the training photos.

    Parameters
    ----------
    args : Namespace
        Of fit-classifier.
    data : JudgedPhotos
        Of `decaf.commands.judged_photos.read_photos`.
    features : str
        Name of the feature set.
    rows : ndarray of int
        The training photos.

    Returns
    -------
    network : Network
    features : ndarray of float32, shape (n_rows, width)
        Of the training photos.
    """
    from decaf.networks.network import attach_head, features_model
    from decaf.training.finetune import finetune, predict

    record = data.records[features]
    head, history = finetune(
        data.activations,
        data.rated.label,
        record.width,
        data.settings,
        above_midpoint=data.rated.above_midpoint,
        photos=rows,
        progress=features,
    )
    record = replace(
        record,
        finetuned_on=tuple(sorted(set(data.rated.digests[rows].tolist()))),
        history=tuple(history),
        versions=versions(),
    )
    network = attach_head(head, record, args.weights)
    return network, predict(features_model(head), data.activations, rows)


def _plain_network(args, attributes):
    """The pooled backbone whose activations are the features."""
    from decaf.networks.network import build_plain_network

    return build_plain_network(
        attributes["backbone"],
        attributes["pooling"],
        attributes["blocks"],
        args.weights,
        attributes["resize"],
    )
