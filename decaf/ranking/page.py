"""The page of a ranking, to look through an album in order."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tqdm import tqdm

from decaf.ranking.table import TABLE_FILE
from decaf.ranking.thumbnails import PREVIEW_SIDE, Pictures, make_pictures
from features.files import write_file, writing
from features.text import displayable

if TYPE_CHECKING:
    from decaf.ranking.ranking import RankedPhoto, Ranking

PAGE_FILE = "ranking.html"
# Up to so many photos the page holds their thumbnails itself: with 27 MB it opens within a second,
# with twice as many in 1.6 s (experiments/results/bench-page).
MOST_IN_PAGE = 5000
# Thumbnails of a part, some 350 kB.
PER_PART = 64

# In the page's order: what a script uses stands above it.
_SCRIPTS = ("photos", "thumbnails", "rows", "grid", "view", "print", "kept", "tools", "start")
# Of this module's own files beside the page.
_PART, _PREVIEW = "thumbnails-{}.js", "preview-{}.jpg"


def files_folder(path: Path) -> Path:
    """The folder beside a page for what it does not hold itself.

    Windows copies, moves and deletes a folder of such a name together with the page.

    Parameters
    ----------
    path : Path
        Of the page.

    Returns
    -------
    Path
    """
    return path.with_name(f"{path.stem}_files")


# Names, and patterns of them, of all that is written for a ranking.
OWN_FILES = (
    TABLE_FILE,
    PAGE_FILE,
    *(
        f"{files_folder(Path(PAGE_FILE)).name}/{name.format('[0-9]*')}"
        for name in (_PART, _PREVIEW)
    ),
)


def write_page(path: Path, ranking: Ranking, *, progress: bool = True) -> None:
    """Write ranking.html, which opens the photos where they are.

    It holds the thumbnails of a small album itself; those of a large one lie in a folder beside it,
    as do previews of photos that browsers do not show.

    Parameters
    ----------
    path : Path
    ranking : Ranking
    progress : bool
        Show a progress bar on stderr.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    folder, in_parts = files_folder(path), len(ranking) > MOST_IN_PAGE
    identity = _identity(ranking)
    remove_files(path)
    entries = []
    with _all_pictures(ranking, progress) as pictures:
        photos = zip(ranking, pictures)
        for part in range(-(-len(ranking) // PER_PART)):
            thumbnails = []
            for photo, of_photo in islice(photos, PER_PART):
                entry = _page_entry(photo, of_photo, path.parent)
                thumbnail = base64.b64encode(of_photo.thumbnail).decode() if of_photo else ""
                if in_parts:
                    thumbnails.append(thumbnail)
                else:
                    entry["i"] = thumbnail
                if of_photo and of_photo.preview:
                    name = _PREVIEW.format(photo.rank)
                    _write_beside(folder / name, of_photo.preview)
                    entry["d"] = quote(f"{folder.name}/{name}")
                entries.append(entry)
            if in_parts:
                call = f"takePart({json.dumps(identity)},{part},{json.dumps(thumbnails)})\n"
                _write_beside(folder / _PART.format(part), call.encode())
    values = {"identity": identity, "in_parts": in_parts, "files": folder.name, "photos": entries}
    write_file(path, _render(ranking, **values))


def remove_files(path: Path) -> None:
    """Remove what `write_page` has written beside a page, and nothing else.

    Parameters
    ----------
    path : Path
        Of the page.

    Raises
    ------
    InputError
        If it cannot be removed.
    """
    folder = files_folder(path)
    with writing(folder):
        for pattern in (_PART, _PREVIEW):
            for file in folder.glob(pattern.format("[0-9]*")):
                file.unlink()
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


@contextlib.contextmanager
def _all_pictures(ranking: Ranking, progress: bool) -> Iterator[Iterable[Pictures | None]]:
    """The pictures of all photos, in order, as they are made."""
    # An interruption leaves those that wait undone.
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        # A generator, which its stubs call an iterator.
        contextlib.closing(  # type: ignore[type-var]
            pool.map(make_pictures, [photo.path for photo in ranking])
        ) as pictures,
    ):
        yield tqdm(pictures, "thumbnails", len(ranking), unit="photo", disable=not progress)


def _write_beside(path: Path, content: bytes) -> None:
    """Write a file that nothing leads to until the page is there."""
    with writing(path):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


def _render(ranking: Ranking, **values: object) -> str:
    from jinja2 import Environment, PackageLoader

    templates = Environment(
        loader=PackageLoader("decaf.ranking", "web"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # A script with NaN in it shows nothing at all.
    templates.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return templates.get_template("page.html").render(
        title=displayable(ranking.title),
        facts={name: displayable(text) for name, text in ranking.facts.items()},
        notes=[displayable(note) for note in ranking.notes],
        scripts=[f"{name}.js" for name in _SCRIPTS],
        per_part=PER_PART,
        preview_side=f"{PREVIEW_SIDE:,}",
        **values,
    )


def _identity(ranking: Ranking) -> str:
    """Tells this order of these photos from others; the same for the same."""
    names = "\0".join([ranking.title, *(photo.name for photo in ranking)])
    return hashlib.blake2b(os.fsencode(names), digest_size=8).hexdigest()


def _page_entry(photo: RankedPhoto, pictures: Pictures | None, folder: Path) -> dict[str, object]:
    """What the page's script reads of a photo; its short keys are explained there."""
    entry = {
        "n": displayable(photo.name),
        "u": _url(photo.path, folder),
        "w": pictures.width if pictures else 4,
        "h": pictures.height if pictures else 3,
        "r": photo.rank,
        "p": int(10 * photo.percentile) / 10,  # only the best is above 100 %
        "q": round(photo.probability, 4),
    }
    if photo.stack is not None:
        entry |= {"k": photo.stack}
    if photo.mean is not None and photo.spread is not None:
        entry |= {"m": round(photo.mean, 2), "s": round(photo.spread, 2)}
    if photo.votes:
        entry |= {"v": [round(share, 4) for share in photo.votes]}
    return entry


def _url(path: str, folder: Path) -> str:
    """Relative, so that photos and page may move together; bytes that are not UTF-8 survive."""
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # another drive of Windows
        return Path(path).absolute().as_uri()
    return quote(os.fsencode(Path(relative).as_posix()))
