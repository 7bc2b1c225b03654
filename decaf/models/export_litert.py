"""Scorers as LiteRT files, by TensorFlow's converter, and their metadata."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from decaf.models.scorer import input_signature, take_photos

METADATA_FILE = "decaf.json"


def write_litert(
    network: keras.Model,
    path: Path,
    precision: str,
    photos: Sequence[np.ndarray],
    batch_size: int | None,
) -> None:
    """Write a scorer as a LiteRT file.

    Parameters
    ----------
    network, path, precision, photos
        As in `decaf.models.formats.write_scorer`.
    batch_size : int or None
        None is any.
    """
    import tensorflow as tf

    settings: dict[str, Any] = {}
    scorer = take_photos(network, "uint8", batch_size)
    if precision != "float32":
        settings["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        settings["target_spec"] = {"supported_types": [tf.float16]}
    if precision == "int8-full":
        scorer = take_photos(network, "float32", batch_size)
        settings |= {
            "representative_dataset": lambda: _representative(photos),
            "inference_input_type": tf.uint8,
        }
    scorer.export(
        path, format="litert", verbose=False, input_signature=input_signature(scorer), **settings
    )


def describe_litert(path: Path, values: Mapping[str, Any]) -> None:
    """Add values to a LiteRT file, as JSON in a zip at its end.

    That is where LiteRT keeps files that belong to a model ("associated files"); the runtime passes
    over it, and every program that opens a zip finds it.

    Parameters
    ----------
    path : Path
    values : dict
        Of what JSON holds.
    """
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(METADATA_FILE, json.dumps(values, indent=1, ensure_ascii=False))


def _representative(photos: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Photos for the converter; black and white let the input's range be that of bytes, 0–255."""
    shape = np.shape(photos[0])
    for rgb in (np.zeros(shape), np.full(shape, 255), *photos):
        yield [np.asarray(rgb, np.float32)[None]]
