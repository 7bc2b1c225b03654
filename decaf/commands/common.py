"""What the commands share: options, errors in one line, exit statuses."""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from decaf.commands.streams import patient_streams
from features.errors import (
    AlreadyThere,
    InputError,
    MissingPhotos,
    NoMidpoint,
    NoNetworkFile,
    NoRatings,
    NoRepresentativePhotos,
    NoScores,
    NotLinear,
    NoWeightsFile,
    OutsideScale,
    SeenPhotos,
)

if TYPE_CHECKING:
    from features.ratings import RatedPhotos


# What the library cannot know: the option that helps, which ends the line of an error of this kind.
REMEDIES: dict[type[InputError], str] = {
    AlreadyThere: ", or add --force",
    MissingPhotos: ", or leave them out with --skip-missing",
    OutsideScale: ", or give the scale with --scale LOW HIGH",
    NoRatings: "; extract the features with --ratings FILE",
    NoScores: "; give others, or leave --delta out",
    NoMidpoint: "; give it with --midpoint SCORE, or leave --delta out",
    SeenPhotos: "; or let `fit-classifier PHOTOS --ratings FILE` finetune anew in each fold; or "
    "say --allow-leak",
    NoNetworkFile: "; for a whole model give fit-classifier that with --network, and --force",
    NoWeightsFile: "; for a whole model give fit-classifier that with --weights, and --force",
    NotLinear: ", or export the network's own output with --head softmax",
    NoRepresentativePhotos: "; name some with --photos",
}


def run_command(
    function: Callable[[argparse.Namespace], int | None],
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None = None,
) -> int:
    """Parse the command line, do the work and turn what goes wrong into an exit status.

    Parameters
    ----------
    function : callable
        Does the work with the parsed arguments; gives an exit status where it is not always 0.
    parser : ArgumentParser
    argv : sequence of str, optional
        ``sys.argv[1:]`` by default.

    Returns
    -------
    int
        What the function gives, else 0; 2 for a wrong input, said on stderr in one line, with the
        option that helps where `REMEDIES` has one; 130 when interrupted and 143 when terminated, as
        a shell does.
    """
    with patient_streams():
        return _run(function, parser, parser.parse_args(argv))


def _run(function, parser, args):
    received: list[int] = []
    try:
        with _noting_interruptions(received):
            return function(args) or 0
    except (Exception, KeyboardInterrupt) as error:
        # Extension modules turn the KeyboardInterrupt that reaches Python in their middle into
        # whatever they please: TensorFlow into SystemError and AttributeError.
        if received or isinstance(error, KeyboardInterrupt):
            print(
                f"{parser.prog}: interrupted; the same command goes on from here", file=sys.stderr
            )
            return 128 + (received or [signal.SIGINT])[0]
        if isinstance(error, InputError):
            return _fail(parser, explain(error))
        raise


def explain(error: InputError) -> str:
    """What is wrong, with the option that helps."""
    remedies = (remedy for kind, remedy in REMEDIES.items() if isinstance(error, kind))
    return f"{error}{next(remedies, '')}"


