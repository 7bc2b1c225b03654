"""Rated photos: what people thought of them, where they are, and what is known of them since."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from features.errors import InputError, MissingPhotos, OutsideScale
from features.splits import split_by_list
from features.tables import Table, read_table
from features.xmp import spellings_of

# The sources of ratings are files, but for this one: the stars in photos and their sidecars.
STARS = "xmp"
STAR_SCALE = (1.0, 5.0)
AVA_SCALE = (1.0, 10.0)
AVA_MIDPOINT = 5.0  # the paper's, and Murray et al.'s; the middle of 1 to 10 would be 5.5

# By the words of a column `label`, and the names of class folders.
_LABELS = {"1": 1, "professional": 1, "good": 1, "0": 0, "snapshot": 0, "bad": 0}
_KEPT_COLUMNS = ("score", "label", "votes", "split", "group", "finetuned")


@dataclass(frozen=True, eq=False)
class RatedPhotos:
    """Rated photos, one row a photo, from the reading of the ratings to the judging.

    Columns are ndarrays with a row a photo; None stands for what is not known of the photos.

    Attributes
    ----------
    names : ndarray of str objects, shape (n_photos,)
        Paths relative to the photo folder, as `features.photos.find_photos` gives them.
    label : ndarray of int8, shape (n_photos,)
        1 is "professional", 0 is "snapshot".
    paths : ndarray of str objects, shape (n_photos,), or None
        Paths that can be opened; None for photos of a feature file.
    score : ndarray of float64, shape (n_photos,), or None
        Mean scores in the units of `scale`; None where there are labels only.
    votes : ndarray of int64, shape (n_photos, n_grades), or None
        How many people gave each grade 1, 2, … `n_grades`.
    split : ndarray of str objects ("train" or "test"), shape (n_photos,), or None
    group : ndarray of str objects, shape (n_photos,), or None
        Photos of one group belong on one side of a split.
    digests : ndarray of str, shape (n_photos,), or None
        Of the photos' bytes; None until they have been read.
    finetuned : ndarray of bool, shape (n_photos,), or None
        Whether the network behind features of these photos was finetuned on them.
    scale : tuple of two floats, or None
        The lowest and the highest possible score.
    midpoint : float or None
        A score above it is "professional".
    unrated : int
        How many more photos there are that nobody has given stars.
    missing : int
        How many more photos are rated that are not there, and were left out.
    n_beside : int
        How many of these photos lie beside the file of their ratings, not in the photo folder.
    initial_stars : int
        How many photos have the one star that darktable gives every new photo.
    failed : tuple of (str, str)
        Names of the photos that could not be read and have left, and why.
    """

    names: np.ndarray
    label: np.ndarray
    paths: np.ndarray | None = None
    score: np.ndarray | None = None
    votes: np.ndarray | None = None
    split: np.ndarray | None = None
    group: np.ndarray | None = None
    digests: np.ndarray | None = None
    finetuned: np.ndarray | None = None
    scale: tuple[float, float] | None = None
    midpoint: float | None = None
    unrated: int = 0
    missing: int = 0
    n_beside: int = 0
    initial_stars: int = 0
    failed: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def above_midpoint(self) -> np.ndarray | None:
        """How far the scores lie above the midpoint (below it: negative), as a share of the scale.

        None without scores, their scale and midpoint, and where any label is not what the midpoint
        says of the score: labels that people gave go before scores.
        """
        if self.score is None or self.scale is None or self.midpoint is None:
            return None
        if np.any(self.label != (self.score > self.midpoint)):
            return None
        low, high = self.scale
        return (self.score - self.midpoint) / (high - low)

    def take(self, rows: np.ndarray | slice) -> RatedPhotos:
        """Return some of the photos.

        Parameters
        ----------
        rows : ndarray of bool or int, or slice
            A mask over the photos, or their positions.

        Returns
        -------
        RatedPhotos
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        taken: dict[str, Any] = {
            name: value[rows] for name, value in values.items() if isinstance(value, np.ndarray)
        }
        return replace(self, **taken)

    def readable(
        self,
        positions: np.ndarray,
        digests: Sequence[str] | np.ndarray,
        failed: Iterable[tuple[int, str]],
    ) -> RatedPhotos:
        """Return the photos that could be read, with their digests.

        Parameters
        ----------
        positions : ndarray of int, shape (n_readable,)
            Where they stand among these photos.
        digests : sequence of str, shape (n_readable,)
            Of their bytes.
        failed : iterable of (int, str)
            Positions of the other photos, and why each could not be read.

        Returns
        -------
        RatedPhotos
            In the order of `positions`; the names of the others are added to its `failed`.
        """
        unread = [(str(self.names[position]), reason) for position, reason in failed]
        return replace(
            self.take(positions), digests=np.asarray(digests), failed=(*self.failed, *unread)
        )

    def columns(self) -> dict[str, np.ndarray]:
        """What a feature store keeps of the ratings, as `features.store.StoreWriter.append` does.

        Returns
        -------
        dict of str to ndarray with a row a photo
            Those of score, label, votes, split, group and finetuned that are known.
        """
        kept = {name: getattr(self, name) for name in _KEPT_COLUMNS}
        return {name: column for name, column in kept.items() if column is not None}


