"""`ConvNetFeatures`: photos in, fc7 features out, as a scikit-learn transformer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from decaf.training.settings import (
    DEFAULT_WIDTH,
    POOLING_OF_RECIPE,
    TrainingSettings,
    draw_seed,
    find_recipe,
)
from features.errors import InputError
from features.paths import check_paths


class ConvNetFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Features of photos: fc7 after ReLU of a network with a reduced head.

    ``fit`` finetunes a head on the photos it is given, so that cross-validating a pipeline of this
    transformer and a classifier is honest: the head is finetuned anew in every fold, on that fold's
    training photos. The activations of the frozen backbone are cached on disk, so the convolutions
    run once a photo. With ``network``, a finetuned network is loaded instead and ``fit`` learns
    nothing.

    Parameters
    ----------
    backbone : str
        A name from `decaf.list_backbones`.
    width : int
        Units of fc6 and of fc7; the number of features.
    recipe : {"decaf", "paper"}
        What the finetuning starts from, as in `decaf.training.settings.RECIPES`; all photos are
        trained on, none is kept to validate.
    settings : TrainingSettings, optional
        In place of the recipe's. Their seed is not used; ``random_state`` is.
    network : path, optional
        A network file of ``finetune-network``. Then ``backbone``, ``width`` and all that is of the
        finetuning are not used.
    pooling : {"flatten", "multilevel", "average"}, optional
        What of the backbone's activations fc6 is fed with; the recipe's by default.
    blocks : int, optional
        Cut the backbone after this many blocks.
    weights : {"pretrained", None} or path
        The backbone's weights, as in `decaf.build_network`.
    resize : {"squash", "crop", "pad"}
        How photos are brought to the backbone's input size.
    sizes : sequence of int
        Height and width of the photos that the backbone looks at, in pixels, as
        `decaf.build_network` takes them; by default those that it was trained on.
    precision : {"auto", "float32", "bfloat16"}
    engine : {"auto", "keras", "openvino"}
        What the convolutions are computed in.
    above_midpoint : mapping of str to float, optional
        By path, how far a photo's score lies above the midpoint, as a share of the scale. The
        labels of photos near to it are softened by the settings' ``softness``; the classes must
        then be 0 and 1, or sort in that order.
    kind : {"label", "score"}
        Whether the head learns the labels, or the scores in ``above_midpoint``.
    random_state : int, RandomState or None
        Seeds the finetuning.
    cache : path, optional
        The folder of cached activations; by default ``$DECAF_CACHE`` or the user's cache folder.
    verbose : bool
        Show progress on stderr.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The labels; only where a head was finetuned.
    history_ : list of dict
        Loss of each epoch; only where a head was finetuned.
    n_features_out_ : int

    References
    ----------
    Rubio, Flores and Puerta, "Optimización de las técnicas de Transfer Learning para la
    clasificación de la calidad estética en fotografía".

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from decaf import ConvNetFeatures
    >>> pipeline = make_pipeline(ConvNetFeatures("alexnet-owt", width=250), LogisticRegression())
    """

    def __init__(
        self,
        backbone: str = "vgg16",
        *,
        width: int = DEFAULT_WIDTH,
        recipe: str = "decaf",
        settings: TrainingSettings | None = None,
        network: str | os.PathLike | None = None,
        pooling: str | None = None,
        blocks: int | None = None,
        weights: str | os.PathLike | None = "pretrained",
        resize: str = "squash",
        sizes: Sequence[int] = (),
        precision: str = "auto",
        engine: str = "auto",
        above_midpoint: Mapping[str, float] | None = None,
        kind: str = "label",
        random_state: int | np.random.RandomState | None = None,
        cache: str | os.PathLike | None = None,
        verbose: bool = False,
    ):
        self.backbone = backbone
        self.width = width
        self.recipe = recipe
        self.settings = settings
        self.network = network
        self.pooling = pooling
        self.blocks = blocks
        self.weights = weights
        self.resize = resize
        self.sizes = sizes
        self.precision = precision
        self.engine = engine
        self.above_midpoint = above_midpoint
        self.kind = kind
        self.random_state = random_state
        self.cache = cache
        self.verbose = verbose

    def fit(self, X: Sequence[str], y: Sequence | None = None) -> ConvNetFeatures:
        """Finetune a head on photos, or load ``network``.

        Parameters
        ----------
        X : array-like of str, shape (n_photos,) or (n_photos, 1)
            Paths of photo files.
        y : array-like, shape (n_photos,)
            Labels; not needed with ``network``.

        Returns
        -------
        ConvNetFeatures

        Raises
        ------
        InputError
            If a photo cannot be read, or a parameter is out of its range.
        """
        import keras

        from decaf.networks.head import features_model
        from decaf.networks.network import load_network

        if self.network is None and y is None:
            raise ValueError(
                "This ConvNetFeatures estimator requires y to be passed, but the target y is None: "
                "it finetunes a head; give network= to use a finetuned one"
            )
        paths = check_paths(self, X, reset=True)
        if self.network is None:
            recipe = find_recipe(self.recipe)
            self._convolutions, self._resize = None, self.resize
            self._pooling = self.pooling or POOLING_OF_RECIPE[self.recipe]
            # All photos train.
            settings = self.settings or replace(recipe, validation_fraction=0.0, patience=None)
            self._head = features_model(self._finetune(paths, y, settings))
        else:
            network = load_network(self.network)
            self._pooling, self._resize = network.record.pooling, network.record.resize
            self._convolutions, head = network.activations_model(), network.head_model()
            self._head = keras.Model(head.input, head.output["features"])
        self._n_features_out = self.n_features_out_ = self._head.output_shape[1]
        return self

    def transform(self, X: Sequence[str]) -> np.ndarray:
        """Compute the features of photos.

        Parameters
        ----------
        X : array-like of str, shape (n_photos,) or (n_photos, 1)
            Paths of photo files.

        Returns
        -------
        ndarray of float32, shape (n_photos, width)
            fc7 after ReLU.

        Raises
        ------
        InputError
            If a photo cannot be read.
        """
        from decaf.training.batches import predict

        check_is_fitted(self)
        activations = self._activations(check_paths(self, X, reset=False))
        return predict(self._head, activations, np.arange(len(activations)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.target_tags.required = self.network is None
        tags.requires_fit = True
        return tags

    def _finetune(self, paths, y, settings):
        from decaf.training.finetune import finetune
        from decaf.training.targets import Targets, levels_of

        encoder = LabelEncoder().fit(column_or_1d(y))
        check_consistent_length(paths, y)
        self.classes_ = encoder.classes_
        above = None if self.above_midpoint is None else _of_paths(self.above_midpoint, paths)
        levels = levels_of(above) if self.kind == "score" else None
        head, self.history_ = finetune(
            self._activations(paths),
            Targets(encoder.transform(y), above, levels=levels),
            self.width,
            replace(settings, seed=draw_seed(self.random_state)),
            progress=f"{self.backbone}-{self.width}" if self.verbose else None,
        )
        return head

    def _activations(self, paths):
        from decaf.extraction.activations import cached_activations
        from decaf.extraction.choosing import settle

        convolutions = self._convolutions or _build_activations(
            self.backbone,
            self._pooling,
            self.blocks,
            None if self.weights is None else os.fspath(self.weights),
            tuple(self.sizes),
        )
        settle(
            convolutions,
            len(paths),
            precision=self.precision,
            engine=self.engine,
            cache=self.cache,
        )
        activations = cached_activations(
            paths,
            convolutions,
            resize=self._resize,
            cache=self.cache,
            progress=bool(self.verbose),
        )[self._pooling]
        if activations.failed:
            position, reason = activations.failed[0]
            raise InputError(f"{paths[position]}: {reason}; leave it out")
        return activations


def _of_paths(above_midpoint: Mapping[str, float], paths: Sequence[str]) -> np.ndarray:
    missing = [path for path in paths if path not in above_midpoint]
    if missing:
        raise InputError(f"{missing[0]}: is not in above_midpoint, which must hold every photo")
    return np.array([above_midpoint[path] for path in paths])


# Loading VGG16 takes seconds, and cross-validation asks for it several times a fold.
@lru_cache(maxsize=1)
def _build_activations(backbone, pooling, blocks, weights, sizes):
    from decaf.networks.convolutions import build_activations

    return build_activations(backbone, (pooling,), blocks, weights, sizes=sizes)
