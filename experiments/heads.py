"""Heads as scikit-learn estimators on cached activations, finetuned anew in every fold."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin

from decaf.networks.network import features_model
from decaf.training.finetune import finetune, predict


class FinetunedHead(ClassifierMixin, TransformerMixin, BaseEstimator):
    """A head: classifies by its own softmax, and gives the features fc7 after ReLU.

    `decaf.ConvNetFeatures` takes paths and reads every file again for its digest; here photos are
    positions among activations that are at hand.

    Parameters
    ----------
    activations : decaf.extraction.activations.Activations
    width : int
        Units of fc6 and of fc7.
    settings : decaf.training.finetune.TrainingSettings
    """

    def __init__(self, activations, width, settings):
        self.activations = activations
        self.width = width
        self.settings = settings

    def fit(self, photos, y):
        """Finetune a head.

        Parameters
        ----------
        photos : ndarray of int, shape (n_photos, 1)
            Positions among the activations.
        y : ndarray of int, shape (n_photos,)
            0 or 1.
        """
        label = np.zeros(len(self.activations), int)
        label[photos[:, 0]] = y
        self.classes_ = np.array([0, 1])
        self.head_, _ = finetune(
            self.activations, label, self.width, self.settings, photos=photos[:, 0]
        )
        return self

    def predict_proba(self, photos):
        """Probabilities by the softmax, (n_photos, 2)."""
        return predict(self.head_, self.activations, photos[:, 0])

    def predict(self, photos):
        """The more probable class, (n_photos,)."""
        return self.predict_proba(photos).argmax(axis=1)

    def transform(self, photos):
        """Features, (n_photos, width)."""
        return predict(features_model(self.head_), self.activations, photos[:, 0])
