"""An album in order: scored photos ranked, bursts stacked; the table, the page, copies of the best.

Nothing here moves, changes or deletes a photo.
"""

from __future__ import annotations

import base64
import csv
import io
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import numpy as np
from PIL import Image
from tqdm import tqdm

from decaf.model import ScoredPhotos
from decaf.votes import mean_and_spread
from features.errors import InputError
from features.photos import PhotoError, read_photo

# From this cosine of two photos' activations on they may be of one burst, by pooling. Chosen on
# BIQ2021's near-duplicate groups with experiments/near_duplicates.py.
NEAR = {"multilevel": 0.9, "average": 0.85, "flatten": 0.75}
# From this cosine on they are the same picture, whenever it was taken: 0 false pairs there.
SAME = 0.998
# Photographers stack bursts by this many seconds in Lightroom's "Auto-Stack by Capture Time".
BURST_SECONDS = 10.0
# Pixels, at most.
THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH = 160, 320
# WebP, of 100: about 4 kB a thumbnail.
THUMBNAIL_QUALITY = 60
# Photos whose cosines with all others are computed at once, as one product of matrices.
_BLOCK = 256
# EXIF 2.32: when the photo was taken, to the second and beyond.
_EXIF_IFD, _TIME_TAG, _SUBSECOND_TAG = 0x8769, 0x9003, 0x9291


@dataclass(frozen=True)
class RankedPhoto:
    """A photo's place among the photos of its folder.

    Attributes
    ----------
    name, path : str
    rank : int
        1 is the best.
    percentile : float
        Share of the other photos that it is ranked above, 0 to 100.
    probability : float
        Of professional; calibrated.
    stack : int or None
        Photos of one stack have one number; None for a photo by itself.
    is_top : bool
        Whether it is the best of its stack, or by itself.
    mean, spread : float or None
        Of the votes that the network predicts.
    votes : tuple of float
        Predicted shares of the votes; empty where the network predicts none.
    """

    name: str
    path: str
    rank: int
    percentile: float
    probability: float
    stack: int | None
    is_top: bool
    mean: float | None = None
    spread: float | None = None
    votes: tuple[float, ...] = ()


def rank_photos(
    names: Sequence[str], paths: Sequence[str], scored: ScoredPhotos, pooling: str
) -> list[RankedPhoto]:
    """Put scored photos in order, and stack those of one burst.

    Parameters
    ----------
    names, paths : sequence of str
        Of all photos that were to be scored.
    scored : ScoredPhotos
        Those that could be read.
    pooling : {"flatten", "multilevel", "average"}
        Of the model's network.

    Returns
    -------
    list of RankedPhoto
        The best first; photos with equal scores by their names.
    """
    positions = scored.activations.positions
    names, paths = [names[i] for i in positions], [paths[i] for i in positions]
    n = len(names)
    order = sorted(range(n), key=lambda i: (-scored.score[i], names[i]))
    activations = scored.activations.read(np.arange(n)).astype(np.float32)
    times = np.array([capture_time(path) for path in tqdm(paths, "times", unit="photo", delay=1)])
    tops = find_stacks(activations, times, order, NEAR[pooling])
    sizes = np.bincount(tops, minlength=n)
    several = [top for top in order if sizes[top] > 1]
    stack_of_top = {top: number for number, top in enumerate(several, start=1)}
    predicted = [{} for _ in range(n)]
    if scored.votes is not None:
        predicted = [
            {"mean": float(mean), "spread": float(spread), "votes": tuple(map(float, votes))}
            for mean, spread, votes in zip(*mean_and_spread(scored.votes), scored.votes)
        ]
    return [
        RankedPhoto(
            name=names[i],
            path=paths[i],
            rank=rank,
            percentile=100 * (n - rank) / (n - 1) if n > 1 else 100.0,
            probability=float(scored.probability[i]),
            stack=stack_of_top.get(tops[i]),
            is_top=bool(tops[i] == i),
            **predicted[i],
        )
        for rank, i in enumerate(order, start=1)
    ]


def find_stacks(
    activations: np.ndarray, times: np.ndarray, order: Sequence[int], near: float
) -> np.ndarray:
    """Stack photos of one burst, and copies of one picture, under the best of them.

    Best first, each photo that lies in no stack yet takes those that are near to it and were taken
    within `BURST_SECONDS`, or are the same picture. A stack cannot grow from neighbour to
    neighbour through a whole day.

    Parameters
    ----------
    activations : ndarray of float32, shape (n_photos, n_activations)
    times : ndarray of float, shape (n_photos,)
        Seconds; NaN where it is not known.
    order : sequence of int
        The photos, the best first.
    near : float
        Least cosine.

    Returns
    -------
    ndarray of int, shape (n_photos,)
        The photo that lies on top of each one; itself for a photo by itself.
    """
    length = np.linalg.norm(activations, axis=1, keepdims=True)
    directions = activations / np.where(length > 0, length, 1)
    tops = np.full(len(activations), -1)
    for start in tqdm(range(0, len(order), _BLOCK), "stacks", unit="block", delay=1):
        block = np.asarray(order[start : start + _BLOCK])
        cosines = directions[block] @ directions.T
        for top, cosine in zip(block, cosines):
            if tops[top] >= 0:
                continue
            in_time = np.abs(times - times[top]) <= BURST_SECONDS
            together = (cosine >= SAME) | (in_time & (cosine >= near))
            tops[together & (tops < 0)] = top
            tops[top] = top
    return tops


