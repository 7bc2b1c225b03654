"""Options of how heads are finetuned, made of the fields of `TrainingSettings`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from decaf.commands.options import backbone_of
from decaf.training.settings import (
    DEFAULT_BACKBONE,
    DEFAULT_SIZES,
    DEFAULT_WIDTH,
    POOLING_OF_RECIPE,
    RECIPES,
    TrainingSettings,
    check_width,
    choose_backbone,
)
from features.errors import InputError

if TYPE_CHECKING:
    from decaf.extraction.feature_network import PlainBackbone
    from features.ratings import RatedPhotos

DEFAULT_BACKBONE_TEXT = f" ({DEFAULT_BACKBONE} at {' and '.join(map(str, DEFAULT_SIZES))})"
SETTINGS = {field.name: field for field in fields(TrainingSettings)}


def add_width_option(group: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """The option of the heads' widths; `chosen_widths` reads it."""
    group.add_argument(
        "--width",
        type=int,
        action="append",
        metavar="UNITS",
        help=f"units of fc6 and fc7; may be given several times ({DEFAULT_WIDTH})",
    )


def add_outputs_option(
    group: argparse.ArgumentParser | argparse._ArgumentGroup, told: Mapping[str, str]
) -> None:
    """The option of what networks learn: the kinds, and what each tells; the first by default."""
    default = next(iter(told))
    meaning = "; ".join(f"{kind}: {what}" for kind, what in told.items())
    group.add_argument(
        "--outputs",
        choices=tuple(told),
        default=default,
        help=f"what the heads learn to tell; {meaning} ({default})",
    )


def check_outputs(args: argparse.Namespace, rated: RatedPhotos) -> None:
    """Refuse ratings that do not tell what is to be learnt, before anything long begins.

    Raises
    ------
    InputError
        There are no scores, or no votes.
    """
    if args.outputs == "score" and rated.above_midpoint is None:
        missing, remedy = "scores", "a column score, or count1 … countK"
    elif args.outputs == "votes" and rated.votes is None:
        missing, remedy = "votes", "columns count1 … countK"
    else:
        return
    raise InputError(
        f"{args.ratings}: there are no {missing} to learn; add {remedy}, or leave --outputs "
        f"{args.outputs} out"
    )


def add_delta_option(group: argparse._ArgumentGroup) -> None:
    """The option of the margin around the midpoint that is not trained on."""
    group.add_argument(
        "--delta",
        type=float,
        default=0.0,
        help="leave training photos out whose score is nearer than this to the midpoint (0)",
    )


def add_recipe_options(group: argparse._ArgumentGroup) -> None:
    """Options of what heads are fed with, and of what `training_settings` starts from."""
    group.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
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


def add_training_options(group: argparse._ArgumentGroup, names: Sequence[str]) -> None:
    """Options of some of the settings; what is not given is not in the namespace.

    Parameters
    ----------
    group : argument group
    names : sequence of str
        Fields of `TrainingSettings`.
    """
    for name in names:
        metadata = SETTINGS[name].metadata
        how: dict[str, Any] = {"help": metadata["help"], "default": argparse.SUPPRESS}
        if "choices" in metadata:
            how |= {"type": _choice, "choices": metadata["choices"]}
            how["metavar"] = "{" + ",".join(_word(choice) for choice in metadata["choices"]) + "}"
        else:
            how |= {"type": metadata["type"], "metavar": metadata.get("metavar")}
        group.add_argument(f"--{name.replace('_', '-')}", **how)


def training_settings(args: argparse.Namespace, recipe: str | None = None) -> TrainingSettings:
    """The recipe's, but for what the options say.

    Parameters
    ----------
    args : Namespace
        Any of the settings.
    recipe : str, optional
        ``args.recipe`` by default.

    Returns
    -------
    TrainingSettings

    Raises
    ------
    InputError
        If one is out of its range.
    """
    given = {name: value for name, value in vars(args).items() if name in SETTINGS}
    return replace(RECIPES[recipe or args.recipe], **given)


def chosen_backbone(args: argparse.Namespace) -> PlainBackbone:
    """What heads are fed with, by the options for the backbone and the recipe."""
    name, sizes = choose_backbone(args.backbone, args.size, args.recipe)
    return backbone_of(args, args.pooling or POOLING_OF_RECIPE[args.recipe], name, sizes)


def chosen_widths(args: argparse.Namespace) -> list[int]:
    """The widths asked for, each one that a head can have.

    Raises
    ------
    InputError
        If one is not.
    """
    widths = args.width or [DEFAULT_WIDTH]
    for width in widths:
        check_width(width)
    return widths


def _choice(word: str) -> str | None:
    return None if word == "none" else word


def _word(choice: str | None) -> str:
    return "none" if choice is None else choice
