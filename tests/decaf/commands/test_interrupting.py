"""A signal ends a command at once, whatever its work is in the midst of, and nothing is left."""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from decaf.commands.running import run_command
from tests.robustness.signals import running_processes, send_signal, shared_memory

LINE = "work: interrupted; the same command goes on from here\n"
COMMAND = """
import argparse, ctypes, sys, tempfile, time
from pathlib import Path
from decaf.commands.interrupting import workers_of_a_command
from decaf.commands.running import run_command
from features.files import whole_file

def work(args):
    tempfile.mkstemp()
    with whole_file("result.txt") as part, workers_of_a_command():
        part.touch()
        print("begun", flush=True)
        {work}

sys.exit(run_command(work, argparse.ArgumentParser("work")))
"""
WORK = {
    "everything is swallowed": """
        while True:
            try:
                time.sleep(1)
            except BaseException:
                pass
""",
    # Nothing of Python runs in this one call, its handlers neither.
    "a call of an extension module": "ctypes.CDLL(None).sleep(60)",
    # As where TensorFlow has called Python.
    "a callback of an extension module": """
        call = ctypes.CFUNCTYPE(None)(lambda: time.sleep(0.01))
        while True:
            call()
""",
    "workers": """
        import numpy as np
        from joblib import Parallel, delayed
        while True:
            Parallel(2)(delayed(np.sort)(np.zeros(200_000)) for _ in range(99))
""",
    "a library whose output is kept off stderr": """
        from decaf.backend import silent_stderr
        with silent_stderr():
            time.sleep(60)
""",
    "a progress bar": """
        sys.stderr.write("\\r 50%")
        time.sleep(60)
""",
}


@contextlib.contextmanager
def running(folder, work):
    """A command that is in the midst of its work."""
    (folder / "tmp").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND.format(work=work)],
        cwd=folder, env=os.environ | {"TMPDIR": str(folder / "tmp")},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # A shell that starts the tests in the background lets them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    with process:
        assert process.stdout.readline() == "begun\n"
        yield process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_a_signal_ends_a_command_in_one_line_and_leaves_nothing(work, number, tmp_path):
    with running(tmp_path, work) as process:
        time.sleep(0.3)
        began = time.monotonic()
        send_signal(process.pid, number)
        _, told = process.communicate(timeout=10)
        assert time.monotonic() - began < 2
    assert process.returncode == 128 + number
    assert told.removeprefix("\n 50%\n") == LINE  # its \r is read as a line's end
    time.sleep(0.2)  # The killed take a moment to die.
    assert running_processes(process.pid) == []
    assert list(tmp_path.rglob("*")) == [tmp_path / "tmp"]
    assert shared_memory(process.pid) == []


def test_a_command_whose_stderr_nobody_reads_ends_all_the_same(tmp_path):
    full = "while sys.stderr.write('much'):\n            pass"
    with running(tmp_path, full) as process:
        time.sleep(0.3)
        process.terminate()
        assert process.wait(timeout=2) == 143


def test_temporary_files_lie_in_one_folder_which_is_removed_in_the_end(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    made = []

    def work(args):
        made.append(Path(tempfile.mkstemp()[1]))
        shell = subprocess.run(["mktemp"], capture_output=True, text=True)
        made.append(Path(shell.stdout.strip()))
        assert all(path.exists() for path in made)

    assert run_command(work, argparse.ArgumentParser("work"), []) == 0
    assert {path.parent.parent for path in made} == {tmp_path}
    assert list(tmp_path.iterdir()) == []
    assert (os.environ["TMPDIR"], tempfile.gettempdir()) == (str(tmp_path), str(tmp_path))


def test_temporary_files_and_workers_of_a_killed_command_do_not_stay(tmp_path, monkeypatch):
    with running(tmp_path, WORK["workers"]) as process:
        time.sleep(1)
        process.kill()
    deadline = time.monotonic() + 5
    while running_processes(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running_processes(process.pid) == []
    folder = tmp_path / "tmp"
    assert len(list(folder.iterdir())) == 1
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert run_command(lambda args: None, argparse.ArgumentParser("work"), []) == 0
    assert list(folder.iterdir()) == []


def test_temporary_files_of_a_command_that_is_at_work_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    similar = tmp_path / "decaf-12345678"
    similar.mkdir()

    def work(args):
        before = set(tmp_path.parent.rglob("*"))
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        assert run_command(lambda args: None, argparse.ArgumentParser("other"), []) == 0
        assert set(tmp_path.parent.rglob("*")) == before and len(list(tmp_path.iterdir())) == 2

    assert run_command(work, argparse.ArgumentParser("work"), []) == 0
    assert list(tmp_path.iterdir()) == [similar]


def test_where_no_temporary_file_can_be_made_a_line_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert run_command(lambda args: None, argparse.ArgumentParser("work"), []) == 2
    line = "work: error: temporary files: cannot be written: No such file or directory\n"
    assert capsys.readouterr().err == line


def test_signals_are_handled_as_before_when_the_work_is_done():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert run_command(lambda args: None, argparse.ArgumentParser("work"), []) == 0
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
