"""Scorers as LiteRT files, by TensorFlow's converter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from decaf.models.scorer import input_signature, take_one_photo


def write_litert(
    network: keras.Model, path: Path, precision: str, photos: Sequence[np.ndarray]
) -> None:
    """Write a scorer as a LiteRT file.

    Parameters
    ----------
    network, path, precision, photos
        As in `decaf.models.formats.write_scorer`.
    """
    import tensorflow as tf

    settings: dict[str, Any] = {}
    scorer = take_one_photo(network, "uint8")
    if precision != "float32":
        settings["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        settings["target_spec"] = {"supported_types": [tf.float16]}
    if precision == "int8-full":
        scorer = take_one_photo(network, "float32")
        settings |= {
            "representative_dataset": lambda: _representative(photos),
            "inference_input_type": tf.uint8,
        }
    scorer.export(
        path, format="litert", verbose=False, input_signature=input_signature(scorer), **settings
    )


def _representative(photos: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Photos for the converter; black and white let the input's range be that of bytes, 0–255."""
    shape = np.shape(photos[0])
    for rgb in (np.zeros(shape), np.full(shape, 255), *photos):
        yield [np.asarray(rgb, np.float32)[None]]
