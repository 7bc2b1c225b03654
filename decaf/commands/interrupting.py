"""Ctrl-C and SIGTERM end a command at once, wherever its work is, and leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from features.files import (
    lock,
    remove,
    remove_unlocked,
    undo_unfinished,
    undone_in_the_end,
    writing,
)

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Nobody may read what is told: a pager that waits, a terminal that was stopped.
_TELLING_SECONDS = 0.5
_SHARED_MEMORY = Path("/dev/shm")
_TRIES = 3
_TEMPORARY = ".temporary"
_LOOK_SECONDS = 1


@contextlib.contextmanager
def ended_by_signals(told: Callable[[], object]) -> Iterator[None]:
    """Have Ctrl-C and SIGTERM end the process, with its workers and temporary files.

    Nothing is raised in the midst of the work: a destructor would swallow it, and libraries crash
    of it. A thread of its own ends the process as soon as the signal comes, also in a long call of
    an extension module; the work stops where it is. What is being written is removed, and whatever
    has its own name is whole.

    Parameters
    ----------
    told : callable
        Tells the person, before the process ends.
    """
    # A shell lets what it starts in the background ignore Ctrl-C.
    noted = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    with receiver, sender, _kept_stderr() as stderr:

        def watch() -> None:
            while number := receiver.recv(1):
                if number[0] in noted:
                    # The work may be keeping off it what a library writes.
                    with contextlib.suppress(OSError):
                        os.dup2(stderr, 2)
                    telling = threading.Thread(target=told, daemon=True)
                    telling.start()
                    telling.join(_TELLING_SECONDS)
                    end_process(128 + number[0])

        wakeup = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        # While these are the handlers, that thread hears of each signal.
        before = {number: signal.signal(number, _stop) for number in noted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakeup)
            sender.shutdown(socket.SHUT_WR)
            watching.join()


@contextlib.contextmanager
def temporary_folder() -> Iterator[None]:
    """Have all temporary files of this process and its workers in one folder, and remove that.

    Those of processes that were killed are removed first.

    Raises
    ------
    InputError
        It cannot be made.
    """
    with writing("temporary files"):
        _remove_of_killed(Path(tempfile.gettempdir()))
        made = Path(tempfile.mkdtemp(prefix="decaf-"))
    with _locked(made):
        # Only now does it have a name by which others look for what is not locked.
        folder = made.rename(made.with_suffix(_TEMPORARY))
        with undone_in_the_end(lambda: remove([folder])), _temporary_files_in(folder):
            yield


@contextlib.contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    before = os.environ.get("TMPDIR"), tempfile.tempdir
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.environ.pop("TMPDIR")
        variable, tempfile.tempdir = before
        if variable is not None:
            os.environ["TMPDIR"] = variable


def _remove_of_killed(parent: Path) -> None:
    """Remove one's folders of temporary files that no process has locked."""
    for folder in parent.glob(f"decaf-{8 * '?'}{_TEMPORARY}"):
        with contextlib.suppress(OSError):
            if sys.platform != "win32" and folder.lstat().st_uid == os.geteuid():
                remove_unlocked([folder])


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a folder, where that is possible."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            lock(descriptor)
        yield


@contextlib.contextmanager
def workers_of_a_command() -> Iterator[None]:
    """Have joblib's processes that are started meanwhile end with this one, and not hear Ctrl-C.

    A terminal sends it to all; while they start, they would answer with a traceback.
    """
    if sys.platform == "win32":
        yield
        return
    from multiprocessing import resource_tracker

    from joblib import parallel_config

    # joblib would start it just before its workers, and it makes them hear again (CPython 3.11).
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        with parallel_config("loky", initializer=_end_with, initargs=(os.getpid(),)):
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with(parent: int) -> None:
    """Have this process end soon after its parent, which may be killed, has ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def end_process(status: int) -> NoReturn:
    """End the process with all that belongs to it, without asking its other threads.

    Parameters
    ----------
    status : int
        Its exit status.
    """
    if sys.platform == "linux":
        # Or joblib's threads, and its process that removes shared memory, would notice that others
        # have ended, and complain.
        _signal_children(signal.SIGSTOP)
    # Calls of extension modules may still write.
    for _ in range(_TRIES):
        undo_unfinished()
        remove(_SHARED_MEMORY.glob(f"*[_-]{os.getpid()}[_-]*"))
    if sys.platform == "linux":
        _signal_children(signal.SIGKILL)
    os._exit(status)


@contextlib.contextmanager
def _kept_stderr() -> Iterator[int]:
    """Another descriptor of what stderr leads to; -1 where it is closed."""
    try:
        descriptor = os.dup(2)
    except OSError:
        yield -1
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _stop(number: int, frame: FrameType | None) -> None:
    """Let the main thread, in which Python calls this, begin nothing any more."""
    threading.Event().wait()


def _signal_children(number: int) -> None:
    children: list[int] = []
    for listed in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that ends
            children += map(int, listed.read_text().split())
    # Nothing else of this process runs between one of them and the next.
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)
