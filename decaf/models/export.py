"""Models as one file for other runtimes, ONNX Runtime and LiteRT, checked against the model.

The file takes the RGB bytes of one photo, 1 × size × size × 3, and gives the probability of
"professional". It says so of itself, and so does the file beside it, with scores to test others by.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from decaf.models.check_photos import SAMPLES, CheckPhotos, read_check_photos
from decaf.models.description import Description, describe
from decaf.models.formats import (
    AUC_TOLERANCE,
    TOLERANCES,
    beside,
    check_destination,
    describe_scorer,
    representative_rows,
    write_scorer,
)
from decaf.models.model import Model
from decaf.models.runtime import Scorer, measure_latency, open_scorer, runtime_of
from decaf.models.scorer import predict_photos, probability_network
from decaf.networks.convolutions import set_precision
from features.errors import InputError, NoRepresentativePhotos
from features.files import whole_file, write_file, writing
from features.ratings import RatedPhotos
from features.shortage import blame_machine

N_RUNS = 20
N_TEST_PHOTOS = 20


class ScoresDiffer(Exception):
    """An exported file that does not score as its model does."""


@dataclass(frozen=True)
class Decoding:
    """What becomes of the scores where the README's code decodes the photos, and not decaf.

    Attributes
    ----------
    difference : float
        The largest of a probability.
    photo : str or None
        Whose it is; None where all are decoded alike.
    unread : int
        As many photos that code cannot read.
    """

    difference: float
    photo: str | None
    unread: int


@dataclass(frozen=True)
class Exported:
    """A file that was checked, and is in its place.

    Attributes
    ----------
    path : Path
    precision : {"float32", "float16", "int8", "int8-full"}
    bytes : int
    parameters : int
        Of the network in the file.
    size : int
        Height and width of the photos it takes, in pixels.
    resize : {"squash", "crop", "pad"}
        How photos are brought to that size.
    seconds : float
        A photo, on one thread.
    runtime : str
        What checked it, with its version.
    photos : int
        As many checked it: those that trained neither network nor classifier, or all, where these
        are fewer than `decaf.models.check_photos.ENOUGH_PHOTOS`.
    n_seen : int
        As many of these trained the model.
    are_samples : bool
        Whether these are sample photos.
    decoding : Decoding
        What the README's code for devices makes of these.
    difference, tolerance : float
        The largest difference of a probability from the model's, and what was allowed.
    auc, auc_tolerance : tuple of two floats, float; or None
        Of the model and of the file, where the photos are rated, and the change that was allowed.
    failed : tuple of (str, str)
        Photos that could not be read, and why.
    dynamic_batch : bool
        Whether it takes any number of photos at once, or one.
    description : Description
        What it says of itself.
    """

    path: Path
    precision: str
    bytes: int
    parameters: int
    size: int
    resize: str
    seconds: float
    runtime: str
    photos: int
    n_seen: int
    are_samples: bool
    decoding: Decoding
    difference: float
    tolerance: float
    auc: tuple[float, float] | None
    auc_tolerance: float | None
    failed: tuple[tuple[str, str], ...]
    dynamic_batch: bool
    description: Description


def export_model(
    model: Model,
    path: str | os.PathLike,
    *,
    precision: str = "float32",
    head: str = "classifier",
    photos: str | os.PathLike | RatedPhotos | None = None,
    tolerance: float | None = None,
    auc_tolerance: float = AUC_TOLERANCE,
    dynamic_batch: bool = False,
    force: bool = False,
    progress: bool = True,
) -> Exported:
    """Put a model into one file, check that against the model, and only then put it in its place.

    Parameters
    ----------
    model : Model
    path : path-like
        Ends in ``.onnx`` (ONNX Runtime) or ``.tflite`` (LiteRT).
    precision : {"float32", "float16", "int8", "int8-full"}
        As in `decaf.models.formats.write_scorer`.
    head : {"classifier", "softmax"}
        What gives the probability, as in `decaf.models.scorer.probability_network`.
    photos : path-like or RatedPhotos, optional
        What checks the file, and gives int8-full its ranges: photos as in
        `features.photos.find_photos`, or rated ones. By default sample photos. Those that the model
        has not seen check the file, where there are enough.
    tolerance : float, optional
        Largest difference of a probability; `decaf.models.formats.TOLERANCES` by default.
    auc_tolerance : float
        Largest change of the AUC, with rated photos.
    dynamic_batch : bool
        Let the file take any number of photos, and not one.
    force : bool
        Replace a file that is there, and the one beside it.
    progress : bool
        Show progress bars on stderr.

    Returns
    -------
    Exported

    Raises
    ------
    InputError
        The file is there, its name or folder is wrong, a package is missing, the classifier does
        not fit into a file, no photo can be read.
    ScoresDiffer
        The file does not score as the model does; it is not left.
    """
    path = Path(path)
    check_destination(path, force=force)
    if precision == "int8-full" and photos is None:
        raise NoRepresentativePhotos(f"{path}: int8-full needs representative photos")
    model = _in_float32(model)
    network = probability_network(model, head)
    resize = model.network.record.resize
    given = read_check_photos(photos, network.input_shape[1], resize, progress)
    checking = given.unseen_by(model)
    rgb, expected = checking.rgb, predict_photos(model, head, checking.rgb)
    description = describe(model, head, precision, dynamic_batch)
    if description.percentiles is None and photos is not None:
        description = description.compared_with_photos(
            expected, f"the {len(expected):,} photos that checked the file"
        )
    tolerance = TOLERANCES[precision] if tolerance is None else tolerance
    with writing(path), whole_file(path, force=force) as part:
        some = given.rgb[representative_rows(len(given.rgb))]
        write_scorer(network, part, precision, some, dynamic_batch)
        describe_scorer(part, description)
        score = _opened(part, path)
        bar = tqdm(rgb, "checking", unit="photo", disable=not progress)
        found = np.array([score(photo) for photo in bar])
        difference = _check_probabilities(path, found, expected, tolerance)
        auc = _check_auc(path, checking.label, found, expected, auc_tolerance)
        exported = Exported(
            path=path,
            precision=precision,
            bytes=part.stat().st_size,
            parameters=network.count_params(),
            size=rgb.shape[1],
            resize=resize,
            seconds=measure_latency(score, rgb[0], N_RUNS),
            runtime=runtime_of(path),
            photos=len(rgb),
            n_seen=checking.n_seen,
            are_samples=checking.are_samples,
            decoding=_compare_decoding(score, checking, found),
            difference=difference,
            tolerance=tolerance,
            auc=auc,
            auc_tolerance=None if auc is None else auc_tolerance,
            failed=checking.failed,
            dynamic_batch=dynamic_batch,
            description=description,
        )
        _write_beside(path, description, checking, found, force)
    return exported


def _opened(part: Path, path: Path) -> Scorer:
    """Open what was written; a runtime does not know every operation of keras-hub's layers."""
    try:
        return open_scorer(part)
    # Of exceptions each runtime has its own.
    except Exception as error:
        blame_machine(error, path)
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: its runtime cannot run this network ({reason}); export it in another format"
        ) from error


