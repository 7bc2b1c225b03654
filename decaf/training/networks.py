"""Networks finetuned on rated photos, judged on those that they have not seen, and kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

from classifiers.evaluation.ordering import rank_correlation
from decaf.backend import versions
from decaf.networks.network import Network, attach_head
from decaf.networks.network_file import read_finetuned_on, read_record
from decaf.networks.record import NetworkRecord
from decaf.networks.votes import judge_votes, mean_and_spread
from decaf.training.batches import predict
from decaf.training.finetune import finetune
from decaf.training.settings import RECIPES, TrainingSettings, check_width
from decaf.training.targets import Targets, require_votes
from decaf.training.training_photos import TrainingPhotos
from features.errors import AlreadyThere, InputError
from features.folders import check_writable
from features.photo_set import PhotoSet
from features.ratings import RatedPhotos
from features.splits import choose_test_photos, outside_margin

# What of a record is known only once the network is finetuned.
MEASURED = frozenset(["parameters", "history", "test", "versions"])


@dataclass(frozen=True)
class NetworkFile:
    """A network in its file; `decaf.load_network` loads it.

    Attributes
    ----------
    path : Path
    record : NetworkRecord
    was_there : bool
        Whether it was made before, and is kept.
    """

    path: Path
    record: NetworkRecord
    was_there: bool

    @property
    def test(self) -> dict[str, Any]:
        """How well it did on photos that it had not seen."""
        return self.record.test or {}


def finetune_networks(
    photos: TrainingPhotos,
    widths: Sequence[int],
    folder: str | os.PathLike,
    settings: TrainingSettings = RECIPES["decaf"],
    *,
    kind: str = "label",
    test_fraction: float = 0.2,
    delta: float = 0.0,
    force: bool = False,
    progress: bool = True,
) -> list[NetworkFile]:
    """Finetune a network of each width, judge it on the test photos, and keep it in a file.

    Networks that are there already, and that this call would make again, are kept.

    Parameters
    ----------
    photos : TrainingPhotos
    widths : sequence of int
        Units of fc6 and fc7.
    folder : path-like
        Of the files, which are called by `NetworkRecord.name`; is made if it is not there.
    settings : TrainingSettings
        Its seed chooses the test photos, too.
    kind : {"label", "score", "votes"}
        What the networks learn to tell.
    test_fraction : float
        Share of the photos kept for testing where the ratings have no split.
    delta : float
        Photos whose score is nearer than this to the midpoint are not trained on.
    force : bool
        Replace networks that are there.
    progress : bool
        Show the epochs on stderr.

    Returns
    -------
    list of NetworkFile
        In the order of the widths.

    Raises
    ------
    AlreadyThere
        A network of that name is there, and was made otherwise.
    InputError
        A width is out of its range; there are no votes, scores or classes to learn; the folder
        cannot be written.

    Examples
    --------
    ::

        rated = decaf.read_ratings("photos/ratings.csv", "photos")
        photos = decaf.read_training_photos(rated, "vgg16")
        for file in decaf.finetune_networks(photos, [250, 500], "networks"):
            print(file.path, file.test["auc"])
    """
    for width in widths:
        check_width(width)
    train, test = divide(photos, test_fraction, delta, settings.seed)
    files = []
    finetuned_on = PhotoSet.of(photos.activations.digests[train])
    for width in dict.fromkeys(widths):
        wanted = _record(photos, width, settings, kind, train, delta, finetuned_on)
        path = Path(folder) / f"{wanted.name}.keras"
        if path.exists() and not force:
            record = _check_same(path, wanted, finetuned_on)
            files.append(NetworkFile(path, record, was_there=True))
            continue
        check_writable(Path(folder))
        network = finetune_network(
            photos,
            width,
            settings,
            kind=kind,
            train=train,
            test=test,
            delta=delta,
            progress=progress,
        )
        network.save(path, force=force)
        files.append(NetworkFile(path, network.record, was_there=False))
    return files


def finetune_network(
    photos: TrainingPhotos,
    width: int,
    settings: TrainingSettings = RECIPES["decaf"],
    *,
    kind: str = "label",
    train: np.ndarray | None = None,
    test: np.ndarray | None = None,
    delta: float = 0.0,
    progress: bool = True,
) -> Network:
    """Finetune a head on rated photos, and put it on its backbone.

    Parameters
    ----------
    photos : TrainingPhotos
    width : int
        Units of fc6 and fc7.
    settings : TrainingSettings
    kind : {"label", "score", "votes"}
        What the network learns to tell.
    train, test : ndarray of int, optional
        Rows of the photos that are trained on (all), and of those that judge the network (none).
    delta : float
        The margin around the midpoint that was left out of ``train``, for the record.
    progress : bool
        Show the epochs on stderr.

    Returns
    -------
    Network
        In the precision that the activations were computed in.

    Raises
    ------
    InputError
        The width is out of its range; there are no scores, no votes or too few photos of a class
        to learn.
    """
    train = np.arange(len(photos)) if train is None else train
    finetuned_on = PhotoSet.of(photos.activations.digests[train])
    record = _record(photos, width, settings, kind, train, delta, finetuned_on)
    head, history = finetune(
        photos.activations,
        Targets.of(photos.rated, kind, train),
        width,
        settings,
        rows=train,
        progress=record.name if progress else None,
    )
    judged = None
    if test is not None:
        judged = _judge(photos.rated.take(test), predict(head, photos.activations, test), record)
    record = replace(record, history=tuple(history), test=judged, versions=versions())
    return attach_head(head, record, photos.backbone.weights, photos.precision, finetuned_on)


def divide(
    photos: TrainingPhotos, test_fraction: float, delta: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the photos that train and those that test.

    Parameters
    ----------
    photos : TrainingPhotos
    test_fraction : float
        Share of the test photos where the ratings have no split.
    delta : float
        Margin around the midpoint that is not trained on.
    seed : int

    Returns
    -------
    train, test : ndarray of int
        Rows. A copy of a training photo under another name is no test photo.

    Raises
    ------
    InputError
        The test photos are not of both classes.
    """
    rated, digests = photos.rated, photos.activations.digests
    test = choose_test_photos(rated, test_fraction, seed)
    train = ~test
    if delta:
        train &= outside_margin(rated.score, rated.midpoint, delta)
    copies = test & np.isin(digests, digests[train])
    test &= ~copies
    if len(np.unique(rated.label[test])) < 2:
        raise InputError(
            f"the {test.sum():,} photos that are held back to judge the network are not of both "
            f"classes ({copies.sum():,} others are copies of training photos): rate more photos"
        )
    return np.flatnonzero(train), np.flatnonzero(test)


