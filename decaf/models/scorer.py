"""Scorers: a model as one Keras network, from the photo to the probability of professional.

Normalisation, convolutions, head and the classifier with its calibration are inside, where that is
linear or a Gaussian process; the photo is brought to the network's size by whoever calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import layers, ops

from classifiers.evaluation.calibration import decision_score
from decaf.models.model import Model
from decaf.networks.network import Network
from decaf.networks.record import NetworkRecord
from decaf.networks.votes import share_above
from features.errors import InputError, NotExportable

if TYPE_CHECKING:
    from classifiers.gaussian_process import GaussianProcessRegression


def probability_network(model: Model, head: str = "classifier") -> keras.Model:
    """A model as one Keras network, its classifier folded into the last layers.

    Parameters
    ----------
    model : Model
        Whose convolutions compute in float32.
    head : {"classifier", "softmax"}
        The classifier with its calibration, or the network's own output as in
        `softmax_probability`.

    Returns
    -------
    keras.Model
        From RGB photos (n_photos, size, size, 3), 0–255, to the probability of professional
        (n_photos, 1).

    Raises
    ------
    InputError
        The classifier is of another kind, or the network has no head.
    """
    if head == "softmax":
        if not model.network.record.has_head:
            raise InputError(
                f"{model}: its network is a plain backbone, without a softmax; export its "
                "classifier"
            )
        return softmax_probability(model.network)
    calibration = model.record.calibration
    features = model.network.features_model()
    # ReLU clips at 0, so the score is counted from the lowest one.
    score = _score_layers(model, features.output)
    within = layers.ReLU(max_value=calibration.highest - calibration.lowest, name="within")
    probability = layers.Dense(1, "sigmoid", name="probability")
    network = keras.Model(features.input, probability(within(score)))
    lowest_logit = calibration.slope * calibration.lowest + calibration.intercept
    probability.set_weights([np.array([[calibration.slope]]), np.array([lowest_logit])])
    return network


def softmax_probability(network: Network) -> keras.Model:
    """A network with a head, as one that gives the probability of professional.

    Parameters
    ----------
    network : Network

    Returns
    -------
    keras.Model
        From RGB photos (n_photos, size, size, 3), 0–255, to (n_photos, 1): the second class's
        softmax; of votes and scores the share above the midpoint, what is at it counting half.
    """
    share = layers.Dense(1, use_bias=False, name="probability")
    professional = keras.Model(network.keras_model.input, share(network.keras_model.output))
    share.set_weights([_share_above(network.record)[:, None]])
    return professional


def predict_photos(model: Model, head: str, photos: np.ndarray) -> np.ndarray:
    """Probabilities of photos, as `photo_predictor` gives them.

    Parameters
    ----------
    model, head
        As in `photo_predictor`.
    photos : ndarray of uint8, shape (n_photos, size, size, 3)

    Returns
    -------
    ndarray, shape (n_photos,)
    """
    return photo_predictor(model, head)(photos)


def photo_predictor(model: Model, head: str) -> Callable[[np.ndarray], np.ndarray]:
    """What gives probabilities by the Keras network and the classifier, nothing folded.

    Parameters
    ----------
    model : Model
    head : {"classifier", "softmax"}

    Returns
    -------
    callable
        From photos, uint8, (n_photos, size, size, 3), to (n_photos,). Its network is made once, and
        traced at its first call.
    """
    if head == "softmax":
        network, share = model.network.keras_model, _share_above(model.network.record)
        return lambda photos: network.predict(photos, verbose=0) @ share
    network = model.network.features_model()

    def predict(photos: np.ndarray) -> np.ndarray:
        features = network.predict(photos, verbose=0)
        return model.record.calibration.probability(decision_score(model.classifier, features))

    return predict


def take_photos(network: keras.Model, dtype: str, batch_size: int | None) -> keras.Model:
    """The same network, for so many photos of the given type, or None for any number.

    Input and output are called ``photo`` and ``probability``.
    """
    photo = keras.Input(network.input_shape[1:], batch_size=batch_size, dtype=dtype, name="photo")
    return keras.Model(photo, {"probability": network(ops.cast(photo, "float32"))})


def input_signature(network: keras.Model) -> list[keras.InputSpec]:
    """What `take_photos`'s network takes, for its export."""
    (photo,) = network.inputs
    # Keras exports only what was called once.
    network(np.zeros((1, *photo.shape[1:]), photo.dtype))
    return [keras.InputSpec(photo.dtype, photo.shape, name=photo.name)]


def _share_above(record: NetworkRecord) -> np.ndarray:
    """What each output counts towards professional."""
    if record.grades is None:
        return np.array([0.0, 1.0])
    assert record.midpoint is not None  # as of all votes and scores
    return share_above(np.asarray(record.grades) - record.midpoint)


def _score_layers(model: Model, features: keras.KerasTensor) -> keras.KerasTensor:
    """The classifier's score as layers on the features, less the lowest that was calibrated.

    A linear classifier is one layer, its scalers folded into it.
    """
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    from classifiers.gaussian_process import GaussianProcessRegression
    from classifiers.signed_logarithm import SignedLogarithm

    is_pipeline = isinstance(model.classifier, Pipeline)
    *scalers, last = model.classifier if is_pipeline else [model.classifier]
    lowest = model.record.calibration.lowest
    is_linear = isinstance(last, (LogisticRegression, LinearSVC, RidgeCV))
    known = (StandardScaler,) if is_linear else (StandardScaler, SignedLogarithm)
    if not (is_linear or isinstance(last, GaussianProcessRegression)) or any(
        not isinstance(scaler, known) for scaler in scalers
    ):
        name = model.record.classifier
        kind = NotExportable if model.network.record.has_head else InputError
        raise kind(
            f"{model}: {name} does not fit into a file, only ridge, logistic-regression, "
            "linear-svm and gaussian-process do; fit the model with one of these"
        )
    if is_linear:
        # A regressor has one row less of axes.
        kernel, intercept = np.ravel(last.coef_), np.ravel(last.intercept_)[0]
        for scaler in reversed(scalers):
            kernel = kernel / scaler.scale_
            intercept = intercept - kernel @ scaler.mean_
        return _dense(features, kernel[:, None], [intercept - lowest], name="score")
    for scaler in scalers:
        if isinstance(scaler, StandardScaler):
            features = (features - _constant(scaler.mean_)) / _constant(scaler.scale_)
        else:
            features = ops.sign(features) * ops.log(1 + scaler.slope * ops.abs(features))
    return _process(last, features, lowest)


def _process(
    process: GaussianProcessRegression, features: keras.KerasTensor, lowest: float
) -> keras.KerasTensor:
    """The mean of a Gaussian process: a layer of kernels with its landmarks, and their sum."""
    precision = process.length_scale_**-2
    landmarks = np.asarray(process.landmarks_, float)
    # -|a - b|² / 2, of which |b|² / 2 is the layer's bias.
    along = _dense(features, precision * landmarks.T, -precision * (landmarks**2).sum(axis=1) / 2)
    squares = ops.sum(features * features, axis=1, keepdims=True)
    kernels = ops.exp(along - 0.5 * precision * squares)
    return _dense(kernels, process.weights_[:, None], [process.mean_ - lowest], name="score")


def _dense(
    features: keras.KerasTensor, kernel: np.ndarray, bias: Sequence[float], name: str | None = None
) -> keras.KerasTensor:
    layer = layers.Dense(kernel.shape[1], name=name)
    output = layer(features)
    layer.set_weights([kernel, np.asarray(bias)])
    return output


def _constant(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float32)
