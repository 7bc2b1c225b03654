"""The bar tells what is being judged, and about how long everything takes."""

import numpy as np

from classifiers.catalogue import make_classifier, seconds_of
from classifiers.evaluation.evaluation import FeatureSet
from classifiers.evaluation.folds import make_folds
from decaf.models.judging_bar import JudgingBar
from features.ratings import RatedPhotos

NAMES = ("rbf-svm", "tan")


def test_it_tells_what_is_judged_and_advances_by_what_that_takes(capsys):
    n_photos = 470_000
    paths = np.broadcast_to(np.array("a.jpg", object), n_photos)
    folds = make_folds(RatedPhotos(paths, label=np.arange(n_photos) % 2), n_folds=2)
    feature_set = FeatureSet("fc7", np.broadcast_to(np.float32(0), (n_photos, 500)))
    classifiers = {name: make_classifier(name) for name in NAMES}
    with JudgingBar([feature_set], classifiers, folds, 1, shown=True) as bar:
        seconds = [seconds_of(name) * 2.35 * 2 for name in NAMES]
        assert bar.total == 2 * sum(seconds)
        bar.show("", ["rbf-svm", "rbf-svm"])
        bar.show("rbf-svm", ["rbf-svm", "tan"])
        assert bar.n == seconds[0]
        bar.show("a head", ["tan"])
        assert bar.n == seconds[0]
    told = capsys.readouterr().err
    assert f"judging takes about {2 * sum(seconds) / 60:.0f} minutes" in told
    assert "rbf-svm and tan" in told
