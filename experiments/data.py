"""What the experiments share: rated photos, their division, activations, training settings."""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from decaf.commands.common import (
    add_machine_options,
    add_rating_options,
    read_ratings_of,
    report_failed,
)
from features.errors import InputError

# Where the AVA archive keeps the list of its 20,000 test photos.
AVA_TEST_LISTS = ("generic_test.jpgl", "aesthetics_image_lists/generic_test.jpgl")


@dataclass(frozen=True)
class Photos:
    """Rated photos that could be read, divided into training and test photos.

    Attributes
    ----------
    rated : features.ratings.RatedPhotos
    folds : classifiers.evaluation.folds.Folds
    facts : dict of str to str
        What they are and how they were divided, for the page.
    identity : str
        Changes with the photos, their labels and scores, and their division.
    """

    rated: object
    folds: object
    facts: dict
    identity: str


def add_data_options(parser):
    """Options that name the photos, and say how they are divided.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="AVA's folder (AVA.txt, <id>.jpg there or in images/, generic_test.jpgl), or a folder "
        "of photos with ratings.csv",
    )
    add_rating_options(parser, required=False)
    division = parser.add_argument_group("division")
    division.add_argument(
        "--test-list", type=Path, metavar="FILE", help="of the test photos (AVA's generic_test)"
    )
    division.add_argument(
        "--test-fraction",
        type=float,
        default=0.25,
        metavar="SHARE",
        help="share of the test photos where neither ratings nor list divide them (0.25)",
    )
    division.add_argument(
        "--folds", type=int, metavar="N", help="judge all photos in so many folds instead"
    )
    division.add_argument("--seed", type=int, default=0)
    add_machine_options(parser)


def add_out_options(parser):
    """Options that name the folder of the results.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="of the results (experiments/results/EXPERIMENT/DATA)",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace results of other settings in the folder"
    )


