"""Models: a network and a classifier on its features, complete in one folder.

The folder holds ``network.keras``, ``classifier.skops`` and ``model.json``: what the two were made
with and trained on, how well they did on photos that they had not seen, the digests of both, and
one of all that it says itself.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from classifiers.catalogue import load_classifier, save_classifier
from classifiers.evaluation.calibration import Calibration, decision_score
from decaf.backend import choose_precision
from decaf.extraction.activations import Activations, cached_activations
from decaf.networks.backbones import POOLINGS
from decaf.networks.network import Network, load_network
from decaf.networks.weights import file_sha256
from decaf.training.finetune import predict
from features.errors import InputError
from features.files import write_file, writing

SCHEMA_VERSION = 1
NETWORK_FILE = "network.keras"
CLASSIFIER_FILE = "classifier.skops"
RECORD_FILE = "model.json"


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
    """

    activations: Activations
    features: np.ndarray
    score: np.ndarray
    probability: np.ndarray
    votes: np.ndarray | None


@dataclass(frozen=True)
class Model:
    """A network and a classifier on its features.

    Attributes
    ----------
    folder : Path
    record : dict
        Of model.json.
    network : Network
    classifier : estimator
        From features (n_photos, width) to 0 or 1.
    """

    folder: Path
    record: dict
    network: Network
    classifier: object

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
        progress: bool = True,
    ) -> ScoredPhotos:
        """Score the photos that can be read.

        Their activations are cached, so that another model on the same backbone, or a call after
        an interruption, computes none of them again.

        Parameters
        ----------
        paths : sequence of str
            Photo files.
        cache, progress
            As in `decaf.extraction.activations.cached_activations`.

        Returns
        -------
        ScoredPhotos
        """
        record = self.network.record
        activations = cached_activations(
            paths,
            self.network.activations_model(),
            resize=record.resize,
            cache=cache,
            progress=progress,
        )[record.pooling]
        given = predict(self.network.head_model(), activations, np.arange(len(activations)))
        features = given["features"]
        score = decision_score(self.classifier, features) if len(features) else np.zeros(0)
        return ScoredPhotos(
            activations=activations,
            features=features,
            score=score,
            probability=self.calibration.probability(score),
            votes=given["output"] if record.kind == "votes" else None,
        )

    @property
    def calibration(self) -> Calibration:
        """What turns the classifier's decision scores into probabilities."""
        return Calibration.from_json(self.record["calibration"])


def save_model(
    folder: str | os.PathLike,
    network: Network,
    classifier: object,
    record: dict,
) -> None:
    """Write a model's three files; model.json comes last, so that without it none is whole.

    Parameters
    ----------
    folder : path
        Is made if it is not there; a model that is in it is replaced.
    network : Network
    classifier : estimator
        Fitted on the network's features.
    record : dict
        JSON values: ``classifier`` and ``features`` (names), ``calibration``, ``judged``,
        ``trained_on``, ``versions`` and whatever else tells of its making.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    folder = Path(folder)
    record = {
        "schema_version": SCHEMA_VERSION,
        **{name: network.record.to_json()[name] for name in _FROM_NETWORK},
        **record,
    }
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECORD_FILE).unlink(missing_ok=True)
        network.save(folder / NETWORK_FILE, force=True)
        save_classifier(classifier, folder / CLASSIFIER_FILE)
        record["sha256"] = {
            name: file_sha256(folder / name) for name in (NETWORK_FILE, CLASSIFIER_FILE)
        }
        record["record_sha256"] = record_sha256(record)
        write_file(folder / RECORD_FILE, json.dumps(record, indent=1, ensure_ascii=False))


def load_model(folder: str | os.PathLike, precision: str = "auto") -> Model:
    """Load a model, if it is as it was saved. Nothing in its files is executed.

    Parameters
    ----------
    folder : path
        Of fit-classifier.
    precision : {"auto", "float32", "bfloat16"}
        What the convolutions are computed in.

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
    record = read_model_record(folder)
    for name, digest in record["sha256"].items():
        try:
            found = file_sha256(folder / name)
        except OSError as error:
            raise InputError(f"{folder / name}: {error.strerror or error}; {_REMEDY}") from error
        if found != digest:
            raise InputError(f"{folder / name}: was altered since the model was made; {_REMEDY}")
    network = load_network(folder / NETWORK_FILE, choose_precision(precision))
    classifier = load_classifier(folder / CLASSIFIER_FILE)
    if getattr(classifier, "n_features_in_", None) != record["width"]:
        raise InputError(
            f"{folder}: its classifier does not take the {record['width']} features of its "
            f"network; {_REMEDY}"
        )
    return Model(folder, record, network, classifier)


