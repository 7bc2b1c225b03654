"""The report: one page, whole in itself, that says what was found."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from rated_photos import rated_photos

from classifiers.evaluation.evaluation import FeatureSet, evaluate
from classifiers.evaluation.folds import make_folds
from classifiers.evaluation.learning_curve import LearningCurve
from classifiers.evaluation.report import write_report

HOSTILE = "<script>alert('x')</script>"
VOID = {"meta", "br", "path", "use"}


@pytest.fixture(scope="module")
def evaluation():
    random = np.random.default_rng(0)
    label = (random.random(120) < 0.6).astype(np.int8)
    X = random.normal(size=(120, 4)) + label[:, None] * 0.5
    label_of_copy = np.arange(120).astype(str)
    label_of_copy[:2] = "copy"
    return evaluate(
        [FeatureSet("wide", X), FeatureSet(HOSTILE, X[:, :2])],
        make_folds(rated_photos(label, digests=label_of_copy), n_folds=3),
        ["logistic-regression", "linear-svm", "naive-bayes"],
        n_jobs=1,
    )


@pytest.fixture(scope="module")
def page(evaluation, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(
        path,
        evaluation,
        photos={"photos": "120 of holiday & home"},
        networks={"wide": {"backbone": "vgg16", "training": {"epochs": 10}, "digests": ["a"] * 99}},
        command="fit-classifier wide.h5 -o model/",
    )
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    return path.read_text(encoding="utf-8")


def drawings(page, heading):
    """The figures of a section: caption → SVG."""
    section = page[page.index(f"<h2>{heading}</h2>") :]
    section = section[: section.index("</section>")]
    return dict(re.findall(r"<figcaption>(.*?)</figcaption>(<svg.*?</svg>)", section, re.DOTALL))


def test_the_page_asks_for_nothing_from_elsewhere(page):
    namespaces = (
        'xmlns="http://www.w3.org/2000/svg"',
        'xmlns:xlink="http://www.w3.org/1999/xlink"',
    )
    for namespace in namespaces:
        page = page.replace(namespace, "")
    assert "://" not in page
    assert not re.search(r"\bsrc=|@import|<link|<script|<iframe", page)
    assert not re.search(r'href="(?!#)', page)
    assert not re.search(r"url\((?!#)", page)


def test_every_tag_is_closed_where_it_was_opened(page):
    class Balance(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attributes):
            if tag not in VOID:
                self.open.append(tag)

        def handle_endtag(self, tag):
            if tag not in VOID:
                assert self.open.pop() == tag

    balance = Balance()
    balance.feed(page)
    balance.close()
    assert balance.open == []


def test_names_from_files_are_text_not_markup(page):
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert "holiday &amp; home" in page


def test_the_figures_of_every_result_are_in_the_table(page, evaluation):
    table = page[page.index('<table class="scores">') :]
    rows = table[: table.index("</table>")].split("<tr")[2:]
    assert len(rows) == len(evaluation.results) == 7
    ranked = sorted(evaluation.results[1:], key=lambda result: -result.metrics["auc"])
    for row, result in zip(rows, [*ranked, evaluation.results[0]]):
        assert result.classifier in row
        for metric in ("auc", "accuracy", "balanced_accuracy"):
            low, high = result.interval(metric)
            assert f'"value">{result.metrics[metric]:.3f}<' in row
            assert f"{low:.3f}–{high:.3f}" in row
    assert 'class="best"' in rows[0]
    assert 'class="baseline"' in rows[-1]


def test_curves_are_drawn_for_each_classifier_in_the_colours_of_the_scheme(page):
    everyone = {"logistic-regression", "linear-svm", "naive-bayes"}
    assert set(drawings(page, "ROC curves")) == everyone
    with_probabilities = everyone - {"linear-svm"}
    assert set(drawings(page, "Calibration")) == with_probabilities
    assert set(drawings(page, "Accuracy and coverage")) == with_probabilities
    for heading in ("ROC curves", "Calibration", "Accuracy and coverage"):
        for svg in drawings(page, heading).values():
            ElementTree.fromstring(svg)
            assert "var(--c0)" in svg
            assert "var(--c1)" in svg
            colours = re.findall(r'(?:stroke|fill)="(.*?)"', svg)
            assert all(colour.startswith("var(--") for colour in colours)
            assert "metadata" not in svg
            assert "#" not in svg
    for part in ("text { fill", ".axis { stroke"):
        assert f"figure svg {part}: currentColor;" in page


def test_more_feature_sets_than_colours_are_told_apart_by_dashes(tmp_path):
    random = np.random.default_rng(0)
    label = np.tile([0, 1], 20)
    sets = [FeatureSet(f"set {number}", random.normal(size=(40, 2))) for number in range(17)]
    folds = make_folds(rated_photos(label), n_folds=2)
    judged = evaluate(sets, folds, ["gaussian-naive-bayes"], n_jobs=1, n_resamples=10)
    write_report(tmp_path / "report.html", judged, photos={}, networks={}, command="")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    pens = re.findall(r'stroke="var\(--c\d\)"(?: stroke-dasharray="[\d ]+")?', page)
    # Each in the legends and in the charts of ROC, calibration (with its dots) and coverage.
    assert len(set(pens)) == 17
    legend = page[page.index('<ul class="legend">') : page.index("</ul>")]
    (svg,) = drawings(page, "ROC curves").values()
    found = [re.findall(r'stroke="var.*?(?=/>)', part) for part in (legend, svg)]
    assert found[0] == found[1]


def test_confusion_matrices_hold_all_judged_photos(page, evaluation):
    counts = [int(count) for count in re.findall(r"<td class=\"(?:right|wrong)\".*?<b>(\d+)", page)]
    assert len(counts) == 6 * 4
    assert sum(counts) == 6 * len(evaluation.judged_label)


def test_the_page_tells_of_data_network_leaks_folds_and_how_it_was_made(page, evaluation):
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))
    for expected in (
        "120 of holiday",
        "backbone vgg16",
        "training: epochs 10",
        "digests 99 entries",
        "3 stratified folds",
        "fit-classifier wide.h5 -o model/",
        "scikit-learn",
        "Python",
    ):
        assert expected in text
    n_copies = sum(evaluation.folds.excluded.values())
    if n_copies:
        assert f"{n_copies} copies of a photo that was trained on" in text


def test_the_learning_curve_is_drawn_and_told(evaluation, tmp_path):
    random = np.random.default_rng(0)
    curve = LearningCurve(
        "wide", "linear-svm", [20, 40, 80], [0.6, 0.7, 0.75], list(random.normal(0.7, 0.1, (3, 99)))
    )
    path = tmp_path / "report.html"
    options = {"photos": {}, "networks": {}, "command": ""}
    write_report(path, evaluation, learning_curve=curve, **options)
    page = path.read_text(encoding="utf-8")
    assert " ".join(curve.describe()) in page
    section = page[page.index("<h2>What more ratings would bring</h2>") :]
    section = section[: section.index("</section>")]
    ElementTree.fromstring(re.search(r"<svg.*?</svg>", section, re.DOTALL)[0])
    for n_train, auc, (low, high) in zip(curve.n_train, curve.auc, curve.intervals):
        assert f">{n_train}</th><td>{auc:.3f}</td><td>{low:.3f}–{high:.3f}</td>" in section
    write_report(path, evaluation, **options)
    assert "What more ratings would bring" not in path.read_text(encoding="utf-8")


def test_the_page_says_when_the_best_may_be_chance(tmp_path):
    random = np.random.default_rng(0)
    label = np.tile([0, 1], 30)
    for shift, may_be_chance in ((0, True), (5, False)):
        X = random.normal(size=(60, 3)) + shift * label[:, None]
        judged = evaluate(
            [FeatureSet("x", X)], make_folds(rated_photos(label)), ["linear-svm"], n_jobs=1
        )
        assert (judged.best.interval("auc")[0] <= 0.5) == may_be_chance
        path = tmp_path / "report.html"
        write_report(path, judged, photos={}, networks={}, command="")
        assert ("which is chance" in path.read_text(encoding="utf-8")) == may_be_chance


def test_without_probabilities_there_is_no_calibration(evaluation, tmp_path):
    random = np.random.default_rng(0)
    label = np.tile([0, 1], 30)
    only_svm = evaluate(
        [FeatureSet("x", random.normal(size=(60, 3)))],
        make_folds(rated_photos(label)),
        ["linear-svm"],
        n_jobs=1,
    )
    write_report(tmp_path / "report.html", only_svm, photos={}, networks={}, command="")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h2>ROC curves</h2>" in page
    assert "<h2>Calibration</h2>" not in page
    assert "none that was judged was seen before" in page
