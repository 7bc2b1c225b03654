import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path

import pytest

from features.errors import AlreadyThere, InputError
from features.files import check_replaceable, is_part, whole_file, write_file, writing


def test_a_file_takes_its_name_when_it_is_whole(tmp_path):
    path = tmp_path / "report.html"
    with whole_file(path) as part:
        part.write_text("half")
        assert not path.exists()
        assert part.parent == tmp_path and part.suffix == ".html" and is_part(part.name)
        part.write_text("whole")
    assert path.read_text() == "whole"
    assert os.listdir(tmp_path) == ["report.html"]


@pytest.mark.parametrize(
    "error, raised",
    [(KeyboardInterrupt, KeyboardInterrupt), (RuntimeError, RuntimeError), (OSError, InputError)],
)
def test_what_was_there_stays_when_the_writing_goes_wrong(tmp_path, error, raised):
    path = tmp_path / "report.html"
    path.write_text("before")
    with pytest.raises(raised), whole_file(path) as part:
        part.write_text("half")
        raise error
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["report.html"]


def test_text_and_bytes_are_written_as_they_are(tmp_path):
    write_file(tmp_path / "a.txt", "größer\n")
    assert (tmp_path / "a.txt").read_bytes() == "größer\n".encode()
    write_file(tmp_path / "a.txt", b"\xff")
    assert (tmp_path / "a.txt").read_bytes() == b"\xff"


def test_what_is_there_is_replaced_only_with_force(tmp_path):
    path = tmp_path / "a.txt"
    write_file(path, "mine", force=False)
    with pytest.raises(AlreadyThere, match=r"a\.txt: is there already; choose another name"):
        write_file(path, "yours", force=False)
    with pytest.raises(AlreadyThere, match="is there already"):
        check_replaceable(path, force=False)
    assert path.read_text() == "mine"
    write_file(path, "yours", force=True)
    assert path.read_text() == "yours"


def test_what_another_has_written_in_the_meantime_is_not_replaced(tmp_path):
    path = tmp_path / "a.txt"
    with (
        pytest.raises(AlreadyThere, match="in the meantime"),
        whole_file(path, force=False) as part,
    ):
        part.write_text("mine")
        path.write_text("theirs")
    assert path.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_the_mode_stays_and_a_link_stays_a_link(tmp_path):
    real, link = tmp_path / "elsewhere" / "a.txt", tmp_path / "link.txt"
    real.parent.mkdir()
    real.write_text("before")
    real.chmod(0o640)
    link.symlink_to(real)
    write_file(link, "after")
    assert link.is_symlink() and real.read_text() == "after"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_file_is_on_the_disk_before_it_takes_the_place_of_another(tmp_path, monkeypatch):
    calls, fsync, replace = [], os.fsync, os.replace

    def watch_fsync(descriptor):
        fsync(descriptor)
        calls.append(("fsync", os.fstat(descriptor).st_size))

    def watch_replace(*paths):
        calls.append(("replace", os.path.getsize(paths[0])))
        replace(*paths)

    monkeypatch.setattr(os, "fsync", watch_fsync)
    monkeypatch.setattr(os, "replace", watch_replace)
    write_file(tmp_path / "a.txt", "four")
    assert calls == [("fsync", 4), ("replace", 4)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere/a.txt", "No such file or directory"),
        ("file/a.txt", "Not a directory"),
        ("folder", "Is a directory"),
        ("x" * 256, "File name too long"),
        ("nul\0.txt", "embedded null byte"),
    ],
)
def test_what_cannot_be_written_is_said_in_one_line(tmp_path, name, reason):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    path = f"{tmp_path}/{name}"
    for write in (lambda: check_replaceable(path), lambda: write_file(path, "")):
        with pytest.raises(InputError) as caught:
            write()
        assert str(caught.value) == f"{path}: cannot be written: {reason}"
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_the_longest_names_can_be_written(tmp_path):
    write_file(tmp_path / f"{'ü' * 125}.xmp", "")
    write_file(tmp_path / ("x" * 255), "")


def test_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: is not a regular file"):
        write_file(tmp_path / "pipe", "")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@contextlib.contextmanager
def not_root():
    """Root may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_may_not_be_written_is_not_replaced():
    with tempfile.TemporaryDirectory() as folder:
        mine, new = Path(folder) / "mine.txt", Path(folder) / "new.txt"
        mine.write_text("mine")
        for mode_of_file, mode_of_folder, path in [
            (0o444, 0o777, mine),
            (0o666, 0o555, mine),
            (0o666, 0o555, new),
        ]:
            mine.chmod(mode_of_file)
            os.chmod(folder, mode_of_folder)
            for write in (check_replaceable, lambda path: write_file(path, "yours")):
                with pytest.raises(InputError, match="Permission denied"), not_root():
                    write(path)
        os.chmod(folder, 0o777)
        assert mine.read_text() == "mine" and not new.exists()


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path):
    path = tmp_path / "a.txt"
    with (
        pytest.raises(InputError, match=r"a\.txt: cannot be written: No space left on device"),
        writing(path),
        whole_file(path),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert os.listdir(tmp_path) == []


def test_what_a_killed_call_for_the_same_file_has_left_is_removed_and_nothing_else(tmp_path):
    left = tmp_path / ".ratings.01234567.part.csv"
    others = [tmp_path / name for name in (".other.01234567.part.csv", ".ratings.01234567.part.h5")]
    for path in (left, *others):
        path.touch()
    with whole_file(tmp_path / "ratings.csv") as first:
        assert not left.exists()
        # That one is at work.
        with whole_file(tmp_path / "ratings.csv") as second:
            assert set(tmp_path.iterdir()) == {first, second, *others}


def test_a_folder_is_gone_through_once_however_many_files_are_written(tmp_path, monkeypatch):
    write_file(tmp_path / "first.json", "{}")
    monkeypatch.setattr(Path, "glob", lambda *of: 1 / 0)
    write_file(tmp_path / "second.json", "{}")
