"""The page of suggested edits: each photo before and after, to accept or to decline."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from decaf.editing.edits import describe, frame_of
from decaf.editing.suggestions import VERSION, Suggestion, certainty, entry, to_json
from features.files import write_file, writing
from features.folders import check_output_folder, filling_folder
from features.photos import PhotoError, read_photo
from features.text import displayable

OWNER = "suggest-edits"
PAGE_FILE, EDITS_FILE, CHOSEN_FILE = "index.html", "edits.json", "chosen.json"
# By the photo's place on the page.
_BEFORE, _AFTER = "pictures/{}-before.jpg", "pictures/{}-after.jpg"
OWN_FILES = (PAGE_FILE, EDITS_FILE, _BEFORE.format("[0-9]*"), _AFTER.format("[0-9]*"))

# What the longer side of a picture has at most, in pixels, and its quality as JPEG, of 100.
PICTURE_SIDE, PICTURE_QUALITY = 1600, 80


@dataclass(frozen=True)
class _Pictures:
    """Sizes of a photo's pictures, in pixels, and the part of it that its edits leave."""

    before: tuple[int, int]
    after: tuple[int, int]
    frame: tuple[float, float, float, float]


def check_page_folder(folder: str | os.PathLike, *, force: bool = False) -> None:
    """Refuse a folder that cannot take a page, before the work that leads to it.

    Parameters
    ----------
    folder : path-like
    force : bool
        Whether it may hold something.

    Raises
    ------
    AlreadyThere
        It holds something else than a page that nobody has changed.
    InputError
        It is a file, or cannot be written.
    """
    check_output_folder(folder, force=force, owner=OWNER, own_files=OWN_FILES)


def write_page(
    folder: str | os.PathLike,
    suggestions: Sequence[Suggestion],
    title: str,
    facts: Mapping[str, str],
    *,
    force: bool = False,
    progress: bool = True,
) -> None:
    """Write a folder with the page, its pictures, and the parameter file of all suggestions.

    Parameters
    ----------
    folder : path-like
        Is made if it is not there.
    suggestions : sequence of Suggestion
        In the page's order. A photo that cannot be read any more is shown without its pictures.
    title : str
        Of the album.
    facts : dict of str
        What the page tells of how the suggestions were made, by name.
    force : bool
        Replace a page that is there, even where somebody has changed it.
    progress : bool
        Show a progress bar on stderr.

    Raises
    ------
    AlreadyThere, InputError
        As from `check_page_folder`.
    """
    folder = Path(folder)
    check_page_folder(folder, force=force)
    with filling_folder(folder, OWNER, OWN_FILES):
        with writing(folder):
            (folder / _BEFORE).parent.mkdir(exist_ok=True)
        pictures = _make_all_pictures(folder, suggestions, progress)
        photos = [_page_entry(*each) for each in zip(suggestions, pictures)]
        write_file(folder / EDITS_FILE, to_json(suggestions))
        write_file(folder / PAGE_FILE, _render(title, facts, suggestions, photos))


def _make_all_pictures(
    folder: Path, suggestions: Sequence[Suggestion], progress: bool
) -> list[_Pictures | None]:
    # An interruption leaves those that wait undone.
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        # A generator, which its stubs call an iterator.
        contextlib.closing(  # type: ignore[type-var]
            pool.map(partial(_make_pictures, folder), range(len(suggestions)), suggestions)
        ) as made,
    ):
        bar = tqdm(made, "pictures", len(suggestions), unit="photo", disable=not progress)
        return list(bar)


def _make_pictures(folder: Path, place: int, suggestion: Suggestion) -> _Pictures | None:
    """Write a photo's pictures; None where it cannot be read."""
    try:
        # Of a JPEG at least so much is decoded that the picture is none of an enlarged photo.
        rgb, _ = read_photo(suggestion.path, min_side=PICTURE_SIDE // 2)
    except PhotoError:
        return None
    before = after = _write_picture(folder / _BEFORE.format(place), Image.fromarray(rgb))
    frame = frame_of(suggestion.edits, rgb.shape[1], rgb.shape[0])
    if suggestion.steps:
        for edit in suggestion.edits:
            rgb = edit.apply(rgb)
        after = _write_picture(folder / _AFTER.format(place), Image.fromarray(rgb))
    return _Pictures(before, after, frame)


def _write_picture(path: Path, image: Image.Image) -> tuple[int, int]:
    image.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=PICTURE_QUALITY)
    with writing(path):
        path.write_bytes(file.getvalue())
    return image.size


def _page_entry(suggestion: Suggestion, pictures: _Pictures | None) -> dict[str, object]:
    """What the page's script reads of a photo; its short keys are explained there."""
    values: dict[str, object] = {
        "e": entry(suggestion),
        "n": displayable(suggestion.name),
        "s": [[describe(step.edit), certainty(step)] for step in suggestion.steps],
    }
    if pictures is not None:
        values |= {"b": pictures.before, "a": pictures.after, "f": pictures.frame}
    return values


def _render(
    title: str,
    facts: Mapping[str, str],
    suggestions: Sequence[Suggestion],
    photos: list[dict[str, object]],
) -> str:
    from jinja2 import Environment, PackageLoader

    templates = Environment(
        loader=PackageLoader(__package__, "web"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # A script with NaN in it shows nothing at all.
    templates.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    kept = f"{title}\0{to_json(suggestions)}"
    settings = {
        # Tells these suggestions for this album from others; the same for the same.
        "identity": hashlib.blake2b(os.fsencode(kept), digest_size=8).hexdigest(),
        "version": VERSION,
        "before": _BEFORE.format("#"),
        "after": _AFTER.format("#"),
        "chosen": CHOSEN_FILE,
    }
    return templates.get_template("page.html").render(
        title=displayable(title),
        facts={name: displayable(text) for name, text in facts.items()},
        chosen=CHOSEN_FILE,
        settings=settings,
        photos=photos,
    )
