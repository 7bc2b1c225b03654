import argparse
import signal
from pathlib import Path

import pytest

from decaf.commands.common import check_output_folder, check_writable, filling_folder, run_command
from features.errors import AlreadyThere, InputError, SeenPhotos


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_in_one_line_and_is_handled_as_before_then(number, status, capsys):
    before = signal.getsignal(number)
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
            "work: error: f.h5: is there already; choose another name; or add --force",
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


def fill(folder, names, *, stop_after=None, command="work"):
    """Write a command's files, and perhaps be interrupted after some of them."""
    with filling_folder(folder, command, names):
        for number, name in enumerate(names):
            if number == stop_after:
                raise KeyboardInterrupt
            (folder / name).write_text("results")


def test_a_folder_that_was_not_filled_is_filled_by_the_same_command(tmp_path):
    folder = tmp_path / "results"
    check_output_folder(folder, force=False, command="work")
    assert not folder.exists()
    for stop_after in (0, 1):
        with pytest.raises(KeyboardInterrupt):
            fill(folder, ["a", "b"], stop_after=stop_after)
        check_output_folder(folder, force=False, command="work")
        for other in (None, "play"):
            with pytest.raises(InputError, match="results: is not empty"):
                check_output_folder(folder, force=False, command=other)
    fill(folder, ["a", "b"])
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]
    with pytest.raises(InputError, match="results: is not empty; choose another"):
        check_output_folder(folder, force=False, command="work")
    check_output_folder(folder, force=True, command="work")


def test_files_of_a_run_before_go_first_and_other_files_stay(tmp_path):
    for name in ("a", "diary.txt"):
        (tmp_path / name).write_text("old")
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, ["b", "a"], stop_after=1)
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "diary.txt").read_text() == "old"


@pytest.mark.parametrize("name", ["/proc/results", "/proc/deep/results", "{file}/results"])
def test_a_folder_that_cannot_be_written_is_refused_before_the_work(name, tmp_path):
    (tmp_path / "file").write_text("mine")
    folder = Path(name.format(file=tmp_path / "file"))
    for check in (check_writable, lambda folder: check_output_folder(folder, force=True)):
        with pytest.raises(InputError, match=f"^{folder}: cannot be written: "):
            check(folder)
    with pytest.raises(InputError, match=f"^{folder}: cannot be written: "):
        fill(folder, ["a"])
