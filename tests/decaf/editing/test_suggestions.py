import json

import pytest

from decaf.editing.edits import Edit, describe
from decaf.editing.suggestions import Step, Suggestion, read_suggestions, to_json
from features.errors import InputError


@pytest.fixture
def suggestions():
    crop = Step(Edit("crop", (0.0, 0.1, 0.9, 1.0)), 0.9, 0.8, 0.95)
    grey = Step(Edit("saturation", (0.0,)), 0.75, 0.6, 0.85)
    return [
        Suggestion("album/a/b.jpg", "a/b.jpg", (crop, grey), 0.5, 0.75),
        Suggestion("album/caf\udce9.jpg", "caf\udce9.jpg", (), 0.25, 0.25),
    ]


def test_the_parameter_file_is_read_as_it_was_written(suggestions, tmp_path):
    (tmp_path / "edits.json").write_text(to_json(suggestions))
    assert read_suggestions(tmp_path / "edits.json", "album") == suggestions
    assert "album" not in to_json(suggestions)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda values: values.update(version=2), "its version is 2, not 1"),
        (lambda values: values.pop("photos"), "does not tell photos"),
        (lambda values: values["photos"].append(values["photos"][0]), "'a/b.jpg' is there"),
        (lambda values: values["photos"][0].update(name="../b.jpg"), "no name of a photo in"),
        (lambda values: values["photos"][0].update(name="/etc/b.jpg"), "no name of a photo in"),
        (lambda values: values["photos"][0].update(name="a\0.jpg"), "no name of a photo in"),
        (lambda values: values["photos"][0].update(path="/etc/b.jpg"), "does not know: path"),
        (lambda values: values["photos"][0].update(before=2), "before must be a number from 0"),
        (lambda values: values["photos"].append(5), "photo 3: does not tell name"),
        (lambda values: values["photos"][1].update(steps=[[]]), "steps 1: is no dictionary"),
        (
            lambda values: values["photos"][0]["steps"][1]["edit"].update(kind="sepia"),
            "photo 1: steps 2: edit: kind must be crop, straighten",
        ),
        (
            lambda values: values["photos"][0]["steps"][0]["edit"].update(amounts=[1, 0, 0, 1]),
            "nothing is left of a photo",
        ),
        (
            lambda values: values["photos"][0]["steps"][1]["edit"].update(amounts=[1, 1]),
            "amounts of saturation must be 0 to 5, not",
        ),
        (lambda values: values["photos"][0]["steps"][1].update(low=0.8), "from low to high"),
    ],
)
def test_a_parameter_file_that_is_none_is_refused_in_one_line(suggestions, tmp_path, change, said):
    values = json.loads(to_json(suggestions))
    change(values)
    path = tmp_path / "edits.json"
    path.write_text(json.dumps(values))
    with pytest.raises(InputError) as refused:
        read_suggestions(path, "album")
    assert str(refused.value).startswith(f"{path}: ") and said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b'{"a": 1, "a": 2}', b"[" * 10**5])
def test_what_is_no_json_of_ours_is_refused(tmp_path, content):
    (tmp_path / "edits.json").write_bytes(content)
    with pytest.raises(InputError, match="is no file of suggested edits"):
        read_suggestions(tmp_path / "edits.json", "album")
    with pytest.raises(InputError, match="cannot be read"):
        read_suggestions(tmp_path, "album")


@pytest.mark.parametrize(
    ("kind", "amounts", "words"),
    [
        ("crop", (0.1, 0.0, 1.0, 1.0), "cropped at the left, to 90 % of its area"),
        ("crop", (0.1, 0.1, 0.9, 0.9), "cropped on all sides, to 64 % of its area"),
        ("crop", (0.005, 0.0, 1.0, 1.0), "cropped by a little, to 100 % of its area"),
        ("straighten", (-2.5,), "turned 2.5° anticlockwise"),
        ("exposure", (1.0,), "lighter by a stop"),
        ("exposure", (-1 / 3,), "darker by a third of a stop"),
        ("exposure", (1.5,), "lighter by 1.5 stops"),
        ("warmth", (-0.5,), "colder by half a stop"),
        ("contrast", (1.2,), "20 % more contrast"),
        ("saturation", (0.6,), "40 % less colour"),
    ],
)
def test_edits_are_told_in_plain_words(kind, amounts, words):
    assert describe(Edit(kind, amounts)) == words