def read_ratings(
    source: str | os.PathLike,
    photos: str | os.PathLike | None = None,
    *,
    scale: tuple[float, float] | None = None,
    midpoint: float | None = None,
    group_by: str | None = None,
    test_list: str | os.PathLike | None = None,
    skip_missing: bool = False,
    ignore_stars: Sequence[float] = (),
) -> RatedPhotos:
    """Read ratings and find the photos that they are of.

    Parameters
    ----------
    source : path or "xmp"
        A CSV with a column `file` and `count1` … `countK`, `score` or `label` (0/1,
        snapshot/professional or bad/good), and perhaps `split` (train/test) and `group`; or any
        other file in AVA.txt's format (index, image id, counts of the grades 1 to 10, two tags,
        challenge; the photo is `<image id>.jpg`); or a folder with class folders (`good` and `bad`,
        or `professional` and `snapshot`). Votes go before a score; a label goes before what the
        midpoint would say. "xmp" takes the stars, 1 to 5, that people gave the photos in their
        sidecars or in themselves (`features.xmp`): photos without stars are left out, and rejected
        ones count as 1.
    photos : path, optional
        The photo folder; by default the folder of `source`. A photo is looked up there, in the
        folder `images` there, in the folder of `source`, and by its bare name in the photo folder.
        Stars have no source of their own: for them give the folder, or a list of photos as in
        `features.photos.find_photos`.
    scale : tuple of two floats, optional
        The lowest and the highest possible score; by default 0 and 1, and scores outside are
        refused. Votes count1 … countK have 1 to K, stars 1 to 5.
    midpoint : float, optional
        A score above it is "professional". By default 5 on the scale 1 to 10 (the paper), else the
        middle.
    group_by : str, optional
        The column that holds the groups; by default `group` if there is one. AVA.txt has
        `challenge`.
    test_list : path, optional
        A list of the test photos, an image id or a file name a line, such as AVA's
        `generic_test.jpgl`; all others are training photos. It goes before a column `split`, and is
        found in AVA's folder by its bare name, too (`features.splits.split_by_list`).
    skip_missing : bool
        Leave out photos that are not there instead of refusing the file.
    ignore_stars : sequence of float
        Stars that count as none, such as the 1 that darktable gives every new photo.

    Returns
    -------
    RatedPhotos
        In the order of `source`.

    Raises
    ------
    MissingPhotos
        Photos are not there.
    OutsideScale
        A score is outside 0 to 1, and no scale was given.
    InputError
        One line: the file, the line, the column and the remedy.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a.jpg", "b.jpg"):
    ...         Path(folder, name).touch()
    ...     table = Path(folder, "ratings.csv")
    ...     _ = table.write_text("file,score\\na.jpg,0.9\\nb.jpg,0.25\\n")
    ...     rated = read_ratings(table)
    >>> rated.names.tolist(), rated.label.tolist(), rated.above_midpoint.tolist()
    (['a.jpg', 'b.jpg'], [1, 0], [0.4, -0.25])
    """
    if source == STARS:
        if photos is None:
            raise InputError("xmp: give the photos that have stars")
        table, of_album = _read_stars(photos, ignore_stars)
        photo_folder, scale = _folder_of(table.source), scale or STAR_SCALE
    else:
        table, of_album = read_table(source), {}
        photo_folder = _folder_of(table.source) if photos is None else Path(photos)
        if not photo_folder.is_dir():
            raise InputError(f"{photo_folder}: there is no such folder; give that of the photos")
    names, paths, found = _locate(table, photo_folder)
    if not (found.all() or skip_missing):
        raise _missing(table, found, photo_folder)
    inside = os.path.join(os.path.abspath(photo_folder), "")
    n_beside = sum(not path.startswith(inside) for path in paths[found])
    if n_beside == found.sum():
        raise table.error(f"none of its photos are in {photo_folder}; give their folder")
    score, votes, scale, midpoint = _read_scores(table, scale, midpoint)
    if "label" in table.columns:
        label = np.array([_LABELS[word] for word in table.words("label", _LABELS)])
    elif score is None:
        raise table.error("no ratings: add the columns count1 … countK, score or label")
    else:
        label = score > midpoint
    rated = RatedPhotos(
        names=names,
        paths=paths,
        score=score,
        label=label.astype(np.int8),
        votes=votes,
        scale=scale,
        midpoint=midpoint,
        split=_read_split(table, test_list),
        group=_read_groups(table, group_by),
        missing=int((~found).sum()),
        n_beside=n_beside,
        **of_album,
    ).take(found)
    _check_classes(table, rated)
    return rated


