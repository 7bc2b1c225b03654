"""Folders of results are not replaced unasked, and what was begun can be begun again."""

from pathlib import Path

import pytest

from features.errors import AlreadyThere, InputError
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


def test_files_of_a_time_before_go_first_and_other_files_stay(tmp_path):
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


def refused(folder, own_files=("a", "parts/*.js"), command="make"):
    """Why a folder is not to be replaced unasked, or None."""
    try:
        check_output_folder(folder, owner="work", own_files=own_files, command=command)
    except AlreadyThere as error:
        return str(error).removeprefix(f"{folder}: ")
    return None


def fill_in_parts(folder):
    with filling_folder(folder, "work", ["a", "parts/*.js"], command="make"):
        (folder / "a").write_text("results")
        (folder / "parts").mkdir(exist_ok=True)
        (folder / "parts" / "1.js").write_text("part")


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
