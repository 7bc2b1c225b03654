"""What commands say of photos: names that a terminal can show, the first of many."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

# As many as can be read at a glance; all are in a file, or shown by --dry-run.
_LINES_SHOWN = 5


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

    counts = {}
    # The photos have been read; their folder may have been changed since.
    with contextlib.suppress(OSError):
        counts = passed_over(source) if source.is_dir() else {}
    if counts:
        kinds = ", ".join(
            f"{n:,} {kind if n > 1 else kind.removesuffix('s')}" for kind, n in counts.items()
        )
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
