"""Records take what their fields' rules say, and come back from JSON as they were."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from features.errors import InputError
from features.records import (
    Record,
    flag,
    nested,
    number,
    one_of,
    optional,
    parse_json,
    sequence,
    table,
    text,
    whole_number,
)


@dataclass(frozen=True)
class Camera(Record):
    """Something that a lens belongs to."""

    name: str = field(metadata=text())
    sold: tuple[int, ...] = field(default=(), metadata=sequence(whole_number(1)))


@dataclass(frozen=True)
class Lens(Record):
    """Something with a field of every kind."""

    maker: str = field(metadata=text("[A-Z].*", "a name"))
    blades: int = field(default=5, metadata=whole_number(3))
    aperture: float = field(default=2.8, metadata=number(0.7, below=64))
    weight: float = field(default=300.0, metadata=number(above=0))
    zoom: tuple[float, float] | None = field(
        default=None, metadata=optional(sequence(number(), length=2))
    )
    mount: str | None = field(default=None, metadata=one_of("m42", "f", None))
    stabilised: bool = field(default=False, metadata=flag())
    owners: tuple[str, ...] = field(default=(), metadata=sequence(text()))
    notes: dict[str, Any] | None = field(default=None, metadata=optional(table()))
    camera: Camera | None = field(default=None, metadata=optional(nested(Camera)))
    anything: Any = None


def test_a_record_comes_back_from_json_as_it_was():
    lens = Lens(
        "Zeiss",
        blades=np.int64(8),
        aperture=np.float32(2),
        zoom=(24, 70.5),
        mount="m42",
        stabilised=True,
        owners=("Ansel", "Vivian"),
        notes={"scratched": [1, 2]},
        camera=Camera("Contax", sold=(1975,)),
    )
    assert Lens.from_json(json.loads(json.dumps(lens.to_json()))) == lens
    assert Lens.from_json({"maker": "Zeiss"}) == Lens("Zeiss")


@pytest.mark.parametrize(
    ("changed", "must_be"),
    [
        ({"maker": ""}, "maker must be a name"),
        ({"maker": "zeiss"}, "maker must be a name"),
        ({"maker": b"Zeiss"}, "maker must be a name"),
        ({"blades": 2}, "blades must be a whole number, 3 or more"),
        ({"blades": 5.0}, "blades must be a whole number, 3 or more"),
        ({"blades": True}, "blades must be a whole number, 3 or more"),
        ({"aperture": 0.6}, "aperture must be a number, 0.7 or more, below 64"),
        ({"aperture": 64}, "aperture must be a number, 0.7 or more, below 64"),
        ({"aperture": float("nan")}, "aperture must be a number, 0.7 or more, below 64"),
        ({"weight": 0}, "weight must be a number, above 0"),
        ({"weight": float("inf")}, "weight must be a number, above 0"),
        ({"weight": 10**400}, "weight must be a number, above 0"),
        ({"weight": "300"}, "weight must be a number, above 0"),
        ({"zoom": (24,)}, "zoom must be a list of 2, each a number, or none"),
        ({"zoom": (24, "70")}, "zoom must be a list of 2, each a number, or none"),
        ({"mount": "M42"}, "mount must be m42, f or None"),
        ({"mount": ["m42"]}, "mount must be m42, f or None"),
        ({"stabilised": 1}, "stabilised must be true or false"),
        ({"owners": "Ansel"}, "owners must be a list, each a text"),
        ({"owners": (None,)}, "owners must be a list, each a text"),
        ({"notes": {1: 2}}, "notes must be a dictionary, or none"),
        ({"camera": {"name": "Contax"}}, "camera must be a record, or none"),
        ({"maker": "", "blades": 0}, "maker must be a name, not ''; blades must be a whole number"),
        ({"maker": "z" * 999, "notes": 1}, "maker must be a name, not 'zzzz.{,40}'; notes must"),
    ],
)
def test_what_a_rule_does_not_admit_is_refused(changed, must_be):
    with pytest.raises(InputError, match=f"^{must_be}"):
        replace(Lens("Zeiss"), **changed)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (None, "is no dictionary"),
        ([["maker", "Zeiss"]], "is no dictionary"),
        ({1: "Zeiss"}, "is no dictionary"),
        ({"blades": 5}, "does not tell maker"),
        ({"maker": "Zeiss", "price": 1, "colour": 2}, "version does not know: colour, price"),
        ({"maker": "Zeiss", "blades": [5]}, "blades must be"),
        ({"maker": "Zeiss", "camera": []}, "camera: is no dictionary"),
        ({"maker": "Zeiss", "camera": {"name": 1}}, "camera: name must be a text"),
        ({"maker": "Zeiss", "camera": {"name": "A", "sold": [0]}}, "camera: sold must be a list"),
    ],
)
def test_json_that_is_no_such_record_is_refused(values, told):
    with pytest.raises(InputError, match=told):
        Lens.from_json(values)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"a": 1, "a": 2}', "has a key twice"),
        (b"[" * 100_000, "is nested too deeply"),
        (b"[" * 60 + b"]" * 60, "is nested too deeply"),
        (b'{"a": ["\\ud800"]}', "holds half a character"),
        (b'{"\\udfff": 1}', "holds half a character"),
        (b"[1" + b"0" * 400 + b"]", "holds a number too large"),
        (b"1" * 5_000, "limit"),
        (b"{", "Expecting"),
        (b"\xff", "decode"),
    ],
)
def test_json_that_no_program_writes_is_refused_with_a_reason(content, reason):
    with pytest.raises(ValueError, match=reason) as refused:
        parse_json(content)
    assert len(str(refused.value).splitlines()) == 1


def test_numbers_that_are_none_are_none_and_bytes_of_names_stay():
    content = b'{"a": [NaN, Infinity, -Infinity, 1e999, 1.5, true], "b": "\\udcff\\u00e9"}'
    assert parse_json(content) == {"a": [None, None, None, None, 1.5, True], "b": "\udcffé"}
