"""Writes what an evaluation found as one self-contained HTML page."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import numpy as np

from classifiers.evaluation import charts
from classifiers.evaluation.bootstrap import CONFIDENCE, N_RESAMPLES
from classifiers.evaluation.ordering import ORDER_METRICS
from classifiers.evaluation.tables import HEADERS
from features.files import write_file

if TYPE_CHECKING:
    from classifiers.evaluation.evaluation import Evaluation
    from classifiers.evaluation.learning_curve import LearningCurve

# These have a table of their own.
_MEASURES_OF_ORDER = [name for name in ORDER_METRICS if name != "srcc"]


@dataclass(frozen=True)
class ShownDisagreement:
    """A photo to be shown, with what people and the best result think of it.

    Attributes
    ----------
    name : str
    thumbnail : str
        A ``data:`` URI; empty where the photo cannot be shown.
    given, expected : float
        As in `classifiers.evaluation.disagreement.Disagreement`.
    """

    name: str
    thumbnail: str
    given: float
    expected: float


def write_report(
    path: str | os.PathLike,
    evaluation: Evaluation,
    *,
    photos: Mapping[str, str],
    networks: Mapping[str, Mapping[str, object]],
    command: str,
    learning_curve: LearningCurve | None = None,
    disagreements: Sequence[ShownDisagreement] = (),
) -> None:
    """Write the report of an evaluation: tables, curves, data, network, versions.

    The page needs nothing from elsewhere, follows the reader's light or dark scheme and fits a
    telephone.

    Parameters
    ----------
    path : path-like
        Replaced if it exists.
    evaluation : Evaluation
    photos : dict of str to str
        What was judged: facts to show, in order.
    networks : dict of str to dict
        Feature set → what made it, such as a store's attributes.
    command : str
        The command line that made this report.
    learning_curve : LearningCurve, optional
    disagreements : sequence of ShownDisagreement
        Photos of which the best result thinks otherwise than who rated them.
    """
    ranked = evaluation.ranked
    names = list(dict.fromkeys(result.classifier for result in ranked))
    order_metrics = [
        name
        for name in _MEASURES_OF_ORDER
        if not np.isnan(evaluation.best.metrics.get(name, np.nan))
    ]
    html = _template().render(
        evaluation=evaluation,
        best=evaluation.best,
        baseline=evaluation.baseline,
        ranked=[*ranked, evaluation.baseline],
        equals=evaluation.equals,
        feature_sets=list(evaluation.feature_sets),
        classifiers=names,
        result_of={(result.features, result.classifier): result for result in ranked},
        metrics=[name for name in evaluation.interval_metrics if name not in _MEASURES_OF_ORDER],
        order_metrics=order_metrics,
        headers=HEADERS,
        choose_by=evaluation.choose_by,
        axes={metric: _axis(evaluation.results, metric) for metric in evaluation.interval_metrics},
        confidence=CONFIDENCE,
        n_resamples=N_RESAMPLES,
        charts=charts,
        roc=_drawn(charts.roc_chart, evaluation, names),
        calibration=_drawn(charts.calibration_chart, evaluation, names),
        coverage=_drawn(charts.coverage_chart, evaluation, names),
        learning_curve=learning_curve,
        learning=learning_curve and charts.learning_chart(learning_curve),
        disagreements=disagreements,
        photos=photos,
        networks={name: _facts(attributes) for name, attributes in networks.items()},
        command=command,
        versions=_versions(),
        today=date.today().isoformat(),
    )
    write_file(path, html)


def _template():
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["told"] = lambda value: bool(np.isfinite(value))
    return environment.from_string(
        Path(__file__).with_name("report.html").read_text(encoding="utf-8")
    )


def _drawn(make_chart, evaluation, names):
    """The charts of those classifiers of which there is one."""
    made = (make_chart(evaluation, name) for name in names)
    return [chart for chart in made if chart is not None]


def _axis(results, metric):
    """Ends of the axis that holds every interval of a metric, on tenths."""
    ends = np.array([result.interval(metric) for result in results])
    if np.isnan(ends).all():
        return 0.0, 1.0
    low, high = np.nanmin(ends), np.nanmax(ends)
    return np.floor(low * 10) / 10, np.ceil(high * 10) / 10


def _facts(attributes):
    """Flatten what made a feature set into (name, text) pairs; long lists only by their length."""
    facts = []
    for name, value in attributes.items():
        if isinstance(value, dict):
            facts += [(f"{name}: {part}", text) for part, text in _facts(value)]
        elif isinstance(value, (list, tuple)) and len(value) > 8:
            facts.append((name, f"{len(value):,} entries"))
        elif isinstance(value, (list, tuple)) and value:
            facts.append((name, ", ".join(map(str, value))))
        elif value not in (None, [], ()):
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