def _record(
    photos: TrainingPhotos,
    width: int,
    settings: TrainingSettings,
    kind: str,
    train: np.ndarray,
    delta: float,
    finetuned_on: PhotoSet,
) -> NetworkRecord:
    """What a network says of itself before it is finetuned."""
    return photos.record(
        width,
        kind,
        train,
        training=settings.to_json() | {"delta": delta},
        finetuned_on=len(finetuned_on),
    )


def _check_same(path: Path, wanted: NetworkRecord, finetuned_on: PhotoSet) -> NetworkRecord:
    """The record of a network that is there, if this call would make it again."""
    record = read_record(path)
    found, asked = record.to_json(), wanted.to_json()
    differing = [
        key for key in asked if key not in (*MEASURED, "finetuned_on") and found[key] != asked[key]
    ]
    if read_finetuned_on(path) != finetuned_on:
        differing.append("finetuned_on")
    if record.test is None:
        differing.append("test")
    if differing:
        raise AlreadyThere(
            f"{path} is there already, with other {' and '.join(differing)}; choose another folder"
        )
    return record


def _judge(rated: RatedPhotos, output: np.ndarray, record: NetworkRecord) -> dict[str, float]:
    """Measures of a network's output for photos that it has not seen."""
    if record.grades is None:
        score, threshold = output[:, 1], 0.5
    else:
        score, _ = mean_and_spread(output, record.grades)
        assert record.midpoint is not None  # as of all scores and votes
        threshold = record.midpoint
    judged = {}
    if record.kind == "votes":
        judged = judge_votes(require_votes(rated), output)
    elif rated.score is not None:
        judged = {"srcc": rank_correlation(rated.score, score)}
    return {
        "photos": len(rated),
        "accuracy": accuracy_score(rated.label, score > threshold),
        "balanced_accuracy": balanced_accuracy_score(rated.label, score > threshold),
        "auc": roc_auc_score(rated.label, score),
        **judged,
    }
