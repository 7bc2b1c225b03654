"""Rated photos with their activations, as finetune-network and fit-classifier train on them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from decaf.commands.common import read_ratings_of, report_failed
from features.errors import InputError

if TYPE_CHECKING:
    from decaf.extraction.activations import Activations
    from decaf.networks.record import NetworkRecord
    from decaf.training.finetune import TrainingSettings
    from features.ratings import RatedPhotos


POOLING_OF_RECIPE = {"decaf": "multilevel", "paper": "flatten"}


@dataclass(frozen=True)
class TrainingPhotos:
    """Photos that have ratings and could be read, and what heads are fed with.

    Attributes
    ----------
    rated : RatedPhotos
        Of n_photos photos.
    activations : Activations
        Of the same photos, in the same order.
    records : list of NetworkRecord
        What networks finetuned on them, one of each width, say of their making.
    """

    rated: RatedPhotos
    activations: Activations
    records: list[NetworkRecord]


def add_recipe_options(group: argparse._ArgumentGroup) -> None:
    """Options of what heads are fed with, and of what `training_settings` starts from."""
    group.add_argument(
        "--recipe",
        choices=tuple(POOLING_OF_RECIPE),
        default="decaf",
        help="decaf: AdamW on the standardised averages of all blocks, with labels as soft as the "
        "scores are near to the midpoint; paper: SGD on the last block's map (decaf)",
    )
    group.add_argument(
        "--pooling",
        choices=("flatten", "multilevel", "average"),
        help="what fc6 is fed with: the last block's map, the averages of all blocks, or those of "
        "the last (the recipe's)",
    )


def training_settings(args: argparse.Namespace) -> TrainingSettings:
    """The recipe's, but for what the options say.

    Parameters
    ----------
    args : Namespace
        ``recipe``, and any of the settings; those that are None are the recipe's.

    Returns
    -------
    TrainingSettings
    """
    from dataclasses import fields, replace

    from decaf.training.finetune import RECIPES, TrainingSettings

    given = {field.name: getattr(args, field.name, None) for field in fields(TrainingSettings)}
    given = {name: value for name, value in given.items() if value is not None}
    if given.get("class_weight") == "none":
        given["class_weight"] = None
    return replace(RECIPES[args.recipe], **given)


def read_rated_photos(
    args: argparse.Namespace,
    photos: Path,
    settings: TrainingSettings,
    widths: Sequence[int],
    *,
    outputs: str = "label",
    test_list: Path | None = None,
) -> TrainingPhotos:
    """Read ratings, and the activations of their photos; check the settings before anything long.

    Parameters
    ----------
    args : Namespace
        Of a command with the options for ratings, backbone, recipe and machine, and ``delta``.
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
    TrainingPhotos

    Raises
    ------
    InputError
    """
    from decaf.backend import choose_precision
    from decaf.extraction.activations import cached_activations
    from decaf.networks.backbones import build_activations
    from decaf.networks.network import weights_name
    from decaf.networks.record import NetworkRecord
    from decaf.training.finetune import check_settings

    for width in widths:
        check_settings(settings, width)
    rated = read_ratings_of(args, photos, test_list)
    if outputs == "votes" and rated.votes is None:
        raise InputError(
            f"{args.ratings}: there are no votes to learn; add columns count1 … countK, or leave "
            "--outputs votes out"
        )
    precision = choose_precision(args.precision)
    pooling = args.pooling or POOLING_OF_RECIPE[args.recipe]
    model = build_activations(args.backbone, (pooling,), args.blocks, args.weights, dtype=precision)
    activations = cached_activations(
        list(rated.paths), model, resize=args.resize, cache=args.cache
    )[pooling]
    n_without_stars = len(rated.failed)  # these were reported
    rated = rated.readable(activations.positions, activations.digests, activations.failed)
    report_failed(rated.failed[n_without_stars:])
    records = [
        NetworkRecord(
            kind=outputs,
            backbone=args.backbone,
            pooling=pooling,
            width=width,
            blocks=args.blocks,
            weights=weights_name(args.weights),
            resize=args.resize,
            n_grades=rated.votes.shape[1] if outputs == "votes" else None,
            scale=rated.scale,
            midpoint=rated.midpoint,
            precision=precision,
            training=asdict(settings) | {"delta": args.delta},
        )
        for width in widths
    ]
    return TrainingPhotos(rated, activations, records)
