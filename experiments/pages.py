"""Writes an experiment's results: a table as CSV, a page in Markdown, a figure as SVG."""

import argparse
import os
import platform
import shlex
import sys
from datetime import date
from importlib import metadata
from pathlib import Path

from features.errors import InputError
from features.files import write_file

RESULTS = Path("experiments/results")
PAGE, FIGURE, CSV, REMARKS = "README.md", "figure.svg", "results.csv", "remarks.md"


def remember_command(parser: argparse.ArgumentParser, experiment, argv, module=None):
    """Let the parsed arguments carry the command line, for the page.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    experiment : str
    argv : list of str or None
        What the experiment's ``main`` was given.
    module : str, optional
        That is run, where it is not ``experiments`` with the experiment's name.
    """
    words = sys.argv[1:] if argv is None else argv
    parser.set_defaults(
        experiment=experiment,
        command=shlex.join(
            ["python", "-m", *([module] if module else ["experiments", experiment]), *words]
        ),
    )


def results_folder(args: argparse.Namespace):
    """The folder for the results; those that are there stay without ``--force``.

    Parameters
    ----------
    args : argparse.Namespace
        With ``experiment``, ``out``, ``force`` and perhaps ``data``.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        If it holds a page.
    """
    folder = args.out
    if folder is None:
        folder = RESULTS / args.experiment
        if hasattr(args, "data"):
            folder /= args.data.resolve().name
    if (folder / PAGE).exists() and not args.force:
        raise InputError(f"{folder}: holds results already; choose another --out, or add --force")
    return folder


def write_page(folder, *, title, text, command, facts, tables, rows, figure):
    """Write results.csv, figure.svg and README.md, with command, date, machine and versions.

    Where the folder holds a ``remarks.md``, the page begins with it.

    Parameters
    ----------
    folder : pathlib.Path
    title, text : str
        Markdown; which table or figure of the paper it is, and what was done.
    command : str
    facts : dict of str to str
    tables : dict of str to (list of str, list of list of str)
        Caption → header and lines of cells.
    rows : list of dict
        All figures, for the CSV.
    figure : matplotlib.figure.Figure
    """
    import pandas

    folder.mkdir(parents=True, exist_ok=True)
    remarks = folder / REMARKS
    parts = [f"# {title}"]
    if remarks.exists():
        parts.append(remarks.read_text(encoding="utf-8").strip())
    parts.append(text)
    for caption, (header, lines) in tables.items():
        parts += [f"**{caption}**", markdown_table(header, lines)]
    parts.append(f"![{title}]({FIGURE})")
    facts = facts | {
        "command": f"`{command}`",
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": ", ".join(f"{name} {version}" for name, version in _versions().items()),
    }
    parts.append("\n".join(f"- {name}: {fact}" for name, fact in facts.items()))
    save_figure(figure, folder / FIGURE)
    flat = [{k: v for k, v in row.items() if k != "resampled"} for row in rows]
    pandas.DataFrame(flat).to_csv(folder / CSV, index=False, float_format="%.5g")
    write_file(folder / PAGE, "\n\n".join(parts) + "\n")


def markdown_table(header, lines):
    """A table in Markdown.

    Parameters
    ----------
    header : list of str
    lines : list of list of str

    Returns
    -------
    str
    """
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, ["---"] * len(header), *lines])


def figure_text(row, metric):
    """A figure with its interval, such as ``0.812 (0.790–0.834)``; signed if it is a difference.

    Parameters
    ----------
    row : dict
        With the metric, and it with ``_low`` and ``_high``.
    metric : str

    Returns
    -------
    str
    """
    form = "{:+.3f} ({:+.3f} to {:+.3f})" if "_minus_" in metric else "{:.3f} ({:.3f}–{:.3f})"
    return form.format(row[metric], row[f"{metric}_low"], row[f"{metric}_high"])


def comparison_tables(rows, data):
    """Tables of AUC and of accuracy, a line a classifier, a column a feature set.

    Parameters
    ----------
    rows : list of dict
        As `experiments.judging.judge_cells` gives them.
    data : str
        The name of the photos.

    Returns
    -------
    dict of str to (list of str, list of list of str)
    """
    feature_sets = list(dict.fromkeys(row["features"] for row in rows))
    n_features = {row["features"]: row["n_features"] for row in rows}
    row_of = {(row["features"], row["classifier"]): row for row in rows}
    classifiers = list(dict.fromkeys(row["classifier"] for row in rows))
    header = ["classifier", *(f"{name} ({n_features[name]:,})" for name in feature_sets)]

    def lines(text):
        return [
            [classifier, *(text(row_of[features, classifier]) for features in feature_sets)]
            for classifier in classifiers
        ]

    return {
        f"AUC on {data}, by features (and how many)": (
            header,
            lines(lambda row: figure_text(row, "auc")),
        ),
        f"Accuracy and balanced accuracy on {data}": (
            header,
            lines(lambda row: f"{row['accuracy']:.3f}, {row['balanced_accuracy']:.3f}"),
        ),
    }


def draw_comparison(rows):
    """Draw the AUC of every classifier on every feature set, with intervals.

    Parameters
    ----------
    rows : list of dict
        As `experiments.judging.judge_cells` gives them.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    groups = {}
    for row in rows:
        groups.setdefault(row["features"], []).append((row["classifier"], row))
    n_classifiers = len({row["classifier"] for row in rows})
    figure = Figure(figsize=(8, 1.2 + 0.11 * n_classifiers * (len(groups) + 1)))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    draw_intervals(axes, groups)
    figure.legend(loc="outside right upper", fontsize=8)
    return figure


def draw_intervals(axes, groups, metric="auc"):
    """Draw figures with their intervals as points, a row a classifier or a network.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    groups : dict of str to list of (str, dict)
        Legend → names of rows and rows.
    metric : str
    """
    names = list(dict.fromkeys(name for group in groups.values() for name, _ in group))
    for number, (legend, group) in enumerate(groups.items()):
        shift = (number + 1) / (len(groups) + 1) - 0.5
        y = [names.index(name) + 0.8 * shift for name, _ in group]
        low, value, high = (
            [row[f"{metric}{end}"] for _, row in group] for end in ("_low", "", "_high")
        )
        axes.hlines(y, low, high, color=f"C{number}", lw=1.2, alpha=0.6)
        axes.plot(value, y, "o", ms=4, color=f"C{number}", label=legend)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel(metric.replace("_", " ").replace("auc", "AUC"))


def save_figure(figure, path):
    """Save a figure as SVG, the same bytes for the same figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : path-like
    """
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "decaf", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None}, facecolor="white")


def machine():
    """The processor and its cores, in words.

    Returns
    -------
    str
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_processor()}, {cores} cores"


def _processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _versions():
    from decaf.backend import versions

    packages = ("scikit-learn", "scikit-image")
    return versions() | {package: metadata.version(package) for package in packages}
