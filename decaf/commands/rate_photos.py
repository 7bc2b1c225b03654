"""rate-photos: a page on which a person rates an album, and a model of their taste."""

from __future__ import annotations

import argparse
import sys
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from decaf.backend import import_keras
from decaf.commands.options import (
    PHOTOS,
    add_ignore_stars_option,
    add_machine_options,
    ratings_source,
    report_rated,
)
from decaf.commands.running import run_command
from decaf.commands.star_options import (
    add_sidecar_options,
    check_needs_xmp,
    report_refused,
    stars_status,
)
from features.errors import InputError

if TYPE_CHECKING:
    from decaf.rating.answers import Answers
    from decaf.rating.session import Session

STARS, TWO = (1, 2, 3, 4, 5), (0, 1)
DESCRIPTION = """\
Rate an album in the browser, and have your taste learnt meanwhile.
The page asks for the photo that tells it most, says how sure it is, and makes
a model that sorts the whole album. Photos are read only.
"""
EXAMPLES = """\
The page opens by itself; its address, which holds a password, works on this
machine alone. Keys 1 to 5 rate, x rejects, the space bar skips, u takes back;
? tells the rest. Each answer is in ratings.sqlite of the folder before the next
photo is shown: however this ends, the same command goes on from there. "Finish"
on the page writes the model, which rank-photos takes, and ratings.csv.

examples:
  rate-photos album -o taste/
  rate-photos album --model generic/ -o taste/
  rate-photos album --ratings xmp -o taste/ --xmp
"""
OPEN_TO_ALL = """\
Open to your network: until this ends, whoever learns this address can look at
all photos of the album and rate them, and others in the network can read along,
since nothing is encrypted. Use it in a network that you trust."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run_command(rate_photos, build_parser(), argv)


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        "rate-photos",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help=PHOTOS)
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FOLDER",
        help="a model to begin with, such as somebody else's taste; yours bends it",
    )
    parser.add_argument(
        "--two-keys",
        action="store_true",
        help="rate by two keys, better (2) and not (1), in place of stars",
    )
    page = parser.add_argument_group("page")
    page.add_argument(
        "--no-browser", action="store_true", help="print the page's address, and open no browser"
    )
    page.add_argument(
        "--listen",
        action="store_true",
        help="serve the page to this machine's network, as for a phone in the same house: whoever "
        "learns the address can see the photos and rate them, and nothing is encrypted",
    )
    _add_rating_options(parser)
    add_machine_options(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="of the ratings and the model; one that rate-photos has begun is gone on with",
    )
    return parser


def rate_photos(args: argparse.Namespace) -> int:
    """Serve the page until the person finishes; write what is left.

    Returns
    -------
    int
        1 where stars were to be written, and none could be.
    """
    if args.two_keys and args.xmp:
        raise InputError("--xmp writes stars, and two keys give none; leave one of them out")
    check_needs_xmp(args, "sidecar", "overwrite_ratings")
    from decaf.rating.server import HOME, PageServer, own_address

    session = _begin(args)
    finished: list[Answers] = []

    def finish(line: float | None) -> str:
        answers = session.write(args.output, line, " ".join(["rate-photos", *sys.argv[1:]]))
        finished.append(answers)
        return f"rank-photos {args.photos} --model {args.output} -o ranking/"

    try:
        server = PageServer(session, finish, own_address() if args.listen else HOME)
        session.start()
        if args.listen:
            print(OPEN_TO_ALL, file=sys.stderr)
        print(server.address, flush=True)
        # Not in this thread, which signals are told in.
        serving = threading.Thread(target=server.run, name="server")
        serving.start()
        if not args.no_browser:
            webbrowser.open(server.address)
        serving.join()
        if not finished:
            return 0
        print(f"{args.output}: a model, ratings.csv, ratings.sqlite")
        print(f"Now sort the album: rank-photos {args.photos} --model {args.output} -o ranking/")
        return _write_stars(args, finished[-1]) if args.xmp else 0
    finally:
        session.close()


def _add_rating_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("ratings")
    group.add_argument(
        "--ratings",
        type=ratings_source,
        metavar="FILE",
        help="take these in first: xmp, the stars in the photos' sidecars or in themselves, or a "
        "CSV with file and score, label or count1…countK",
    )
    group.add_argument(
        "--scale",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="lowest and highest possible score of these (0 1; votes: 1 K; xmp: 1 5)",
    )
    group.add_argument(
        "--skip-missing", action="store_true", help="leave out rated photos that are not there"
    )
    group.add_argument(
        "--xmp",
        action="store_true",
        help="at the end write your ratings into XMP sidecars, as your own, which other programs "
        "show; a rating that was there before is kept",
    )
    add_sidecar_options(group, "ratings of before")
    add_ignore_stars_option(group, "xmp")


def _begin(args: argparse.Namespace) -> Session:
    """Find the photos, open the ratings, and load what gives the features."""
    from decaf.rating.ratings_file import RATINGS_FILE, RatingsFile
    from features.files import writing
    from features.folders import check_writable
    from features.photos import find_photos, photo_root

    names = find_photos(args.photos)
    paths = [str(photo_root(args.photos) / name) for name in names]
    folder = args.output
    check_writable(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RATINGS_FILE).exists():
        raise InputError(
            f"{folder}: is not empty, and rate-photos has not begun it; choose another folder"
        )
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    file = RatingsFile(folder / RATINGS_FILE, TWO if args.two_keys else STARS)
    import_keras()
    from decaf.models.model import load_model
    from decaf.rating.measuring import Measuring
    from decaf.rating.session import Session

    model = load_model(args.model, args.precision, args.engine) if args.model else None
    measuring = Measuring(paths, model, args.precision, args.engine, args.cache)
    session = Session(names, paths, file, measuring)
    if args.ratings is not None:
        print(f"{_take_in(args, session):,} ratings taken in", file=sys.stderr)
    return session


def _take_in(args: argparse.Namespace, session: Session) -> int:
    from features.ratings import read_ratings

    rated = read_ratings(
        args.ratings,
        args.photos,
        scale=args.scale,
        skip_missing=args.skip_missing,
        ignore_stars=args.ignore_stars,
    )
    report_rated(rated, args.ratings, args.photos)
    return session.take_in(rated)


def _write_stars(args: argparse.Namespace, answers: Answers) -> int:
    """Write the person's ratings into sidecars; 1 where all of them were refused."""
    from collections import Counter

    from features.photos import photo_root
    from features.stars import write_ratings
    from features.xmp import SIDECARS
    from features.xmp_packet import REJECTED

    last = {each.path: each for each in answers.ratings if not each.is_taken_in}
    given = write_ratings(
        [str(photo_root(args.photos) / name) for name in last],
        [REJECTED if each.is_rejected else int(each.grade) for each in last.values()],
        naming=args.sidecar or SIDECARS[0],
        overwrite=args.overwrite_ratings,
        ignore_stars=args.ignore_stars,
    )
    report_refused(given)
    counts = Counter(each.outcome for each in given)
    print(
        f"your stars: {counts['written']:,} written, {counts['unchanged']:,} there already, "
        f"{counts['kept']:,} kept as rated before, {counts['refused']:,} refused"
    )
    return stars_status(given)
