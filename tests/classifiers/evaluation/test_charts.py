"""The report's charts: what is drawn is what was found; scikit-learn is the oracle."""

from types import SimpleNamespace

import numpy as np
import pytest
from rated_photos import rated_photos
from sklearn.calibration import calibration_curve
from sklearn.metrics import auc

from classifiers.evaluation import charts
from classifiers.evaluation.evaluation import FeatureSet, evaluate
from classifiers.evaluation.folds import make_folds
from classifiers.evaluation.learning_curve import LearningCurve

A_PLACE = 0.1 / 160  # a tenth of the drawing's units, in which points are given, as a share


@pytest.fixture(scope="module")
def evaluation():
    random = np.random.default_rng(0)
    label = (random.random(300) < 0.6).astype(np.int8)
    X = random.normal(size=(300, 6)) + label[:, None] * 0.5
    return evaluate(
        [FeatureSet("six", X), FeatureSet("two", X[:, :2])],
        make_folds(rated_photos(label), n_folds=3),
        ["gaussian-naive-bayes", "linear-svm"],
        n_jobs=1,
        n_resamples=10,
    )


def values_of(axis, places):
    """What is shown at places of an axis."""
    share = (np.asarray(places) - axis.start) / (axis.end - axis.start)
    return axis.low + share * (axis.high - axis.low)


def values_on(chart, line):
    across, up = zip(*line.points)
    return values_of(chart.x, across), values_of(chart.y, up)


def results_of(evaluation, classifier):
    return [each for each in evaluation.results if each.classifier == classifier]


@pytest.mark.parametrize("classifier", ["gaussian-naive-bayes", "linear-svm"])
def test_the_area_under_each_roc_curve_is_the_auc(evaluation, classifier):
    chart = charts.roc_chart(evaluation, classifier)
    assert [line.series for line in chart.lines] == [0, 1]
    for line, result in zip(chart.lines, results_of(evaluation, classifier), strict=True):
        false, true = values_on(chart, line)
        assert auc(false, true) == pytest.approx(result.metrics["auc"], abs=0.01)
        assert false[0] == pytest.approx(0, abs=A_PLACE)
        assert true[-1] == pytest.approx(1, abs=A_PLACE)
    np.testing.assert_allclose(values_on(chart, chart.reference), [[0, 1], [0, 1]], atol=A_PLACE)


def test_calibration_is_scikit_learns_curve_with_its_points_marked(evaluation):
    chart = charts.calibration_chart(evaluation, "gaussian-naive-bayes")
    for line, result in zip(chart.lines, results_of(evaluation, chart.title), strict=True):
        share, probability = calibration_curve(
            evaluation.judged_label, result.probability, n_bins=10, strategy="quantile"
        )
        np.testing.assert_allclose(values_on(chart, line), [probability, share], atol=A_PLACE)
        assert line.dots


def test_coverage_ends_with_the_accuracy_on_all_photos_and_starts_at_a_twentieth(evaluation):
    chart = charts.coverage_chart(evaluation, "gaussian-naive-bayes")
    for line, result in zip(chart.lines, results_of(evaluation, chart.title), strict=True):
        coverage, accuracy = values_on(chart, line)
        assert coverage[-1] == pytest.approx(1, abs=A_PLACE)
        assert accuracy[-1] == pytest.approx(result.metrics["accuracy"], abs=A_PLACE)
        assert coverage[0] == pytest.approx(0.05, abs=0.01)
        assert accuracy.min() > chart.y.low


def test_without_probabilities_there_is_neither_calibration_nor_coverage(evaluation):
    assert charts.calibration_chart(evaluation, "linear-svm") is None
    assert charts.coverage_chart(evaluation, "linear-svm") is None


def test_the_learning_curve_is_drawn_by_doublings_with_its_intervals():
    random = np.random.default_rng(0)
    resampled = list(random.normal(0.7, 0.05, (4, 99)))
    curve = LearningCurve("x", "c", [700, 1400, 2800, 5600], [0.61, 0.66, 0.7, 0.72], resampled)
    chart = charts.learning_chart(curve)
    (line,) = chart.lines
    doublings, aucs = values_on(chart, line)
    np.testing.assert_allclose(np.diff(doublings), 1, atol=0.01)
    np.testing.assert_allclose(aucs, curve.auc, atol=0.001)
    assert [text for _, text in chart.x.ticks] == ["700", "1,400", "2,800", "5,600"]
    for interval, ends in zip(chart.intervals, curve.intervals, strict=True):
        np.testing.assert_allclose(values_on(chart, interval)[1], ends, atol=0.001)
        assert chart.y.low < ends[0] < ends[1] < chart.y.high
    np.testing.assert_allclose(values_on(chart, chart.reference)[1], 0.5, atol=0.001)


@pytest.mark.parametrize("best", [0.52, 0.6, 0.75, 0.9, 1.0])
@pytest.mark.parametrize("worst", [0.3, 0.5])
def test_the_ticks_of_the_auc_are_few_and_round(worst, best):
    resampled = [np.full(9, worst), np.full(9, best)]
    axis = charts.learning_chart(LearningCurve("x", "c", [50, 100], [worst, best], resampled)).y
    assert 2 <= len(axis.ticks) <= 5
    for value, text in axis.ticks:
        assert axis.low <= value <= axis.high
        assert float(text) == pytest.approx(value)


def test_a_line_of_many_photos_keeps_the_picture_and_few_points():
    """What a screen shows of a curve with a point a photo: highest and lowest of each column."""
    random = np.random.default_rng(0)
    n = 100_000
    label = random.integers(0, 2, n)
    evaluation = SimpleNamespace(
        feature_sets={"x": None},
        results=[SimpleNamespace(features="x", classifier="c", probability=random.random(n))],
        judged_label=label,
    )
    chart = charts.coverage_chart(evaluation, "c")
    (line,) = chart.lines
    assert len(line.points) < 4 * 2 * charts.SIZE
    coverage, accuracy = charts.accuracy_coverage_curve(label, evaluation.results[0].probability)
    accuracy = accuracy[coverage >= 0.05]
    _, drawn = values_on(chart, line)
    assert drawn.min() == pytest.approx(accuracy.min(), abs=A_PLACE)
    assert drawn.max() == pytest.approx(accuracy.max(), abs=A_PLACE)


def test_a_chart_lies_within_its_square(evaluation):
    for chart in (
        charts.roc_chart(evaluation, "linear-svm"),
        charts.calibration_chart(evaluation, "gaussian-naive-bayes"),
        charts.coverage_chart(evaluation, "gaussian-naive-bayes"),
    ):
        for line in chart.lines:
            assert all(
                charts.LEFT <= x <= charts.RIGHT and charts.TOP <= y <= charts.BOTTOM
                for x, y in line.points
            )
