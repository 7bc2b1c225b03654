"""How a command runs: its errors in one line, what interrupts it, its exit status."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence

from decaf.commands.interrupting import end_process, ended_by_signals, temporary_folder
from decaf.commands.streams import begin_line, patient_streams
from features.errors import (
    AlreadyThere,
    InputError,
    MissingPhotos,
    NoMidpoint,
    NoNetworkFile,
    NoPercentiles,
    NoRatings,
    NoRepresentativePhotos,
    NoScores,
    NotExportable,
    NotTaught,
    NoWeightsFile,
    OutsideScale,
    SeenPhotos,
)
from features.shortage import shortage_of

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
    NotExportable: ", or export the network's own output with --head softmax",
    NoRepresentativePhotos: "; name some with --photos",
    NotTaught: "; teach it with --teach and a folder of good photos, which need no ratings",
    NoPercentiles: "; fit it anew, or name photos with --photos",
}


def run_command(
    function: Callable[[argparse.Namespace], int | None],
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None = None,
    *,
    resumes: str = "goes on from here",
) -> int:
    """Parse the command line, do the work and turn what goes wrong into an exit status.

    Parameters
    ----------
    function : callable
        Does the work with the parsed arguments; gives an exit status where it is not always 0.
    parser : ArgumentParser
    argv : sequence of str, optional
        ``sys.argv[1:]`` by default; then the process ends with the command, and its workers do.
    resumes : str
        What the same command does after an interruption.

    Returns
    -------
    int
        What the function gives, else 0; 2 for a wrong input, said on stderr in one line, with the
        option that helps where `REMEDIES` has one; 130 when interrupted. A signal ends the process,
        with 130 or 143, as a shell does.
    """

    def tell() -> None:
        begin_line(sys.stderr)
        print(f"{parser.prog}: interrupted; the same command {resumes}", file=sys.stderr)

    with patient_streams():
        args = parser.parse_args(argv)
        with ended_by_signals(tell):
            try:
                with temporary_folder():
                    status = function(args) or 0
            except KeyboardInterrupt:
                tell()
                status = 128 + signal.SIGINT
            except Exception as error:
                line = _line_of(error)
                if line is None:
                    raise
                status = _fail(parser, line)
            if argv is None:
                sys.stdout.flush()
                sys.stderr.flush()
                end_process(status)
    return status


def _line_of(error: Exception) -> str | None:
    """What to say of an error; None of one that is decaf's own."""
    if isinstance(error, InputError):
        return explain(error)
    lacking = shortage_of(error)
    # Such as of a folder that vanishes in the middle of the work.
    if lacking is None and isinstance(error, OSError) and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return lacking


def explain(error: InputError) -> str:
    """What is wrong, with the option that helps."""
    remedies = (remedy for kind, remedy in REMEDIES.items() if isinstance(error, kind))
    return f"{error}{next(remedies, '')}"


def _fail(parser: argparse.ArgumentParser, message: object) -> int:
    # A file's name may hold line breaks and a terminal's control characters.
    line = re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: repr(found[0])[1:-1], str(message))
    _end_bars()
    print(f"{parser.prog}: error: {line}", file=sys.stderr)
    return 2


def _end_bars() -> None:
    """End the lines of progress bars that an error has left open."""
    from tqdm import tqdm

    for bar in list(getattr(tqdm, "_instances", ())):
        bar.close()
