"""How a command runs: interruptions, errors in one line, exit statuses."""

import argparse
import signal

import pytest

from decaf.commands.running import run_command
from features.errors import AlreadyThere, InputError, SeenPhotos


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_in_one_line_and_is_handled_as_before_then(number, status, capsys):
    before = signal.getsignal(number)
    if before is signal.SIG_IGN:
        pytest.skip("the shell that started the tests ignores this signal")
    cleaned = []

    def work(args):
        try:
            signal.raise_signal(number)
        finally:
            cleaned.append(True)

    assert run_command(work, argparse.ArgumentParser("work"), []) == status
    assert capsys.readouterr().err == "work: interrupted; the same command goes on from here\n"
    assert cleaned
    assert signal.getsignal(number) == before


def test_an_interruption_that_a_library_turns_into_another_error_is_one_all_the_same(capsys):
    def work(args):
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise SystemError("__import__ returned a result with an exception set") from None

    assert run_command(work, argparse.ArgumentParser("work"), []) == 143
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
