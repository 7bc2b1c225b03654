"""Folders of results are not replaced unasked, and what was begun can be begun again."""

from pathlib import Path

import pytest

from features.errors import InputError
from features.folders import check_output_folder, check_writable, filling_folder


def fill(folder, names, *, stop_after=None):
    """Write files, and perhaps be interrupted after some of them."""
    with filling_folder(folder, "work", names):
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
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]
    with pytest.raises(InputError, match="results: is not empty; choose another"):
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
