"""Classifiers compared: what is judged, what is written first, what is kept."""

import numpy as np
import pandas
import pytest
from feature_stores import NETWORK, N, write_network, write_store

from decaf.models.comparison import compare_classifiers, make_classifiers
from decaf.models.feature_files import file_sources
from features.errors import InputError, NoNetwork, NoScores, SeenPhotos
from features.store import FeatureStore

QUICK = ("logistic-regression", "naive-bayes")


def compare(sources, **options):
    """Compare two quick classifiers in five folds."""
    folds = sources.divide(**options)
    return compare_classifiers(sources, folds, make_classifiers(QUICK), n_jobs=1, progress=False)


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return compare(file_sources([write_store(tmp_path_factory.mktemp("stores") / "features.h5")]))


def test_all_classifiers_are_judged_on_all_features(tmp_path):
    stores = [write_store(tmp_path / f"{n}.h5", n_features=n) for n in (6, 3)]
    table = compare(file_sources(stores)).evaluation.to_pandas()
    assert table.features.tolist()[1:] == ["6", "6", "3", "3"]
    assert table.classifier.tolist() == ["majority class", *QUICK, *QUICK]
    assert table.n_features.tolist() == [0, 6, 6, 3, 3]
    assert set(table.n_test) == {N}


def test_finetuned_photos_train_and_only_unseen_ones_are_judged(tmp_path):
    finetuned = np.arange(N) < 41  # cuts a group in two
    sources = file_sources([write_store(tmp_path / "features.h5", finetuned=finetuned)])
    comparison = compare(sources)
    assert comparison.evaluation.folds.excluded["of a group that was trained on"] == 1
    assert len(comparison.evaluation.judged_label) == 18
    assert comparison.training_rows.tolist() == list(range(41))
    assert comparison.learning_curve is None  # the network has seen all that it could leave out


def test_photos_near_the_midpoint_do_not_train(tmp_path):
    store = write_store(tmp_path / "features.h5")
    comparison = compare(file_sources([store], delta=0.3))
    with FeatureStore(store) as opened:
        outside = np.flatnonzero(np.abs(opened.score - 5) > 0.3)
    assert comparison.training_rows.tolist() == outside.tolist()
    assert len(comparison.evaluation.judged_label) == N


def test_what_cannot_be_divided_is_refused(tmp_path):
    def divide(name="features", *, delta=0.0, n_folds=5, **changed):
        store = write_store(tmp_path / f"{name}.h5", **changed)
        return file_sources([store], delta=delta).divide(n_folds)

    seen = {"finetuned": np.ones(N, bool)}
    with pytest.raises(SeenPhotos, match="the network was finetuned on all 60: extract"):
        divide("seen", **seen)
    with pytest.raises(InputError, match="0 hold a snapshot: use fewer folds or rate more"):
        divide("alike", label=np.ones(N, np.int8))
    with pytest.raises(NoScores):
        divide("labels", score=None, delta=1)
    with pytest.raises(InputError, match="the margin leaves training photos of one class only"):
        divide("margin", delta=9)
    with pytest.raises(InputError, match="31 folds need at least 31 groups of each class"):
        divide("folds", n_folds=31)


def test_an_unknown_classifier_is_refused():
    with pytest.raises(InputError, match="no classifier is called 'tam'; try tan"):
        make_classifiers(["tam"])


def test_a_large_set_gets_no_learning_curve(comparison, monkeypatch):
    curves = []
    for n_photos in (N, N - 1):
        monkeypatch.setattr("decaf.models.comparison.LEARNING_CURVE_PHOTOS", n_photos)
        curves.append(compare(comparison.sources).learning_curve)
    assert "training photos the AUC" in " ".join(curves[0].describe())
    assert curves[1] is None


def test_the_table_is_written_before_the_learning_curve_is_fitted(
    comparison, tmp_path, monkeypatch
):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    again = compare(comparison.sources)
    monkeypatch.setattr("decaf.models.comparison.learning_curve", interrupted)
    with pytest.raises(KeyboardInterrupt):
        again.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]


def test_table_and_report_are_written(comparison, tmp_path):
    facts = {"ratings": "mine.csv"}
    comparison.write(tmp_path, tables=["tex"], facts=facts, command="fit-classifier mine")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"results.csv", "results.tex", "report.html"}
    assert (tmp_path / "results.tex").read_text("utf-8") == comparison.evaluation.to_latex()
    table = pandas.read_csv(tmp_path / "results.csv")
    assert table.auc.max() == pytest.approx(comparison.evaluation.best.metrics["auc"], abs=5e-5)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for told in ("60, 50% professional", "mine.csv", "fit-classifier mine", "margin δ"):
        assert told in page


@pytest.mark.parametrize("name", ["results.csv", "report.html"])
def test_a_file_that_cannot_be_written_is_named(comparison, tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=f"{name}: cannot be written: Is a directory"):
        comparison.write(tmp_path)


def test_the_best_is_fitted_with_its_network_and_a_record(tmp_path, samples):
    attributes = NETWORK | {"midpoint": 5.0, "versions": {"keras": "4"}}
    store = write_store(tmp_path / "features.h5", n_features=8, attributes=attributes)
    path = write_network(tmp_path / "net.keras")
    comparison = compare(file_sources([store], [path]))
    model = comparison.fit_best(command="fit-classifier features.h5")
    best = comparison.evaluation.best
    record = model.record
    assert (record.classifier, record.features) == (best.classifier, "features")
    assert record.trained_on.photos == record.judged.photos == N
    assert len(model.seen) == N
    assert record.judged.auc.value == pytest.approx(best.metrics["auc"])
    assert (record.judged.auc.low, record.judged.auc.high) == pytest.approx(best.interval("auc"))
    assert record.judged.best_of == 2
    assert record.judged.design == "5 stratified folds, groups kept together"
    assert record.calibration.error_after is not None
    assert record.command == "fit-classifier features.h5"
    assert record.licence == "weights of the tests' own (MIT)"
    assert {"decaf", "keras", "scikit-learn", "skops"} <= set(record.versions)
    assert model.evaluation is comparison.evaluation
    photos = sorted(str(photo) for photo in samples.rglob("*.jpg"))[:2]
    assert model.predict_proba(photos).shape == (2, 2)


def test_without_a_network_the_best_classifier_alone_can_be_fitted(comparison):
    with pytest.raises(NoNetwork):
        comparison.fit_best()
    classifier = comparison.fit_classifier()
    rated, X = comparison.sources.rated, comparison.evaluation.feature_sets["features"].X
    assert np.mean(classifier.predict(X) == rated.label) > 0.8