def _in_float32(model: Model) -> Model:
    """The same model, whose convolutions compute in float32: converters know no other."""
    keras_model = keras.models.clone_model(model.network.keras_model)
    keras_model.set_weights(model.network.keras_model.get_weights())
    set_precision(keras_model, "float32")
    return replace(model, network=replace(model.network, keras_model=keras_model))


def _write_beside(
    path: Path, description: Description, photos: CheckPhotos, found: np.ndarray, force: bool
) -> None:
    """Write what the file says of itself, and by which photos another program can be tested."""
    rows = np.linspace(0, len(found) - 1, min(len(found), N_TEST_PHOTOS), dtype=int)
    vector = [
        {
            # A name may hold bytes that are not UTF-8.
            "photo": photos.names[row].encode(errors="replace").decode(),
            "digest": photos.digests[row],
            "probability": round(float(found[row]), 6),
        }
        for row in rows
    ]
    values = description.to_json() | {
        "test_photos": SAMPLES if photos.are_samples else None,
        "test_vector": vector,
    }
    text = json.dumps(values, indent=1, ensure_ascii=False)
    write_file(beside(path), text, force=force)


def _compare_decoding(score: Scorer, photos: CheckPhotos, found: np.ndarray) -> Decoding:
    """What the README's code for devices makes of the photos."""
    differences = [
        (abs(score(rgb) - float(found[row])), photos.names[row])
        for row, rgb in photos.by_device.items()
        if rgb is not None
    ]
    unread = len(photos.by_device) - len(differences)
    difference, photo = max(differences, default=(0.0, None))
    return Decoding(difference, photo, unread)


def _check_probabilities(
    path: Path, found: np.ndarray, expected: np.ndarray, tolerance: float
) -> float:
    """The largest difference, if it is allowed."""
    difference = float(np.abs(found - expected).max())
    if not difference <= tolerance:  # not a number is a failure, too
        raise ScoresDiffer(
            f"{path} not written: a probability differs by {difference:.5f} from the model's, more "
            f"than the tolerance {tolerance:g}; try another precision, or a larger tolerance"
        )
    return difference


def _check_auc(
    path: Path,
    label: np.ndarray | None,
    found: np.ndarray,
    expected: np.ndarray,
    tolerance: float,
) -> tuple[float, float] | None:
    """The AUC of the model and of the file, if the change is allowed."""
    if label is None or len(np.unique(label)) < 2:
        return None
    before, after = (float(roc_auc_score(label, scores)) for scores in (expected, found))
    if abs(after - before) > tolerance:
        raise ScoresDiffer(
            f"{path} not written: the AUC changes by {after - before:+.4f}, more than the "
            f"tolerance {tolerance:g}; try another precision, or a larger tolerance"
        )
    return before, after
