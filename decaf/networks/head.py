"""Heads: fc6 and fc7, reduced to a width, and the softmax output."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
from keras import layers


def build_head(
    n_activations: int, width: int, n_outputs: int = 2, dropout: float = 0.5, seed: int = 0
) -> keras.Model:
    """Build a head: fc6 and fc7, reduced to a width, and the softmax output.

    Parameters
    ----------
    n_activations : int
    width : int
        Units in fc6 and in fc7.
    n_outputs : int
        Classes, or steps of the votes.
    dropout : float
        Rate after fc6 and after fc7, while training.
    seed : int
        Of the initial weights and of the dropout.

    Returns
    -------
    keras.Model
        From activations (n_photos, n_activations) to probabilities (n_photos, n_outputs).
    """
    activations = keras.Input((n_activations,), name="activations")
    return keras.Model(activations, add_head(activations, width, n_outputs, dropout, seed))


def add_head(
    activations: keras.KerasTensor,
    width: int,
    n_outputs: int,
    dropout: float,
    seed: int | None = None,
) -> keras.KerasTensor:
    """Put a head on activations.

    Parameters
    ----------
    activations : KerasTensor
        (n_photos, n_activations)
    width, n_outputs, dropout, seed
        As in `build_head`; without a seed it starts from what Keras draws.

    Returns
    -------
    KerasTensor
        (n_photos, n_outputs)
    """
    # Seeds of their own, so that a seeded head depends on no other layer and on no global state.
    seeds = iter([None] * 5 if seed is None else np.random.SeedSequence(seed).generate_state(5))

    def dense(units, activation, name):
        kernel = keras.initializers.GlorotUniform(_seed(seeds))
        return layers.Dense(units, activation, kernel_initializer=kernel, name=name)

    x = dense(width, "relu", "fc6")(activations)
    x = layers.Dropout(dropout, seed=_seed(seeds), name="drop6")(x)
    x = dense(width, "relu", "fc7")(x)
    x = layers.Dropout(dropout, seed=_seed(seeds), name="drop7")(x)
    return dense(n_outputs, "softmax", "output")(x)


def features_model(keras_model: keras.Model) -> keras.Model:
    """The part of a network's or a head's graph that gives the features.

    Parameters
    ----------
    keras_model : keras.Model

    Returns
    -------
    keras.Model
        To fc7 after ReLU, (n_photos, width); it shares the weights.
    """
    return keras.Model(keras_model.input, keras_model.get_layer("fc7").output)


def _seed(seeds: Iterator[int | None]) -> int | None:
    seed = next(seeds)
    # Keras takes 31 bits.
    return None if seed is None else int(seed) >> 1
