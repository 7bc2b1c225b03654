"""What people thought of photos: votes, mean scores or labels, and their split.

AVA.txt and the margin delta around the midpoint come from Murray, Marchesotti and Perronnin, "AVA:
a large-scale database for aesthetic visual analysis", CVPR 2012.
"""

from __future__ import annotations

import csv
import difflib
import io
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from features.errors import InputError

LABELS = {"1": 1, "professional": 1, "good": 1, "0": 0, "snapshot": 0, "bad": 0}
AVA_SCALE = (1.0, 10.0)
AVA_MIDPOINT = 5.0  # the paper's, and Murray et al.'s; the middle of 1 to 10 would be 5.5
STARS = "xmp"
STAR_SCALE = (1.0, 5.0)


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
    failed: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def above_midpoint(self) -> np.ndarray | None:
        """How far the scores lie above the midpoint (below it: negative), as a share of the scale.

        None without scores, and where any label is not what the midpoint says of the score: labels
        that people gave go before scores.
        """
        if self.score is None or np.any(self.label != (self.score > self.midpoint)):
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
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(
            self, **{name: c[rows] for name, c in columns.items() if isinstance(c, np.ndarray)}
        )

    def readable(
        self, positions: np.ndarray, digests: Sequence[str], failed: Iterable[tuple[int, str]]
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


_KEPT_COLUMNS = ("score", "label", "votes", "split", "group", "finetuned")


def read_ratings(
    source,
    photos=None,
    *,
    scale=None,
    midpoint=None,
    group_by=None,
    test_list=None,
    skip_missing=False,
):
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
        `generic_test.jpgl`; all others are training photos. It goes before a column `split`.
    skip_missing : bool
        Leave out photos that are not there instead of refusing the file.

    Returns
    -------
    RatedPhotos
        In the order of `source`.

    Raises
    ------
    InputError
        One line: the file, the line, the column and the remedy.
    """
    unrated, failed = 0, ()
    if source == STARS:
        if photos is None:
            raise InputError("xmp: give the photos that have stars")
        table, unrated, failed = _read_stars(Path(photos))
        photo_folder = _folder(table.source)
        scale = scale or STAR_SCALE
    else:
        table = _read_table(Path(source))
        photo_folder = Path(photos) if photos is not None else _folder(table.source)
    names, paths, found = _locate(table, photo_folder)
    if not found.all() and not skip_missing:
        row = int(np.argmin(found))
        raise table.error(
            f"{len(found) - found.sum():,} of {len(found):,} photos are missing in {photo_folder}, "
            f"first {table.columns['file'][row]!r} "
            "(give their folder, or skip_missing / --skip-missing)",
            row,
        )
    votes = _read_votes(table, scale)
    if votes is not None:
        scale = (1.0, float(votes.shape[1]))
        score = votes @ np.arange(1, votes.shape[1] + 1) / votes.sum(axis=1)
    elif "score" in table.columns:
        score, scale = _read_scores(table, scale)
    elif "label" in table.columns:
        score, scale, midpoint = None, None, None
    else:
        raise table.error("no ratings: add the columns count1 … countK, score or label")
    if score is not None:
        midpoint = _check_midpoint(table, scale, midpoint)
    label = _read_labels(table) if "label" in table.columns else score > midpoint
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
        unrated=unrated,
        failed=failed,
    ).take(found)
    if len(rated) == 0:
        raise table.error(f"none of its photos are in {photo_folder} (give their folder)")
    if len(np.unique(rated.label)) == 1:
        kind = "professional" if rated.label[0] else "snapshot"
        above, remedy = "", "rate more photos"
        if "label" not in table.columns:
            above, remedy = f" by the midpoint {midpoint:g}", f"{remedy}, or give another midpoint"
        raise table.error(
            f"all {len(rated):,} photos are {kind}{above}: both classes are needed; {remedy}"
        )
    return rated


# Columns that mean something, beside count1 … countK
_KNOWN_COLUMNS = ("file", "score", "label", "split", "group")
_AVA_COLUMNS = ("index", "file", *(f"count{n}" for n in range(1, 11)), "tag1", "tag2", "challenge")


@dataclass(frozen=True)
class _Table:
    """Columns of text, with the line of each row in the file (None for class folders)."""

    source: Path
    columns: dict
    lines: list | None = None

    def error(self, message, row=None, column=None):
        place = str(self.source)
        if row is not None and self.lines is not None:
            place += f", line {self.lines[row]}"
        if column is not None:
            place += f", column {column}"
        return InputError(f"{place}: {message}")

    def numbers(self, column):
        """Return a column as finite float64."""
        cells = self.columns[column]
        try:
            values = np.array([float(cell) for cell in cells])
        except ValueError:
            row = next(row for row, cell in enumerate(cells) if not _is_number(cell))
            raise self.error(f"{cells[row]!r} is not a number", row, column) from None
        if not np.isfinite(values).all():
            row = int(np.argmin(np.isfinite(values)))
            raise self.error(f"{cells[row]!r} is not a finite number", row, column)
        return values


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _folder(source):
    return source if source.is_dir() else source.parent


def _read_table(source):
    if source.is_dir():
        return _read_class_folders(source)
    text = _read_text(source)
    if not text.strip():
        raise InputError(f"{source}: the file is empty")
    return _read_csv(source, text) if source.suffix.lower() == ".csv" else _read_ava(source, text)


def _read_stars(photos):
    """Table of the photos that have stars, the number without, and those that cannot be read."""
    from features.photos import find_photos, photo_root
    from features.xmp import read_rating

    stars, unrated, failed, seen = {}, 0, [], set()
    for name in tqdm(find_photos(photos), "stars", unit="photo", delay=1):
        path = os.path.normpath(photo_root(photos) / name)
        if path in seen:
            continue
        seen.add(path)
        try:
            rating = read_rating(path)
        except InputError as error:
            failed.append((name, str(error)))
            continue
        if rating:
            stars[name] = str(max(rating, STAR_SCALE[0]))  # the lowest for what was rejected
        else:
            unrated += 1
    if not stars:
        raise InputError(
            f"{photos}: none of its {len(seen):,} photos has stars that can be read; rate some"
        )
    table = _Table(photos, {"file": list(stars), "score": list(stars.values())})
    return table, unrated, tuple(failed)


def _read_text(path):
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: not UTF-8 text; save the file as UTF-8") from error


def _read_class_folders(source):
    from features.photos import find_photos

    files, labels = [], []
    for folder in sorted(source.iterdir()):
        if folder.is_dir() and folder.name.lower() in LABELS:
            names = find_photos(folder)
            files += [os.path.join(folder.name, name) for name in names]
            labels += [folder.name] * len(names)
    if not files:
        raise InputError(
            f"{source}: no class folders; name them good and bad, or professional and snapshot, "
            "or give a CSV or AVA.txt"
        )
    return _Table(source, {"file": files, "label": labels})


def _read_ava(source, text):
    rows, lines = [], []
    for number, line in enumerate(text.split("\n"), 1):
        cells = line.split()
        if cells:
            rows.append(cells)
            lines.append(number)
            if len(cells) != len(_AVA_COLUMNS):
                raise InputError(
                    f"{source}, line {number}: {len(cells)} fields, but AVA's format has "
                    f"{len(_AVA_COLUMNS)}: index, image id, 10 counts, 2 tags, challenge "
                    "(a table with a header must be named .csv)"
                )
    columns = {name: list(cells) for name, cells in zip(_AVA_COLUMNS, zip(*rows))}
    columns["file"] = [f"{image_id}.jpg" for image_id in columns["file"]]
    return _Table(source, columns, lines)


def _read_csv(source, text):
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows, lines = [], []
    line = 1
    try:
        for cells in reader:
            if cells:
                rows.append(cells)
                lines.append(line)
            line = reader.line_num + 1  # a quoted cell may span lines: name the first
    except csv.Error as error:
        raise InputError(f"{source}, line {line}: {error}") from error
    header = [name.strip() for name in rows.pop(0)]
    _check_header(source, f"{source}, line {lines.pop(0)}", header)
    if not rows:
        raise InputError(f"{source}: a header but no rows")
    for cells, line in zip(rows, lines):
        if len(cells) != len(header):
            raise InputError(
                f"{source}, line {line}: {len(cells)} fields, but the header has {len(header)} "
                "(put a name with a comma in double quotes)"
            )
    columns = dict(zip(header, (list(cells) for cells in zip(*rows))))
    return _Table(source, columns, lines)


def _check_header(source, place, header):
    if "file" not in header:
        for separator, word in ((";", "semicolons"), ("\t", "tabs")):
            if any(separator in name for name in header):
                raise InputError(f"{place}: the columns are separated by {word}; use commas")
    for number, name in enumerate(header):
        if name in header[:number]:
            raise InputError(f"{place}, column {name}: there are two of that name; remove one")
        known = [*_KNOWN_COLUMNS, *(f"count{digits}" for digits in re.findall(r"\d+$", name))]
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.8)
        if near and near[0] not in header:
            raise InputError(f"{place}, column {name}: did you mean {near[0]!r}? Rename it")
    if "file" not in header:
        raise InputError(f"{place}: no column 'file' among {', '.join(header)}")


def _locate(table, photo_folder):
    """Find the photos: their names in the photo folder, their paths, and whether they are there."""
    root = os.path.abspath(photo_folder)
    prefix = os.path.join(root, "")
    folders = [root, os.path.join(root, "images"), os.path.abspath(_folder(table.source))]
    files = table.columns["file"]
    names, paths = np.empty((2, len(files)), dtype=object)
    found = np.zeros(len(files), dtype=bool)
    row_of_path = {}
    for row, file in enumerate(files):
        if not file.strip():
            raise table.error("the cell is empty; name a photo", row, "file")
        candidates = (os.path.join(folder, file) for folder in folders)
        path = next(filter(os.path.isfile, candidates), os.path.join(root, os.path.basename(file)))
        found[row] = os.path.isfile(path)
        path = os.path.normpath(path if found[row] else os.path.join(root, file))
        if path in row_of_path:
            first = table.lines[row_of_path[path]]
            raise table.error(f"{file!r} is rated in line {first} too; remove one", row, "file")
        row_of_path[path] = row
        paths[row] = path
        names[row] = path.removeprefix(prefix) if path.startswith(prefix) else file
    return names, paths, found


def _read_votes(table, scale):
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
    counts = np.empty((len(table.columns["file"]), len(grades)))
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


def _read_scores(table, scale):
    score = table.numbers("score")
    low, high = scale or (0.0, 1.0)
    outside = (score < low) | (score > high)
    if outside.any():
        row = int(np.argmax(outside))
        remedy = "correct it" if scale else "give the scale (scale=(low, high) / --scale LOW HIGH)"
        raise table.error(f"{score[row]:g} is outside {low:g} to {high:g}; {remedy}", row, "score")
    return score, (float(low), float(high))


def _check_midpoint(table, scale, midpoint):
    low, high = scale
    if midpoint is None:
        return AVA_MIDPOINT if scale == AVA_SCALE else (low + high) / 2
    if not low < midpoint < high:
        raise table.error(f"the midpoint {midpoint:g} must lie between {low:g} and {high:g}")
    return float(midpoint)


def _read_labels(table):
    cells = [cell.strip().lower() for cell in table.columns["label"]]
    _refuse_other_values(table, "label", cells, LABELS)
    return np.array([LABELS[cell] for cell in cells])


def _refuse_other_values(table, column, cells, allowed):
    for row, cell in enumerate(cells):
        if cell not in allowed:
            given = table.columns[column][row]
            raise table.error(f"{given!r} is none of {', '.join(allowed)}", row, column)


def _read_split(table, test_list):
    if test_list is None:
        if "split" not in table.columns:
            return None
        cells = [cell.strip().lower() for cell in table.columns["split"]]
        _refuse_other_values(table, "split", cells, ("train", "test"))
        return np.array(cells, dtype=object)
    listed = {line.strip() for line in _read_text(Path(test_list)).split("\n")}
    bare = [os.path.basename(file) for file in table.columns["file"]]
    is_test = [name in listed or os.path.splitext(name)[0] in listed for name in bare]
    if not any(is_test):
        raise InputError(f"{test_list}: none of its photos is in {table.source}")
    return np.where(is_test, "test", "train").astype(object)


def _read_groups(table, group_by):
    if group_by is None:
        group_by = "group"
        if group_by not in table.columns:
            return None
    if group_by not in table.columns:
        raise table.error(f"no column {group_by!r} to group by among {', '.join(table.columns)}")
    return np.array(table.columns[group_by], dtype=object)
