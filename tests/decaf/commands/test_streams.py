import os
import subprocess
import sys

import pytest

# Prints more than a pipe holds, then does its work.
PROGRAM = """
import argparse, pathlib, sys
from decaf.commands.running import run_command
def work(args):
    for number in range(args.lines):
        print("写真", number, file=args.stream)
    pathlib.Path(args.done).touch()
parser = argparse.ArgumentParser("work", description="写真")
parser.add_argument("done")
parser.add_argument("--lines", type=int, default=50_000)
parser.add_argument("--stream", type=lambda name: getattr(sys, name), default="stdout")
sys.exit(run_command(work, parser))
"""


def run(*arguments, **options):
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    return subprocess.run(command, text=True, errors="replace", **options)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("lines", [3, 50_000])
def test_a_reader_that_stops_reading_does_not_end_the_work(tmp_path, stream, lines):
    reads, writes = os.pipe()
    os.close(reads)
    other = "stderr" if stream == "stdout" else "stdout"
    streams = {stream: writes, other: subprocess.PIPE}
    # The type of --stream is asked for after the streams were made patient.
    done = run(tmp_path / "done", "--stream", stream, "--lines", lines, **streams)
    os.close(writes)
    assert (tmp_path / "done").exists()
    assert done.returncode == 0
    assert not getattr(done, other)


def test_a_full_disk_under_stdout_does_not_end_the_work(tmp_path):
    with open("/dev/full", "w") as full:
        done = run(tmp_path / "done", stdout=full, stderr=subprocess.PIPE)
    assert (tmp_path / "done").exists()
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp1251"])
def test_what_an_encoding_lacks_is_escaped(tmp_path, encoding):
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = run(tmp_path / "done", "--lines", 1, capture_output=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\\u5199\\u771f 0\n", "")
    told = run("--help", capture_output=True, env=environment)
    assert told.returncode == 0 and "\\u5199\\u771f" in told.stdout