def capture_time(path: str) -> float:
    """When a photo was taken, by its EXIF data.

    Parameters
    ----------
    path : str

    Returns
    -------
    float
        Seconds, with their fractions where the camera gave them, to be compared with other photos'
        only; NaN where the photo does not tell.
    """
    # Whatever Pillow raises on damaged bytes: a photo without a time is in no burst.
    try:
        with Image.open(path) as image:
            tags = image.getexif().get_ifd(_EXIF_IFD)
        taken = datetime.strptime(str(tags[_TIME_TAG]).strip("\0 "), "%Y:%m:%d %H:%M:%S")
        digits = str(tags.get(_SUBSECOND_TAG, "")).strip("\0 ")
        fraction = float(f"0.{digits}") if digits.isdecimal() else 0.0
    except Exception:
        return np.nan
    return (taken - datetime(1970, 1, 1)).total_seconds() + fraction


def write_tables(
    folder: Path, ranking: Sequence[RankedPhoto], failed: Sequence[tuple[str, str]]
) -> None:
    """Write ranking.csv, and failed.csv if a photo failed.

    Parameters
    ----------
    folder : Path
    ranking : sequence of RankedPhoto
    failed : sequence of (str, str)
        Names and reasons.

    Raises
    ------
    InputError
        If they cannot be written.
    """
    with_votes = bool(ranking[0].votes)
    columns = ["file", "rank", "percentile", "probability"]
    columns += ["predicted_mean", "predicted_spread"] if with_votes else []
    rows = [
        [photo.name, photo.rank, f"{photo.percentile:.1f}", f"{photo.probability:.4f}"]
        + ([f"{photo.mean:.3f}", f"{photo.spread:.3f}"] if with_votes else [])
        + [photo.stack or ""]
        for photo in ranking
    ]
    _write_csv(folder / "ranking.csv", [[*columns, "stack"], *rows])
    if failed:
        _write_csv(folder / "failed.csv", [("file", "reason"), *failed])


def write_page(
    path: Path,
    ranking: Sequence[RankedPhoto],
    *,
    title: str,
    facts: dict[str, str],
    notes: Sequence[str] = (),
    advance: Callable[[], object] = lambda: None,
) -> None:
    """Write ranking.html: one file that needs no other, but opens the photos where they are.

    Parameters
    ----------
    path : Path
    ranking : sequence of RankedPhoto
    title : str
    facts : dict of str to str
        About the model and the photos.
    notes : sequence of str
        Sentences that a reader must know.
    advance : callable
        Called after each thumbnail.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    from jinja2 import Environment, PackageLoader

    photos = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for photo, thumbnail in zip(ranking, pool.map(_thumbnail, [p.path for p in ranking])):
            photos.append(_page_entry(photo, thumbnail, path.parent))
            advance()
    template = Environment(
        loader=PackageLoader("decaf", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    ).get_template("ranking.html")
    page = template.render(
        title=_displayable(title),
        facts={name: _displayable(text) for name, text in facts.items()},
        notes=[_displayable(note) for note in notes],
        photos=photos,
    )
    with _whole_file(path) as part:
        part.write_text(page, encoding="utf-8")


def copy_best(ranking: Sequence[RankedPhoto], n: int, folder: Path) -> int:
    """Copy the best photos, one of each stack, to names that begin with their ranks.

    Parameters
    ----------
    ranking : sequence of RankedPhoto
        The best first.
    n : int
        How many.
    folder : Path
        Is made if it is not there.

    Returns
    -------
    int
        How many were copied: fewer where there are fewer.

    Raises
    ------
    InputError
        If one of the names is taken, when none is copied; or a photo cannot be copied.
    """
    best = [photo for photo in ranking if photo.is_top][:n]
    digits = len(str(ranking[-1].rank))
    targets = [folder / f"{photo.rank:0{digits}} {Path(photo.path).name}" for photo in best]
    taken = [target for target in targets if os.path.lexists(target)]
    if taken:
        raise InputError(f"{taken[0]}: is there already; copy to another folder")
    for photo, target in zip(best, targets):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Whoever takes the name first has it, and nobody's file is overwritten.
            open(target, "xb").close()
            try:
                shutil.copy2(photo.path, target)
            except BaseException:
                target.unlink()
                raise
        except OSError as error:
            raise InputError(f"{target}: cannot be copied: {error.strerror}") from error
    return len(best)


def _write_csv(path, rows):
    # Names need not be UTF-8; `find_photos` reads them back from a .csv as they were.
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    with _whole_file(path) as part:
        part.write_bytes(text.getvalue().encode("utf-8", "surrogateescape"))


@contextmanager
def _whole_file(path):
    """A name to write to; the file takes its own name when that went well."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _thumbnail(path):
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


def _page_entry(photo, thumbnail, folder):
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
    if photo.votes:
        entry |= {
            "m": round(photo.mean, 2),
            "s": round(photo.spread, 2),
            "v": [round(share, 4) for share in photo.votes],
        }
    return entry


def _url(path, folder):
    """Relative, so that photos and page may move together; bytes that are not UTF-8 survive."""
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # another drive of Windows
        return Path(path).absolute().as_uri()
    return quote(os.fsencode(Path(relative).as_posix()))


def _displayable(text):
    """Text that UTF-8 can hold: bytes of names that are not UTF-8 become U+FFFD."""
    return os.fsencode(text).decode("utf-8", "replace")
