"""What the commands share that write stars into sidecars."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from decaf.commands.printing import printable, report_first
from features.errors import InputError

if TYPE_CHECKING:
    from features.stars import GivenStars


def add_sidecar_options(group: argparse._ArgumentGroup, overwritten: str) -> None:
    """What sidecars are called, and whether ratings are overwritten, which help calls so."""
    group.add_argument(
        "--sidecar",
        choices=("photo.jpg.xmp", "photo.xmp"),  # features.xmp.SIDECARS
        help="what sidecars are called: as by darktable and digiKam, or as by Lightroom "
        "(photo.jpg.xmp)",
    )
    group.add_argument(
        "--overwrite-ratings", action="store_true", help=f"write over {overwritten}, too"
    )


def check_needs_xmp(args: argparse.Namespace, *options: str) -> None:
    """Refuse options that say how stars are written where none are.

    Raises
    ------
    InputError
    """
    for option in options:
        if getattr(args, option) and not args.xmp:
            raise InputError(f"--{option.replace('_', '-')} needs --xmp")


def report_refused(given: Sequence[GivenStars]) -> None:
    """Say on stderr which photos got no stars, and why the first ones did not."""
    refused = [each for each in given if each.outcome == "refused"]
    if refused:
        report_first(
            f"{len(refused):,} photos got no stars:", [printable(each.reason) for each in refused]
        )


def stars_status(given: Sequence[GivenStars]) -> int:
    """The exit status: 1 where all stars that were to be written were refused."""
    outcomes = {each.outcome for each in given}
    return int("refused" in outcomes and outcomes.isdisjoint(("written", "unchanged")))
