"""Folders of results are not replaced unasked, and what was begun can be begun again."""

import contextlib
import os
import sys
from pathlib import Path

import pytest

from features.errors import AlreadyThere, InputError
from features.files import undo_unfinished
from features.folders import check_output_folder, check_writable, filling_folder


def fill(folder, names, *, stop_after=None, command=""):
    """Write files, and perhaps be interrupted after some of them."""
    with filling_folder(folder, "work", names, command=command):
        for number, name in enumerate(names):
            if number == stop_after:
                raise KeyboardInterrupt
            (folder / name).write_text("results")


def test_a_folder_that_was_not_filled_is_filled_again_by_the_same_one(tmp_path):
    folder = tmp_path / "results"
    check_output_folder(folder, force=False, owner="work")
    assert not folder.exists()
    for stop_after in (0, 1):
        with pytest.raises(KeyboardInterrupt):
            fill(folder, ["a", "b"], stop_after=stop_after)
        check_output_folder(folder, force=False, owner="work")
        for other in (None, "play"):
            with pytest.raises(InputError, match="results: is not empty"):
                check_output_folder(folder, force=False, owner=other)
    fill(folder, ["a", "b"])
    assert sorted(path.name for path in folder.iterdir()) == [".decaf.json", "a", "b"]
    with pytest.raises(InputError, match="results: is not empty, and 'a' in it would not be"):
        check_output_folder(folder, force=False, owner="work")
    check_output_folder(folder, force=True, owner="work")


def test_what_a_killed_run_was_writing_is_nobodys(tmp_path):
    fill(tmp_path, ["a", "b"])
    (tmp_path / ".a.0123abcd.part").touch()
    check_output_folder(tmp_path, owner="work", own_files=["a", "b"])


def test_where_the_process_ends_meanwhile_the_results_of_before_are_put_back(tmp_path):
    fill(tmp_path, ["a"])
    with pytest.raises(AssertionError), filling_folder(tmp_path, "work", ["a"]):
        (tmp_path / "a").write_text("new")
        undo_unfinished()  # as before the process ends
        assert (tmp_path / "a").read_text() == "results"
        assert sorted(path.name for path in tmp_path.iterdir()) == [".decaf.json", "a"]
        raise AssertionError


@pytest.mark.parametrize("name", ["/proc/results", "/proc/deep/results", "{file}/results"])
def test_a_folder_that_cannot_be_written_is_refused_before_the_work(name, tmp_path):
    (tmp_path / "file").write_text("mine")
    folder = Path(name.format(file=tmp_path / "file"))
    for check in (check_writable, lambda folder: check_output_folder(folder, force=True)):
        with pytest.raises(InputError, match=f"^{folder}: cannot be written: "):
            check(folder)
    with pytest.raises(InputError, match=f"^{folder}: cannot be written: "):
        fill(folder, ["a"])


def refused(folder, own_files=("a", "parts/*.js"), command="make"):
    """Why a folder is not to be replaced unasked, or None."""
    try:
        check_output_folder(folder, owner="work", own_files=own_files, command=command)
    except AlreadyThere as error:
        return str(error).removeprefix(f"{folder}: ")
    return None


PARTS = ["a", "parts/*.js"]


def fill_in_parts(folder, text="results", goes_wrong=False):
    with filling_folder(folder, "work", PARTS, command="make"):
        (folder / "a").write_text(text)
        (folder / "parts").mkdir(exist_ok=True)
        (folder / "parts" / "1.js").write_text(text)
        if goes_wrong:
            raise RuntimeError


def contents(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


def test_files_of_a_time_before_are_put_back_when_it_goes_wrong_and_others_stay(tmp_path):
    fill_in_parts(tmp_path)
    (tmp_path / "diary.txt").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(KeyboardInterrupt), filling_folder(tmp_path, "cook", [*PARTS, "b"]):
        assert not (tmp_path / "a").exists()
        # By another one, as a part of this.
        fill(tmp_path, ["b", "a"], stop_after=1)
    assert contents(tmp_path) == before


def kill_at(step, work, *arguments):
    """Do work in another process, killed at a step that changes a file; whether it came so far."""
    process = os.fork()
    if not process:
        left = [step]

        def count(event, given):
            writes = event == "open" and isinstance(given[2], int) and given[2] & os.O_CREAT
            if writes or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir"):
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)

        sys.addaudithook(count)
        with contextlib.suppress(RuntimeError):
            work(*arguments)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9


@pytest.mark.parametrize("goes_wrong", [False, True])
def test_a_kill_at_any_step_loses_nothing_of_a_time_before(tmp_path, goes_wrong):
    for folder, text in ((tmp_path / "old", "old"), (tmp_path / "new", "new")):
        fill_in_parts(folder, text)
    old, new = contents(tmp_path / "old"), contents(tmp_path / "new")
    step, killed, seen = 0, True, []
    while killed:
        folder = tmp_path / str(step)
        fill_in_parts(folder, "old")
        killed = kill_at(step, fill_in_parts, folder, "new", goes_wrong)
        assert refused(folder) is None
        # The next one goes wrong, too, and puts back what is whole.
        with pytest.raises(RuntimeError):
            fill_in_parts(folder, "newer", True)
        seen.append(contents(folder))
        assert refused(folder) is None
        step += 1
    assert step > 10
    assert seen[0] == old and seen[-1] == (old if goes_wrong else new)
    assert all(each in (old, new) for each in seen)


def test_what_nobody_has_touched_is_replaced_by_the_same_command(tmp_path):
    fill_in_parts(tmp_path)
    (tmp_path / ".DS_Store").write_text("macOS")
    assert refused(tmp_path) is None
    (tmp_path / "parts" / "1.js").unlink()
    assert refused(tmp_path) is None
    fill_in_parts(tmp_path)
    assert refused(tmp_path) is None
    assert refused(tmp_path, command="cook") == (
        "was made by another command: make; choose another folder"
    )
    assert "is not empty, and 'parts/1.js' in it would not be replaced" in refused(
        tmp_path, own_files=["a"]
    )


@pytest.mark.parametrize("name", ["a", "parts/1.js"])
def test_what_a_person_has_changed_is_named_and_kept(tmp_path, name):
    fill_in_parts(tmp_path)
    (tmp_path / name).write_text("mine")
    assert refused(tmp_path) == (
        f"{name!r} in it was changed since it was written; choose another folder"
    )


@pytest.mark.parametrize("name", ["diary.txt", "parts/2.js", "deep/diary.txt"])
def test_what_a_person_has_added_is_named_and_kept(tmp_path, name):
    fill_in_parts(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    assert refused(tmp_path) == (
        f"is not empty, and {name!r} in it would not be replaced; choose another folder"
    )


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"command": "make", "sha256": 3}'])
def test_without_a_whole_record_nothing_is_replaced(tmp_path, record):
    fill_in_parts(tmp_path)
    (tmp_path / ".decaf.json").write_text(record)
    assert refused(tmp_path) == "is not empty; choose another folder"
