"""Networks: a head of a given width on a backbone's activations; their files."""

from pathlib import Path

import keras
import numpy as np
from keras import layers

# Registers LocalResponseNormalization, so that Keras can load the networks that have it.
import decaf.networks.alexnet  # noqa: F401
from decaf.networks.backbones import build_convolutions, pool, set_precision
from decaf.networks.network_file import add_record, check_harmless, read_record
from decaf.networks.weights import PRETRAINED
from features.errors import InputError
from features.files import whole_file, writing


def build_head(n_activations, width, outputs=2, dropout=0.5, seed=0):
    """Build a head: fc6 and fc7, reduced to a width, and the softmax output.

    Parameters
    ----------
    n_activations : int
    width : int
        Units in fc6 and in fc7.
    outputs : int
        Classes.
    dropout : float
        Rate after fc6 and after fc7, while training.
    seed : int
        Of the initial weights and of the dropout.

    Returns
    -------
    keras.Model
        From activations (n_photos, n_activations) to probabilities (n_photos, outputs).
    """
    activations = keras.Input((n_activations,), name="activations")
    return keras.Model(activations, _add_head(activations, width, outputs, dropout, seed))


def build_network(backbone, width, outputs=2, pooling="flatten", blocks=None, weights=PRETRAINED):
    """Build a whole network, whose head is not trained.

    Parameters
    ----------
    backbone : str
    width : int
        Units in fc6 and in fc7.
    outputs : int
        Classes.
    pooling : {"flatten", "multilevel", "average"}
    blocks : int, optional
        Cut the backbone after so many blocks.
    weights : {"pretrained", None} or path-like
        The backbone's.

    Returns
    -------
    keras.Model
        From RGB photos (n_photos, size, size, 3), 0–255, to probabilities (n_photos, outputs).
        Its layers fc6, fc7 and output are the head's.
    """
    return _build_network(backbone, width, outputs, 0.5, pooling, blocks, weights)


def attach_head(backbone, head, pooling, blocks=None, weights=PRETRAINED, dtype="float32"):
    """Put a trained head on its backbone.

    Parameters
    ----------
    backbone : str
    head : keras.Model
        From `build_head`, trained on activations of this backbone, pooling and blocks.
    pooling : {"flatten", "multilevel", "average"}
    blocks : int, optional
    weights : {"pretrained", None} or path-like
        The backbone's.
    dtype : {"float32", "bfloat16"}
        What the convolutions are computed in.

    Returns
    -------
    keras.Model
        The whole network, with copies of the head's weights.
    """
    width, outputs = head.get_layer("fc7").units, head.get_layer("output").units
    dropout = head.get_layer("drop7").rate
    network = _build_network(backbone, width, outputs, dropout, pooling, blocks, weights)
    for name in ("fc6", "fc7", "output"):
        network.get_layer(name).set_weights(head.get_layer(name).get_weights())
    set_precision(network, dtype)
    return network


def features_model(network):
    """The part of a network, or of a head, that gives the features.

    Parameters
    ----------
    network : keras.Model

    Returns
    -------
    keras.Model
        To fc7 after ReLU, (n_photos, width); it shares the network's weights.
    """
    return keras.Model(network.input, network.get_layer("fc7").output)


def split_network(network, pooling):
    """Part a network where its backbone ends, so that cached activations can stand in between.

    Parameters
    ----------
    network : keras.Model
    pooling : {"flatten", "multilevel", "average"}
        What it was built with.

    Returns
    -------
    activations : keras.Model
        As `build_activations` gives it.
    features : keras.Model
        From activations (n_photos, n_activations) to fc7 after ReLU, (n_photos, width). Both share
        the network's weights.
    """
    pooled = network.get_layer("fc6").input
    activations = keras.Model(network.input, {pooling: pooled})
    return activations, keras.Model(pooled, network.get_layer("fc7").output)


def save_network(network, path, record, force=False):
    """Write a network and its record to one `.keras` file, whole or not at all.

    Parameters
    ----------
    network : keras.Model
    path : path-like
        Ends in `.keras`; its folder is made if it is not there.
    record : dict
        Plain JSON: where the network comes from.
    force : bool
        Overwrite an existing file.

    Raises
    ------
    AlreadyThere
        The file exists.
    InputError
        It cannot be written, or its name does not end in `.keras`.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise InputError(f"{path}: a network's file name must end in .keras")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, force=force) as part:
            network.save(part)
            add_record(part, record)


def load_network(path, dtype="float32"):
    """Load a network and its record; code in the file is never run.

    Parameters
    ----------
    path : path-like
    dtype : {"float32", "bfloat16"}
        What the convolutions are computed in.

    Returns
    -------
    network : keras.Model
    record : dict

    Raises
    ------
    InputError
        The file is missing, truncated, damaged, or not a network of this package.
    """
    record = read_record(path)
    check_harmless(path)
    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    # Keras raises many kinds of exceptions on a file that it did not write.
    except Exception as error:
        raise InputError(f"{path}: not a network that Keras can load; make it anew") from error
    set_precision(network, dtype)
    return network, record


def _build_network(backbone, width, outputs, dropout, pooling, blocks, weights):
    convolutions = build_convolutions(backbone, blocks, weights)
    activations = pool(convolutions, pooling)
    return keras.Model(convolutions.input, _add_head(activations, width, outputs, dropout))


def _add_head(activations, width, outputs, dropout, seed=None):
    # Seeds of their own, so that a seeded head depends on no other layer and on no global state.
    seeds = iter([None] * 5 if seed is None else np.random.SeedSequence(seed).generate_state(5))

    def dense(units, activation, name):
        kernel = keras.initializers.GlorotUniform(_seed(seeds))
        return layers.Dense(units, activation, kernel_initializer=kernel, name=name)

    x = dense(width, "relu", "fc6")(activations)
    x = layers.Dropout(dropout, seed=_seed(seeds), name="drop6")(x)
    x = dense(width, "relu", "fc7")(x)
    x = layers.Dropout(dropout, seed=_seed(seeds), name="drop7")(x)
    return dense(outputs, "softmax", "output")(x)


def _seed(seeds):
    seed = next(seeds)
    # Keras takes 31 bits.
    return None if seed is None else int(seed) >> 1
