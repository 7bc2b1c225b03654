import argparse
import signal

import pytest
from xmp_packets import packet

from decaf.commands.common import read_ratings_of, run_command
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


def rate_with_darktable(folder, stars):
    """Photos with sidecars of darktable, and the options that read their stars."""
    for number, each in enumerate(stars):
        (folder / f"{number}.jpg").touch()
        properties = f'xmp:Rating="{each}" darktable:xmp_version="5"'
        namespace = 'xmlns:darktable="http://darktable.sf.net/"'
        (folder / f"{number}.jpg.xmp").write_text(packet(properties, namespace))
    options = {"ratings": "xmp", "scale": None, "midpoint": None, "group_by": None}
    return argparse.Namespace(**options, skip_missing=False, ignore_stars=())


def test_many_single_stars_of_darktable_are_told_with_what_helps(tmp_path, capsys):
    args = rate_with_darktable(tmp_path, [1, 1, 1, 5, 2])
    read_ratings_of(args, tmp_path)
    told = capsys.readouterr().err
    assert "3 of them have one star in darktable's sidecars" in told
    assert "--ignore-stars 1" in told
    args.ignore_stars = [1]
    read_ratings_of(args, tmp_path)
    assert "darktable" not in capsys.readouterr().err


def test_stars_at_the_midpoint_are_told_to_be_neither_good_nor_bad(tmp_path, capsys):
    read_ratings_of(rate_with_darktable(tmp_path, [3, 3, 5, 2]), tmp_path)
    told = capsys.readouterr().err
    assert "2 of them have 3 stars, neither good nor bad" in told
    assert "--delta 0.5" in told
