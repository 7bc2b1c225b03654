"""Models: a network and a classifier on its features, complete in one folder.

The folder holds ``network.keras``, ``classifier.skops`` and ``model.json``: what the two were made
with, how well they did on photos that they had not seen, and the digests of the other files. Which
photos trained the network its own file tells; ``trained_on.bin`` tells what others trained the
classifier, where there are any.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_regressor
from sklearn.pipeline import Pipeline

from classifiers.catalogue import load_classifier, save_classifier
from classifiers.evaluation.calibration import decision_score
from classifiers.evaluation.evaluation import Evaluation
from decaf.backend import choose_precision
from decaf.extraction.activations import Activations, cached_activations
from decaf.extraction.choosing import settle
from decaf.models.record import ModelRecord
from decaf.networks.convolutions import precision_of
from decaf.networks.network import Network, load_network
from decaf.networks.weights import file_sha256
from decaf.training.batches import predict
from features.errors import InputError, NoNetworkFile
from features.files import write_file, writing
from features.folders import check_output_folder, filling_folder
from features.photo_set import PhotoSet
from features.records import parse_json
from features.store.schema import unusable_rows

if TYPE_CHECKING:
    import keras

SCHEMA_VERSION = 1
NETWORK_FILE = "network.keras"
CLASSIFIER_FILE = "classifier.skops"
RECORD_FILE = "model.json"
PHOTOS_FILE = "trained_on.bin"
# The record first: without it what an interruption leaves is no model.
FILES = (RECORD_FILE, NETWORK_FILE, CLASSIFIER_FILE, PHOTOS_FILE)


@dataclass(frozen=True)
class ScoredPhotos:
    """What a model says of the photos that could be read.

    Attributes
    ----------
    activations : Activations
        The backbone's, with the positions of these photos in the sequence of paths that was asked
        for, their digests, and the photos that could not be read.
    features : ndarray of float32, shape (n_photos, width)
    score : ndarray of float64, shape (n_photos,)
        The classifier's decision score: finer than the probability, for ranking.
    probability : ndarray of float64, shape (n_photos,)
        Of professional; calibrated.
    votes : ndarray of float32, shape (n_photos, n_steps), or None
        Predicted shares of the votes, where the network has learnt votes.
    predicted, spread : ndarray of float64, shape (n_photos,), or None
        Predicted scores in the units of the ratings, and the standard deviations of what people
        may have given, where the classifier has learnt scores; else where the network has.
    """

    activations: Activations
    features: np.ndarray
    score: np.ndarray
    probability: np.ndarray
    votes: np.ndarray | None
    predicted: np.ndarray | None = None
    spread: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Model:
    """A network and a classifier on its features.

    Attributes
    ----------
    network : Network
    classifier : estimator
        From features (n_photos, width) to 0 or 1, or a regressor to how far scores lie above the
        midpoint.
    record : ModelRecord
    trained_on : PhotoSet
        Photos that trained the classifier; of a loaded model those that did not train its network.
    evaluation : Evaluation or None
        How all classifiers did among which this one is the best; it is not saved.
    folder : Path or None
        Where the model was loaded from.
    precision : {"auto", "float32", "bfloat16"} or None
        What photos are scored in; None is what the network computes in.
    engine : {"auto", "keras", "openvino"}
        What runs the convolutions.

    Raises
    ------
    InputError
        They do not fit to each other.
    """

    network: Network
    classifier: ClassifierMixin | RegressorMixin
    record: ModelRecord
    trained_on: PhotoSet
    evaluation: Evaluation | None = None
    folder: Path | None = None
    precision: str | None = None
    engine: str = "auto"

    def __post_init__(self) -> None:
        width, licence = self.network.record.width, self.network.record.licence
        if getattr(self.classifier, "n_features_in_", None) != width:
            raise InputError(
                f"its classifier does not take the {width} features of its network; {_REMEDY}"
            )
        if is_regressor(self.classifier) != (self.record.predicted_scores is not None):
            raise InputError(
                f"its record does not tell in which units its classifier predicts; {_REMEDY}"
            )
        if self.record.licence != licence:
            raise InputError(
                f"its licence is {self.record.licence}, that of its network {licence}; {_REMEDY}"
            )

    def __str__(self) -> str:
        """Its folder, or what it is, for a sentence."""
        if self.folder is not None:
            return str(self.folder)
        return f"{self.record.classifier} on {self.record.features}"

    @cached_property
    def seen(self) -> PhotoSet:
        """The photos that trained its network or its classifier."""
        return self.network.finetuned_on | self.trained_on

    def predict_proba(self, paths: Sequence[str]) -> np.ndarray:
        """Probabilities of photos.

        Parameters
        ----------
        paths : sequence of str
            Photo files.

        Returns
        -------
        ndarray of float64, shape (n_photos, 2)
            Of snapshot and of professional; calibrated.

        Raises
        ------
        InputError
            If a photo cannot be read.
        """
        scored = self.score_photos(paths, progress=False)
        if scored.activations.failed:
            position, reason = scored.activations.failed[0]
            raise InputError(f"{paths[position]}: {reason}; leave it out")
        return np.column_stack([1 - scored.probability, scored.probability])

    def score_photos(
        self,
        paths: Sequence[str],
        *,
        cache: str | os.PathLike | None = None,
        n_photos: int | None = None,
        progress: bool = True,
    ) -> ScoredPhotos:
        """Score the photos that can be read.

        Their activations are cached, so that another model on the same backbone, or a call after
        an interruption, computes none of them again.

        Parameters
        ----------
        paths : sequence of str
            Photo files.
        cache, n_photos, progress
            As in `decaf.extraction.activations.cached_activations`.

        Returns
        -------
        ScoredPhotos

        Raises
        ------
        InputError
            A score is not finite, by which no photo can be ranked.
        """
        record = self.network.record
        convolutions, head = self._parts
        settle(
            convolutions,
            n_photos or len(paths),
            precision=self.precision or precision_of(convolutions),
            engine=self.engine,
            cache=cache,
        )
        activations = cached_activations(
            paths,
            convolutions,
            resize=record.resize,
            cache=cache,
            n_photos=n_photos,
            progress=progress,
        )[record.pooling]
        given = predict(head, activations, np.arange(len(activations)))
        features = given["features"]
        if len(unusable_rows(features)):
            raise InputError(
                f"{self}: its network gives features that are no numbers, or too large ones; "
                f"{_REMEDY}"
            )
        score = decision_score(self.classifier, features) if len(features) else np.zeros(0)
        probability = self.record.calibration.probability(score)
        votes = given["output"] if record.kind == "votes" else None
        predicted, spread = self._predict_scores(given, score)
        told = (score, probability, votes, predicted, spread)
        if not all(np.isfinite(each).all() for each in told if each is not None):
            raise InputError(f"{self}: gives photos scores that are no numbers; {_REMEDY}")
        return ScoredPhotos(activations, features, score, probability, votes, predicted, spread)

    @cached_property
    def _parts(self) -> tuple[keras.Model, keras.Model]:
        """Convolutions and head; the same for every call, since engines prepare each anew."""
        return self.network.activations_model(), self.network.head_model()

    def _predict_scores(
        self, given: dict[str, np.ndarray], score: np.ndarray
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Scores in the units of the ratings, and their spread.

        Of the classifier alone, which puts photos in order: a network's own would tell another
        order beside it.
        """
        units = self.record.predicted_scores
        if units is None:
            return None, None
        spread = np.full(len(score), units.error)
        if len(score) and _tells_spread(self.classifier):
            _, of_scale = self.classifier.predict(given["features"], return_std=True)
            spread = of_scale * (units.scale[1] - units.scale[0])
        return units.in_units(score), spread

    def save(self, folder: str | os.PathLike, *, force: bool = False) -> None:
        """Write the model's files; model.json comes last, so that without it none is whole.

        Parameters
        ----------
        folder : path-like
            Is made if it is not there.
        force : bool
            Replace a model that is in the folder, even where somebody has changed it; its other
            files stay.

        Raises
        ------
        AlreadyThere
            The folder holds something else than a model as it was saved.
        InputError
            It cannot be written.
        """
        folder = Path(folder)
        check_output_folder(folder, force=force, owner="model", own_files=FILES)
        with filling_folder(folder, "model", FILES), writing(folder):
            self.network.save(folder / NETWORK_FILE)
            save_classifier(self.classifier, folder / CLASSIFIER_FILE)
            names = [NETWORK_FILE, CLASSIFIER_FILE]
            if others := self.trained_on - self.network.finetuned_on:
                write_file(folder / PHOTOS_FILE, others.to_bytes())
                names.append(PHOTOS_FILE)
            values = {
                "schema_version": SCHEMA_VERSION,
                **self.record.to_json(),
                "sha256": {name: file_sha256(folder / name) for name in names},
            }
            write_file(folder / RECORD_FILE, json.dumps(values, indent=1))


