import numpy as np
import pytest

from features.errors import InputError, MissingPhotos
from features.tables import Table, read_table

TEXT = "file,count1,count2\na.jpg,0,3\nb.jpg,2,0\n"


def write(path, text, **options):
    path.write_text(text, **options)
    return path


def message(source):
    """Return the one-line refusal of a table."""
    with pytest.raises(InputError) as caught:
        read_table(source)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(source))


def test_a_csv_has_the_columns_of_its_header(tmp_path):
    table = read_table(write(tmp_path / "r.CSV", "file, theme\na.jpg,x\n\nb.jpg,y\n"))
    assert table.columns == {"file": ["a.jpg", "b.jpg"], "theme": ["x", "y"]}
    assert table.lines == [2, 4] and len(table) == 2


def test_any_other_file_is_of_avas_format(tmp_path):
    line = "1 953619 0 1 5 17 38 36 15 6 5 1 1 22 1396\n"
    table = read_table(write(tmp_path / "AVA.txt", f"{line}\n{line}"))
    assert table.columns["file"] == ["953619.jpg"] * 2
    assert [table.columns[f"count{n}"][0] for n in range(1, 11)] == line.split()[2:12]
    assert table.columns["challenge"] == ["1396"] * 2
    assert table.lines == [1, 3]


def test_class_folders_are_labels(tmp_path):
    for name in ("Good/a.jpg", "bad/sub/b.jpg", "other/c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    table = read_table(tmp_path)
    assert table.columns == {"file": ["Good/a.jpg", "bad/sub/b.jpg"], "label": ["Good", "bad"]}


def test_an_error_names_the_place_and_is_of_the_kind_that_is_asked_for(tmp_path):
    table = Table(tmp_path, {"file": ["a.jpg"]}, [7])
    error = table.error("it is gone", 0, "file", kind=MissingPhotos)
    assert type(error) is MissingPhotos
    assert str(error) == f"{tmp_path}, line 7, column file: it is gone"
    assert str(Table(tmp_path, {}).error("it is gone", 0)) == f"{tmp_path}: it is gone"


def test_numbers_and_words_are_read_or_refused_with_their_place(tmp_path):
    text = "file,score,split,place\na,1e3, Train ,1\nb,.5,TEST,inf\n"
    table = read_table(write(tmp_path / "r.csv", text))
    np.testing.assert_array_equal(table.numbers("score"), [1000, 0.5])
    assert table.words("split", ("train", "test")) == ["train", "test"]
    with pytest.raises(InputError, match="line 2, column split: ' Train ' is not a number"):
        table.numbers("split")
    with pytest.raises(InputError, match="line 3, column place: 'inf' is not a finite number"):
        table.numbers("place")
    with pytest.raises(InputError, match="line 2, column file: 'a' is none of train, test"):
        table.words("file", ("train", "test"))


def test_a_byte_order_mark_and_windows_lines_and_blank_lines_are_accepted(tmp_path):
    source = write(tmp_path / "r.csv", TEXT.replace("\n", "\n\n"), encoding="utf-8-sig", newline="")
    source.write_bytes(source.read_bytes().replace(b"\n", b"\r\n"))
    assert read_table(source).columns["count2"] == ["3", "0"]


# What is refused: file, line, column and remedy


@pytest.mark.parametrize(
    "text, expected",
    [
        (
            "file,scores\na.jpg,1\n",
            ", line 1, column scores: did you mean 'score'? Rename it",
        ),
        ("FILE,score\na.jpg,1\n", ", line 1, column FILE: did you mean 'file'? Rename it"),
        (
            "file,Count1,count2\na.jpg,1,2\n",
            ", line 1, column Count1: did you mean 'count1'? Rename it",
        ),
        (
            "file,score,score\na.jpg,1,2\n",
            ", line 1, column score: there are two of that name; remove one",
        ),
        ("photo,score\na.jpg,1\n", ", line 1: no column 'file' among photo, score"),
        (
            "file;score\na.jpg;0,1\n",
            ", line 1: the columns are separated by semicolons; use commas",
        ),
        ("file\tscore\na.jpg\t1\n", ", line 1: the columns are separated by tabs; use commas"),
        (
            "file,score\na.jpg,1\nb,b.jpg,0\n",
            ", line 3: 3 fields, but the header has 2 (put a name with a comma in double quotes)",
        ),
        ('file,score\na.jpg,1\n"b.jpg,0\n', ", line 3: unexpected end of data"),
        ("", ": the file is empty"),
        ("file,score\n", ": a header but no rows"),
    ],
)
def test_a_faulty_csv_is_refused_in_one_line(tmp_path, text, expected):
    assert message(write(tmp_path / "r.csv", text)) == expected


def test_the_line_after_a_quoted_line_break_is_counted_right(tmp_path):
    text = 'file,score\n"e\nf.jpg",1\nb.jpg,x\n'
    table = read_table(write(tmp_path / "r.csv", text))
    assert table.lines == [2, 4]


def test_an_ava_line_with_a_field_too_few_is_refused(tmp_path):
    text = "1 a 0 0 0 0 0 0 0 0 0 2 0 0 7\n\n" + "3 c 1 2 3 4 5 6 7 8 9 0 0 7\n"
    assert message(write(tmp_path / "AVA.txt", text)).startswith(
        ", line 3: 14 fields, but AVA's format has 15: index, image id"
    )


def test_a_folder_without_class_folders_is_refused(tmp_path):
    assert "no class folders; name them good and bad" in message(tmp_path)
