"""The page of a ranking: one file with thumbnails, to look through an album in order."""

from __future__ import annotations

import base64
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from PIL import Image
from tqdm import tqdm

from features.files import write_file
from features.photos import PhotoError, read_photo

if TYPE_CHECKING:
    from decaf.ranking.ranking import RankedPhoto, Ranking

# Pixels, at most.
THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH = 160, 320
# WebP, of 100: about 4 kB a thumbnail.
THUMBNAIL_QUALITY = 60


def write_page(path: Path, ranking: Ranking, *, progress: bool = True) -> None:
    """Write ranking.html: one file that needs no other, but opens the photos where they are.

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
    from jinja2 import Environment, PackageLoader

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        thumbnails = pool.map(_thumbnail, [photo.path for photo in ranking])
        bar = tqdm(thumbnails, "thumbnails", len(ranking), unit="photo", disable=not progress)
        photos = [
            _page_entry(photo, thumbnail, path.parent) for photo, thumbnail in zip(ranking, bar)
        ]
    template = Environment(
        loader=PackageLoader("decaf.ranking", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("page.html")
    page = template.render(
        title=_displayable(ranking.title),
        facts={name: _displayable(text) for name, text in ranking.facts.items()},
        notes=[_displayable(note) for note in ranking.notes],
        photos=photos,
    )
    write_file(path, page)


def _thumbnail(path: str) -> tuple[str, int, int] | None:
    """WebP as a base64 text, its width and height in pixels; None where the photo is gone."""
    try:
        rgb, _ = read_photo(path, min_side=THUMBNAIL_HEIGHT)
    except PhotoError:
        return None
    image = Image.fromarray(rgb)
    image.thumbnail((THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT))
    file = io.BytesIO()
    image.save(file, "WEBP", quality=THUMBNAIL_QUALITY)
    return base64.b64encode(file.getvalue()).decode(), *image.size


def _page_entry(
    photo: RankedPhoto, thumbnail: tuple[str, int, int] | None, folder: Path
) -> dict[str, object]:
    """What the page's script reads of a photo; its short keys are explained there."""
    data, width, height = thumbnail or ("", 4, 3)
    entry = {
        "n": _displayable(photo.name),
        "u": _url(photo.path, folder),
        "i": data,
        "w": width,
        "h": height,
        "r": photo.rank,
        "p": round(photo.percentile, 1),
        "q": round(photo.probability, 4),
    }
    if photo.stack is not None:
        entry |= {"k": photo.stack}
    if photo.mean is not None and photo.spread is not None:
        entry |= {
            "m": round(photo.mean, 2),
            "s": round(photo.spread, 2),
            "v": [round(share, 4) for share in photo.votes],
        }
    return entry


def _url(path: str, folder: Path) -> str:
    """Relative, so that photos and page may move together; bytes that are not UTF-8 survive."""
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # another drive of Windows
        return Path(path).absolute().as_uri()
    return quote(os.fsencode(Path(relative).as_posix()))


def _displayable(text: str) -> str:
    """Text that UTF-8 can hold: bytes of names that are not UTF-8 become U+FFFD."""
    return os.fsencode(text).decode("utf-8", "replace")
