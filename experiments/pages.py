"""An experiment's results: tables as CSV, a page in Markdown, a figure as SVG."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from features.files import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULTS = Path("experiments/results")
PAGE, FIGURE, CSV, REMARKS = "README.md", "figure.svg", "results.csv", "remarks.md"
PACKAGES = ("scikit-learn", "scikit-image")

Row = dict[str, Any]
# What a cell says of a row: a pattern of its columns, such as "{backbone} {width}", or a function.
Cell = str | Callable[[Row], str]


class Table(NamedTuple):
    """A table of cells, and what is said of it."""

    header: Sequence[str]
    lines: Sequence[Sequence[str]]
    text: str = ""


@dataclass(frozen=True)
class Page:
    """What an experiment has found.

    Attributes
    ----------
    title, text : str
        Markdown; which table or figure of the paper it is, and what was done.
    tables : mapping of str to Table
        By caption; empty ones are left out.
    rows : list of dict, or mapping of str to list of dict
        All figures, for the CSV; or for several, by their names.
    figure : matplotlib.figure.Figure
    facts : mapping of str to str
        Beside command, date, machine and versions, which every page has.
    failed : bool
        Whether something was found that should not be; the exit status tells it.
    """

    title: str
    text: str
    tables: Mapping[str, Table]
    rows: list[Row] | Mapping[str, list[Row]]
    figure: Figure
    facts: Mapping[str, str] = field(default_factory=dict)
    failed: bool = False


def write_page(folder: Path, page: Page, command: str) -> None:
    """Write README.md, its figure and its CSVs; a ``remarks.md`` in the folder begins the page."""
    import matplotlib
    import pandas

    folder.mkdir(parents=True, exist_ok=True)
    tables = page.rows if isinstance(page.rows, Mapping) else {Path(CSV).stem: page.rows}
    for name, rows in tables.items():
        flat = [{k: v for k, v in row.items() if k != "resampled"} for row in rows]
        pandas.DataFrame(flat).to_csv(folder / f"{name}.csv", index=False, float_format="%.5g")
    # The same bytes for the same figure.
    with matplotlib.rc_context({"svg.hashsalt": "decaf", "svg.fonttype": "none"}):
        page.figure.savefig(folder / FIGURE, metadata={"Date": None}, facecolor="white")
    remarks = folder / REMARKS
    said = [remarks.read_text(encoding="utf-8").strip()] if remarks.exists() else []
    write_file(folder / PAGE, _markdown(page, said, command))


def table(rows: Sequence[Row], columns: Mapping[str, Cell]) -> Table:
    """A line a row, with what the columns, by their headers, say of it."""
    return Table(list(columns), [[_say(cell, row) for cell in columns.values()] for row in rows])


def pivot(
    rows: Sequence[Row], line: str, column: str, cell: Cell, headers: Mapping[Any, str]
) -> Table:
    """A line for each value of one column, and for those of another, which have headers, a column.

    The cell says something of the row that has both values.
    """
    at = {(row[line], row[column]): row for row in rows}
    lines = [
        [str(name), *(_say(cell, at[name, value]) for value in headers)]
        for name in dict.fromkeys(row[line] for row in rows)
    ]
    return Table([line, *headers.values()], lines)


def interval(metric: str, digits: int = 3) -> Cell:
    """A column of figures with intervals, such as ``0.812 (0.790–0.834)``; "" where there is none.

    Differences (``auc_minus_…``) are signed.
    """
    sign, to = ("+", " to ") if "_minus_" in metric else ("", "–")

    def text(row: Row) -> str:
        if metric not in row:
            return ""
        ends = ("", "_low", "_high")
        value, low, high = (f"{row[metric + end]:{sign}.{digits}f}" for end in ends)
        return f"{value} ({low}{to}{high})"

    return text


def number(column: str, form: str, none: str = "") -> Cell:
    """A column of numbers in a format, such as ``.3f``; what is said where there is none."""
    return lambda row: f"{row[column]:{form}}" if column in row else none


def comparison_tables(rows: Sequence[Row], data: str) -> dict[str, Table]:
    """AUC and accuracy, a line a classifier, a column a feature set of the photos ``data``."""
    headers = {row["features"]: f"{row['features']} ({row['n_features']:,})" for row in rows}
    cells = {
        f"AUC on {data}, by features (and how many)": interval("auc"),
        f"Accuracy and balanced accuracy on {data}": "{accuracy:.3f}, {balanced_accuracy:.3f}",
    }
    return {
        caption: pivot(rows, "classifier", "features", cell, headers)
        for caption, cell in cells.items()
    }


def markdown_tables(tables: Mapping[str, Table]) -> str:
    """Captions and tables in Markdown; empty tables are left out."""
    parts = []
    for caption, (header, lines, text) in tables.items():
        if lines:
            cells = [header, ["---"] * len(header), *lines]
            parts += [f"**{caption}**", *filter(None, [text])]
            parts.append("\n".join(f"| {' | '.join(line)} |" for line in cells))
    return "\n\n".join(parts)


def machine() -> str:
    """The processor and its cores, in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    named = (line.split(":")[1].strip() for line in cpu_info().splitlines() if "model name" in line)
    return f"{next(named, platform.processor() or platform.machine())}, {cores} cores"


def cpu_info() -> str:
    """What Linux tells of the processor; nothing elsewhere."""
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _say(cell, row):
    return cell.format_map(row) if isinstance(cell, str) else cell(row)


def _markdown(page, said, command):
    from decaf.backend import versions

    used = versions() | {package: metadata.version(package) for package in PACKAGES}
    facts = {
        **page.facts,
        "command": f"`{command}`",
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": ", ".join(f"{name} {version}" for name, version in used.items()),
    }
    parts = [f"# {page.title}", *said, page.text, markdown_tables(page.tables)]
    parts.append(f"![{page.title}]({FIGURE})")
    parts.append("\n".join(f"- {name}: {fact}" for name, fact in facts.items()))
    return "\n\n".join(parts) + "\n"