def add_rating_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Options of `features.ratings.read_ratings`."""
    group = parser.add_argument_group("ratings")
    group.add_argument(
        "--ratings",
        type=_ratings_source,
        required=required,
        metavar="FILE",
        help="AVA.txt; a CSV with file and count1…countK, score or label; a folder with folders "
        "good and bad; or xmp: the 1 to 5 stars in the photos' sidecars or in themselves (unrated "
        "photos are left out, rejected ones have 1 star)",
    )
    group.add_argument(
        "--ignore-stars",
        type=float,
        nargs="+",
        default=(),
        metavar="STARS",
        help="with xmp: take photos of so many stars for unrated; 1 helps where darktable gave one "
        "star to every photo that it imported",
    )
    group.add_argument(
        "--group-by",
        metavar="COLUMN",
        help="column whose groups stay on one side of every split (group, where there is one)",
    )
    group.add_argument(
        "--scale",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="lowest and highest possible score (0 1; votes: 1 K; xmp: 1 5)",
    )
    group.add_argument(
        "--midpoint",
        type=float,
        help="photos with a mean score above it are professional (middle of the scale; AVA: 5; "
        "xmp: 3)",
    )
    group.add_argument(
        "--skip-missing", action="store_true", help="leave out rated photos that are not there"
    )


def read_ratings_of(
    args: argparse.Namespace, photos: Path | None, test_list: Path | None = None
) -> RatedPhotos:
    """Read the ratings that the options name, and say on stderr which photos have none.

    Parameters
    ----------
    args : Namespace
        Of a command with the options for ratings.
    photos : Path or None
        The photo folder.
    test_list : Path, optional
        As in `features.ratings.read_ratings`.

    Returns
    -------
    RatedPhotos

    Raises
    ------
    InputError
    """
    from features.ratings import STARS, read_ratings

    rated = read_ratings(
        args.ratings,
        photos,
        scale=args.scale,
        midpoint=args.midpoint,
        group_by=args.group_by,
        test_list=test_list,
        skip_missing=args.skip_missing,
        ignore_stars=getattr(args, "ignore_stars", ()),
    )
    report_failed(rated.failed)
    if rated.n_beside:
        print(
            f"{rated.n_beside:,} of the rated photos lie beside {args.ratings}, not in {photos}",
            file=sys.stderr,
        )
    if args.ratings == STARS:
        n_professional = rated.label.sum()
        print(
            f"{len(rated):,} photos have stars: {n_professional:,} above {rated.midpoint:g}, "
            f"{len(rated) - n_professional:,} not; {rated.unrated:,} unrated are left out",
            file=sys.stderr,
        )
        _warn_of_stars(rated)
    return rated


def _warn_of_stars(rated: RatedPhotos) -> None:
    """Say on stderr what the stars of an album may mean otherwise than they are taken."""
    if rated.initial_stars > len(rated) / 2:
        print(
            f"{rated.initial_stars:,} of them have one star in darktable's sidecars, which it "
            "gives every new photo: if nobody gave them, add --ignore-stars 1, and set darktable's "
            '"initial rating" (preferences, import) to 0',
            file=sys.stderr,
        )
    assert rated.score is not None  # stars are scores
    n_at_midpoint = int((rated.score == rated.midpoint).sum())
    if n_at_midpoint:
        print(
            f"{n_at_midpoint:,} of them have {rated.midpoint:g} stars, neither good nor bad, and "
            "count as not good; --delta 0.5 leaves them out of the training",
            file=sys.stderr,
        )


def add_backbone_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Options of the frozen backbone and of how photos are brought to it."""
    group = parser.add_argument_group("backbone")
    group.add_argument(
        "--backbone",
        required=required,
        metavar="NAME",
        help="alexnet, alexnet-owt, vgg16, resnet50, inception-v3, mobilenet-v2 or "
        "efficientnet-lite0",
    )
    group.add_argument(
        "--blocks", type=int, metavar="N", help="cut the backbone after N blocks (all)"
    )
    group.add_argument(
        "--weights",
        default="pretrained",
        metavar="FILE",
        help="a file of weights of your own (the pretrained ones)",
    )
    group.add_argument(
        "--resize",
        choices=("squash", "crop", "pad"),
        default="squash",
        help="how photos are made square (squash)",
    )


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Options that change how fast, and where, but not what is computed."""
    group = parser.add_argument_group("machine")
    group.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="of the convolutions; auto is bfloat16 where the hardware has it (auto)",
    )
    group.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="of cached activations ($DECAF_CACHE, else the user's cache folder)",
    )


def add_scheduler_option(group: argparse.ArgumentParser) -> None:
    """The option of what a Dask cluster can do (`decaf.extraction.cluster`)."""
    group.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="work on a Dask cluster, such as tcp://host:8786",
    )


def printable(text: str) -> str:
    """Text that a terminal can show: names may hold line breaks, and bytes that are not UTF-8."""
    return text if text.isprintable() else ascii(text)[1:-1]


def report_passed_over(source: Path) -> None:
    """Say on stderr what of a folder is not read, by kind and number.

    Parameters
    ----------
    source : Path
        Of photos; of a list nothing is said.
    """
    from features.albums import passed_over

    counts = passed_over(source) if source.is_dir() else {}
    if counts:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in counts.items())
        print(f"{kinds} passed over", file=sys.stderr)


def report_failed(failed: Sequence[tuple[str, str]]) -> None:
    """Say on stderr how many photos could not be read, and why the first ones could not.

    Parameters
    ----------
    failed : sequence of (str, str)
        Names and reasons.
    """
    if failed:
        report_first(
            f"{len(failed):,} photos could not be read:",
            [f"{name!r}: {reason}" for name, reason in failed],
        )


def report_first(headline: str, lines: Sequence[str]) -> None:
    """Say something of many on stderr, with the first lines and how many more there are.

    Parameters
    ----------
    headline : str
    lines : sequence of str
    """
    print(headline, file=sys.stderr)
    for line in lines[:_LINES_SHOWN]:
        print(f"  {line}", file=sys.stderr)
    if len(lines) > _LINES_SHOWN:
        print(f"  and {len(lines) - _LINES_SHOWN:,} more", file=sys.stderr)


# As many as can be read at a glance; all are in a file, or shown by --dry-run.
_LINES_SHOWN = 5


def _ratings_source(text: str) -> str | Path:
    # A file of that name is given as ./xmp.
    return text if text == "xmp" else Path(text)


@contextlib.contextmanager
def _noting_interruptions(received: list[int]) -> Iterator[None]:
    """Have SIGTERM end the work as Ctrl-C does, so that temporary files are removed."""

    def interrupt(signal_number, frame):
        received.append(signal_number)
        raise KeyboardInterrupt

    # A shell lets what it starts in the background ignore Ctrl-C.
    before = {
        number: signal.signal(number, interrupt)
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fail(parser: argparse.ArgumentParser, message: object) -> int:
    # A file's name may hold line breaks and a terminal's control characters.
    line = re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: repr(found[0])[1:-1], str(message))
    print(f"{parser.prog}: error: {line}", file=sys.stderr)
    return 2