def read_model_record(folder: str | os.PathLike) -> dict:
    """Read model.json.

    Parameters
    ----------
    folder : path

    Returns
    -------
    dict

    Raises
    ------
    InputError
        It is missing, damaged, altered, or newer than this program.
    """
    path = Path(folder) / RECORD_FILE
    try:
        record = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(_why_no_record(Path(folder))) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    # RecursionError: lists in lists, ten thousand deep.
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON ({error}); {_REMEDY}") from error
    version = record.get("schema_version") if isinstance(record, dict) else None
    if not isinstance(version, int):
        raise InputError(f"{path}: is not a model of decaf's (it has no schema version)")
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: has schema version {version}, this program reads {SCHEMA_VERSION}; "
            "update it, or fit the model with this one"
        )
    if not _is_whole(record):
        raise InputError(f"{path}: is not whole; {_REMEDY}")
    try:
        Calibration.from_json(record.get("calibration"))
    except InputError as error:
        raise InputError(f"{path}: is not whole ({error}); {_REMEDY}") from None
    if record["record_sha256"] != record_sha256(record):
        raise InputError(f"{path}: was altered since the model was made; {_REMEDY}")
    return record


def record_sha256(record: dict) -> str:
    """SHA-256 of all that a model's record says but this, as 64 hex digits.

    Parameters
    ----------
    record : dict
        JSON values.

    Returns
    -------
    str
        Of its JSON by `json.dumps` with sorted keys.
    """
    content = {name: value for name, value in record.items() if name != "record_sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


_REMEDY = "fit the model anew with fit-classifier"
# What model.json repeats of the network's record, to be read without Keras.
_FROM_NETWORK = (
    "backbone",
    "blocks",
    "pooling",
    "resize",
    "width",
    "kind",
    "n_grades",
    "scale",
    "midpoint",
)
# What is read of model.json, here and where a model is shown.
_NUMBER = int | float
_SHAPE = {
    "classifier": str,
    "features": str,
    "pooling": str,
    "width": int,
    "judged": {"photos": int, "auc": dict.fromkeys(("value", "low", "high"), _NUMBER)},
    "trained_on": {"photos": int, "digests": list},
    "sha256": dict.fromkeys((NETWORK_FILE, CLASSIFIER_FILE), str),
    "record_sha256": str,
}


def _why_no_record(folder):
    if not folder.exists():
        return f"{folder}: there is no such folder; make a model with fit-classifier -o {folder}"
    if not folder.is_dir():
        return f"{folder}: is no folder; give the folder of a model of fit-classifier"
    if (folder / CLASSIFIER_FILE).exists():
        return (
            f"{folder}: holds a classifier without its network; fit it again with "
            "fit-classifier --network FILE"
        )
    return f"{folder}: is not a model (it has no {RECORD_FILE}); make one with fit-classifier"


def _is_whole(record):
    return (
        _has_shape(record, _SHAPE)
        and record["pooling"] in POOLINGS
        and set(record["sha256"]) == {NETWORK_FILE, CLASSIFIER_FILE}
        and all(isinstance(digest, str) for digest in record["trained_on"]["digests"])
    )


def _has_shape(value, shape):
    if not isinstance(shape, dict):
        return isinstance(value, shape)
    return isinstance(value, dict) and all(
        name in value and _has_shape(value[name], inner) for name, inner in shape.items()
    )
