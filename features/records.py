"""Records: frozen dataclasses whose fields say what values they take, and their JSON.

A rule stands once, in the metadata of its field. It is checked whenever a record is made, by the
program or from a file, so that no record holds what it must not.

Examples
--------
>>> from dataclasses import dataclass, field
>>> @dataclass(frozen=True)
... class Head(Record):
...     width: int = field(metadata=whole_number(1))
...     dropout: float = field(default=0.5, metadata=number(0, below=1))
>>> Head.from_json({"width": 250})
Head(width=250, dropout=0.5)
>>> Head(width=0, dropout=1.0)
Traceback (most recent call last):
    ...
features.errors.InputError: width must be a whole number, 1 or more, not 0; dropout must be a \
number, 0 or more, below 1, not 1.0
"""

from __future__ import annotations

import dataclasses
import math
import re
import reprlib
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Self

from features.errors import InputError

Metadata = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Rule:
    """What values a field takes.

    Attributes
    ----------
    must_be : str
        Ends a sentence: ``width must be {must_be}``.
    admits : callable
        From a value to whether it is one.
    """

    must_be: str
    admits: Callable[[Any], bool]


class Record:
    """Base of records: frozen dataclasses that check themselves, and turn to JSON and back.

    Raises
    ------
    InputError
        If a value is not as the rule of its field says.
    """

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """Make a record of what JSON holds.

        Parameters
        ----------
        values : object
            Anything. It must be a dictionary of the fields; those that have defaults may be
            missing.

        Returns
        -------
        Record

        Raises
        ------
        InputError
            It is no dictionary; a field is missing, or not as its rule says; there are others,
            which would be lost. The message is for whoever read the file to put its name before.
        """
        if not _is_table(values):
            raise InputError("is no dictionary")
        fields = {field.name: field for field in _fields(cls)}
        missing = [
            name
            for name, field in fields.items()
            if field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
            and name not in values
        ]
        if missing:
            raise InputError(f"does not tell {', '.join(missing)}")
        unknown = sorted(set(values) - set(fields))
        if unknown:
            raise InputError(f"holds what this version does not know: {', '.join(unknown)[:200]}")
        return cls(**{name: _built(fields[name], value) for name, value in values.items()})

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold of a record; `from_json` makes an equal one of it.

        Returns
        -------
        dict
            All fields, by their names.
        """
        return {field.name: _plain(getattr(self, field.name)) for field in _fields(self)}


def whole_number(least: int = 0) -> Metadata:
    """Metadata of a field that takes whole numbers from the least one on."""
    return _rule(f"a whole number, {least} or more", lambda v: _is_whole(v) and v >= least) | {
        "type": int
    }


def number(
    least: float = -math.inf, *, above: float = -math.inf, below: float = math.inf
) -> Metadata:
    """Metadata of a field that takes finite numbers.

    Parameters
    ----------
    least, above, below : float
        Their range; ``least`` is in it, ``above`` and ``below`` are not.

    Returns
    -------
    dict
    """
    ends = [f"{least:g} or more"] * (least > -math.inf)
    ends += [f"above {above:g}"] * (above > -math.inf)
    ends += [f"below {below:g}"] * (below < math.inf)
    return _rule(
        ", ".join(["a number", *ends]), lambda v: _is_number(v) and least <= v and above < v < below
    ) | {"type": float}


def one_of(*choices: str | None) -> Metadata:
    """Metadata of a field that takes one of some values, which stand there as ``choices``."""
    must_be = " or ".join(", ".join(map(str, choices)).rsplit(", ", 1))
    return _rule(must_be, lambda v: isinstance(v, str | None) and v in choices) | {
        "choices": choices
    }


def flag() -> Metadata:
    """Metadata of a field that takes True and False."""
    return _rule("true or false", lambda v: isinstance(v, bool))


def text(pattern: str = ".+", must_be: str = "a text") -> Metadata:
    """Metadata of a field that takes a text, all of which matches the pattern."""
    matches = re.compile(pattern, re.DOTALL).fullmatch
    return _rule(must_be, lambda v: isinstance(v, str) and bool(matches(v)))


def digest() -> Metadata:
    """Metadata of a field that takes a photo's digest, of `features.photos.file_digest`."""
    return text("[0-9a-f]{32}", "the 32 hex digits of a photo's digest")


def table() -> Metadata:
    """Metadata of a field that takes a dictionary whose keys are texts."""
    return _rule("a dictionary", _is_table)


def sequence(each: Metadata, length: int | None = None) -> Metadata:
    """Metadata of a field that takes a tuple, a list in JSON.

    Parameters
    ----------
    each : dict
        Metadata of a field that takes one of its values.
    length : int, optional
        How many they must be.

    Returns
    -------
    dict
    """
    rule = each["rule"]
    return _rule(
        f"a list{'' if length is None else f' of {length}'}, each {rule.must_be}",
        lambda v: isinstance(v, tuple) and length in (None, len(v)) and all(map(rule.admits, v)),
    )


def optional(metadata: Metadata) -> Metadata:
    """Metadata of a field that takes None as well."""
    rule = metadata["rule"]
    return metadata | _rule(f"{rule.must_be}, or none", lambda v: v is None or rule.admits(v))


def nested(kind: type[Record]) -> Metadata:
    """Metadata of a field that takes a record of this kind, a dictionary in JSON."""
    return _rule("a record", lambda v: isinstance(v, kind)) | {"nested": kind}


def check_fields(record: Any) -> None:
    """Refuse a record whose fields are not as their rules say.

    Parameters
    ----------
    record : dataclass instance
        Fields without a rule take everything.

    Raises
    ------
    InputError
        Names each such field, what it must be, and what it is, shortened.
    """
    wrong = [
        f"{field.name} must be {field.metadata['rule'].must_be}, not {reprlib.repr(value)}"
        for field in dataclasses.fields(record)
        if "rule" in field.metadata
        and not field.metadata["rule"].admits(value := getattr(record, field.name))
    ]
    if wrong:
        raise InputError("; ".join(wrong))


def _rule(must_be: str, admits: Callable[[Any], bool]) -> Metadata:
    return {"rule": Rule(must_be, admits)}


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # JSON may hold whole numbers that no float reaches
        return False


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def _fields(record: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(record)


def _built(field: dataclasses.Field[Any], value: Any) -> Any:
    """A field's value, of what JSON holds of it."""
    if "nested" in field.metadata and value is not None:
        try:
            return field.metadata["nested"].from_json(value)
        except InputError as error:
            raise InputError(f"{field.name}: {error}") from None
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """A field's value, as JSON holds it."""
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, tuple):
        return list(value)
    # JSON knows no numbers of NumPy's.
    if _is_whole(value):
        return int(value)
    return float(value) if _is_number(value) else value