def load_model(folder: str | os.PathLike, precision: str = "auto", engine: str = "auto") -> Model:
    """Load a model, if it is as it was saved. Nothing in its files is executed.

    The digests in its record protect from accident, not from people: who changes a file may change
    its digest, too. What each file may hold is checked apart from them (docs/strangers.md).

    Parameters
    ----------
    folder : path-like
    precision : {"auto", "float32", "bfloat16"}
        What the convolutions are computed in.
    engine : {"auto", "keras", "openvino"}
        What runs them.

    Returns
    -------
    Model

    Raises
    ------
    InputError
        The folder is no model or is not whole, a file was altered or is newer than this program,
        or holds types that a model never holds.
    """
    folder = Path(folder)
    record, sha256 = _read_record(folder)
    for name, digest in sha256.items():
        try:
            found = file_sha256(folder / name)
        except OSError as error:
            raise InputError(f"{folder / name}: {error.strerror or error}; {_REMEDY}") from error
        if found != digest:
            raise InputError(f"{folder / name}: was altered since the model was made; {_REMEDY}")
    network = load_network(folder / NETWORK_FILE, choose_precision(precision))
    classifier = load_classifier(folder / CLASSIFIER_FILE)
    trained_on = _read_photos(folder / PHOTOS_FILE) if PHOTOS_FILE in sha256 else PhotoSet()
    try:
        return Model(network, classifier, record, trained_on, None, folder, precision, engine)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None


