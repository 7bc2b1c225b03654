"""Stars by percentile in XMP sidecars: rank-photos --xmp."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from decaf.commands.common import printable, report_first
from features.errors import InputError

if TYPE_CHECKING:
    from decaf.ranking.ranking import RankedPhoto
    from features.xmp import GivenStars


def add_star_options(parser: argparse.ArgumentParser) -> None:
    """Options of `give_stars`."""
    group = parser.add_argument_group("stars")
    group.add_argument(
        "--xmp",
        action="store_true",
        help="write stars into XMP sidecars, where nothing else is changed: 5 for the best tenth, "
        "4 for the next fifth, 3 for the middle two fifths, 2 for the next fifth, 1 for the worst "
        "tenth; photos that a person has rated or rejected keep that",
    )
    group.add_argument(
        "--sidecar",
        choices=("photo.jpg.xmp", "photo.xmp"),
        help="what sidecars are called: as by darktable and digiKam, or as by Lightroom "
        "(photo.jpg.xmp)",
    )
    group.add_argument(
        "--overwrite-ratings", action="store_true", help="write over a person's ratings, too"
    )
    group.add_argument(
        "--dry-run", action="store_true", help="show what --xmp would write, and write no sidecar"
    )


def check_star_options(args: argparse.Namespace) -> None:
    """Refuse options that change what --xmp does where it is not given.

    Raises
    ------
    InputError
    """
    for option in ("sidecar", "overwrite_ratings", "dry_run"):
        if getattr(args, option) and not args.xmp:
            raise InputError(f"--{option.replace('_', '-')} needs --xmp")


def give_stars(args: argparse.Namespace, ranking: Sequence[RankedPhoto]) -> None:
    """Write the stars, and print what was written, kept and refused.

    Parameters
    ----------
    args : Namespace
        With the options of `add_star_options`.
    ranking : sequence of RankedPhoto
    """
    from features.xmp import SIDECARS, rate_photos

    given = rate_photos(
        [photo.path for photo in ranking],
        [photo.percentile for photo in ranking],
        naming=args.sidecar or SIDECARS[0],
        overwrite=args.overwrite_ratings,
        dry_run=args.dry_run,
    )
    refused = [each for each in given if each.outcome == "refused"]
    if args.dry_run:
        for each in given:
            print(_describe(each))
    elif refused:
        report_first(
            f"{len(refused):,} photos got no stars:", [printable(each.reason) for each in refused]
        )
    counts = Counter(each.outcome for each in given)
    print(
        f"stars: {counts['written']:,} {'would be ' if args.dry_run else ''}written, "
        f"{counts['unchanged']:,} there already, {counts['kept']:,} kept as a person rated, "
        f"{counts['refused']:,} refused"
    )


def _describe(each: GivenStars) -> str:
    if each.outcome == "refused":
        return f"refused    {printable(each.reason)}"
    reason = f" ({each.reason})" if each.reason else ""
    return f"{each.outcome:9}  {each.stars} stars  {printable(each.sidecar)}{reason}"
