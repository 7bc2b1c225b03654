"""The plain backbone beside a head, and models that have learnt scores of it."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from decaf import load_model, rank_photos
from decaf.models.fit import fit_model
from decaf.models.record import PredictedScores
from decaf.training.settings import RECIPES
from features.errors import InputError
from features.ratings import read_ratings

NAME = "alexnet-owt-multilevel-1152"
QUICK = {
    "backbone": "alexnet-owt",
    "settings": replace(RECIPES["decaf"], epochs=1),
    "n_folds": 3,
    "progress": False,
}


@pytest.fixture(scope="module")
def rated(samples):
    return read_ratings(samples / "ratings.csv")


@pytest.fixture(scope="module")
def model(rated):
    return fit_model(rated, classifiers=["ridge", "tan"], **QUICK)


def test_without_a_width_the_plain_backbone_is_compared_with_a_head(model):
    table = model.evaluation.to_pandas().iloc[1:]
    # A network of Bayes over thousands of columns would take minutes.
    assert set(zip(table.features, table.classifier)) == {
        (NAME, "ridge"),
        ("alexnet-owt-multilevel-250", "ridge"),
        ("alexnet-owt-multilevel-250", "tan"),
    }


def test_a_width_or_the_papers_recipe_asks_for_heads_alone(rated):
    found = fit_model(rated, width=4, classifiers=["ridge"], **QUICK).evaluation
    assert list(found.feature_sets) == ["alexnet-owt-multilevel-4"]
    found = fit_model(rated, recipe="paper", classifiers=["ridge"], **QUICK).evaluation
    assert list(found.feature_sets) == ["alexnet-owt-250"]


@pytest.fixture(scope="module")
def of_plain(rated):
    """A model of the plain backbone, whatever is better on so few photos."""
    from decaf.models.comparison import compare_classifiers, make_classifiers
    from decaf.models.plain import PlainSource
    from decaf.models.sources import Sources
    from decaf.training.training_photos import read_training_photos

    photos = read_training_photos(rated, "alexnet-owt", progress=False)
    sources = Sources(photos.rated, {NAME: PlainSource(photos)})
    folds = sources.divide(3)
    made = make_classifiers(["ridge"])
    return compare_classifiers(sources, folds, made, progress=False).fit_best()


def test_a_model_of_scores_predicts_them_in_the_units_of_the_ratings(of_plain, samples, tmp_path):
    of_plain.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model", of_plain.network.record.precision or "float32")
    assert loaded.record == of_plain.record
    assert loaded.record.judged.srcc.value == of_plain.evaluation.best.metrics["srcc"]
    low, high = loaded.record.predicted_scores.scale
    ranking = rank_photos(samples, loaded, progress=False)
    means = np.array([photo.mean for photo in ranking if photo.is_top])
    assert low <= means.min() < means.max() <= high
    assert (np.diff(means) <= 0).all()
    assert {photo.spread for photo in ranking} == {loaded.record.predicted_scores.error}
    assert not ranking[0].votes and "predicted score" in ranking.facts
    ranking.write(tmp_path / "ranking", progress=False)
    with open(tmp_path / "ranking" / "ranking.csv", newline="") as table:
        assert float(next(csv.DictReader(table))["predicted_mean"]) == pytest.approx(
            ranking[0].mean, abs=1e-3
        )


def test_a_regressor_without_its_units_is_refused(of_plain):
    with pytest.raises(InputError, match="does not tell in which units its classifier predicts"):
        replace(of_plain, record=replace(of_plain.record, predicted_scores=None))


def test_predictions_stay_within_the_scale():
    units = PredictedScores((1.0, 5.0), 3.0, 0.5)
    np.testing.assert_allclose(units.in_units(np.array([-2, 0, 0.25, 9])), [1, 3, 4, 5])
    with pytest.raises(InputError, match="midpoint must lie within the scale"):
        PredictedScores((1.0, 5.0), 6.0, 0.5)
