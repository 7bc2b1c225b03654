"""Draws the experiments' figures: lines, intervals, bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from experiments.pages import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRIC_NAMES = {"auc": "AUC", "balanced_accuracy": "balanced accuracy"}


@dataclass(frozen=True)
class Line:
    """Points, joined or not as the style says.

    Attributes
    ----------
    x, y : sequence of float
    style : str
        Matplotlib's, such as ``o-``.
    label : str
        In the legend, where there is one.
    colour : int
        Of Matplotlib's cycle.
    band : (sequence of float, sequence of float), optional
        The ends of an interval around each y.
    more : dict
        Other properties of Matplotlib's line.
    """

    x: Sequence[float]
    y: Sequence[float]
    style: str = "o-"
    label: str = ""
    colour: int = 0
    band: tuple[Sequence[float], Sequence[float]] | None = None
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Panel:
    """Lines in one pair of axes.

    Attributes
    ----------
    lines : sequence of Line
    axes : dict
        Matplotlib's properties of the axes, such as ``xlabel``.
    marks : dict
        ``x`` and ``y``: where a grey line crosses the panel.
    """

    lines: Sequence[Line]
    axes: dict[str, Any]
    marks: dict[str, float] = field(default_factory=dict)


def draw_lines(
    *panels: Panel,
    size: tuple[float, float] = (8, 4.5),
    legend: str = "outside right center",
    ncols: int = 1,
    sharey: bool = False,
) -> Figure:
    """Draw panels side by side; every label is in the legend once."""
    figure = new_figure(size)
    labelled = {}
    for axes, panel in zip(_panels(figure, len(panels), sharey=sharey), panels):
        for line in panel.lines:
            style = {"color": f"C{line.colour}", "ms": 4} | line.more
            (drawn,) = axes.plot(line.x, line.y, line.style, **style)
            labelled.setdefault(line.label, drawn)
            if line.band:
                axes.fill_between(line.x, *line.band, color=style["color"], alpha=0.1, lw=0)
        axes.set(**panel.axes)
        if "xticks" in panel.axes:
            axes.minorticks_off()
        for axis, place in panel.marks.items():
            (axes.axvline if axis == "x" else axes.axhline)(place, color="0.5", lw=0.8)
        axes.grid(alpha=0.3)
    labelled.pop("", None)
    if labelled:
        figure.legend(labelled.values(), labelled, loc=legend, ncols=ncols, fontsize=8)
    return figure


def draw_comparison(rows: Sequence[Row]) -> Figure:
    """Draw the AUC of every classifier on every feature set, with intervals."""
    groups: dict[str, list[tuple[str, Row]]] = {}
    for row in rows:
        groups.setdefault(str(row["features"]), []).append((str(row["classifier"]), row))
    n_classifiers = len({row["classifier"] for row in rows})
    figure = new_figure((8, 1.2 + 0.11 * n_classifiers * (len(groups) + 1)))
    draw_intervals(figure.subplots(), groups)
    figure.legend(loc="outside right upper", fontsize=8)
    return figure


def draw_widths(rows: Sequence[Row], metrics: Sequence[str], group: str, legend: str) -> Figure:
    """Draw a panel a metric of networks by width; groups are told apart by a column.

    Parameters
    ----------
    rows : sequence of dict
        With ``width``, the metrics with their intervals, and the column ``group``.
    metrics : sequence of str
    group : str
    legend : str
        Pattern of a group's legend, such as ``trained on {}``.
    """
    groups: dict[str, list[tuple[str, Row]]] = {}
    for row in rows:
        groups.setdefault(legend.format(row[group]), []).append((str(row["width"]), row))
    figure = new_figure((9, 3.4))
    panels = _panels(figure, len(metrics))
    for axes, metric in zip(panels, metrics):
        draw_intervals(axes, groups, metric)
    panels[0].set_ylabel("width")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def draw_intervals(
    axes: Axes, groups: Mapping[str, Sequence[tuple[str, Row]]], metric: str = "auc"
) -> None:
    """Draw figures with their intervals as points; groups are legend → names and rows."""
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
    axes.set_xlabel(METRIC_NAMES.get(metric, metric))


def draw_bars(
    names: Sequence[str],
    parts: Mapping[str, Sequence[float]],
    *,
    xlabel: str,
    size: tuple[float, float],
    colours: Mapping[str, Any] = {},
    **bars: Any,
) -> Figure:
    """Draw a bar a name, whose parts, label → lengths, follow each other; more is Matplotlib's."""
    figure = new_figure(size)
    axes = figure.subplots()
    ends = [0.0] * len(names)
    for label, lengths in parts.items():
        colour = {"color": colours[label]} if label in colours else {}
        axes.barh(names, lengths, left=ends, label=label, **colour, **bars)
        ends = [end + length for end, length in zip(ends, lengths)]
    _name_rows(axes, names)
    axes.set_xlabel(xlabel)
    if len(parts) > 1:
        figure.legend(loc="outside right center", fontsize=8)
    return figure


def new_figure(size: tuple[float, float]) -> Figure:
    """A figure of so many inches, whose parts make room for each other."""
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def _panels(figure: Figure, n: int, **share: bool) -> Sequence[Axes]:
    return figure.subplots(1, n, squeeze=False, **share)[0]


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
