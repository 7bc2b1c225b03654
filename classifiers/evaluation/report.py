"""Writes what an evaluation found as one self-contained HTML page."""

import io
import platform
import re
from datetime import date
from importlib import metadata
from pathlib import Path

import jinja2
import markupsafe
import numpy as np
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_curve

from classifiers.evaluation.bootstrap import CONFIDENCE, N_RESAMPLES
from classifiers.evaluation.evaluation import INTERVAL_METRICS
from classifiers.evaluation.uncertainty import accuracy_coverage_curve
from features.files import write_file


def write_report(path, evaluation, *, photos, networks, command, learning_curve=None):
    """Write the report of an evaluation: tables, curves, data, network, versions.

    The page needs nothing from elsewhere, follows the reader's light or dark scheme and fits a
    telephone.

    Parameters
    ----------
    path : path-like
        Replaced if it exists.
    evaluation : classifiers.evaluation.evaluation.Evaluation
    photos : dict of str to str
        What was judged: facts to show, in order.
    networks : dict of str to dict
        Feature set → what made it, such as a store's attributes.
    command : str
        The command line that made this report.
    learning_curve : classifiers.evaluation.learning_curve.LearningCurve, optional
    """
    template = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).from_string(Path(__file__).with_name("report.html").read_text(encoding="utf-8"))
    ranked = evaluation.ranked
    feature_sets = list(evaluation.feature_sets)
    names = list(dict.fromkeys(result.classifier for result in ranked))
    html = template.render(
        evaluation=evaluation,
        best=evaluation.best,
        baseline=evaluation.baseline,
        ranked=[*ranked, evaluation.baseline],
        equals=evaluation.equals,
        feature_sets=feature_sets,
        classifiers=names,
        result_of={(result.features, result.classifier): result for result in ranked},
        metrics=INTERVAL_METRICS,
        axes={metric: _axis(evaluation.results, metric) for metric in INTERVAL_METRICS},
        confidence=CONFIDENCE,
        n_resamples=N_RESAMPLES,
        roc=_panels(_draw_roc, evaluation, feature_sets, names),
        calibration=_panels(_draw_calibration, evaluation, feature_sets, names),
        coverage=_panels(_draw_coverage, evaluation, feature_sets, names),
        learning_curve=learning_curve,
        learning=learning_curve and _draw_svg(_draw_learning(learning_curve), "learning curve"),
        photos=photos,
        networks={name: _facts(attributes) for name, attributes in networks.items()},
        command=command,
        versions=_versions(),
        today=date.today().isoformat(),
    )
    write_file(path, html)


# Colours that the figures are drawn in, and what the page's scheme makes of them.
_INK, _FAINT = "#010101", "#020202"
_N_COLOURS = 8
_SCHEME = {_INK: "currentColor", _FAINT: "var(--line)"} | {
    f"#0300{number:02x}": f"var(--c{number})" for number in range(_N_COLOURS)
}
_DASHES = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)))

_GRID = np.linspace(0, 1, 101)
_N_BINS = 10
_LEAST_COVERAGE = 0.05  # the accuracy on fewer photos is noise


