import pytest

from features.errors import InputError
from features.text import decode_text, read_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le"])
def test_text_is_read_as_programs_write_it(tmp_path, encoding):
    mark = "\ufeff" if encoding in ("utf-16-be", "utf-16-le") else ""
    (tmp_path / "a.txt").write_bytes(f"{mark}größer\r\n".encode(encoding))
    assert read_text(tmp_path / "a.txt") == "größer\r\n"


def test_names_that_are_not_utf8_can_be_kept():
    name = decode_text(b"caf\xe9.jpg", errors="surrogateescape")
    assert name.encode("utf-8", "surrogateescape") == b"caf\xe9.jpg"


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path):
    path = tmp_path / "r.csv"
    path.write_bytes(b"file,label\na.jpg,1\ncaf\xe9.jpg,0\n")
    with pytest.raises(InputError) as caught:
        read_text(path)
    assert str(caught.value) == f"{path}, line 3: not UTF-8 text; save the file as UTF-8"


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"r\.csv: cannot be read \(No such file or directory\)$"):
        read_text(tmp_path / "r.csv")
