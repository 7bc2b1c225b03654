"""What the commands share: options, errors in one line, exit statuses."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from features.errors import InputError


def run_command(
    function: Callable[[argparse.Namespace], None],
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None = None,
) -> int:
    """Parse the command line, do the work and turn what goes wrong into an exit status.

    Parameters
    ----------
    function : callable
        Does the work with the parsed arguments.
    parser : ArgumentParser
    argv : sequence of str, optional
        ``sys.argv[1:]`` by default.

    Returns
    -------
    int
        0; 2 for a wrong input, said in one line on stderr; 130 when interrupted, as a shell does.
    """
    args = parser.parse_args(argv)
    try:
        function(args)
    except InputError as error:
        return _fail(parser, error)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA_OF_BACK_END:
            raise
        return _fail(
            parser,
            f"Keras has no back end, {package} is not installed: "
            f"pip install 'decaf[{_EXTRA_OF_BACK_END[package]}]'",
        )
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def import_keras() -> None:
    """Import Keras, and keep off stderr what its back end writes while it is loaded.

    TensorFlow's libraries tell of the CPU's features before any log level of theirs counts.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        importlib.import_module("keras")
    finally:
        os.dup2(stderr, 2)
        os.close(nowhere)
        os.close(stderr)


def add_rating_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Options of `features.ratings.read_ratings`."""
    group = parser.add_argument_group("ratings")
    group.add_argument(
        "--ratings",
        type=Path,
        required=required,
        metavar="FILE",
        help="AVA.txt; a CSV with file and count1…countK, score or label; or a folder with "
        "folders good and bad",
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
        help="lowest and highest possible score (0 1; votes: 1 K)",
    )
    group.add_argument(
        "--midpoint",
        type=float,
        help="photos with a mean score above it are professional (middle of the scale; AVA: 5)",
    )
    group.add_argument(
        "--skip-missing", action="store_true", help="leave out rated photos that are not there"
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


def report_failed(failed: Sequence[tuple[str, str]]) -> None:
    """Say on stderr how many photos could not be read, and why the first ones could not.

    Parameters
    ----------
    failed : sequence of (str, str)
        Names and reasons.
    """
    if not failed:
        return
    print(f"{len(failed):,} photos could not be read:", file=sys.stderr)
    for name, reason in failed[:_FAILED_SHOWN]:
        print(f"  {name!r}: {reason}", file=sys.stderr)
    if len(failed) > _FAILED_SHOWN:
        print(f"  and {len(failed) - _FAILED_SHOWN:,} more", file=sys.stderr)


def versions() -> dict[str, str]:
    """The versions of what computes: Python, decaf, Keras, its back end, NumPy."""
    import keras

    packages = ("decaf", "keras", "numpy")
    back_end = keras.backend.backend()
    return {
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
        back_end: importlib.import_module(back_end).__version__,
    }


_EXTRA_OF_BACK_END = {"tensorflow": "cpu", "jax": "jax", "torch": "torch"}
# As many as can be read at a glance; the feature file lists all.
_FAILED_SHOWN = 5


def _fail(parser: argparse.ArgumentParser, message: object) -> int:
    print(f"{parser.prog}: error: {message}", file=sys.stderr)
    return 2