def _folder_of(source: Path) -> Path:
    return source if source.is_dir() else source.parent


def _read_stars(photos: str | os.PathLike, ignore: Sequence[float]) -> tuple[Table, dict[str, Any]]:
    """The photos that have stars, and what else is to be known of their album."""
    from features.stars import read_stars

    album = read_stars(photos, ignore)
    # The lowest for what was rejected.
    scores = [str(max(each, STAR_SCALE[0])) for each in album.stars.values()]
    table = Table(Path(photos), {"file": list(album.stars), "score": scores})
    told = {"unrated": album.unrated, "failed": album.failed, "initial_stars": album.initial}
    return table, told


def _missing(table: Table, found: np.ndarray, photo_folder: Path) -> InputError:
    row = int(np.argmin(found))
    return table.error(
        f"{len(found) - found.sum():,} of {len(found):,} photos are missing in {photo_folder}, "
        f"first {table.columns['file'][row]!r}; give their folder",
        row,
        kind=MissingPhotos,
    )


def _check_classes(table: Table, rated: RatedPhotos) -> None:
    if len(np.unique(rated.label)) == 2:
        return
    kind = "professional" if rated.label[0] else "snapshot"
    above, remedy = "", "rate more photos"
    if "label" not in table.columns:
        above, remedy = (
            f" by the midpoint {rated.midpoint:g}",
            f"{remedy}, or give another midpoint",
        )
    if rated.initial_stars:
        remedy = (
            f"{rated.initial_stars:,} have the one star that darktable gives every new photo; "
            f"{remedy}"
        )
    raise table.error(
        f"all {len(rated):,} photos are {kind}{above}: both classes are needed; {remedy}"
    )


