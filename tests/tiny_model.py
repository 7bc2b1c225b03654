"""A model of random weights, small enough for every test."""

from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

WIDTH = 8


def save_tiny_model(folder, *, n_votes=0, levels=(), trained_on=(), finetuned_on=()):
    """Save a model of the first block of alexnet-owt, with a head of 8 units.

    Parameters
    ----------
    folder : path
    n_votes : int
        Steps of the votes that the network predicts; 0 for a network of labels.
    levels : sequence of float
        Of the score that the network predicts; none for a network of labels.
    trained_on, finetuned_on : sequence of str
        Digests of the photos that trained the classifier, and the network.
    """
    import keras
    from model_record import model_record

    from decaf.models.model import Model
    from decaf.networks.network import build_network
    from features.photo_set import PhotoSet

    keras.utils.set_random_seed(0)
    network = build_network(
        "alexnet-owt",
        WIDTH,
        n_grades=n_votes or None,
        levels=levels,
        pooling="multilevel",
        blocks=1,
        weights=None,
    )
    random = np.random.default_rng(0)
    X = np.maximum(random.normal(size=(60, WIDTH)), 0)
    label = (X @ random.normal(size=WIDTH) > 0).astype(int)
    classifier = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, label)
    record = model_record()
    photos = PhotoSet.of(finetuned_on)
    network_record = replace(
        network.record,
        scale=(1, n_votes or 10),
        midpoint=5.0,
        licence=record.licence,
        finetuned_on=len(photos) or None,
    )
    network = replace(network, record=network_record, finetuned_on=photos)
    Model(network, classifier, record, PhotoSet.of(trained_on)).save(folder, force=True)
