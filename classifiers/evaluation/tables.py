"""The figures of an evaluation to paste into a text: Markdown, and LaTeX with booktabs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from classifiers.evaluation.evaluation import Evaluation

HEADERS = {
    "srcc": "SRCC",
    "tau": "Kendall's τ",
    "best_first": "best 3/10 among first 1/10",
    "group_pairs": "pairs within groups",
    "auc": "AUC",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
}


def to_markdown(evaluation: Evaluation) -> str:
    """A Markdown table, as `classifiers.evaluation.evaluation.Evaluation.to_markdown` gives it."""
    table = _table(evaluation)
    names = table[["classifier", "features"]]
    # Whatever is markup in Markdown; names of features are names of files.
    table[names.columns] = names.map(lambda name: re.sub(r"([\\`*_\[\]<>&|~])", r"\\\1", name))
    rule = ["---"] * 2 + ["---:"] * (table.shape[1] - 2)
    lines = [list(table), rule, *table.to_numpy()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def to_latex(evaluation: Evaluation) -> str:
    """A LaTeX table, as `classifiers.evaluation.evaluation.Evaluation.to_latex` gives it."""
    table = _table(evaluation)
    style = table.style.hide(axis="index").format(escape="latex")
    return style.format_index(axis=1, escape="latex").to_latex(
        hrules=True, column_format="ll" + "r" * (table.shape[1] - 2)
    )


def _table(evaluation):
    """Texts, best first, the majority class last."""
    import pandas

    return pandas.DataFrame(
        [_row(result, evaluation) for result in [*evaluation.ranked, evaluation.baseline]],
        dtype=str,
    )


def _row(result, evaluation):
    # A line break in a name would end the row.
    row = {name: " ".join(getattr(result, name).split()) for name in ("classifier", "features")}
    for metric, header in HEADERS.items():
        if metric in evaluation.interval_metrics:
            row[f"{header} (95 % interval)"] = _figure(result, metric)
    calibration = result.metrics.get("calibration_error")
    return row | {"ECE": "–" if calibration is None else f"{calibration:.3f}"}


def _figure(result, metric):
    """A figure with its interval, as far as they can be told."""
    value, (low, high) = result.metrics[metric], result.interval(metric)
    if np.isnan(value):
        return "–"
    return f"{value:.3f}" if np.isnan(low) else f"{value:.3f} ({low:.3f}–{high:.3f})"