def _locate(table: Table, photo_folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the photos: their names in the photo folder, their paths, and whether they are there."""
    root = os.path.abspath(photo_folder)
    prefix = os.path.join(root, "")
    folders = [root, os.path.join(root, "images"), os.path.abspath(_folder_of(table.source))]
    files = table.columns["file"]
    names, paths = np.empty((2, len(files)), dtype=object)
    found = np.zeros(len(files), dtype=bool)
    row_of_path: dict[str, int] = {}
    for row, file in enumerate(files):
        if not file.strip():
            raise table.error("the cell is empty; name a photo", row, "file")
        candidates = [os.path.join(folder, file) for folder in folders]
        candidates.append(os.path.join(root, os.path.basename(file)))
        spellings = (each for path in candidates for each in spellings_of(path))
        path = next(filter(os.path.isfile, spellings), candidates[-1])
        found[row] = os.path.isfile(path)
        path = os.path.normpath(path if found[row] else os.path.join(root, file))
        if path in row_of_path:
            first = row_of_path[path]
            place = f"as {files[first]!r}"
            if table.lines is not None:
                place = f"in line {table.lines[first]}"
            raise table.error(f"{file!r} is rated {place} too; remove one", row, "file")
        row_of_path[path] = row
        paths[row] = path
        names[row] = path.removeprefix(prefix) if path.startswith(prefix) else file
    return names, paths, found


def _read_scores(
    table: Table, scale: tuple[float, float] | None, midpoint: float | None
) -> tuple[np.ndarray | None, np.ndarray | None, tuple[float, float] | None, float | None]:
    """Scores, votes, scale and midpoint; None where there are labels only."""
    votes = _read_votes(table, scale)
    if votes is not None:
        scale = (1.0, float(votes.shape[1]))
        score = votes @ np.arange(1, votes.shape[1] + 1) / votes.sum(axis=1)
    elif "score" in table.columns:
        score, scale = _read_mean_scores(table, scale)
    else:
        return None, None, None, None
    return score, votes, scale, _check_midpoint(table, scale, midpoint)


def _read_votes(table: Table, scale: tuple[float, float] | None) -> np.ndarray | None:
    """Return the counts (n_photos, n_grades), or None where there are no count columns."""
    # Nine digits: Python refuses to read numbers of thousands of them.
    grades = sorted(int(name[5:]) for name in table.columns if re.fullmatch(r"count\d{1,9}", name))
    if not grades:
        return None
    wanted = range(1, max(len(grades), 2) + 1)
    if grades != [*wanted]:
        missing = min(set(wanted) - set(grades), default=0)
        remedy = "start at count1" if 0 in grades or not missing else f"add count{missing}"
        raise table.error(f"the columns count1 … countK must be without gaps: {remedy}")
    if scale is not None and tuple(scale) != (1, grades[-1]):
        raise table.error(
            f"the scale {scale[0]:g} to {scale[1]:g} does not fit the columns count1 … "
            f"count{grades[-1]}; leave the scale out"
        )
    counts = np.empty((len(table), len(grades)))
    for grade in grades:
        column = f"count{grade}"
        counts[:, grade - 1] = table.numbers(column)
        # Beyond 2**53 a float is no exact count, and beyond 2**63 it is no int64.
        outside = (counts[:, grade - 1] < 0) | (counts[:, grade - 1] > 2**53)
        wrong = outside | (counts[:, grade - 1] % 1 != 0)
        if wrong.any():
            row = int(np.argmax(wrong))
            cell = table.columns[column][row]
            raise table.error(f"{cell} is not a count; give 0, 1, 2 …", row, column)
    empty = counts.sum(axis=1) == 0
    if empty.any():
        raise table.error("all counts are 0; remove the photo", int(np.argmax(empty)))
    return counts.astype(np.int64)


def _read_mean_scores(
    table: Table, scale: tuple[float, float] | None
) -> tuple[np.ndarray, tuple[float, float]]:
    score = table.numbers("score")
    low, high = scale or (0.0, 1.0)
    outside = (score < low) | (score > high)
    if outside.any():
        row = int(np.argmax(outside))
        raise table.error(
            f"{score[row]:g} is outside {low:g} to {high:g}; correct it",
            row,
            "score",
            kind=InputError if scale else OutsideScale,
        )
    return score, (float(low), float(high))


def _check_midpoint(table: Table, scale: tuple[float, float], midpoint: float | None) -> float:
    low, high = scale
    if midpoint is None:
        return AVA_MIDPOINT if scale == AVA_SCALE else (low + high) / 2
    if not low < midpoint < high:
        raise table.error(f"the midpoint {midpoint:g} must lie between {low:g} and {high:g}")
    return float(midpoint)


def _read_split(table: Table, test_list: str | os.PathLike | None) -> np.ndarray | None:
    if test_list is None:
        if "split" not in table.columns:
            return None
        return np.array(table.words("split", ("train", "test")), dtype=object)
    return split_by_list(table.columns["file"], test_list, table.source)


def _read_groups(table: Table, group_by: str | None) -> np.ndarray | None:
    if group_by is None:
        group_by = "group"
        if group_by not in table.columns:
            return None
    if group_by not in table.columns:
        raise table.error(f"no column {group_by!r} to group by among {', '.join(table.columns)}")
    return np.array(table.columns[group_by], dtype=object)
