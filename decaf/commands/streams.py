"""Printing that never ends a command's work: into a closed pipe, a full disk, any encoding."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


@contextlib.contextmanager
def patient_streams() -> Iterator[None]:
    """Let nothing that goes wrong while something is printed reach the work that prints it.

    Characters that stdout's encoding lacks are escaped. Once a stream cannot be written any more
    (``| head``), what is printed goes nowhere.
    """
    with (
        contextlib.redirect_stdout(_PatientStream(sys.stdout)),
        contextlib.redirect_stderr(_PatientStream(sys.stderr)),
    ):
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()


def begin_line(stream: TextIO) -> None:
    """End the line that a progress bar has begun, if any."""
    if isinstance(stream, _PatientStream) and stream.within_line:
        stream.write("\n")


class _PatientStream:
    """A text stream whose `write` and `flush` do not fail."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.within_line = False
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or give the stream up."""
        if text:
            self.within_line = not text.endswith(("\n", "\r"))
        try:
            self._stream.write(text)
        except (OSError, ValueError):  # ValueError: of a stream that was closed
            self._give_up()
        return len(text)

    def flush(self) -> None:
        """Flush, or give the stream up."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._give_up()

    def _give_up(self) -> None:
        # What is still buffered has to go somewhere, or Python fails on it when it ends.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