def _panels(draw, evaluation, feature_sets, names):
    """Draw one small figure a classifier, one line a feature set: name → SVG."""
    result_of = {(result.features, result.classifier): result for result in evaluation.results}
    panels = {}
    for name in names:
        lines = [
            (result_of[features, name], {"color": f"#0300{i % _N_COLOURS:02x}", "ls": dash})
            for i, features in enumerate(feature_sets)
            for dash in [_DASHES[i // _N_COLOURS % len(_DASHES)]]
        ]
        svg = _draw_svg(lambda axes, lines=lines: draw(axes, evaluation, lines), name)
        if svg:
            panels[name] = svg
    return panels


def _draw_svg(draw, label):
    """Draw a square figure as inline SVG in the page's own colours; None if it has no line."""
    import matplotlib
    from matplotlib.figure import Figure

    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": label,
        "font.size": 8,
        "lines.linewidth": 1.6,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        **{f"{part}color": _INK for part in ("text.", "axes.edge", "axes.label")},
        **{f"{part}.color": _INK for part in ("xtick", "ytick")},
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(2, 2))
        axes = figure.add_axes((0.17, 0.17, 0.81, 0.81))
        if not draw(axes):
            return None
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', _svg_tag(label), svg, count=1)
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", svg)
    svg = svg.replace("xlink:href", "href")
    for drawn, shown in _SCHEME.items():
        svg = svg.replace(drawn, shown)
    return markupsafe.Markup(svg)


def _svg_tag(label):
    return rf'<svg viewBox="\1" role="img" aria-label="{markupsafe.escape(label)}">'


def _draw_roc(axes, evaluation, lines):
    """Mean of the folds' ROC curves, whose area is the mean AUC."""
    axes.plot([0, 1], [0, 1], color=_FAINT, lw=0.8)
    for result, style in lines:
        curves = []
        for number in range(len(evaluation.folds)):
            rows = evaluation.folds.number_of_test_row == number
            false, true, _ = roc_curve(evaluation.judged_label[rows], result.score[rows])
            curves.append(np.interp(_GRID, false, true))
        axes.plot(np.r_[0, _GRID], np.r_[0, np.mean(curves, axis=0)], **style)
    _label(axes, "snapshots called professional", "professionals found")
    return True


def _draw_calibration(axes, evaluation, lines):
    axes.plot([0, 1], [0, 1], color=_FAINT, lw=0.8)
    lines = [(result, style) for result, style in lines if result.probability is not None]
    for result, style in lines:
        share, probability = calibration_curve(
            evaluation.judged_label, result.probability, n_bins=_N_BINS, strategy="quantile"
        )
        axes.plot(probability, share, marker="o", ms=2.5, **style)
    _label(axes, "probability given", "share professional")
    return bool(lines)


def _draw_coverage(axes, evaluation, lines):
    lines = [(result, style) for result, style in lines if result.probability is not None]
    lowest = 0.5
    for result, style in lines:
        coverage, accuracy = accuracy_coverage_curve(evaluation.judged_label, result.probability)
        shown = coverage >= _LEAST_COVERAGE
        axes.plot(coverage[shown], accuracy[shown], **style)
        lowest = min(lowest, accuracy[shown].min())
    _label(axes, "share of photos judged", "accuracy on them")
    axes.set_ylim(lowest - 0.05, 1.02)
    return bool(lines)


def _draw_learning(curve):
    def draw(axes):
        low, high = zip(*curve.intervals)
        style = {"color": "#030000"}
        axes.vlines(curve.n_train, low, high, lw=5, alpha=0.35, **style)
        axes.plot(curve.n_train, curve.auc, marker="o", ms=3.5, **style)
        axes.axhline(0.5, color=_FAINT, lw=0.8)
        axes.set_xscale("log", base=2)
        axes.set_xticks(curve.n_train, [f"{n:,}" for n in curve.n_train])
        axes.set_xlabel("training photos")
        axes.set_ylim(min(0.48, *low), max(*high) + 0.02)
        axes.margins(x=0.12)
        axes.locator_params(axis="y", nbins=4)
        axes.yaxis.set_major_formatter(lambda auc, _: f"{auc:.2f}".lstrip("0"))
        axes.minorticks_off()
        axes.xaxis.labelpad = 1
        return True

    return draw


def _label(axes, x, y):
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=x, ylabel=y)
    ticks = [0, 0.5, 1]
    axes.set_xticks(ticks, ["0", ".5", "1"])
    axes.set_yticks(ticks, ["0", ".5", "1"])
    axes.xaxis.labelpad = axes.yaxis.labelpad = 1


def _axis(results, metric):
    """Ends of the axis that holds every interval of a metric, on tenths."""
    low = min(result.interval(metric)[0] for result in results)
    high = max(result.interval(metric)[1] for result in results)
    return np.floor(low * 10) / 10, np.ceil(high * 10) / 10


def _facts(attributes):
    """Flatten what made a feature set into (name, text) pairs; long lists only by their length."""
    facts = []
    for name, value in attributes.items():
        if isinstance(value, dict):
            facts += [(f"{name}: {part}", text) for part, text in _facts(value)]
        elif isinstance(value, (list, tuple)) and len(value) > 8:
            facts.append((name, f"{len(value):,} entries"))
        elif isinstance(value, (list, tuple)):
            facts.append((name, ", ".join(map(str, value))))
        elif value is not None:
            facts.append((name, str(value)))
    return facts


def _versions():
    packages = ("decaf", "numpy", "scipy", "scikit-learn", "keras", "h5py", "skops")
    versions = {"Python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # decaf itself, run from a source tree
            continue
    return versions
