"""What scores frames: a model, or its exported file, which needs no Keras."""

from __future__ import annotations

import zipfile
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from features.errors import InputError
from features.photos import RESIZE_MODES, resize_photo
from features.records import parse_json


@dataclass(frozen=True)
class FrameScorer:
    """Scores frames as rank-photos scores photos.

    Attributes
    ----------
    predict : callable
        From RGB (size, size, 3), uint8, to the probability of professional.
    size : int
    resize : {"squash", "crop", "pad"}
        How a frame is brought to that size.
    percentiles : sequence of float, or None
        Probabilities at the percentiles 0, 1 … 100 of the photos that frames are compared with.
    compared_with : str or None
        Which photos these are, in words.
    """

    predict: Callable[[np.ndarray], float]
    size: int
    resize: str
    percentiles: tuple[float, ...] | None = None
    compared_with: str | None = None

    def score(self, rgb: np.ndarray) -> float:
        """The probability of professional of a frame, (height, width, 3)."""
        return self.predict(resize_photo(rgb, self.size, self.resize))

    def percentile(self, probability: float) -> float | None:
        """How many in a hundred of the photos compared with are no better."""
        if self.percentiles is None:
            return None
        above = bisect_right(self.percentiles, probability)
        if above in (0, len(self.percentiles)):
            return 100.0 if above else 0.0
        low, high = self.percentiles[above - 1 : above + 1]
        return above - 1 + (probability - low) / (high - low)


def open_frame_scorer(path: Path) -> FrameScorer:
    """Open a model's folder, or a file of export-network.

    Parameters
    ----------
    path : Path
        A file ends in ``.tflite`` or ``.onnx``, and is run by its own runtime.

    Returns
    -------
    FrameScorer

    Raises
    ------
    InputError
        It is neither, is damaged, or its runtime is not installed.
    """
    return _of_model(path) if path.is_dir() else _of_file(path)


def _of_file(path: Path) -> FrameScorer:
    from decaf.models.runtime import RUNTIMES, open_scorer

    if not path.is_file():
        raise InputError(f"{path}: there is no such model")
    if path.suffix not in RUNTIMES:
        raise InputError(f"{path}: give a model's folder, or a file of export-network")
    try:
        predict = open_scorer(path)
        values = _read_description(path)
        percentiles = values["percentiles"]
        scorer = FrameScorer(
            predict,
            int(values["size"]),
            values["resize"],
            percentiles and tuple(map(float, percentiles)),
            values["compared_with"],
        )
        if scorer.size < 1 or scorer.resize not in RESIZE_MODES:
            raise ValueError("its size is none")
        predict(np.zeros((scorer.size, scorer.size, 3), np.uint8))
    except ImportError as error:
        raise InputError(
            f"{path}: {RUNTIMES[path.suffix]} is not installed: pip install {RUNTIMES[path.suffix]}"
        ) from error
    # Of damaged files each runtime has its own kinds.
    except Exception as error:
        raise InputError(
            f"{path}: is no file of export-network, or is not whole; export the model anew"
        ) from error
    return scorer


def _read_description(path: Path) -> dict[str, Any]:
    """What an exported file says of itself, of `decaf.models.description.Description`'s fields."""
    if path.suffix == ".tflite":
        with zipfile.ZipFile(path) as archive:
            return parse_json(archive.read("decaf.json"))
    import onnxruntime

    texts = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    found = {name: texts[name] for name in ("size", "resize", "compared_with")}
    found["percentiles"] = parse_json(texts["percentiles"].encode())
    return found | {
        "compared_with": None if found["percentiles"] is None else texts["compared_with"]
    }


def _of_model(folder: Path) -> FrameScorer:
    from decaf.backend import import_keras

    import_keras()
    from decaf.models.description import describe
    from decaf.models.model import load_model
    from decaf.models.scorer import photo_predictor

    model = load_model(folder)
    description = describe(model, "classifier", "float32", dynamic_batch=False)
    predict = photo_predictor(model, "classifier")
    return FrameScorer(
        lambda rgb: float(predict(rgb[None])[0]),
        description.size,
        description.resize,
        description.percentiles,
        description.compared_with,
    )
