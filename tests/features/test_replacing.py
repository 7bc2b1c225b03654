"""Files that another program writes at any moment keep what that has written."""

import os
import stat

import pytest

from features import replacing
from features.errors import WrittenMeanwhile
from features.replacing import remove_partials, replace_file


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.xmp"
    path.write_bytes(b"before")
    return path


def rename_a_file(path, content):
    other = path.with_name("other")
    other.write_bytes(content)
    os.replace(other, path)


def test_what_was_read_is_replaced(path):
    replace_file(path, b"before", b"after")
    assert path.read_bytes() == b"after"
    assert os.listdir(path.parent) == [path.name]


def test_what_was_not_there_is_made(tmp_path):
    replace_file(tmp_path / "a.xmp", None, b"new")
    assert (tmp_path / "a.xmp").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.xmp"]


@pytest.mark.parametrize("before", [None, b"long before"])
def test_what_was_written_since_it_was_read_is_kept(path, before):
    with pytest.raises(WrittenMeanwhile, match=r"a\.xmp: another program is writing it"):
        replace_file(path, before, b"after")
    assert path.read_bytes() == b"before"
    assert os.listdir(path.parent) == [path.name]


def test_what_was_removed_since_it_was_read_is_not_made_again(path):
    path.unlink()
    with pytest.raises(WrittenMeanwhile):
        replace_file(path, b"before", b"after")
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("write", [rename_a_file, lambda path, content: path.write_bytes(content)])
@pytest.mark.parametrize("n_edits", [1, 2, 3])
def test_edits_at_the_very_moment_of_the_exchange_are_put_back(path, monkeypatch, write, n_edits):
    rename, edits = replacing._rename, iter(range(n_edits))

    def rename_after_an_edit(*arguments):
        for number in [next(edits, None)]:
            if number is not None:
                write(path, b"edit %d" % number)
        return rename(*arguments)

    monkeypatch.setattr(replacing, "_rename", rename_after_an_edit)
    with pytest.raises(WrittenMeanwhile):
        replace_file(path, b"before", b"after")
    assert path.read_bytes() == b"edit %d" % (n_edits - 1)
    assert os.listdir(path.parent) == [path.name]


def test_a_file_that_appears_at_the_very_moment_is_kept(tmp_path, monkeypatch):
    rename, path = replacing._rename, tmp_path / "a.xmp"

    def rename_after_an_edit(*arguments):
        path.write_bytes(b"edit")
        return rename(*arguments)

    monkeypatch.setattr(replacing, "_rename", rename_after_an_edit)
    with pytest.raises(WrittenMeanwhile):
        replace_file(path, None, b"new")
    assert path.read_bytes() == b"edit"


def test_a_file_system_that_exchanges_no_names_is_no_obstacle(path, monkeypatch):
    monkeypatch.setattr(replacing, "_rename", lambda *arguments: False)
    replace_file(path, b"before", b"after")
    replace_file(path.with_name("b.xmp"), None, b"new")
    assert path.read_bytes() == b"after"
    assert sorted(os.listdir(path.parent)) == ["a.xmp", "b.xmp"]


def test_owner_group_mode_and_extended_attributes_are_kept(path):
    if os.geteuid() != 0:
        pytest.skip("only root may give files to others")
    os.chown(path, 65534, 65533)
    path.chmod(0o4640)
    os.setxattr(path, "user.label", b"red")
    os.utime(path, (1, 1))
    replace_file(path, b"before", b"after")
    status = path.stat()
    assert (status.st_uid, status.st_gid) == (65534, 65533)
    assert stat.S_IMODE(status.st_mode) == 0o4640
    assert os.getxattr(path, "user.label") == b"red"
    assert status.st_mtime > 1


def test_only_what_a_killed_call_has_left_is_removed(tmp_path):
    kept = tmp_path / ".decaf-notes.txt"
    kept.touch()
    (tmp_path / f".decaf-{'0' * 32}.partial").touch()
    with replacing._partial_in(tmp_path):
        remove_partials(tmp_path)
        alive = [name for name in os.listdir(tmp_path) if name != kept.name]
        assert len(alive) == 1
    remove_partials(tmp_path / "nowhere")
    assert os.listdir(tmp_path) == [kept.name]
