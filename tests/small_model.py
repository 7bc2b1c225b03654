"""A model of the smallest size that has all parts of a real one."""

from dataclasses import replace

import keras
import numpy as np
from keras import layers
from model_record import model_record
from sklearn.base import is_regressor
from sklearn.linear_model import LogisticRegression

from classifiers.evaluation.calibration import Calibration
from decaf.models.model import Model
from decaf.models.record import PredictedScores
from decaf.networks.network import Network
from decaf.networks.record import NetworkRecord
from features.photo_set import PhotoSet

SIZE = 32
NO_ERRORS = {"error_before": None, "error_after": None}
# A range that some of the scores leave.
CALIBRATION = Calibration(
    slope=0.7,
    intercept=0.2,
    lowest=-1.5,
    highest=2.0,
    photos=60,
    error_before=None,
    error_after=None,
)


def small_network(n_grades=None, head=True, levels=()):
    """RGB photos, 0–255, to a softmax, or to the averages of a convolution."""
    kind = ("score" if levels else "votes" if n_grades else "label") if head else "backbone"
    midpoint = np.mean(levels) if levels else n_grades and (1 + n_grades) / 2
    record = NetworkRecord(
        kind,
        "small",
        "average",
        width=20 if head else 24,
        n_grades=n_grades,
        levels=levels or None,
        midpoint=midpoint and float(midpoint),
        licence="weights of the tests' own (MIT)",
    )
    keras.utils.set_random_seed(3)
    photo = keras.Input((SIZE, SIZE, 3), name="photo")
    x = layers.Rescaling(1 / 127.5, -1.0)(photo)
    x = layers.Conv2D(24, 5, strides=2, activation="relu")(x)
    x = layers.Conv2D(24, 3, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    if head:
        x = layers.Dense(64, "relu", name="fc6")(x)
        x = layers.Dense(20, "relu", name="fc7")(x)
        x = layers.Dense(record.n_outputs, "softmax", name="output")(x)
    graph = keras.Model(photo, x)
    for layer in graph.layers:
        if layer.weights:  # no bias stays 0 while it is trained
            layer.bias.assign(layer.bias + 0.01)
    return Network(graph, record)


def make_model(photos, classifier=None, network=None):
    """A model whose classifier is fitted on photos, (n_photos, SIZE, SIZE, 3)."""
    network = network or small_network()
    classifier = classifier or LogisticRegression(C=100, max_iter=1000)
    X = network.features_model().predict_on_batch(photos)
    # Bright photos, but for every seventh.
    label = (photos.mean(axis=(1, 2, 3)) > 128) ^ (np.arange(len(photos)) % 7 == 0)
    record = model_record(type(classifier).__name__, "small", CALIBRATION)
    record = replace(record, licence=network.record.licence)
    if is_regressor(classifier):
        record = replace(record, predicted_scores=PredictedScores((-0.5, 0.5), 0.0, 0.1))
    return Model(network, classifier.fit(X, label.astype(int)), record, PhotoSet())


def noise(n=40):
    """Photos of many colours and contrasts, (n, SIZE, SIZE, 3)."""
    rng = np.random.default_rng(0)
    colour = rng.uniform(0, 255, (n, 1, 1, 3))
    grain = rng.normal(0, 1, (n, SIZE, SIZE, 3)) * rng.uniform(5, 90, (n, 1, 1, 1))
    return np.clip(colour + grain, 0, 255).astype(np.uint8)
