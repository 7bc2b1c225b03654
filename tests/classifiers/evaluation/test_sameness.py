import numpy as np
import pytest
from rated_photos import scored_photos
from threadpoolctl import threadpool_limits

from classifiers.catalogue import list_classifiers
from classifiers.evaluation.evaluation import FeatureSet, evaluate
from classifiers.evaluation.folds import make_folds

# Of the largest score, where threads divide AODE's matrix products otherwise; all others are equal
# to the bit.
ROUNDING = {"aode": 1e-12, "haode": 1e-9, "gaode": 1e-9}


def test_every_classifier_judges_the_same_in_two_jobs_and_in_two_threads():
    """Features half of which are zeros, as fc7's are, and as many as the photos."""
    rng = np.random.default_rng(0)
    label = np.arange(80) % 2
    X = np.float32(np.maximum(rng.normal(size=(80, 80)) + 0.3 * label[:, None], 0))
    split = np.repeat(["train", "test"], 40).astype(object)
    folds = make_folds(scored_photos(label, split=split))
    # Its search takes seconds.
    names = [name for name in list_classifiers() if name != "bayesian-network"]

    def judged(n_jobs, n_threads):
        with threadpool_limits(n_threads):
            found = evaluate([FeatureSet("fc7", X)], folds, names, n_jobs=n_jobs)
        return {result.classifier: result for result in found.results}

    one, two = judged(2, 1), judged(1, 2)
    for name, result in one.items():
        differences = np.abs(two[name].score - result.score)
        bound = ROUNDING.get(name, 0) * np.abs(result.score).max()
        assert differences.max() <= bound, name
        np.testing.assert_array_equal(two[name].prediction, result.prediction, name)
        assert two[name].metrics["auc"] == pytest.approx(result.metrics["auc"], abs=0), name
