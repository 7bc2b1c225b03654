"""Ctrl-C and SIGTERM end the work wherever it is; what does not end in time is ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# A person waits for two seconds at most; what ends workers and process takes some of them.
_PATIENCE_SECONDS = 1.0
# A destructor that has swallowed the interruption is over by then.
_AGAIN_SECONDS = 0.02


@contextlib.contextmanager
def noting_interruptions(received: list[int], told: Callable[[], object]) -> Iterator[None]:
    """Have SIGTERM end the work as Ctrl-C does, so that temporary files are removed.

    A KeyboardInterrupt that is lost in a destructor is raised again. Work that swallows it, or is
    in the middle of a long call, does not end by it: then the process ends without asking.

    Parameters
    ----------
    received : list of int
        Takes the signals.
    told : callable
        Tells the person, before a process ends that way.
    """
    # A shell lets what it starts in the background ignore Ctrl-C.
    noted = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]

    def interrupt(number: int, frame: FrameType | None) -> None:
        if number in SIGNALS:
            received.append(number)
        raise KeyboardInterrupt

    def swallowed(unraisable: sys.UnraisableHookArgs) -> None:
        if received and issubclass(unraisable.exc_type, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
        else:
            hook(unraisable)

    hook, sys.unraisablehook = sys.unraisablehook, swallowed
    before = {number: signal.signal(number, interrupt) for number in (*noted, signal.SIGALRM)}
    try:
        with _ending_in_time(told):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook


@contextlib.contextmanager
def _ending_in_time(told: Callable[[], object]) -> Iterator[None]:
    """End the process, and its workers, when a signal has not ended the work in time."""
    # Python's own handlers wait for the end of a call of an extension module; this thread does not.
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    over = threading.Event()

    def watch() -> None:
        while number := receiver.recv(1):
            if number[0] in SIGNALS and not over.wait(_PATIENCE_SECONDS):
                told()
                _end_workers()
                os._exit(128 + number[0])

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        sender.close()
        watching.join()
        receiver.close()


def _end_workers() -> None:
    """End joblib's workers; what removes their shared memory outlives them, and ignores this."""
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGTERM)
