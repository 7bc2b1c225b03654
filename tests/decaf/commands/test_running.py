"""How a command runs: interruptions, errors in one line, exit statuses."""

import argparse
import signal

import pytest
from tqdm import tqdm

from decaf.commands.running import run_command
from features.errors import AlreadyThere, InputError, SeenPhotos


def test_an_interruption_that_is_no_signal_ends_a_command_in_one_line(capsys):
    def work(args):
        raise KeyboardInterrupt

    assert run_command(work, argparse.ArgumentParser("work"), []) == 130
    assert capsys.readouterr().err == "work: interrupted; the same command goes on from here\n"


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        status = run_command(
            lambda args: signal.raise_signal(signal.SIGINT), argparse.ArgumentParser("work"), []
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert status == 0


def test_an_error_that_is_no_wrong_input_is_raised():
    def work(args):
        raise SystemError("broken")

    with pytest.raises(SystemError, match="broken"):
        run_command(work, argparse.ArgumentParser("work"), [])


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("a.csv: is empty"), "work: error: a.csv: is empty"),
        (
            AlreadyThere("f.h5: is there already; choose another name"),
            "work: error: f.h5: is there already; choose another name, or add --force",
        ),
        (
            SeenPhotos("no photo is left on the test side"),
            "work: error: no photo is left on the test side; or let `fit-classifier PHOTOS "
            "--ratings FILE` finetune anew in each fold; or say --allow-leak",
        ),
    ],
)
def test_what_the_library_says_is_wrong_ends_with_the_option_that_helps(error, line, capsys):
    def work(args):
        raise error

    assert run_command(work, argparse.ArgumentParser("work"), []) == 2
    assert capsys.readouterr().err == f"{line}\n"


def test_a_lack_of_memory_and_a_folder_that_vanishes_end_a_command_in_one_line(tmp_path, capsys):
    def run_out(args):
        raise MemoryError

    def read_what_has_vanished(args):
        (tmp_path / "cache" / "shard.h5").read_bytes()

    assert run_command(run_out, argparse.ArgumentParser("work"), []) == 2
    assert capsys.readouterr().err == (
        "work: error: there is not enough memory; close other programs, or take fewer at once\n"
    )
    assert run_command(read_what_has_vanished, argparse.ArgumentParser("work"), []) == 2
    assert capsys.readouterr().err == (
        f"work: error: {tmp_path}/cache/shard.h5: No such file or directory\n"
    )


def test_an_error_has_a_line_of_its_own_beside_a_progress_bar(capsys):
    def fail(args):
        pictures = zip(tqdm([1, 2]), "ab")
        next(pictures)
        raise InputError("a.jpg: is no photo")

    assert run_command(fail, argparse.ArgumentParser("work"), []) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "work: error: a.jpg: is no photo"
