"""An experiment's results: tables as CSV, a page in Markdown, a figure as SVG."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from features.files import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULTS = Path("experiments/results")
PAGE, FIGURE, CSV, REMARKS = "README.md", "figure.svg", "results.csv", "remarks.md"
PACKAGES = ("scikit-learn", "scikit-image")

Row = dict[str, object]
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
    """

    title: str
    text: str
    tables: Mapping[str, Table]
    rows: list[Row] | Mapping[str, list[Row]]
    figure: Figure
    facts: Mapping[str, str] = field(default_factory=dict)


def write_page(folder: Path, page: Page, command: str) -> None:
    """Write README.md, its figure and its CSVs; a ``remarks.md`` in the folder begins the page."""
    import pandas

    folder.mkdir(parents=True, exist_ok=True)
    tables = page.rows if isinstance(page.rows, Mapping) else {Path(CSV).stem: page.rows}
    for name, rows in tables.items():
        flat = [{k: v for k, v in row.items() if k != "resampled"} for row in rows]
        pandas.DataFrame(flat).to_csv(folder / f"{name}.csv", index=False, float_format="%.5g")
    save_figure(page.figure, folder / FIGURE)
    remarks = folder / REMARKS
    said = [remarks.read_text(encoding="utf-8").strip()] if remarks.exists() else []
    with whole_file(folder / PAGE) as partial:
        partial.write_text(_markdown(page, said, command), encoding="utf-8")


def table(rows: Sequence[Row], columns: Mapping[str, Cell]) -> Table:
    """A line a row, with what the columns, by their headers, say of it."""
    lines = [
        [cell.format(**row) if isinstance(cell, str) else cell(row) for cell in columns.values()]
        for row in rows
    ]
    return Table(list(columns), lines)


def figure_text(row: Row, metric: str, digits: int = 3) -> str:
    """A figure with its interval, such as ``0.812 (0.790–0.834)``; "" where the row has none.

    Differences (``auc_minus_…``) are signed.
    """
    if metric not in row:
        return ""
    sign, to = ("+", " to ") if "_minus_" in metric else ("", "–")
    value, low, high = (
        f"{row[f'{metric}{end}']:{sign}.{digits}f}" for end in ("", "_low", "_high")
    )
    return f"{value} ({low}{to}{high})"


def interval(metric: str, digits: int = 3) -> Cell:
    """A column of `figure_text`."""
    return lambda row: figure_text(row, metric, digits)


def pivot(
    rows: Sequence[Row], line: str, column: str, cell: Cell, headers: Mapping[object, str]
) -> Table:
    """A line for each value of one column, a column for each of another, in the rows' order.

    Parameters
    ----------
    rows : sequence of dict
    line, column : str
        Keys of the rows.
    cell : str or callable
        What is said of the row that has both values.
    headers : mapping
        Value of ``column`` → its header.
    """
    at = {(row[line], row[column]): row for row in rows}
    say = cell.format_map if isinstance(cell, str) else cell
    lines = [
        [str(name), *(say(at[name, value]) for value in headers)]
        for name in dict.fromkeys(row[line] for row in rows)
    ]
    return Table([line, *headers.values()], lines)


def comparison_tables(rows: Sequence[Row], data: str) -> dict[str, Table]:
    """AUC and accuracy, a line a classifier, a column a feature set of the photos ``data``."""
    headers = {row["features"]: f"{row['features']} ({row['n_features']:,})" for row in rows}
    accuracies = "{accuracy:.3f}, {balanced_accuracy:.3f}"
    return {
        f"AUC on {data}, by features (and how many)": pivot(
            rows, "classifier", "features", interval("auc"), headers
        ),
        f"Accuracy and balanced accuracy on {data}": pivot(
            rows, "classifier", "features", accuracies, headers
        ),
    }


def markdown_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, ["---"] * len(header), *lines])


def save_figure(figure: Figure, path: Path) -> None:
    """Save a figure as SVG, the same bytes for the same figure."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "decaf", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None}, facecolor="white")


def machine() -> str:
    """The processor and its cores, in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_processor()}, {cores} cores"


def _markdown(page: Page, said: list[str], command: str) -> str:
    parts = [f"# {page.title}", *said, page.text]
    for caption, (header, lines, text) in page.tables.items():
        if lines:
            parts += [f"**{caption}**", *([text] if text else []), markdown_table(header, lines)]
    parts.append(f"![{page.title}]({FIGURE})")
    facts = {
        **page.facts,
        "command": f"`{command}`",
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": ", ".join(f"{name} {version}" for name, version in _versions().items()),
    }
    parts.append("\n".join(f"- {name}: {fact}" for name, fact in facts.items()))
    return "\n\n".join(parts) + "\n"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    from decaf.backend import versions

    return versions() | {package: metadata.version(package) for package in PACKAGES}
