"""What an exported file says of itself, so that it can be used and judged without its model."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from typing import Any

import numpy as np

from classifiers.evaluation.calibration import Calibration
from decaf.models.model import Model
from decaf.models.record import Judged, percentiles_of
from decaf.networks.record import NetworkRecord

OF_CLASSIFIER = "how probable it is that a photo is professional"
OF_SOFTMAX = f"{OF_CLASSIFIER}, by the network's softmax, not calibrated"
OF_SCORES = f"{OF_CLASSIFIER}, by the levels of the score that the network predicts, not calibrated"
OF_VOTES = "the share of the votes above the midpoint, as the network predicts them, not calibrated"


@dataclass(frozen=True)
class Training:
    """The photos that trained a model.

    Attributes
    ----------
    photos : int
        As many trained the classifier.
    professional : float
        Their share of professional ones.
    finetuned : int
        As many finetuned the network.
    scale : (float, float) or None
        Lowest and highest score.
    midpoint : float or None
        Above it a score is professional.
    """

    photos: int
    professional: float
    finetuned: int
    scale: tuple[float, float] | None
    midpoint: float | None


@dataclass(frozen=True)
class Description:
    """What an exported file says of itself.

    Attributes
    ----------
    input : str
        What it takes, in words.
    size : int
        Height and width of the photos it takes, in pixels.
    channels : str
    resize : {"squash", "crop", "pad"}
        How photos are brought to that size.
    output : str
        What the number means that it gives.
    network, classifier : str
    precision : {"float32", "float16", "int8", "int8-full"}
    calibration : Calibration or None
        Of the probability; it is inside the file.
    judged : Judged or None
        How well the classifier did on photos that it had not seen.
    trained_on : Training
    percentiles : tuple of float, or None
        What the output reaches at the percentiles 0, 1 … 100 of photos.
    compared_with : str or None
        Which photos these are, in words.
    licence : str or None
        What the backbone's weights are, and under which licence.
    decaf : str
        The version that exported it.
    """

    input: str
    size: int
    channels: str
    resize: str
    output: str
    network: str
    classifier: str
    precision: str
    calibration: Calibration | None
    judged: Judged | None
    trained_on: Training
    percentiles: tuple[float, ...] | None
    compared_with: str | None
    licence: str | None
    decaf: str

    def to_json(self) -> dict[str, Any]:
        """The values, to be written as JSON."""
        return asdict(self)

    def compared_with_photos(self, probability: np.ndarray, what: str) -> Description:
        """The same, whose percentiles are of other photos.

        Parameters
        ----------
        probability : ndarray of shape (n_photos,)
            What it gives these.
        what : str
            Which photos these are, in words.

        Returns
        -------
        Description
        """
        found = _rounded(np.array(percentiles_of(probability)))
        return replace(self, percentiles=found, compared_with=what)

    def to_texts(self) -> dict[str, str]:
        """The values as texts; what is no text is JSON."""
        return {
            name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for name, value in self.to_json().items()
        }


def describe(model: Model, head: str, precision: str, dynamic_batch: bool) -> Description:
    """Describe the file of a model.

    Parameters
    ----------
    model : Model
    head : {"classifier", "softmax"}
    precision : {"float32", "float16", "int8", "int8-full"}
    dynamic_batch : bool

    Returns
    -------
    Description
    """
    record, network, size = model.record, model.network.record, model.network.input_size
    is_classifier = head == "classifier"
    batch = "n" if dynamic_batch else "1"
    percentiles = compared_with = None
    if is_classifier and record.percentiles is not None:
        compared_with = f"the {record.judged.photos:,} photos that judged the model"
        probability = record.calibration.probability(np.array(record.percentiles))
        percentiles = _rounded(probability)
    return Description(
        input=f"photo: {batch} × {size} × {size} × 3, uint8: rows, columns, and red, green and "
        "blue of sRGB, 0–255; of the upright photo, over white",
        size=size,
        channels="RGB",
        resize=network.resize,
        output=f"probability: {batch} × 1, float32: {_meaning(network, is_classifier)}",
        network=network.name,
        classifier=record.classifier if is_classifier else "softmax",
        precision=precision,
        calibration=record.calibration if is_classifier else None,
        judged=record.judged if is_classifier else None,
        trained_on=Training(
            record.trained_on.photos,
            record.trained_on.professional,
            network.finetuned_on or 0,
            network.scale,
            network.midpoint,
        ),
        percentiles=percentiles,
        compared_with=compared_with,
        licence=network.licence,
        decaf=metadata.version("decaf"),
    )


def _rounded(probability: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(each), 5) for each in probability)


def _meaning(network: NetworkRecord, is_classifier: bool) -> str:
    if is_classifier:
        return OF_CLASSIFIER
    return {"label": OF_SOFTMAX, "score": OF_SCORES, "votes": OF_VOTES}[network.kind]
