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
import json
import math
import re
import reprlib
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Self

from features.errors import InputError

Metadata = dict[str, Any]

# Whole numbers from here on stand for nothing that can be counted, and no file's number holds them.
TOO_LARGE = 2**63
# Levels of lists and dictionaries in JSON; a network's config has a dozen.
MOST_LEVELS = 50


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


def parse_json(content: bytes) -> Any:
    """What a file from a stranger holds as JSON.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    object
        None stands for numbers that are not finite, which JSON knows none of.

    Raises
    ------
    ValueError
        It is no JSON; or a dictionary has a key twice, of which readers take one or the other;
        or it holds a number or levels that no program wrote, or a text that UTF-8 cannot hold.
    """
    try:
        value = json.loads(
            content,
            object_pairs_hook=_unique,
            parse_float=lambda text: _finite(float(text)),
            parse_constant=lambda name: None,
        )
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    _check_json(value)
    return value


def whole_number(least: int = 0) -> Metadata:
    """Metadata of a field that takes whole numbers from the least one on."""
    return _rule(f"a whole number, {least} or more", lambda v: _is_whole(v) and v >= least) | {
        "type": int
    }


def number(
    least: float = -math.inf,
    most: float = math.inf,
    *,
    above: float = -math.inf,
    below: float = math.inf,
) -> Metadata:
    """Metadata of a field that takes finite numbers.

    Parameters
    ----------
    least, most, above, below : float
        Their range; ``least`` and ``most`` are in it, ``above`` and ``below`` are not.

    Returns
    -------
    dict
    """
    ends = [f"{least:g} or more"] * (least > -math.inf)
    ends += [f"{most:g} or less"] * (most < math.inf)
    ends += [f"above {above:g}"] * (above > -math.inf)
    ends += [f"below {below:g}"] * (below < math.inf)
    return _rule(
        ", ".join(["a number", *ends]),
        lambda v: _is_number(v) and least <= v <= most and above < v < below,
    ) | {"type": float}


def share() -> Metadata:
    """Metadata of a field that takes numbers from 0 to 1."""
    return _rule("a number from 0 to 1", lambda v: _is_number(v) and 0 <= v <= 1)


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
    return _rule(must_be, lambda v: _is_text(v) and bool(matches(v)))


def table() -> Metadata:
    """Metadata of a field that takes a dictionary whose keys are texts."""
    return _rule("a dictionary", _is_table)


def sequence(each: Metadata, length: int | None = None) -> Metadata:
    """Metadata of a field that takes a tuple, a list in JSON.

    Parameters
    ----------
    each : dict
        Metadata of a field that takes one of its values; they may be records.
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
    ) | {"each": each}


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
    return (
        isinstance(value, Integral) and not isinstance(value, bool) and abs(int(value)) < TOO_LARGE
    )


def _is_number(value: Any) -> bool:
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # JSON may hold whole numbers that no float reaches
        return False


def _is_text(value: Any) -> bool:
    """Whether it is a text that can be shown and written: no half of a surrogate pair alone.

    But for those that stand for bytes of file names.
    """
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("has a key twice")
    return values


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _check_json(value: Any, level: int = 0) -> None:
    if level > MOST_LEVELS:
        raise ValueError("is nested too deeply")
    if isinstance(value, str) and not _is_text(value):
        raise ValueError("holds half a character")
    if isinstance(value, int) and abs(value) >= TOO_LARGE:
        raise ValueError("holds a number too large")
    parts = [*value, *value.values()] if isinstance(value, dict) else value
    if isinstance(parts, list):
        for part in parts:
            _check_json(part, level + 1)


def _fields(record: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(record)


def _built(field: dataclasses.Field[Any], value: Any) -> Any:
    """A field's value, of what JSON holds of it."""
    each = field.metadata.get("each", {})
    if "nested" in field.metadata and value is not None:
        return _nested(field.metadata["nested"], value, field.name)
    if "nested" in each and isinstance(value, list):
        kind = each["nested"]
        return tuple(_nested(kind, v, f"{field.name} {n}") for n, v in enumerate(value, 1))
    return tuple(value) if isinstance(value, list) else value


def _nested(kind: type[Record], value: Any, name: str) -> Record:
    try:
        return kind.from_json(value)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _plain(value: Any) -> Any:
    """A field's value, as JSON holds it."""
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, tuple):
        return list(map(_plain, value))
    # JSON knows no numbers of NumPy's.
    if _is_whole(value):
        return int(value)
    return float(value) if _is_number(value) else value
