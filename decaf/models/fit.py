"""A model of rated photos, or of feature files, in one call."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

from decaf.extraction.feature_network import PlainBackbone
from decaf.models.comparison import compare_classifiers, make_classifiers
from decaf.models.feature_files import file_sources
from decaf.models.heads import head_sources
from decaf.models.model import Model
from decaf.models.sources import Sources
from decaf.training.settings import (
    DEFAULT_WIDTH,
    POOLING_OF_RECIPE,
    TrainingSettings,
    check_width,
    choose_backbone,
    find_recipe,
)
from decaf.training.training_photos import read_training_photos
from features.ratings import RatedPhotos


def fit_model(
    rated: RatedPhotos,
    backbone: str | None = None,
    width: int | Sequence[int] | None = None,
    *,
    sizes: Sequence[int] = (),
    recipe: str = "decaf",
    settings: TrainingSettings | None = None,
    classifiers: Sequence[str] | None = None,
    n_folds: int = 5,
    choose_by: str | None = None,
    seed: int = 0,
    cache: str | os.PathLike | None = None,
    progress: bool = True,
) -> Model:
    """Learn from rated photos: compare classifiers on heads, and keep the best of them.

    The convolutions run once a photo. Head and classifier are fitted anew in each fold, so that the
    model is judged on photos that neither had seen; then the best ones are fitted on all photos.
    What this leaves out (other poolings and weights, a margin) is there in the parts that it is
    made of: `decaf.training.training_photos.read_training_photos`,
    `decaf.models.heads.head_sources`, `decaf.models.comparison.compare_classifiers`.

    Parameters
    ----------
    rated : RatedPhotos
        From `features.ratings.read_ratings`.
    backbone : str, optional
        A name from `decaf.list_backbones`; as `decaf.training.settings.choose_backbone` chooses, by
        default.
    width : int or sequence of int, optional
        Units of the heads' fc6 and fc7; of several the best one is kept. By default a head of
        `decaf.training.settings.DEFAULT_WIDTH` units and, but in the paper's recipe, the plain
        backbone without a head are compared.
    sizes : sequence of int
        Height and width of the photos that the backbone looks at, in pixels, side by side; by
        default those that a named one was trained on.
    recipe : {"decaf", "paper"}
        How heads are finetuned, and what of the backbone they are fed with.
    settings : TrainingSettings, optional
        In place of the recipe's, but for the seed.
    classifiers : sequence of str, optional
        Names from `classifiers.catalogue.list_classifiers`; nearly all of them by default.
    n_folds : int
        Where the ratings have no split.
    choose_by : {"srcc", "auc", "accuracy", "balanced_accuracy"}, optional
        By which measure the best is chosen: Spearman's rank correlation where there are scores,
        else the AUC.
    seed : int
        Of the folds, the heads, the classifiers and the resampling.
    cache : path-like, optional
        The folder of cached activations; by default ``$DECAF_CACHE`` or the user's cache folder.
    progress : bool
        Show progress bars on stderr.

    Returns
    -------
    Model
        Its `evaluation` tells how all of them did.

    Raises
    ------
    InputError
        There are too few photos, or a name or a setting is wrong.
    """
    with_scores = rated.above_midpoint is not None
    make_classifiers(classifiers, with_scores=with_scores)  # wrong names are told at once
    plain = width is None and recipe != "paper"
    width = DEFAULT_WIDTH if width is None else width
    widths = list(width) if isinstance(width, Iterable) else [width]
    for each in widths:
        check_width(each)
    recipes = find_recipe(recipe)
    settings = replace(settings or recipes, seed=seed)
    name, chosen_sizes = choose_backbone(backbone, sizes, recipe)
    photos = read_training_photos(
        rated,
        PlainBackbone(name, POOLING_OF_RECIPE[recipe], sizes=chosen_sizes),
        cache=cache,
        progress=progress,
    )
    sources = head_sources(photos, widths, settings, plain=plain, progress=progress)
    return _fit(sources, classifiers, n_folds, choose_by, seed, progress)


def fit_model_on_features(
    paths: Sequence[str | os.PathLike],
    networks: Sequence[str | os.PathLike] = (),
    *,
    classifiers: Sequence[str] | None = None,
    n_folds: int = 5,
    choose_by: str | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Model:
    """Learn from feature files of rated photos: compare classifiers on them, and keep the best.

    Parameters
    ----------
    paths : sequence of path-like
        Feature files of the same photos.
    networks : sequence of path-like
        Files of the finetuned networks that gave the features. Photos that a network was finetuned
        on train the classifiers, and the others judge them.
    classifiers, n_folds, choose_by, seed, progress
        As in `fit_model`; there are folds where no network has seen a photo.

    Returns
    -------
    Model

    Raises
    ------
    NoNetwork
        The network of the best features is not at hand.
    InputError
        The files do not belong together, or there are too few photos.
    """
    sources = file_sources(paths, networks)
    return _fit(sources, classifiers, n_folds, choose_by, seed, progress)


def _fit(
    sources: Sources,
    classifiers: Sequence[str] | None,
    n_folds: int,
    choose_by: str | None,
    seed: int,
    progress: bool,
) -> Model:
    folds = sources.divide(n_folds, seed)
    with_scores = folds.above_midpoint is not None
    made = make_classifiers(
        classifiers, seed, with_scores=with_scores, n_rows=folds.fewest_training_rows
    )
    return compare_classifiers(
        sources, folds, made, seed=seed, choose_by=choose_by, progress=progress
    ).fit_best()