def add_training_options(parser):
    """Options of `decaf.training.finetune.TrainingSettings`.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    training = parser.add_argument_group("finetuning (the defaults are the paper's)")
    training.add_argument("--optimizer", choices=("sgd", "adam", "adamw"), default="sgd")
    training.add_argument("--learning-rate", type=float, default=0.001, metavar="RATE")
    training.add_argument("--momentum", type=float, default=0.0)
    training.add_argument("--weight-decay", type=float, default=0.0)
    training.add_argument("--batch-size", type=int, default=128, metavar="PHOTOS")
    training.add_argument("--epochs", type=int, default=10)
    training.add_argument("--dropout", type=float, default=0.5)


def training_settings(args: argparse.Namespace):
    """The settings that `add_training_options` asks for; all training photos are trained on.

    Parameters
    ----------
    args : argparse.Namespace

    Returns
    -------
    decaf.training.finetune.TrainingSettings
    """
    from decaf.training.finetune import TrainingSettings, check_settings

    settings = TrainingSettings(
        optimizer=args.optimizer,
        learning_rate=args.learning_rate,
        momentum=args.momentum,
        weight_decay=args.weight_decay,
        batch_size=args.batch_size,
        epochs=args.epochs,
        dropout=args.dropout,
        validation_fraction=0.0,
        seed=args.seed,
    )
    check_settings(settings, width=1)
    return settings


def network_settings(args: argparse.Namespace):
    """What of a plain network changes the figures.

    Parameters
    ----------
    args : argparse.Namespace
        With ``blocks`` and ``precision``.

    Returns
    -------
    dict
        JSON values.
    """
    from decaf.backend import choose_precision

    return {"blocks": args.blocks, "precision": choose_precision(args.precision)}


def training_facts(settings):
    """What a page says of the finetuning.

    Parameters
    ----------
    settings : decaf.training.finetune.TrainingSettings

    Returns
    -------
    dict of str to str
    """
    return {"finetuning": ", ".join(f"{k} {v}" for k, v in asdict(settings).items())}


def read_data(args: argparse.Namespace):
    """Read the ratings that `add_data_options` asks for.

    Parameters
    ----------
    args : argparse.Namespace

    Returns
    -------
    features.ratings.RatedPhotos

    Raises
    ------
    InputError
        If there are no ratings, or as `features.ratings.read_ratings` does.
    """
    if args.folds is not None and args.folds < 2:
        raise InputError(f"--folds {args.folds}: at least 2 are needed")
    source = _ratings_source(args)
    test_list = args.test_list
    if test_list is None and isinstance(source, Path) and source.name == "AVA.txt":
        test_list = _first_file(args.data, AVA_TEST_LISTS)
    named = argparse.Namespace(**vars(args) | {"ratings": source})
    return read_ratings_of(named, args.data, test_list)


def divide(rated, args: argparse.Namespace) -> Photos:
    """Divide photos into training and test photos.

    Parameters
    ----------
    rated : features.ratings.RatedPhotos
        With digests; copies of training photos are not judged.
    args : argparse.Namespace

    Returns
    -------
    Photos
    """
    from classifiers.evaluation.folds import make_folds
    from features.splits import choose_test_photos

    split = None
    if args.folds is None:
        rows = choose_test_photos(rated, args.test_fraction, args.seed)
        split = np.where(rows, "test", "train")
    folds = make_folds(replace(rated, split=split), n_folds=args.folds, seed=args.seed)
    tests = [len(fold.test) for fold in folds]
    kept_together = "" if rated.group is None else ", groups kept together"
    if split is None:
        division = folds.design
    elif rated.split is None:
        division = f"one stratified split{kept_together}"
    else:
        division = "the split that the ratings or the test list give"
    source = _ratings_source(args)
    n_found = len(rated) + len(rated.failed)
    is_list = isinstance(source, Path) and source.is_file()
    n_missing = _count_rated(source) - n_found if is_list else 0
    facts = {
        "photos": f"{len(rated):,} of {args.data.name}, {rated.label.mean():.1%} professional",
        "division": f"{division}; {sum(tests):,} photos judged",
        "not used": f"{n_missing:,} missing, {len(rated.failed):,} that could not be read; not "
        f"judged: {sum(folds.excluded.values()):,} copies or members of trained-on groups",
        "seed": str(args.seed),
    }
    if rated.group is not None:
        facts["groups"] = f"{len(np.unique(rated.group)):,}"
    return Photos(rated, folds, facts, _identity(rated, folds))


def compute_activations(
    rated, backbone, poolings, args: argparse.Namespace, *, mirrored=False, **build
):
    """Activations of photos, computed once a photo and then cached.

    Parameters
    ----------
    rated : features.ratings.RatedPhotos
    backbone : str
    poolings : sequence of str
    args : argparse.Namespace
        With ``precision`` and ``cache``.
    mirrored : bool
        Of the photos' mirror images.
    **build
        ``blocks`` and ``weights`` of `decaf.networks.backbones.build_activations`.

    Returns
    -------
    dict of str to decaf.extraction.activations.Activations
        By pooling.
    """
    import keras

    from decaf.backend import choose_precision
    from decaf.extraction.activations import cached_activations, default_cache
    from decaf.networks.backbones import build_activations

    precision = choose_precision(args.precision)
    model = build_activations(backbone, poolings, dtype=precision, **build)
    cache = args.cache
    if mirrored:
        photo = keras.Input(model.input_shape[1:])
        model = keras.Model(photo, model(keras.ops.flip(photo, axis=2)))
        # A cache tells networks apart by their weights, which are the same here.
        cache = (cache or default_cache()) / f"mirrored-{precision}"
    return cached_activations(list(rated.paths), model, cache=cache)


def take_readable(rated, activations):
    """The photos whose activations there are, in the activations' order; others are reported.

    Parameters
    ----------
    rated : features.ratings.RatedPhotos
        Those that the activations were asked for.
    activations : sequence of decaf.extraction.activations.Activations
        Of several backbones, of the same photos.

    Returns
    -------
    features.ratings.RatedPhotos

    Raises
    ------
    InputError
        If a photo could be read for one backbone and not for another.
    """
    first, *others = activations
    if any(not np.array_equal(first.digests, other.digests) for other in others):
        raise InputError("photos changed while they were read: run the same command again")
    n_failed = len(rated.failed)  # these were reported
    rated = rated.readable(first.positions, first.digests, first.failed)
    report_failed(rated.failed[n_failed:])
    return rated


def _ratings_source(args):
    source = args.ratings or _first_file(args.data, ("AVA.txt", "ratings.csv"))
    if source is None:
        raise InputError(
            f"{args.data}: holds neither AVA.txt nor ratings.csv; name the ratings with --ratings"
        )
    return source


def _count_rated(source):
    """How many photos a ratings file rates, missing ones too."""
    if source.suffix.lower() != ".csv":
        return sum(bool(line.strip()) for line in source.read_text("utf-8-sig").split("\n"))
    with open(source, newline="", encoding="utf-8-sig") as file:
        return sum(map(bool, csv.reader(file))) - 1


def _first_file(folder, names):
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _identity(rated, folds):
    """A digest of everything about the photos on which figures depend."""
    score = None if rated.score is None else rated.score.tolist()
    group = None if rated.group is None else list(rated.group)
    votes = None if rated.votes is None else rated.votes.tolist()
    divided = [[fold.train.tolist(), fold.test.tolist()] for fold in folds]
    about = [list(rated.digests), rated.label.tolist(), score, votes, rated.scale, rated.midpoint]
    about += [group, divided]
    return hashlib.blake2b(json.dumps(about).encode(), digest_size=16).hexdigest()
