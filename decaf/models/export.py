"""Models as one file for other runtimes, ONNX Runtime and LiteRT, checked against the model.

The file takes the RGB bytes of one photo, 1 × size × size × 3, and gives the probability of
"professional".
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import keras
import numpy as np
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from decaf.extraction.forward_pass import decode_photos
from decaf.models.formats import (
    AUC_TOLERANCE,
    TOLERANCES,
    check_destination,
    representative_rows,
    write_scorer,
)
from decaf.models.model import Model
from decaf.models.runtime import measure_latency, open_scorer, runtime_of
from decaf.models.scorer import predict_photos, probability_network
from decaf.networks.convolutions import set_precision
from features.errors import InputError, NoRepresentativePhotos
from features.files import whole_file, writing
from features.photos import PhotoError, find_photos, photo_root
from features.ratings import RatedPhotos, read_ratings
from features.samples import make_samples

N_SAMPLES = 40
N_RUNS = 20


class ScoresDiffer(Exception):
    """An exported file that does not score as its model does."""


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
        As many checked it.
    difference, tolerance : float
        The largest difference of a probability from the model's, and what was allowed.
    auc, auc_tolerance : tuple of two floats, float; or None
        Of the model and of the file, where the photos are rated, and the change that was allowed.
    failed : tuple of (str, str)
        Photos that could not be read, and why.
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
    difference: float
    tolerance: float
    auc: tuple[float, float] | None
    auc_tolerance: float | None
    failed: tuple[tuple[str, str], ...]


def export_model(
    model: Model,
    path: str | os.PathLike,
    *,
    precision: str = "float32",
    head: str = "classifier",
    photos: str | os.PathLike | RatedPhotos | None = None,
    tolerance: float | None = None,
    auc_tolerance: float = AUC_TOLERANCE,
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
        `features.photos.find_photos`, or rated ones. By default sample photos.
    tolerance : float, optional
        Largest difference of a probability; `decaf.models.formats.TOLERANCES` by default.
    auc_tolerance : float
        Largest change of the AUC, with rated photos.
    force : bool
        Replace a file that is there.
    progress : bool
        Show progress bars on stderr.

    Returns
    -------
    Exported

    Raises
    ------
    InputError
        The file is there, its name or folder is wrong, a package is missing, the classifier is not
        linear, no photo can be read.
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
    rgb, label, failed = _read_photos(photos, network.input_shape[1], resize, progress)
    expected = predict_photos(model, head, rgb)
    tolerance = TOLERANCES[precision] if tolerance is None else tolerance
    with writing(path), whole_file(path, force=force) as part:
        write_scorer(network, part, precision, rgb[representative_rows(len(rgb))])
        score = open_scorer(part)
        bar = tqdm(rgb, "checking", unit="photo", disable=not progress)
        found = np.array([score(photo) for photo in bar])
        difference = _check_probabilities(path, found, expected, tolerance)
        auc = _check_auc(path, label, found, expected, auc_tolerance)
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
            difference=difference,
            tolerance=tolerance,
            auc=auc,
            auc_tolerance=None if auc is None else auc_tolerance,
            failed=failed,
        )
    return exported


def _in_float32(model: Model) -> Model:
    """The same model, whose convolutions compute in float32: converters know no other."""
    keras_model = keras.models.clone_model(model.network.keras_model)
    keras_model.set_weights(model.network.keras_model.get_weights())
    set_precision(keras_model, "float32")
    return replace(model, network=replace(model.network, keras_model=keras_model))


def _read_photos(
    photos: str | os.PathLike | RatedPhotos | None, size: int, resize: str, progress: bool
) -> tuple[np.ndarray, np.ndarray | None, tuple[tuple[str, str], ...]]:
    """Photos in the network's size, (n_photos, size, size, 3), their labels, what failed."""
    if photos is None:
        with tempfile.TemporaryDirectory() as folder:
            samples = read_ratings(make_samples(Path(folder) / "samples", N_SAMPLES))
            return _read_photos(samples, size, resize, progress)[0], None, ()
    if isinstance(photos, RatedPhotos):
        assert photos.paths is not None  # as of all ratings that were read
        rgb, positions, digests, failed = _decode(list(photos.paths), size, resize, progress)
        readable = photos.readable(positions, digests, failed)
        return rgb, readable.label, readable.failed[len(photos.failed) :]
    names, root = find_photos(photos), photo_root(photos)
    rgb, _, _, failed = _decode([str(root / name) for name in names], size, resize, progress)
    return rgb, None, tuple((names[position], reason) for position, reason in failed)


def _decode(
    paths: Sequence[str], size: int, resize: str, progress: bool
) -> tuple[np.ndarray, np.ndarray, list[str], list[tuple[int, str]]]:
    """Photos that can be read, their positions and digests; the others' positions and reasons."""
    photos: list[np.ndarray] = []
    positions: list[int] = []
    digests: list[str] = []
    failed: list[tuple[int, str]] = []
    decoded = chain.from_iterable(decode_photos([paths], size, resize))
    bar = tqdm(decoded, "reading", len(paths), unit="photo", disable=not progress)
    for position, photo in enumerate(bar):
        if isinstance(photo, PhotoError):
            failed.append((position, str(photo)))
        else:
            photos.append(photo[0])
            positions.append(position)
            digests.append(photo[1])
    if not photos:
        raise InputError(f"{paths[0]}: no photo could be read; check the file with others")
    return np.array(photos), np.array(positions), digests, failed


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
