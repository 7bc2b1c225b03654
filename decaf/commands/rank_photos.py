"""rank-photos: a folder of photos → the same photos in the order of a model's taste."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from decaf.backend import import_keras
from decaf.commands.options import PHOTOS, add_ignore_stars_option, add_machine_options
from decaf.commands.printing import printable, report_failed, report_passed_over
from decaf.commands.running import run_command
from decaf.commands.star_options import (
    add_sidecar_options,
    check_needs_xmp,
    report_refused,
    stars_status,
)
from features.errors import InputError
from features.folders import check_output_folder, lies_in

if TYPE_CHECKING:
    from decaf.ranking.ranking import Ranking
    from features.stars import GivenStars

DESCRIPTION = """\
Rank photos by a model, and write a table and a page to look through them.
Photos are read only: none is changed, moved or deleted.
"""
EXAMPLES = """\
The folder gets ranking.csv (rank and percentile among these photos, probability
of a professional photo, the predicted score and how far people's may lie from
it where the model has learnt scores, stack; last the photos that could not be
read, and why) and ranking.html, which keeps ranking_files beside it where there
are many photos, or some that browsers do not show. Photos of one burst, and
copies of one picture, are stacked under the best of them, by score and
sharpness.

examples:
  rank-photos album --model model/ -o ranking/
  rank-photos album --model model/ -o ranking/ --copy-best 50 best/
  rank-photos album --model model/ -o ranking/ --xmp --dry-run
"""
# As many as can be read at a glance.
SHOWN = 5


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run_command(rank_photos, build_parser(), argv)


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        "rank-photos",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "photos",
        type=Path,
        metavar="PHOTOS",
        help=PHOTOS,
    )
    parser.add_argument(
        "--model", type=Path, required=True, metavar="FOLDER", help="a model of fit-classifier"
    )
    parser.add_argument(
        "--copy-best",
        nargs=2,
        metavar=("N", "FOLDER"),
        help="copy the best N photos, one of each stack, to this folder; their names there begin "
        "with their ranks",
    )
    _add_star_options(parser)
    add_machine_options(parser)
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="of the ranking"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace a ranking in the folder that somebody has changed; one that nobody has is "
        "replaced anyway",
    )
    return parser


def rank_photos(args: argparse.Namespace) -> int:
    """Rank the photos, write the table and the page, print the first ones.

    Returns
    -------
    int
        1 where stars were asked for, and none could be written.
    """
    copies = _check(args)
    import_keras()
    from decaf.models.model import load_model
    from decaf.ranking import ranking
    from decaf.ranking.page import PAGE_FILE
    from decaf.ranking.table import TABLE_FILE
    from features.xmp import SIDECARS

    ranked = ranking.rank_photos(
        args.photos, load_model(args.model, args.precision, args.engine), cache=args.cache
    )
    report_passed_over(args.photos)
    report_failed(ranked.failed)
    status = 0
    ranked.write(args.output, force=True)
    _print_first(ranked)
    print(f"{args.output}: {TABLE_FILE}, {PAGE_FILE}")
    if args.xmp:
        given = ranked.write_stars(
            sidecar=args.sidecar or SIDECARS[0],
            overwrite=args.overwrite_ratings,
            ignore_stars=args.ignore_stars,
            dry_run=args.dry_run,
        )
        status = _print_stars(given, args.dry_run)
    if copies:
        n, folder = copies
        print(f"{folder}: {ranked.copy_best(n, folder):,} photos copied")
    return status


def _add_star_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("stars")
    group.add_argument(
        "--xmp",
        action="store_true",
        help="write stars into XMP sidecars, where nothing else is changed: 5 for the best tenth, "
        "4 for the next fifth, 3 for the middle two fifths, 2 for the next fifth, 1 for the worst "
        "tenth; photos that a person has rated or rejected keep that. darktable reads them where "
        "it is told to look for updated XMP files on startup, digiKam by Item, Reread metadata "
        "from file, with sidecars switched on; Lightroom reads sidecars of raw files only, by "
        "Metadata, Read metadata from file, and stars of JPEGs from inside them",
    )
    add_sidecar_options(group, "a person's ratings")
    add_ignore_stars_option(group, "--xmp")
    group.add_argument(
        "--dry-run", action="store_true", help="show what --xmp would write, and write no sidecar"
    )


def _check(args: argparse.Namespace) -> tuple[int, Path] | None:
    """Refuse before anything long what would fail after it; N and FOLDER of --copy-best."""
    check_needs_xmp(args, "sidecar", "overwrite_ratings", "ignore_stars", "dry_run")
    from decaf.ranking.page import OWN_FILES

    check_output_folder(args.output, force=args.force, owner="ranking", own_files=OWN_FILES)
    if args.copy_best is None:
        return None
    n, folder = args.copy_best
    if not n.isdecimal() or int(n) < 1:
        raise InputError(f"--copy-best {n}: give how many photos, then the folder to copy them to")
    if args.photos.is_dir() and lies_in(folder, args.photos):
        raise InputError(
            f"{folder}: lies in the album, where copies would be photos of their own; choose "
            "another folder with --copy-best"
        )
    if Path(folder).exists() and not Path(folder).is_dir():
        raise InputError(f"{folder}: is a file; choose another folder with --copy-best")
    return int(n), Path(folder)


def _print_first(ranking: Ranking) -> None:
    """Print the best photos, a row each, in 80 columns, and what a reader must know."""
    plural = "" if ranking.n_stacks == 1 else "s"
    print(f"{len(ranking):,} photos ranked, {ranking.n_stacks:,} stack{plural}")
    has_scores = ranking[0].mean is not None
    print(f"rank  percentile  {'score' if has_scores else 'probability':>11}  file")
    for photo in ranking.tops[:SHOWN]:
        name = printable(photo.name)
        name = name if len(name) <= 48 else f"…{name[-47:]}"
        figure = f"{photo.probability:.3f}"
        if photo.mean is not None:
            figure = f"{photo.mean:.2f} ± {photo.spread:.2f}"
        print(f"{photo.rank:4,}  {photo.percentile:10.1f}  {figure:>11}  {name}")
    for note in ranking.notes:
        print(note)


def _print_stars(given: Sequence[GivenStars], dry_run: bool) -> int:
    """Print what was written, kept and refused; 1 where all that was to be written was refused."""
    if dry_run:
        for each in given:
            print(_describe(each))
    else:
        report_refused(given)
    counts = Counter(each.outcome for each in given)
    print(
        f"stars: {counts['written']:,} {'would be ' if dry_run else ''}written, "
        f"{counts['unchanged']:,} there already, {counts['kept']:,} kept as a person rated, "
        f"{counts['refused']:,} refused"
    )
    initial = sum(each.initial for each in given)
    if initial:
        print(
            f"{initial:,} of those kept have one star in darktable's sidecars, which it gives "
            "every new photo: if nobody gave them, add --ignore-stars 1",
            file=sys.stderr,
        )
    return stars_status(given)


def _describe(each: GivenStars) -> str:
    if each.outcome == "refused":
        return f"refused    {printable(each.reason)}"
    reason = f" ({each.reason})" if each.reason else ""
    return f"{each.outcome:9}  {each.stars} stars  {printable(each.sidecar)}{reason}"
