"""Rated photos with their activations, as finetune-network and fit-classifier train on them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from decaf.commands.common import report_failed
from features.errors import InputError

if TYPE_CHECKING:
    from decaf.activations import Activations
    from decaf.finetune import TrainingSettings
    from features.ratings import Ratings


@dataclass(frozen=True)
class RatedPhotos:
    """Photos that have ratings and could be read.

    Attributes
    ----------
    ratings : Ratings
        Of n_photos photos.
    activations : Activations
        Of the same photos, in the same order.
    record : dict
        What a network finetuned on them says of its making; JSON values.
    """

    ratings: Ratings
    activations: Activations
    record: dict


def read_rated_photos(
    args: argparse.Namespace,
    photos: Path,
    settings: TrainingSettings,
    widths: Sequence[int],
    *,
    outputs: str = "label",
    test_list: Path | None = None,
) -> RatedPhotos:
    """Read ratings, and the activations of their photos; check the settings before anything long.

    Parameters
    ----------
    args : Namespace
        Of a command with the options for ratings, backbone and machine, ``pooling`` and ``delta``.
    photos : Path
        The photo folder.
    settings : TrainingSettings
    widths : sequence of int
    outputs : {"label", "votes"}
        What is to be learnt of the ratings.
    test_list : Path, optional
        As in `features.ratings.read_ratings`.

    Returns
    -------
    RatedPhotos

    Raises
    ------
    InputError
    """
    from decaf.activations import cached_activations
    from decaf.backbones import build_activations
    from decaf.finetune import check_settings
    from decaf.pipeline import choose_precision
    from features.ratings import read_ratings

    for width in widths:
        check_settings(settings, width)
    ratings = read_ratings(
        args.ratings,
        photos,
        scale=args.scale,
        midpoint=args.midpoint,
        group_by=args.group_by,
        test_list=test_list,
        skip_missing=args.skip_missing,
    )
    if outputs == "votes" and ratings.votes is None:
        raise InputError(
            f"{args.ratings}: there are no votes to learn; add columns count1 … countK, or leave "
            "--outputs votes out"
        )
    precision = choose_precision(args.precision)
    model = build_activations(
        args.backbone, (args.pooling,), args.blocks, args.weights, dtype=precision
    )
    activations = cached_activations(
        list(ratings.paths), model, resize=args.resize, cache=args.cache
    )[args.pooling]
    report_failed([(ratings.names[i], reason) for i, reason in activations.failed])
    ratings = ratings.take(activations.positions)
    steps = [] if ratings.votes is None else list(range(1, ratings.votes.shape[1] + 1))
    record = {
        "backbone": args.backbone,
        "blocks": args.blocks,
        "pooling": args.pooling,
        "resize": args.resize,
        "precision": precision,
        "outputs": steps if outputs == "votes" else ["snapshot", "professional"],
        "scale": ratings.scale and list(ratings.scale),
        "midpoint": ratings.midpoint,
        "training": asdict(settings) | {"delta": args.delta},
    }
    return RatedPhotos(ratings, activations, record)


def network_name(record: dict) -> str:
    """What a network is called, by what sets it apart.

    Parameters
    ----------
    record : dict
        With ``width``.

    Returns
    -------
    str
        Such as ``vgg16-250`` or ``alexnet-owt-multilevel-blocks4-votes-500``.
    """
    parts = [record["backbone"]]
    if record["pooling"] != "flatten":
        parts.append(record["pooling"])
    if record["blocks"]:
        parts.append(f"blocks{record['blocks']}")
    if record["outputs"] != ["snapshot", "professional"]:
        parts.append("votes")
    return "-".join([*parts, str(record["width"])])
