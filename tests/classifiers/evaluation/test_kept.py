"""Finished fits are kept, and done again only where something that they depend on has changed."""

from dataclasses import replace

import numpy as np
import pytest
from rated_photos import rated_photos
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.naive_bayes import GaussianNB

from classifiers.evaluation.evaluation import FeatureSet, evaluate
from classifiers.evaluation.folds import make_folds
from classifiers.evaluation.kept import KeptFits
from classifiers.evaluation.learning_curve import learning_curve

fits = []


class Counted(GaussianNB):
    def fit(self, X, y):
        fits.append(self.var_smoothing)
        return super().fit(X, y)


class Doubling(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        fits.append("doubling")
        return self

    def transform(self, X):
        return 2 * X


CLASSIFIERS = {"smooth": Counted(var_smoothing=0.1), "smoother": Counted(var_smoothing=0.5)}


@pytest.fixture(autouse=True)
def no_fits_yet():
    fits.clear()


@pytest.fixture
def feature_set(photos):
    return FeatureSet("x", photos[0], Doubling(), identity="doubled")


@pytest.fixture
def folds(photos):
    return make_folds(rated_photos(photos[1]), n_folds=3)


def interrupting(n_calls):
    """A progress that ends the work after some calls."""
    remaining = iter(range(n_calls))

    def progress(done, doing):
        if done and next(remaining, None) is None:
            raise KeyboardInterrupt

    return progress


def test_an_interruption_costs_the_fit_that_was_under_way(feature_set, folds, tmp_path):
    plain = evaluate([feature_set], folds, CLASSIFIERS, n_jobs=1)
    assert len(fits) == 3 * (1 + 2)
    fits.clear()
    kept = KeptFits(tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        # The three heads, and three of the six classifiers: the fourth is done, and kept.
        evaluate([feature_set], folds, CLASSIFIERS, n_jobs=1, kept=kept, progress=interrupting(6))
    assert len(fits) == 3 + 4
    resumed = evaluate(
        [feature_set], folds, CLASSIFIERS, n_jobs=1, kept=KeptFits(tmp_path / "parts")
    )
    assert len(fits) == 3 + 6 and fits.count("doubling") == 3
    for one, other in zip(resumed.results, plain.results, strict=True):
        assert one.metrics == other.metrics
        np.testing.assert_array_equal(one.score, other.score)
        np.testing.assert_array_equal(one.probability, other.probability)


def test_the_fits_of_a_learning_curve_are_kept_too(feature_set, folds, tmp_path):
    kept = KeptFits(tmp_path)
    first = learning_curve(evaluate([feature_set], folds, CLASSIFIERS, n_jobs=1, kept=kept))
    n_fits = len(fits)
    again = learning_curve(evaluate([feature_set], folds, CLASSIFIERS, n_jobs=1, kept=kept))
    assert len(fits) == n_fits
    assert again.auc == first.auc


@pytest.mark.parametrize("changed", ["features", "identity", "label", "folds", "classifier"])
def test_what_has_changed_is_fitted_anew(feature_set, folds, photos, tmp_path, changed):
    X, label, _ = photos
    evaluate([feature_set], folds, CLASSIFIERS, n_jobs=1, kept=KeptFits(tmp_path))
    n_fits = len(fits)
    classifiers = CLASSIFIERS
    if changed == "features":
        feature_set = replace(feature_set, X=X + 1e-6)
    elif changed == "identity":
        feature_set = replace(feature_set, identity="tripled")
    elif changed == "label":
        folds = make_folds(rated_photos(np.roll(label, 1)), n_folds=3)
    elif changed == "folds":
        folds = make_folds(rated_photos(label), n_folds=3, seed=1)
    else:
        classifiers = {name: Counted(var_smoothing=0.2) for name in CLASSIFIERS}
    evaluate([feature_set], folds, classifiers, n_jobs=1, kept=KeptFits(tmp_path))
    assert len(fits) - n_fits >= 6


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"no zip at all"])
def test_a_damaged_fit_is_done_again(feature_set, folds, tmp_path, content):
    first = evaluate([feature_set], folds, CLASSIFIERS, n_jobs=1, kept=KeptFits(tmp_path))
    n_fits = len(fits)
    for path in tmp_path.glob("*.npz"):
        path.write_bytes(content)
    again = evaluate([feature_set], folds, CLASSIFIERS, n_jobs=1, kept=KeptFits(tmp_path))
    assert len(fits) == 2 * n_fits
    assert again.results[1].metrics == first.results[1].metrics


def test_without_a_folder_nothing_is_kept(feature_set, folds, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evaluate([feature_set], folds, CLASSIFIERS, n_jobs=1)
    assert list(tmp_path.iterdir()) == []


def test_what_was_kept_is_removed_and_nothing_else(feature_set, folds, tmp_path):
    kept = KeptFits(tmp_path / "parts")
    evaluate([feature_set], folds, CLASSIFIERS, n_jobs=1, kept=kept)
    (tmp_path / "parts" / "mine.txt").write_text("mine")
    kept.remove()
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["mine.txt"]
    (tmp_path / "parts" / "mine.txt").unlink()
    kept.remove()
    assert list(tmp_path.iterdir()) == []
