"""What is suggested for photos: edits and what they bring, and the file that tells them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from decaf.editing.edits import Edit
from features.errors import InputError
from features.records import Record, nested, parse_json, sequence, share, text

# Of the file; a reader of another one says so.
VERSION = 1


@dataclass(frozen=True)
class Step(Record):
    """An edit, and what it brings.

    Attributes
    ----------
    edit : Edit
    probability : float
        How probably the photo with it is the better one of the two, before this step and after it.
    low, high : float
        The interval of that which the score's noise makes.
    """

    edit: Edit = field(metadata=nested(Edit))
    probability: float = field(metadata=share())
    low: float = field(metadata=share())
    high: float = field(metadata=share())

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low <= self.probability <= self.high:
            raise InputError("probability must be from low to high")


@dataclass(frozen=True)
class Suggestion(Record):
    """What is suggested for a photo.

    Attributes
    ----------
    path : str
        Of the photo.
    name : str
        Its name relative to the album, with "/" between folders.
    steps : tuple of Step
        In this order, each on what the one before has made; none says to leave it as it is.
    before, after : float
        The model's probability of a professional photo, as `decaf.ranking` tells it.
    """

    path: str = field(metadata=text())
    name: str = field(metadata=text())
    steps: tuple[Step, ...] = field(metadata=sequence(nested(Step)))
    before: float = field(metadata=share())
    after: float = field(metadata=share())

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_within(self.name):
            raise InputError(f"{self.name!r} is no name of a photo in the album")

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What is done to the photo, in this order."""
        return tuple(step.edit for step in self.steps)


def is_within(name: str) -> bool:
    """Whether a photo's name stays in its album; copies take it in a folder of their own."""
    path = PurePath(name)
    return bool(path.name) and not path.anchor and ".." not in path.parts and "\0" not in name


def certainty(step: Step) -> str:
    """Say in plain words what an edit brings.

    Examples
    --------
    >>> certainty(Step(Edit("exposure", (0.5,)), 0.93, 0.86, 0.97))
    'the better one of the two with 93 % (86–97 %)'
    """
    # What is not certain is not told as 100 %.
    probability, low, high = (
        min(round(100 * share), 99 if share < 1 else 100)
        for share in (step.probability, step.low, step.high)
    )
    return f"the better one of the two with {probability} % ({low}–{high} %)"


def to_json(suggestions: Iterable[Suggestion]) -> str:
    """The parameter file of suggestions; `read_suggestions` reads it.

    Parameters
    ----------
    suggestions : iterable of Suggestion

    Returns
    -------
    str
        It tells the photos' names, and not where they are.
    """
    photos = [entry(suggestion) for suggestion in suggestions]
    return json.dumps({"version": VERSION, "photos": photos}, indent=1, allow_nan=False) + "\n"


def entry(suggestion: Suggestion) -> dict[str, Any]:
    """What the parameter file holds of one photo."""
    return {name: value for name, value in suggestion.to_json().items() if name != "path"}


def read_suggestions(path: str | os.PathLike, album: str | os.PathLike) -> list[Suggestion]:
    """Read a parameter file, which may come from a stranger.

    Parameters
    ----------
    path : path-like
        Of the file.
    album : path-like
        The folder in which its photos are. They need not be there.

    Returns
    -------
    list of Suggestion
        None of a photo outside the album, none of the same photo twice.

    Raises
    ------
    InputError
        It cannot be read, or is no such file.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return _parse(content, album)
    # What is no JSON, and what an InputError says.
    except ValueError as error:
        raise InputError(f"{path}: is no file of suggested edits: {error}") from error


def _parse(content: bytes, album: str | os.PathLike) -> list[Suggestion]:
    try:
        values = parse_json(content)
    except UnicodeDecodeError:
        raise InputError("is no JSON") from None
    if not isinstance(values, dict) or not isinstance(values.get("photos"), list):
        raise InputError("does not tell photos")
    if values.get("version") != VERSION:
        raise InputError(f"its version is {values.get('version')!r}, not {VERSION}")
    found: dict[str, Suggestion] = {}
    for n, photo in enumerate(values["photos"], 1):
        try:
            suggestion = _of_entry(photo, album)
            if suggestion.name in found:
                raise InputError(f"{suggestion.name!r} is there twice")
        except InputError as error:
            raise InputError(f"photo {n}: {error}") from None
        found[suggestion.name] = suggestion
    return list(found.values())


def _of_entry(photo: Any, album: str | os.PathLike) -> Suggestion:
    name = photo.get("name") if isinstance(photo, dict) else None
    if not isinstance(name, str):
        raise InputError("does not tell name")
    if "path" in photo:
        raise InputError("holds what this version does not know: path")
    return Suggestion.from_json({**photo, "path": os.path.join(album, name)})