_REMEDY = "fit the model anew"


def _tells_spread(estimator: BaseEstimator) -> bool:
    """Whether an estimator, or the last of a pipeline, predicts standard deviations, too."""
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    return "return_std" in signature(last.predict).parameters


def _read_record(folder: Path) -> tuple[ModelRecord, dict[str, str]]:
    """What model.json says: the record, and the digests of the other files."""
    path = folder / RECORD_FILE
    try:
        values = parse_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise _no_record(folder) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error}); {_REMEDY}") from error
    version = values.pop("schema_version", None) if isinstance(values, dict) else None
    if not isinstance(version, int):
        raise InputError(f"{path}: is not a model of decaf's (it has no schema version)")
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: has schema version {version}, this program reads {SCHEMA_VERSION}; "
            "update it, or fit the model with this one"
        )
    sha256 = values.pop("sha256", None)
    try:
        record = ModelRecord.from_json(values)
    except InputError as error:
        raise InputError(f"{path}: is not whole ({error}); {_REMEDY}") from None
    if not _are_digests(sha256):
        raise InputError(f"{path}: is not whole (does not tell its files' digests); {_REMEDY}")
    return record, sha256


def _read_photos(path: Path) -> PhotoSet:
    try:
        return PhotoSet.from_bytes(path.read_bytes())
    except InputError as error:
        raise InputError(f"{path}: {error}; {_REMEDY}") from None


def _no_record(folder: Path) -> InputError:
    """Why there is no model.json."""
    if not folder.exists():
        return InputError(f"{folder}: there is no such folder; make a model with fit-classifier")
    if not folder.is_dir():
        return InputError(f"{folder}: is no folder; give the folder of a model")
    if (folder / CLASSIFIER_FILE).exists():
        return NoNetworkFile(f"{folder}: holds a classifier without its network")
    return InputError(
        f"{folder}: is not a model (it has no {RECORD_FILE}); make one with fit-classifier"
    )


def _are_digests(values: Any) -> bool:
    return (
        isinstance(values, dict)
        and {NETWORK_FILE, CLASSIFIER_FILE} <= set(values) <= set(FILES) - {RECORD_FILE}
        and all(isinstance(digest, str) for digest in values.values())
    )
