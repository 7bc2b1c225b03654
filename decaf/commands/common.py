"""What every command does alike: errors in one line, exit statuses, quiet libraries."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

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
    # TensorFlow tells of its CPU features on stderr; 2 keeps its errors only.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        function(args)
    except InputError as error:
        return _fail(parser, error)
    except ModuleNotFoundError as error:
        if error.name not in ("tensorflow", "jax", "torch"):
            raise
        return _fail(
            parser,
            f"Keras has no back end: {error.name} is not installed; "
            f"pip install 'decaf[{'cpu' if error.name == 'tensorflow' else error.name}]'",
        )
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _fail(parser: argparse.ArgumentParser, message: object) -> int:
    print(f"{parser.prog}: error: {message}", file=sys.stderr)
    return 2
