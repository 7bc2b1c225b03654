"""The table to paste: what is in its cells, and that no name breaks it."""

import numpy as np
import pytest
from rated_photos import rated_photos

from classifiers.evaluation.evaluation import FeatureSet, evaluate
from classifiers.evaluation.folds import make_folds

HEADER = ["classifier", "features", "AUC (95 % interval)", "accuracy (95 % interval)"]
HEADER += ["balanced accuracy (95 % interval)", "ECE"]


@pytest.fixture(scope="module")
def evaluation(photos):
    X, label, _ = photos
    noise = np.random.default_rng(0).normal(size=X.shape)
    sets = [FeatureSet("noise", noise), FeatureSet("50% a|b_c & *d*\n{~e}", X)]
    folds = make_folds(rated_photos(label))
    return evaluate(sets, folds, ["naive-bayes", "linear-svm"], n_jobs=1, n_resamples=50)


def figures(result):
    cells = []
    for metric in ("auc", "accuracy", "balanced_accuracy"):
        low, high = result.interval(metric)
        cells.append(f"{result.metrics[metric]:.3f} ({low:.3f}–{high:.3f})")
    calibration = result.metrics.get("calibration_error")
    return [*cells, "–" if calibration is None else f"{calibration:.3f}"]


def test_markdown_has_a_line_a_result_best_first_with_intervals(evaluation):
    lines = evaluation.to_markdown().splitlines()
    cells = [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines]
    assert cells[0] == HEADER
    assert lines[1] == "| --- | --- | ---: | ---: | ---: | ---: |"
    ordered = [*evaluation.ranked, evaluation.baseline]
    assert [line[0] for line in cells[2:]] == [result.classifier for result in ordered]
    assert [line[2:] for line in cells[2:]] == [figures(result) for result in ordered]
    assert {line[1] for line in cells[2:-1]} == {"noise", r"50% a\|b\_c \& \*d\* {\~e}"}


def test_latex_has_the_same_cells_between_the_rules_of_booktabs(evaluation):
    lines = evaluation.to_latex().splitlines()
    assert lines[0] == r"\begin{tabular}{llrrrr}" and lines[-1] == r"\end{tabular}"
    assert [lines[1], lines[3], lines[-2]] == [r"\toprule", r"\midrule", r"\bottomrule"]
    cells = [line.removesuffix(r" \\").split(" & ") for line in [lines[2], *lines[4:-2]]]
    assert cells[0] == [name.replace("%", r"\%") for name in HEADER]
    ordered = [*evaluation.ranked, evaluation.baseline]
    assert [line[-4:] for line in cells[1:]] == [figures(result) for result in ordered]
    assert r"50\% a|b\_c \& *d* \{\textasciitilde e\}" in evaluation.to_latex()
