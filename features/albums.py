"""Which files of a folder are the photos of an album, and what lies beside them."""

from __future__ import annotations

import fnmatch
import itertools
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from features import raw

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"),
    *(".heic", ".heif", ".hif", ".avif", ".jxl"),
    *raw.SUFFIXES,
)

# What cameras write beside a raw file of the same stem: one photo.
_BESIDE_RAW = (".jpg", ".jpeg", ".jpe", ".jfif", ".heic", ".heif", ".hif")

# Folders that programs keep beside photos: thumbnails and snapshots of NAS systems (Synology, QNAP,
# TerraMaster), recycle bins of those and of Windows, caches of Lightroom, libraries of Apple, of
# which the photos lie in "originals" with names of the program's, Capture One's sessions' caches,
# what archives of macOS leave, and the previews beside decaf's own ranking.html.
_OF_PROGRAMS = (
    *("@eaDir", "@__thumb", "@Recently-Snapshot", "@tmp", "#recycle", "#snapshot", "@Recycle"),
    *("$RECYCLE.BIN", "RECYCLER", "System Volume Information", "lost+found", "CaptureOne"),
    *("*.lrdata", "*.lrcat-data", "*.photoslibrary", "*.aplibrary", "*.migratedphotolibrary"),
    *("iPod Photo Cache", "__MACOSX", "ranking_files"),
)

_VIDEOS = (
    *(".mp4", ".mov", ".m4v", ".avi", ".mts", ".m2ts", ".mkv", ".3gp", ".mpg", ".mpeg", ".wmv"),
    ".webm",
)
# What belongs to photos or to programs, and is no picture.
_COMPANIONS = (
    *(".xmp", ".aae", ".thm", ".pp3", ".dop", ".cos", ".on1", ".lrcat", ".lrdata", ".ini", ".db"),
    *(".csv", ".txt", ".json", ".html", ".htm", ".md", ".log", ".xml", ".url", ".sqlite", ".h5"),
)


def walk_album(root: Path) -> Iterator[str]:
    """Find the photos of a folder and of its subfolders.

    Hidden files and folders are passed over, and folders that programs keep beside photos; linked
    folders are followed once. A raw file with a JPEG or HEIC of the same stem beside it is no photo
    of its own.

    Parameters
    ----------
    root : Path

    Yields
    ------
    str
        Names relative to ``root``, with forward slashes; in no order.

    Raises
    ------
    OSError
        If a folder cannot be listed.
    """
    for folder, _, files in _walk(root):
        beside = {stem for stem, suffix in files if suffix.lower() in _BESIDE_RAW}
        for stem, suffix in files:
            kind = suffix.lower()
            if kind in SUFFIXES and not (kind in raw.SUFFIXES and stem in beside):
                yield f"{folder}{stem}{suffix}"


def passed_over(root: Path) -> dict[str, int]:
    """Count what of a folder is not read, by kind.

    Parameters
    ----------
    root : Path

    Returns
    -------
    dict of str to int
        Such as ``{"videos": 12, "PSD": 3}``; hidden files, sidecars and the like are not counted.

    Raises
    ------
    OSError
        If a folder cannot be listed.
    """
    kinds: Counter[str] = Counter()
    for _, of_programs, files in _walk(root):
        kinds["folders of programs"] += len(of_programs)
        for _, suffix in files:
            kind = suffix.lower()
            if kind in _VIDEOS:
                kinds["videos"] += 1
            elif kind and kind not in (*SUFFIXES, *_COMPANIONS):
                kinds[kind.removeprefix(".").upper()] += 1
    return dict((+kinds).most_common())


def raw_companions(photo: str | os.PathLike) -> list[str]:
    """Find the raw files that are one photo with a JPEG or HEIC: in its folder, of its stem.

    Parameters
    ----------
    photo : str or path

    Returns
    -------
    list of str
        Paths.
    """
    stem, suffix = os.path.splitext(os.fspath(photo))
    if suffix.lower() not in _BESIDE_RAW:
        return []
    names = (stem + cased for kind in raw.SUFFIXES for cased in (kind, kind.upper()))
    return [name for name in names if os.path.isfile(name)]


def _walk(root):
    """Folders that are an album's: each with its subfolders that are programs', and its files.

    A folder is what the names in it begin with, relative to the root. Files are pairs of stem and
    suffix. What is removed while it is being read was never there.
    """
    # Links may lead back into the folder or above it: every folder is entered once, and those
    # that hold `root` never.
    seen = {_identity(folder) for folder in root.resolve().parents}
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        path = f"{root}/{folder}"[:-1]
        try:
            identity = _identity(path)
            if identity in seen:
                continue
            seen.add(identity)
            subfolders, files = _list(path)
        except (FileNotFoundError, NotADirectoryError):
            if not folder:
                raise
            continue
        of_programs = list(filter(_is_of_program, subfolders))
        of_album = itertools.filterfalse(_is_of_program, reversed(subfolders))
        waiting += [f"{folder}{name}/" for name in of_album]
        yield folder, of_programs, [os.path.splitext(name) for name in files]


def _list(folder):
    """Names of a folder's subfolders, sorted, and of its files, without those that are hidden."""
    subfolders: list[str] = []
    files: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                (subfolders if _is_folder(entry) else files).append(entry.name)
    return sorted(subfolders), files


def _is_folder(entry):
    try:
        return entry.is_dir()
    except OSError:  # such as a link that leads back to itself
        return False


def _is_of_program(name):
    return any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for pattern in _OF_PROGRAMS)


def _identity(folder):
    status = os.stat(folder)
    return status.st_dev, status.st_ino
