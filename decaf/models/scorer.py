"""Scorers: a model as one Keras network, from the photo to the probability of professional.

Normalisation, convolutions, head and a linear classifier with its calibration are inside; the photo
is brought to the network's size by whoever calls it.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from classifiers.evaluation.calibration import decision_score
from decaf.models.model import Model
from decaf.networks.network import Network
from decaf.networks.record import NetworkRecord
from decaf.networks.votes import share_above
from features.errors import InputError, NotLinear


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
        The classifier is not linear, or the network has no head.
    """
    if head == "softmax":
        if not model.network.record.has_head:
            raise InputError(
                f"{model}: its network is a plain backbone, without a softmax; export its "
                "classifier"
            )
        return softmax_probability(model.network)
    kernel, intercept = _fold_linear(model)
    calibration = model.record.calibration
    features = model.network.features_model()
    score = layers.Dense(1, name="score")
    within = layers.ReLU(max_value=calibration.highest - calibration.lowest, name="within")
    probability = layers.Dense(1, "sigmoid", name="probability")
    network = keras.Model(features.input, probability(within(score(features.output))))
    # ReLU clips at 0, so the score is counted from the lowest one.
    score.set_weights([kernel[:, None], np.array([intercept - calibration.lowest])])
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
    """Probabilities by the Keras network and the scikit-learn classifier, nothing folded.

    Parameters
    ----------
    model : Model
    head : {"classifier", "softmax"}
    photos : ndarray of uint8, shape (n_photos, size, size, 3)

    Returns
    -------
    ndarray, shape (n_photos,)
    """
    if head == "softmax":
        output = model.network.keras_model.predict(photos, verbose=0)
        return output @ _share_above(model.network.record)
    features = model.network.features_model().predict(photos, verbose=0)
    return model.record.calibration.probability(decision_score(model.classifier, features))


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


def _fold_linear(model: Model) -> tuple[np.ndarray, float]:
    """The coefficients and the intercept of a linear classifier on features as they come."""
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    is_pipeline = isinstance(model.classifier, Pipeline)
    *scalers, linear = model.classifier if is_pipeline else [model.classifier]
    if not isinstance(linear, (LogisticRegression, LinearSVC, RidgeCV)) or any(
        not isinstance(scaler, StandardScaler) for scaler in scalers
    ):
        name = model.record.classifier
        kind = NotLinear if model.network.record.has_head else InputError
        raise kind(
            f"{model}: {name} is not linear, and only ridge, logistic-regression and linear-svm "
            "fit into a file; fit the model with one of these"
        )
    # A regressor has one row less of axes.
    kernel, intercept = np.ravel(linear.coef_), np.ravel(linear.intercept_)[0]
    for scaler in reversed(scalers):
        kernel = kernel / scaler.scale_
        intercept = intercept - kernel @ scaler.mean_
    return kernel, intercept
