"""Rated photos with their activations: what heads are finetuned on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from decaf.extraction.activations import Activations, cached_activations
from decaf.extraction.choosing import settle
from decaf.extraction.feature_network import PlainBackbone
from decaf.networks.backbones import get_backbone
from decaf.networks.convolutions import build_activations, precision_of, recorded_sizes
from decaf.networks.record import NetworkRecord
from decaf.networks.weights import weights_name
from decaf.training.settings import POOLING_OF_RECIPE
from decaf.training.targets import levels_of, require_votes
from features.errors import InputError
from features.ratings import RatedPhotos


@dataclass(frozen=True)
class TrainingPhotos:
    """Photos that have ratings and could be read, and what heads are fed with.

    Attributes
    ----------
    rated : RatedPhotos
        Of n_photos photos, with digests.
    activations : Activations
        Of the same photos, in the same order.
    backbone : PlainBackbone
        Whose activations they are.
    precision : {"float32", "bfloat16"}
        What they were computed in.
    """

    rated: RatedPhotos
    activations: Activations
    backbone: PlainBackbone
    precision: str

    def __len__(self) -> int:
        return len(self.rated)

    def record(
        self, width: int, kind: str = "label", rows: np.ndarray | None = None, **more: Any
    ) -> NetworkRecord:
        """What a network finetuned on these photos says of itself.

        Parameters
        ----------
        width : int
            Units of fc6 and fc7.
        kind : {"label", "score", "votes", "backbone"}
        rows : ndarray of int, optional
            The photos that train; all by default.
        **more
            Other fields of `NetworkRecord`.

        Returns
        -------
        NetworkRecord

        Raises
        ------
        InputError
            There are no scores or no votes to learn.
        """
        return NetworkRecord(
            kind=kind,
            backbone=self.backbone.name,
            pooling=self.backbone.pooling,
            width=width,
            blocks=self.backbone.blocks,
            weights=weights_name(self.backbone.weights),
            licence=get_backbone(self.backbone.name).licence(self.backbone.weights),
            resize=self.backbone.resize,
            sizes=recorded_sizes(self.backbone.name, self.backbone.sizes),
            n_grades=require_votes(self.rated).shape[1] if kind == "votes" else None,
            levels=self._levels(rows) if kind == "score" else None,
            scale=self.rated.scale,
            midpoint=self.rated.midpoint,
            precision=self.precision,
            **more,
        )

    def _levels(self, rows: np.ndarray | None) -> tuple[float, ...]:
        """The score's levels, in the units of the ratings."""
        rated = self.rated
        levels = levels_of(rated.above_midpoint, rows)
        assert rated.scale is not None and rated.midpoint is not None  # as of all scores
        low, high = rated.scale
        return tuple((rated.midpoint + levels * (high - low)).tolist())


def read_training_photos(
    rated: RatedPhotos,
    backbone: str | PlainBackbone,
    *,
    precision: str = "auto",
    engine: str = "auto",
    cache: str | os.PathLike | None = None,
    progress: bool = True,
) -> TrainingPhotos:
    """Read the activations of rated photos, from the cache where they are there.

    Parameters
    ----------
    rated : RatedPhotos
        With paths.
    backbone : str or PlainBackbone
        A name stands for the averages of all of that backbone's blocks.
    precision : {"auto", "float32", "bfloat16"}
        What the convolutions are computed in.
    engine : {"auto", "keras", "openvino"}
        What runs them.
    cache : path-like, optional
        Folder of cached activations; `decaf.extraction.activations.default_cache` by default.
    progress : bool
        Show progress on stderr.

    Returns
    -------
    TrainingPhotos
        The photos that could be read; the others are among ``rated.failed``.

    Raises
    ------
    InputError
        If there is no such backbone, or its weights cannot be had; or the photos have no paths.
    """
    if isinstance(backbone, str):
        backbone = PlainBackbone(backbone, POOLING_OF_RECIPE["decaf"])
    if rated.paths is None:
        raise InputError("the rated photos have no paths to be read from")
    convolutions = build_activations(
        backbone.name,
        (backbone.pooling,),
        backbone.blocks,
        backbone.weights,
        sizes=backbone.sizes,
    )
    settle(convolutions, len(rated.paths), precision=precision, engine=engine, cache=cache)
    activations = cached_activations(
        list(rated.paths), convolutions, resize=backbone.resize, cache=cache, progress=progress
    )[backbone.pooling]
    rated = rated.readable(activations.positions, activations.digests, activations.failed)
    return TrainingPhotos(rated, activations, backbone, precision_of(convolutions))
