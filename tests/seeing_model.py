"""A model that sees nothing of a photo but its mean colours, and a critic of them."""

from dataclasses import replace

import keras
import numpy as np
from keras import layers
from model_record import model_record
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_model import CALIBRATION

from classifiers.signed_logarithm import SignedLogarithm
from decaf.editing.damage_critic import CriticRecord, DamageCritic, network_identity
from decaf.editing.damages import DAMAGES
from decaf.editing.suggesting import trusted_kinds
from decaf.models.model import Model
from decaf.networks.network import Network
from decaf.networks.record import NetworkRecord
from features.photo_set import PhotoSet


def seeing_model(likes=(0.0, 0.0, 0.0)):
    """A model that likes red, green and blue so much."""
    record = NetworkRecord("backbone", "small", "average", width=3, licence="the tests' own (MIT)")
    photo = keras.Input((32, 32, 3), name="photo")
    network = Network(keras.Model(photo, layers.GlobalAveragePooling2D()(photo)), record)
    of_model = replace(model_record("LogisticRegression", "small", CALIBRATION))
    return Model(network, linear(likes), replace(of_model, licence=record.licence), PhotoSet())


def seeing_critic(likes, noise=0.01, right=None):
    """A critic of colours, as `seeing_model`; noise of the critic's score, and of the model's."""
    levels = np.random.default_rng(0).uniform(0, 255, (50, 3))
    scaling = make_pipeline(StandardScaler(), SignedLogarithm()).fit(levels)
    classifier = make_pipeline(*(step for _, step in scaling.steps), linear(likes))
    right = dict.fromkeys(DAMAGES, 0.0) | (right or {})
    least_gains = dict.fromkeys(trusted_kinds(right), 2 * noise)
    return DamageCritic(classifier, CriticRecord("0" * 64, 50, noise, noise, right, least_gains))


def linear(weights):
    """A logistic regression of these weights."""
    classifier = LogisticRegression()
    classifier.classes_ = np.array([0, 1])
    classifier.coef_, classifier.intercept_ = np.array([weights], float), np.zeros(1)
    classifier.n_features_in_ = len(weights)
    return classifier


def save_taught_model(folder, right, likes=(0.0, 0.0, 0.0)):
    """A model that likes colours so much, and a critic of light beside it."""
    model = seeing_model(likes)
    model.save(folder)
    critic = seeing_critic((1.0, 1.0, 1.0), right=right)
    replace(critic, record=replace(critic.record, network=network_identity(model))).save(folder)
