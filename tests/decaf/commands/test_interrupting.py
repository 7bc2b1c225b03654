"""A signal ends a command in time, whatever swallows it."""

import argparse
import signal
import subprocess
import sys
import time

import pytest

from decaf.commands.running import run_command
from tests.robustness.signals import running_processes

LINE = "work: interrupted; the same command goes on from here\n"


class Interrupted:
    """A signal comes while this is destroyed; Python ignores what is raised there."""

    def __del__(self):
        signal.raise_signal(signal.SIGTERM)


def test_a_signal_that_a_destructor_swallows_ends_the_work_all_the_same(capsys):
    hook = sys.unraisablehook

    def work(args):
        interrupted = Interrupted()
        del interrupted
        time.sleep(10)

    began = time.monotonic()
    assert run_command(work, argparse.ArgumentParser("work"), []) == 143
    assert time.monotonic() - began < 2
    assert capsys.readouterr().err == LINE
    assert sys.unraisablehook is hook


def test_another_exception_in_a_destructor_is_reported_as_ever():
    reported = []

    class Broken:
        def __del__(self):
            raise ValueError("broken")

    def work(args):
        broken = Broken()
        del broken

    hook, sys.unraisablehook = sys.unraisablehook, reported.append
    try:
        assert run_command(work, argparse.ArgumentParser("work"), []) == 0
    finally:
        sys.unraisablehook = hook
    assert [unraisable.exc_type for unraisable in reported] == [ValueError]


DEAF = """
import argparse, sys, time
from decaf.commands.running import run_command

def work(args):
    print("begun", flush=True)
    while True:
        try:
            time.sleep(1)
        except BaseException:
            pass

sys.exit(run_command(work, argparse.ArgumentParser("work")))
"""
# Nothing of Python runs in this one call, its handlers neither.
LONG_CALL = """
import argparse, ctypes, sys
from decaf.commands.running import run_command

def work(args):
    print("begun", flush=True)
    while ctypes.CDLL(None).sleep(60):
        pass

sys.exit(run_command(work, argparse.ArgumentParser("work")))
"""
WITH_WORKERS = """
import argparse, sys, time
from joblib import Parallel, delayed
from decaf.commands.running import run_command

def work(args):
    print("begun", flush=True)
    while True:
        try:
            Parallel(2)(delayed(time.sleep)(0.1) for _ in range(99))
        except BaseException:
            pass

sys.exit(run_command(work, argparse.ArgumentParser("work")))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("code", [DEAF, LONG_CALL, WITH_WORKERS], ids=["deaf", "call", "workers"])
def test_work_that_does_not_end_by_itself_is_ended(code, number):
    work = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # A shell that starts the tests in the background lets them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert work.stdout.readline() == "begun\n"
    time.sleep(0.5)
    began = time.monotonic()
    work.send_signal(number)
    _, told = work.communicate(timeout=10)
    assert time.monotonic() - began < 2.5
    assert work.returncode == 128 + number
    assert LINE in told
    time.sleep(0.5)
    assert running_processes(work.pid) == []
