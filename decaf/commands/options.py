"""Options that several commands have, and what is read by them."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from decaf.commands.printing import report_failed
from decaf.networks.backbones import list_backbones

if TYPE_CHECKING:
    from decaf.extraction.feature_network import PlainBackbone
    from features.ratings import RatedPhotos


# How a command takes photos that need not be rated.
PHOTOS = "folder of photos, .txt list of paths, or .csv with a column file"


def add_rating_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Options of `features.ratings.read_ratings`."""
    group = parser.add_argument_group("ratings")
    group.add_argument(
        "--ratings",
        type=ratings_source,
        required=required,
        metavar="FILE",
        help="AVA.txt; a CSV with file and count1…countK, score or label; a folder with folders "
        "good and bad; or xmp: the 1 to 5 stars in the photos' sidecars or in themselves (unrated "
        "photos are left out, rejected ones have 1 star)",
    )
    add_ignore_stars_option(group, "xmp")
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
        "--test-list",
        type=Path,
        metavar="FILE",
        help="ids or names of the test photos, one a line, such as AVA's generic_test.jpgl, which "
        "is found in AVA's folder by this name alone; all others train",
    )
    group.add_argument(
        "--skip-missing", action="store_true", help="leave out rated photos that are not there"
    )


def add_ignore_stars_option(group: argparse._ArgumentGroup, stars: str) -> None:
    """The option that takes the stars that a program gives by itself for none."""
    group.add_argument(
        "--ignore-stars",
        type=float,
        nargs="+",
        default=(),
        metavar="STARS",
        help=f"with {stars}: take photos of so many stars for unrated; 1 helps where darktable "
        "gave one star to every photo that it imported",
    )


def read_ratings_of(args: argparse.Namespace, photos: Path | None) -> RatedPhotos:
    """Read the ratings that the options name, and say on stderr which photos are left out.

    Parameters
    ----------
    args : Namespace
        Of a command with the options for ratings.
    photos : Path or None
        The photo folder.

    Returns
    -------
    RatedPhotos

    Raises
    ------
    InputError
    """
    from features.ratings import read_ratings

    rated = read_ratings(
        args.ratings,
        photos,
        scale=args.scale,
        midpoint=args.midpoint,
        group_by=args.group_by,
        test_list=args.test_list,
        skip_missing=args.skip_missing,
        ignore_stars=getattr(args, "ignore_stars", ()),
    )
    report_rated(rated, args.ratings, photos)
    return rated


def report_rated(rated: RatedPhotos, source: str | Path, photos: Path | None) -> None:
    """Say on stderr which photos are left out, and what the stars of an album may mean.

    Parameters
    ----------
    rated : RatedPhotos
    source : str or Path
        As the option ``--ratings`` gives it.
    photos : Path or None
        The photo folder.
    """
    from features.ratings import STARS

    report_failed(rated.failed)
    if rated.missing:
        print(f"{rated.missing:,} rated photos are not there, and left out", file=sys.stderr)
    if rated.n_beside:
        print(
            f"{rated.n_beside:,} of the rated photos lie beside {source}, not in {photos}",
            file=sys.stderr,
        )
    if source == STARS:
        n_professional = rated.label.sum()
        print(
            f"{len(rated):,} photos have stars: {n_professional:,} above {rated.midpoint:g}, "
            f"{len(rated) - n_professional:,} not; {rated.unrated:,} unrated are left out",
            file=sys.stderr,
        )
        _warn_of_stars(rated)


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


def add_backbone_options(parser: argparse.ArgumentParser, default: str = "") -> None:
    """Options of the frozen backbone and of how photos are brought to it; how the default reads."""
    group = parser.add_argument_group("backbone")
    group.add_argument(
        "--backbone",
        metavar="NAME",
        help="a name of the list below; or hub:NAME, a preset of keras-hub's that it downloads, or "
        f"hub:FOLDER, one that its save_to_preset made (extra hub){default}",
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
        "--size",
        type=int,
        action="append",
        default=[],
        metavar="PIXELS",
        help="height and width of the photos that it looks at; given twice, as 224 and 448, it "
        "looks at both side by side (those that a named one was trained on)",
    )
    group.add_argument(
        "--resize",
        choices=("squash", "crop", "pad"),
        default="squash",
        help="how photos are made square (squash)",
    )


def backbone_of(
    args: argparse.Namespace, pooling: str, name: str, sizes: Sequence[int]
) -> PlainBackbone:
    """A backbone with a pooling, and with what the options of `add_backbone_options` say of it."""
    from decaf.extraction.feature_network import PlainBackbone

    sizes = tuple(sorted(set(sizes)))
    return PlainBackbone(name, pooling, args.blocks, args.weights, args.resize, sizes)


def add_machine_options(parser: argparse.ArgumentParser, *, precision: bool = True) -> None:
    """Options that change how fast, and where, but not what is computed."""
    group = parser.add_argument_group("machine")
    if precision:
        group.add_argument(
            "--precision",
            choices=("auto", "float32", "bfloat16"),
            default="auto",
            help="of the convolutions; auto is what a measurement finds to be faster here (auto)",
        )
    group.add_argument(
        "--engine",
        choices=("auto", "keras", "openvino"),
        default="auto",
        help="what runs the convolutions; auto is what a measurement finds to be faster here, kept "
        "in the cache; openvino is the extra fast (auto)",
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


def list_of_names(title: str, names: Sequence[str], more: str = "") -> str:
    """A list at the end of a command's help, in 80 columns, whose names are not broken at hyphens.

    Parameters
    ----------
    title : str
    names : sequence of str
    more : str
        What follows on the names.

    Examples
    --------
    >>> print(list_of_names("sizes", ["small", "large"], "; and by name only: huge"), end="")
    <BLANKLINE>
    sizes:
      small, large; and by name only: huge
    """
    lines = textwrap.fill(
        ", ".join(names) + more,
        80,
        initial_indent="  ",
        subsequent_indent="  ",
        break_on_hyphens=False,
    )
    return f"\n{title}:\n{lines}\n"


def list_of_backbones() -> str:
    """The names that --backbone takes, for the end of a command's help."""
    return list_of_names("backbones", list_backbones())


def ratings_source(text: str) -> str | Path:
    """What --ratings names: a file, or xmp; a file of that name is given as ./xmp."""
    return text if text == "xmp" else Path(text)
