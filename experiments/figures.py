"""Draws the experiments' figures: lines, intervals, bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from experiments.pages import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRICS = {"auc": "AUC", "balanced_accuracy": "balanced accuracy"}
Value = str | Callable[[Row], float]
# Legend → names of rows and the rows themselves.
Groups = Mapping[str, Sequence[tuple[str, Row]]]


@dataclass(frozen=True)
class Line:
    """Points, joined or not as Matplotlib's style says, in a colour of its cycle.

    The band is the ends of an interval around each y; more are other properties of the line.
    """

    x: Sequence[float]
    y: Sequence[float]
    style: str = "o-"
    label: str = ""
    colour: int = 0
    band: Sequence[Sequence[float]] = ()
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Panel:
    """Lines in a pair of axes with Matplotlib's properties; grey lines cross it at the marks."""

    lines: Sequence[Line]
    axes: dict[str, Any]
    marks: dict[str, float] = field(default_factory=dict)


def lines_of(
    rows: Sequence[Row], x: Value, y: Value, by: Sequence[str], styles: Mapping[Any, str] = {}
) -> list[Line]:
    """A line for the rows that have the same in some columns.

    Each value of the first of these has a colour, and of the last a style; together they are the
    line's label. What is drawn of a row, x and y, are columns or functions; the interval around a
    column is drawn where there is one.
    """
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[column] for column in by), []).append(row)
    colours = list(dict.fromkeys(key[0] for key in groups))
    lines = []
    for key, own in groups.items():
        xs, ys = ([row[v] if isinstance(v, str) else v(row) for row in own] for v in (x, y))
        style, label = styles.get(key[-1], "o-"), ", ".join(map(str, key))
        ends = (f"{y}_low", f"{y}_high")
        band = [[row[end] for row in own] for end in ends if all(end in row for row in own)]
        lines.append(Line(xs, ys, style, label, colours.index(key[0]), band))
    return lines


def draw_lines(
    *panels: Panel,
    size: tuple[float, float] = (8, 4.5),
    legend: Any = "outside right center",
    ncols: int = 1,
    sharey: bool = False,
) -> Figure:
    """Draw panels side by side; every label is in the legend once."""
    figure, all_axes = new_figure(size, len(panels), sharey=sharey)
    labelled: dict[str, Any] = {}
    for axes, panel in zip(all_axes, panels):
        for line in panel.lines:
            style: dict[str, Any] = {"color": f"C{line.colour}", "ms": 4} | line.more
            (drawn,) = axes.plot(line.x, line.y, line.style, **style)
            labelled.setdefault(line.label, drawn)
            if line.band:
                low, high = line.band
                axes.fill_between(line.x, low, high, color=style["color"], alpha=0.1, lw=0)
        axes.set(**panel.axes)
        if "xticks" in panel.axes:
            axes.minorticks_off()
        for axis, place in panel.marks.items():
            (axes.axvline if axis == "x" else axes.axhline)(place, color="0.5", lw=0.8)
        axes.grid(alpha=0.3)
    labelled.pop("", None)
    if labelled:
        figure.legend(list(labelled.values()), list(labelled), loc=legend, ncols=ncols, fontsize=8)
    return figure


def draw_comparison(rows: Sequence[Row]) -> Figure:
    """Draw the AUC of every classifier on every feature set, with intervals."""
    groups = group_rows(rows, "{features}", "{classifier}")
    n_classifiers = len({row["classifier"] for row in rows})
    figure, (axes,) = new_figure((8, 1.2 + 0.11 * n_classifiers * (len(groups) + 1)))
    draw_intervals(axes, groups)
    figure.legend(loc="outside right upper", fontsize=8)
    return figure


def draw_widths(rows: Sequence[Row], metrics: Sequence[str], legend: str) -> Figure:
    """Draw a panel a metric of networks by width; the legend is a pattern of the rows' columns."""
    figure, panels = new_figure((9, 3.4), len(metrics))
    for axes, metric in zip(panels, metrics):
        draw_intervals(axes, group_rows(rows, legend, "{width}"), metric)
    panels[0].set_ylabel("width")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def group_rows(rows: Sequence[Row], legend: str, name: str) -> Groups:
    """Group rows by legends, which like their names are patterns of the columns."""
    groups: dict[str, list[tuple[str, Row]]] = {}
    for row in rows:
        groups.setdefault(legend.format_map(row), []).append((name.format_map(row), row))
    return groups


def draw_intervals(axes: Axes, groups: Groups, metric: str = "auc") -> None:
    """Draw figures with their intervals as points, a line a name."""
    names = list(dict.fromkeys(name for group in groups.values() for name, _ in group))
    for number, (legend, group) in enumerate(groups.items()):
        shift = (number + 1) / (len(groups) + 1) - 0.5
        y = [names.index(name) + 0.8 * shift for name, _ in group]
        low, value, high = (
            [row[f"{metric}{end}"] for _, row in group] for end in ("_low", "", "_high")
        )
        axes.hlines(y, low, high, color=f"C{number}", lw=1.2, alpha=0.6)
        axes.plot(value, y, "o", ms=4, color=f"C{number}", label=legend)
    _name_rows(axes, names)
    axes.set_xlabel(METRICS.get(metric, metric))


def draw_bars(
    names: Sequence[str],
    parts: Mapping[str, Sequence[float]],
    xlabel: str,
    size: tuple[float, float],
    **bars: Any,
) -> Figure:
    """Draw a bar a name, whose parts, label → lengths, follow each other; more is Matplotlib's."""
    figure, (axes,) = new_figure(size)
    ends = [0.0] * len(names)
    for label, lengths in parts.items():
        axes.barh(names, lengths, left=ends, label=label, **bars)
        ends = [end + length for end, length in zip(ends, lengths)]
    _name_rows(axes, names)
    axes.set_xlabel(xlabel)
    if len(parts) > 1:
        figure.legend(loc="outside right center", fontsize=8)
    return figure


def new_figure(
    size: tuple[float, float], n_panels: int = 1, sharey: bool = False
) -> tuple[Figure, Sequence[Axes]]:
    """A figure of so many inches, with panels side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(1, n_panels, squeeze=False, sharey=sharey)[0]


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
