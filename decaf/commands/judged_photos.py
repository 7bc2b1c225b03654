"""What fit-classifier judges: features of files, or of photos by heads yet to be finetuned."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from decaf.backend import import_keras
from decaf.commands.rated_photos import read_rated_photos, training_settings
from features.errors import InputError

if TYPE_CHECKING:
    from classifiers.evaluation.evaluation import FeatureSet
    from decaf.extraction.activations import Activations
    from decaf.networks.record import NetworkRecord
    from decaf.training.finetune import TrainingSettings
    from features.ratings import RatedPhotos


@dataclass(frozen=True)
class JudgedPhotos:
    """Rated photos and their feature sets.

    Attributes
    ----------
    rated : RatedPhotos
        With digests.
    feature_sets : list of FeatureSet
        Of the same photos, in the same order.
    facts : dict of str to str
        For the report.
    networks : dict of str to dict
        What is known of the network of each feature set.
    records : dict of str to NetworkRecord
        Of networks that are to be finetuned.
    activations : Activations or None
        Of photos whose heads are to be finetuned.
    settings : TrainingSettings or None
        Of these.
    """

    rated: RatedPhotos
    feature_sets: list[FeatureSet]
    facts: dict[str, str] = field(default_factory=dict)
    networks: dict[str, dict] = field(default_factory=dict)
    records: dict[str, NetworkRecord] = field(default_factory=dict)
    activations: Activations | None = None
    settings: TrainingSettings | None = None


def read_feature_files(paths: Sequence[Path], midpoint: float | None) -> JudgedPhotos:
    """Read feature files, and keep the photos that are in all of them.

    Parameters
    ----------
    paths : sequence of Path
    midpoint : float or None
        Of the scale; that of the first file where it is None.

    Raises
    ------
    InputError
        A file holds no ratings, other ones than the first, or features that are no numbers; no
        photo is in all of them.
    """
    import numpy as np

    from classifiers.evaluation.evaluation import FeatureSet

    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise InputError(f"{paths[0]}: give each feature file once")
    rated, features, attributes = map(list, zip(*map(_read_feature_file, paths)))
    n_photos = max(map(len, rated))
    if len(paths) > 1:
        for number, rows in enumerate(_common_rows(rated, paths)):
            rated[number] = rated[number].take(rows)
            features[number] = features[number][rows]
    first = rated[0]
    for path, each in zip(paths, rated):
        if not np.array_equal(each.label, first.label):
            raise InputError(
                f"{path}: rates photos otherwise than {paths[0]}; extract both with the same "
                "ratings"
            )
    left_out = n_photos - len(first)
    if left_out:
        print(f"{left_out:,} photos are left out: not in every feature file", file=sys.stderr)
    finetuned = [each.finetuned for each in rated if each.finetuned is not None]
    return JudgedPhotos(
        rated=replace(
            first,
            midpoint=first.midpoint if midpoint is None else midpoint,
            finetuned=np.any(finetuned, axis=0) if finetuned else None,
        ),
        feature_sets=[FeatureSet(name, X) for name, X in zip(names, features)],
        facts={
            "feature files": ", ".join(map(str, paths)),
            "photos": f"{len(first):,}, {first.label.mean():.0%} professional",
            "left out, not in every file": f"{left_out:,}",
        },
        networks=dict(zip(names, attributes)),
    )


def read_photos(args: argparse.Namespace) -> JudgedPhotos:
    """Read rated photos, and compute their activations once.

    Parameters
    ----------
    args : Namespace
        Of fit-classifier.

    Raises
    ------
    InputError
        As `decaf.commands.rated_photos.read_rated_photos`.
    """
    import_keras()
    from sklearn.base import clone

    from classifiers.evaluation.evaluation import FeatureSet
    from decaf.training.transformer import ConvNetFeatures

    # All photos train: the folds judge.
    settings = replace(training_settings(args), validation_fraction=0.0)
    widths = list(dict.fromkeys(args.width or [250]))
    photos = read_rated_photos(args, args.source[0], settings, widths)
    rated = photos.rated
    transformer = ConvNetFeatures(
        args.backbone,
        pooling=photos.records[0].pooling,
        blocks=args.blocks,
        weights=args.weights,
        resize=args.resize,
        precision=args.precision,
        above_midpoint=None
        if rated.above_midpoint is None
        else dict(zip(rated.paths, rated.above_midpoint)),
        random_state=args.seed,
        cache=args.cache,
    )
    transformer.set_params(**{k: v for k, v in asdict(settings).items() if k != "seed"})
    return JudgedPhotos(
        rated=rated,
        feature_sets=[
            FeatureSet(record.name, rated.paths, clone(transformer).set_params(width=record.width))
            for record in photos.records
        ],
        facts={
            "photos": f"{len(rated):,} of {args.source[0]}, {rated.label.mean():.0%} professional",
            "ratings": str(args.ratings),
            "could not be read": f"{len(rated.failed):,}",
        },
        networks={record.name: record.to_json() for record in photos.records},
        records={record.name: record for record in photos.records},
        activations=photos.activations,
        settings=settings,
    )


def _read_feature_file(path):
    """The rated photos of a feature file, their features as float32, and its attributes."""
    import numpy as np

    from features.store import FeatureStore

    with FeatureStore(path) as store:
        rated = store.rated()
        X = store.features[:].astype(np.float32)
        bad = np.flatnonzero(~np.isfinite(X).all(axis=1))
        if len(bad):
            raise InputError(
                f"{path}: row {bad[0]} ({store.paths[bad[0]]}) holds features that are no finite "
                "numbers; extract them again"
            )
        return rated, X, store.attributes


def _common_rows(rated, paths):
    """Of each file, the rows of the photos that are in all of them, in one order."""
    places = [{digest: row for row, digest in enumerate(each.digests)} for each in rated]
    common = [digest for digest in places[0] if all(digest in place for place in places)]
    if not common:
        raise InputError(
            f"{', '.join(map(str, paths))}: no photo is in all of them; compare feature files of "
            "the same photos"
        )
    return [[place[digest] for digest in common] for place in places]
