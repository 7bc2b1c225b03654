"""Tables of what people thought of photos, as text: CSV files, AVA.txt and class folders.

AVA.txt comes from Murray, Marchesotti and Perronnin, "AVA: a large-scale database for aesthetic
visual analysis", CVPR 2012.
"""

from __future__ import annotations

import csv
import difflib
import io
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from features.errors import InputError
from features.text import read_text

CLASS_FOLDERS = ("good", "bad", "professional", "snapshot")

# Columns that mean something, beside count1 … countK
_KNOWN_COLUMNS = ("file", "score", "label", "split", "group")
_AVA_COLUMNS = ("index", "file", *(f"count{n}" for n in range(1, 11)), "tag1", "tag2", "challenge")


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of text, which know the line of each row.

    Attributes
    ----------
    source : Path
        The file or folder that was read.
    columns : mapping of str to sequence of str
        Of one length; there is a column ``file``.
    lines : sequence of int, or None
        The line of each row in the file; None where the source has no lines.
    """

    source: Path
    columns: Mapping[str, Sequence[str]]
    lines: Sequence[int] | None = None

    def __len__(self) -> int:
        return len(self.columns["file"])

    def error(
        self,
        message: str,
        row: int | None = None,
        column: str | None = None,
        *,
        kind: type[InputError] = InputError,
    ) -> InputError:
        """What is wrong with the table, as one line that names the place.

        Parameters
        ----------
        message : str
        row : int, optional
        column : str, optional
        kind : type
            Of the error.

        Returns
        -------
        InputError
            To be raised.
        """
        place = str(self.source)
        if row is not None and self.lines is not None:
            place += f", line {self.lines[row]}"
        if column is not None:
            place += f", column {column}"
        return kind(f"{place}: {message}")

    def numbers(self, column: str) -> np.ndarray:
        """Read a column of numbers.

        Parameters
        ----------
        column : str

        Returns
        -------
        ndarray of float64, shape (n_rows,)
            All finite.

        Raises
        ------
        InputError
            If a cell is no finite number.
        """
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

    def words(self, column: str, allowed: Iterable[str]) -> list[str]:
        """Read a column of words, in lower case and without spaces around.

        Parameters
        ----------
        column : str
        allowed : iterable of str

        Returns
        -------
        list of str

        Raises
        ------
        InputError
            If a cell holds none of the allowed ones.
        """
        allowed = list(allowed)
        words = [cell.strip().lower() for cell in self.columns[column]]
        for row, word in enumerate(words):
            if word not in allowed:
                given = self.columns[column][row]
                raise self.error(f"{given!r} is none of {', '.join(allowed)}", row, column)
        return words


def read_table(source: str | os.PathLike) -> Table:
    """Read a CSV, a file in AVA.txt's format, or class folders.

    Parameters
    ----------
    source : path-like
        A ``.csv`` with a header, in which there is ``file``; any other file in AVA.txt's format
        (index, image id, counts of the grades 1 to 10, two tags, challenge; the photo is
        ``<image id>.jpg``); or a folder with folders of `CLASS_FOLDERS`, whose names are the column
        ``label``.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        One line: the file, the line, the column and the remedy.
    """
    source = Path(source)
    if source.is_dir():
        return _read_class_folders(source)
    text = read_text(source)
    if not text.strip():
        raise InputError(f"{source}: the file is empty")
    return _read_csv(source, text) if source.suffix.lower() == ".csv" else _read_ava(source, text)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _read_class_folders(source: Path) -> Table:
    from features.photos import find_photos

    files, labels = [], []
    for folder in sorted(source.iterdir()):
        if folder.is_dir() and folder.name.lower() in CLASS_FOLDERS:
            names = find_photos(folder)
            files += [os.path.join(folder.name, name) for name in names]
            labels += [folder.name] * len(names)
    if not files:
        raise InputError(
            f"{source}: no class folders; name them good and bad, or professional and snapshot, "
            "or give a CSV or AVA.txt"
        )
    return Table(source, {"file": files, "label": labels})


def _read_ava(source: Path, text: str) -> Table:
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
    columns = dict(zip(_AVA_COLUMNS, (list(cells) for cells in zip(*rows))))
    columns["file"] = [f"{image_id}.jpg" for image_id in columns["file"]]
    return Table(source, columns, lines)


def _read_csv(source: Path, text: str) -> Table:
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
    _check_header(f"{source}, line {lines.pop(0)}", header)
    if not rows:
        raise InputError(f"{source}: a header but no rows")
    for cells, line in zip(rows, lines):
        if len(cells) != len(header):
            raise InputError(
                f"{source}, line {line}: {len(cells)} fields, but the header has {len(header)} "
                "(put a name with a comma in double quotes)"
            )
    return Table(source, dict(zip(header, (list(cells) for cells in zip(*rows)))), lines)


def _check_header(place: str, header: list[str]) -> None:
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
