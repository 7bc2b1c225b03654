"""Feature files that are compared, and the networks that gave their features."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from classifiers.evaluation.evaluation import FeatureSet
from decaf.models.sources import Source, Sources
from decaf.networks.network import Network, build_plain_network, load_network
from decaf.networks.network_file import read_record
from decaf.networks.record import NetworkRecord
from decaf.networks.weights import PRETRAINED
from features.errors import InputError, NoNetwork, NoNetworkFile, NoWeightsFile
from features.ratings import RatedPhotos
from features.splits import split_by_list
from features.store import FeatureStore
from features.store.schema import LARGEST_FEATURE, unusable_rows

# What a feature file says of its extraction and not of its network, or does not repeat.
OF_EXTRACTION = ("scale", "midpoint", "precision", "versions")


@dataclass(frozen=True, eq=False)
class FileSource:
    """The features of a file.

    Attributes
    ----------
    name : str
    features : ndarray of float32, shape (n_photos, n_features)
    facts : dict
        What the file says of the network.
    network_file : path-like or None
        The network's, where it is at hand.
    weights : {"pretrained", None} or path-like
        Of a plain backbone that gave the features.
    """

    name: str
    features: np.ndarray
    facts: Mapping[str, Any]
    network_file: str | os.PathLike | None = None
    weights: str | os.PathLike | None = PRETRAINED

    @property
    def feature_set(self) -> FeatureSet:
        """The features as they are."""
        return FeatureSet(self.name, self.features)

    def fit_network(self, rows: np.ndarray) -> tuple[Network, np.ndarray]:
        """Load the network that gave the features, or build the plain backbone that did."""
        return self._network(), self.features[rows]

    def _network(self) -> Network:
        if self.network_file is not None:
            return load_network(self.network_file)
        if "network" in self.facts:
            raise NoNetworkFile(
                f"the features {self.name} are of the network {self.facts['network']}"
            )
        if "pooling" not in self.facts:
            raise NoNetwork(f"the features {self.name} are not a network's")
        weights = None if self.weights is None else Path(self.weights).name
        if self.facts.get("weights", weights) != weights:
            raise NoWeightsFile(
                f"the features {self.name} are of the weights {self.facts['weights']}"
            )
        deciding = ("backbone", "pooling", "blocks", "resize", "sizes")
        known = {name: self.facts.get(name) for name in deciding}
        try:
            record = NetworkRecord.from_json(
                known | {"kind": "backbone", "width": self.features.shape[1]}
            )
        except InputError as error:
            raise InputError(f"the features {self.name}: {error}; extract them again") from None
        return build_plain_network(
            record.backbone,
            record.pooling,
            record.blocks,
            self.weights,
            record.resize,
            sizes=record.sizes or (),
        )


def file_sources(
    paths: Sequence[str | os.PathLike],
    networks: Sequence[str | os.PathLike] = (),
    *,
    midpoint: float | None = None,
    delta: float = 0.0,
    weights: str | os.PathLike | None = PRETRAINED,
    test_list: str | os.PathLike | None = None,
) -> Sources:
    """Feature files of rated photos, of which those are kept that are in all files.

    Parameters
    ----------
    paths : sequence of path-like
        Feature files.
    networks : sequence of path-like
        Files of the networks that gave the features.
    midpoint : float, optional
        Of the scale; that of the first file by default.
    delta : float
        As in `Sources`.
    weights : {"pretrained", None} or path-like
        Of the plain backbones that gave features.
    test_list : path-like, optional
        As in `features.splits.split_by_list`; by default the first file's split, if it has one.

    Returns
    -------
    Sources

    Raises
    ------
    InputError
        A file holds no ratings, other ones than the first, or features that are no numbers; no
        photo is in all of them; a network gave none of the features.
    """
    files = [Path(path) for path in paths]
    names = _name(files)
    rated, features, facts = map(list, zip(*map(_read, files)))
    network_files = _match_networks(networks, dict(zip(names, facts)))
    n_photos = max(map(len, rated))
    if len(files) > 1:
        for number, rows in enumerate(_common_rows(rated, files)):
            rated[number] = rated[number].take(rows)
            features[number] = features[number][rows]
    _check_same_labels(rated, files)
    first = rated[0]
    n_left_out = n_photos - len(first)
    finetuned = [each.finetuned for each in rated if each.finetuned is not None]
    split = first.split
    if test_list is not None:
        split = split_by_list(first.names, test_list, files[0])
    by_name: dict[str, Source] = {
        name: FileSource(name, X, known, network_files.get(name), weights)
        for name, X, known in zip(names, features, facts)
    }
    return Sources(
        replace(
            first,
            midpoint=first.midpoint if midpoint is None else midpoint,
            split=split,
            finetuned=np.any(finetuned, axis=0) if finetuned else None,
        ),
        by_name,
        delta,
        {
            "feature files": ", ".join(map(str, files)),
            "photos": f"{len(first):,}, {first.label.mean():.0%} professional",
            "left out, not in every file": f"{n_left_out:,}",
        },
        n_left_out,
    )


def _name(paths: Sequence[Path]) -> list[str]:
    """What the features are called: by their files' names, or by all of their paths."""
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise InputError(f"{paths[0]}: give each feature file once")
    return names


def _read(path: Path) -> tuple[RatedPhotos, np.ndarray, dict[str, Any]]:
    """The rated photos of a feature file, their features as float32, and its attributes."""
    with FeatureStore(path) as store:
        rated = store.rated()
        X = store.features[:].astype(np.float32, copy=False)
        bad = unusable_rows(X)
        if len(bad):
            raise InputError(
                f"{path}: row {bad[0]} ({store.paths[bad[0]]}) holds features that are no finite "
                f"numbers, or beyond ±{LARGEST_FEATURE:g}; extract them again"
            )
        if len(X) > 1 and not np.ptp(X, axis=0).any():
            raise InputError(
                f"{path}: holds the same features for all photos, of which nothing can be learnt; "
                "extract them again"
            )
        return rated, X, store.attributes


def _common_rows(rated: Sequence[RatedPhotos], paths: Sequence[Path]) -> list[list[int]]:
    """Of each file, the rows of the photos that are in all of them, in one order."""
    digests = [each.digests for each in rated if each.digests is not None]  # a store keeps them
    places = [{digest: row for row, digest in enumerate(each)} for each in digests]
    common = [digest for digest in places[0] if all(digest in place for place in places)]
    if not common:
        raise InputError(
            f"{', '.join(map(str, paths))}: no photo is in all of them; compare feature files of "
            "the same photos"
        )
    return [[place[digest] for digest in common] for place in places]


def _check_same_labels(rated: Sequence[RatedPhotos], paths: Sequence[Path]) -> None:
    for path, each in zip(paths, rated):
        if not np.array_equal(each.label, rated[0].label):
            raise InputError(
                f"{path}: rates photos otherwise than {paths[0]}; extract both with the same "
                "ratings"
            )


def _match_networks(
    paths: Sequence[str | os.PathLike], facts: Mapping[str, Mapping[str, Any]]
) -> dict[str, str | os.PathLike]:
    """Which network file gave which features, by their names.

    Raises
    ------
    InputError
        A network gave none of them.
    """
    found: dict[str, str | os.PathLike] = {}
    for path in paths:
        record = read_record(path).to_json()
        differing = {
            name: [
                key
                for key, value in record.items()
                if key not in OF_EXTRACTION and known.get(key) != value
            ]
            for name, known in facts.items()
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
