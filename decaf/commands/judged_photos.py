"""What fit-classifier judges: features of files, or of photos by heads yet to be finetuned."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from decaf.backend import import_keras
from decaf.commands.rated_photos import network_name, read_rated_photos, training_settings
from features.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from classifiers.evaluation.evaluation import FeatureSet
    from decaf.extraction.activations import Activations
    from decaf.training.finetune import TrainingSettings


@dataclass(frozen=True)
class JudgedPhotos:
    """Rated photos and their feature sets.

    Attributes
    ----------
    feature_sets : list of FeatureSet
    label, digest, score, group, split, finetuned : ndarray of shape (n_photos,)
        As in `classifiers.evaluation.folds.make_folds`; None where there are none.
    midpoint : float or None
        Of the scores' scale.
    facts : dict of str to str
        For the report.
    networks : dict of str to dict
        What is known of the network of each feature set.
    activations : Activations or None
        Of photos whose heads are to be finetuned.
    distance : ndarray of shape (n_photos,) or None
        Of these, as in `decaf.training.finetune.finetune`.
    settings : TrainingSettings or None
        Of these.
    """

    feature_sets: list[FeatureSet]
    label: np.ndarray
    digest: np.ndarray
    score: np.ndarray | None = None
    midpoint: float | None = None
    group: np.ndarray | None = None
    split: np.ndarray | None = None
    finetuned: np.ndarray | None = None
    facts: dict[str, str] = field(default_factory=dict)
    networks: dict[str, dict] = field(default_factory=dict)
    activations: Activations | None = None
    distance: np.ndarray | None = None
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
    tables = [_read_feature_file(path) for path in paths]
    n_photos = [len(table["label"]) for table in tables]
    _keep_common_photos(tables, paths)
    first = tables[0]
    for path, table in zip(paths, tables):
        if not np.array_equal(table["label"], first["label"]):
            raise InputError(
                f"{path}: rates photos otherwise than {paths[0]}; extract both with the same "
                "ratings"
            )
    left_out = max(n_photos) - len(first["label"])
    if left_out:
        print(f"{left_out:,} photos are left out: not in every feature file", file=sys.stderr)
    finetuned = [table["finetuned"] for table in tables if table["finetuned"] is not None]
    if midpoint is None:
        midpoint = first["attributes"].get("midpoint")
    return JudgedPhotos(
        feature_sets=[FeatureSet(name, table["X"]) for name, table in zip(names, tables)],
        label=first["label"],
        digest=first["digest"],
        score=first["score"],
        midpoint=midpoint,
        group=first["group"],
        split=first["split"],
        finetuned=np.any(finetuned, axis=0) if finetuned else None,
        facts={
            "feature files": ", ".join(map(str, paths)),
            "photos": f"{len(first['label']):,}, {first['label'].mean():.0%} professional",
            "left out, not in every file": f"{left_out:,}",
        },
        networks={name: table["attributes"] for name, table in zip(names, tables)},
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
    import numpy as np
    from sklearn.base import clone

    from classifiers.evaluation.evaluation import FeatureSet
    from decaf.training.transformer import ConvNetFeatures

    # All photos train: the folds judge.
    settings = replace(training_settings(args), validation_fraction=0.0)
    widths = list(dict.fromkeys(args.width or [250]))
    rated = read_rated_photos(args, args.source[0], settings, widths)
    ratings = rated.ratings
    records = [rated.record | {"width": width} for width in widths]
    transformer = ConvNetFeatures(
        args.backbone,
        pooling=rated.record["pooling"],
        blocks=args.blocks,
        weights=args.weights,
        resize=args.resize,
        precision=args.precision,
        distance=None if ratings.distance is None else dict(zip(ratings.paths, ratings.distance)),
        random_state=args.seed,
        cache=args.cache,
    )
    transformer.set_params(**{k: v for k, v in asdict(settings).items() if k != "seed"})
    paths = np.asarray(ratings.paths, object)
    return JudgedPhotos(
        feature_sets=[
            FeatureSet(
                network_name(record), paths, clone(transformer).set_params(width=record["width"])
            )
            for record in records
        ],
        label=ratings.label,
        digest=rated.activations.digests,
        score=ratings.score,
        midpoint=ratings.midpoint,
        group=ratings.group,
        split=ratings.split,
        facts={
            "photos": f"{len(ratings):,} of {args.source[0]}, "
            f"{ratings.label.mean():.0%} professional",
            "ratings": str(args.ratings),
            "could not be read": f"{len(rated.activations.failed):,}",
        },
        networks={network_name(record): record for record in records},
        activations=rated.activations,
        distance=ratings.distance,
        settings=settings,
    )


def _read_feature_file(path):
    """Read one feature file's columns, attributes, and features as float32."""
    import numpy as np

    from features.store import FeatureStore

    with FeatureStore(path) as store:
        if store.label is None:
            raise InputError(f"{path}: holds no ratings; extract the features with --ratings FILE")
        X = store.features[:].astype(np.float32)
        bad = np.flatnonzero(~np.isfinite(X).all(axis=1))
        if len(bad):
            raise InputError(
                f"{path}: row {bad[0]} ({store.paths[bad[0]]}) holds features that are no finite "
                "numbers; extract them again"
            )
        return {
            "X": X,
            "label": store.label,
            "digest": store.digests,
            "score": store.score,
            "group": store.group,
            "split": store.split,
            "finetuned": store.finetuned,
            "attributes": store.attributes,
        }


def _keep_common_photos(tables, paths):
    """Where there are several files, keep in each the photos that are in all, in one order."""
    import numpy as np

    if len(tables) == 1:
        return
    places = [{digest: row for row, digest in enumerate(table["digest"])} for table in tables]
    common = [digest for digest in places[0] if all(digest in place for place in places)]
    if not common:
        raise InputError(
            f"{', '.join(map(str, paths))}: no photo is in all of them; compare feature files of "
            "the same photos"
        )
    for table, place in zip(tables, places):
        rows = [place[digest] for digest in common]
        table |= {
            name: column[rows] for name, column in table.items() if isinstance(column, np.ndarray)
        }
