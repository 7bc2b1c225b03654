"""What the experiments share: rated photos, their division, activations, training settings."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from decaf.commands.options import add_machine_options, add_rating_options, read_ratings_of
from decaf.commands.printing import report_failed
from decaf.commands.training_options import add_training_options
from decaf.commands.training_options import training_settings as settings_of
from experiments.frame import option, several
from features.errors import InputError

if TYPE_CHECKING:
    from classifiers.evaluation.folds import Fold, Folds
    from decaf.extraction.activations import Activations
    from decaf.training.settings import TrainingSettings
    from decaf.training.training_photos import TrainingPhotos
    from features.ratings import RatedPhotos

# Where the AVA archive keeps the list of its 20,000 test photos.
AVA_TEST_LISTS = ("generic_test.jpgl", "aesthetics_image_lists/generic_test.jpgl")
# Of fc6 and of fc7, in the paper's tables.
PAPER_WIDTHS = (4096, 1000, 500, 250)
WIDTHS = several("--width", "units of fc6 and of fc7", PAPER_WIDTHS)
# What of the training an experiment may change.
TRAINING = ["optimizer", "learning_rate", "momentum", "weight_decay"]
TRAINING += ["batch_size", "epochs", "dropout"]
SIZE = option("--size", "of the photo, in pixels, or two with a plus between", "224+448")
BLOCKS = option("--blocks", "cut the backbones after N (all)", type=int, metavar="N")
JOBS = option("--jobs", "fits at once; -1 on all cores", -1)


@dataclass(frozen=True)
class View:
    """What a photo is seen by: a backbone, perhaps cut after some blocks, and a pooling."""

    backbone: str
    pooling: str = "flatten"
    blocks: int | None = None
    weights: str = "pretrained"
    mirrored: bool = False


@dataclass(frozen=True)
class Photos:
    """Rated photos that could be read, divided into training and test photos.

    The facts tell of the photos and their division, for the page; the identity changes with all of
    them on which figures depend.
    """

    rated: RatedPhotos
    folds: Folds
    facts: dict[str, str]
    identity: str

    @property
    def positions(self) -> np.ndarray:
        """What `decaf.training.heads.FinetunedHead` takes for features, (n_photos, 1)."""
        return np.arange(len(self.rated))[:, None]


def data_options(parser: argparse.ArgumentParser) -> None:
    """Options that name the photos, and say how they are divided."""
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


def training_options(parser: argparse.ArgumentParser) -> None:
    """Options of `decaf.training.settings.TrainingSettings`; the defaults are the paper's."""
    group = parser.add_argument_group("finetuning (the defaults are the paper's)")
    add_training_options(group, TRAINING)


def training_settings(args: argparse.Namespace) -> TrainingSettings:
    """The settings that `training_options` asks for; all training photos are trained on."""
    return replace(settings_of(args, "paper"), validation_fraction=0.0)


def network_settings(args: argparse.Namespace) -> dict[str, object]:
    """What of a plain network changes the figures, as JSON values."""
    from decaf.backend import choose_precision

    return {"blocks": args.blocks, "precision": choose_precision(args.precision)}


def training_facts(settings: TrainingSettings) -> dict[str, str]:
    """What a page says of the finetuning."""
    return {"finetuning": ", ".join(f"{k} {v}" for k, v in asdict(settings).items())}


def read_rated(args: argparse.Namespace, needed: str = "", missing: str = "") -> RatedPhotos:
    """Read the ratings that `data_options` asks for; say what is missing if a needed column is."""
    if args.folds is not None and args.folds < 2:
        raise InputError(f"--folds {args.folds}: at least 2 are needed")
    source, test_list = args.ratings, args.test_list
    if source is None:
        source = _first_file(args.data, ("AVA.txt", "ratings.csv"))
    if source is None:
        raise InputError(
            f"{args.data}: holds neither AVA.txt nor ratings.csv; name the ratings with --ratings"
        )
    if test_list is None and isinstance(source, Path) and source.name == "AVA.txt":
        test_list = _first_file(args.data, AVA_TEST_LISTS)
    named = argparse.Namespace(**vars(args) | {"ratings": source, "test_list": test_list})
    rated = read_ratings_of(named, args.data)
    if needed and getattr(rated, needed) is None:
        raise InputError(f"{args.data}: {missing}")
    return rated


def see(
    rated: RatedPhotos, views: Iterable[View], args: argparse.Namespace
) -> tuple[Photos, dict[View, Activations]]:
    """Compute the activations of photos, or take them from the cache; divide the readable ones."""
    seen = activations_of(rated, views, args)
    return divide(take_readable(rated, list(seen.values())), args), seen


def activations_of(
    rated: RatedPhotos, views: Iterable[View], args: argparse.Namespace
) -> dict[View, Activations]:
    """Activations of photos, computed once a photo and network and then cached."""
    import keras

    from decaf.backend import choose_precision
    from decaf.extraction.activations import cached_activations
    from decaf.extraction.choosing import settle
    from decaf.networks.convolutions import build_activations, call_again

    precision = choose_precision(args.precision)
    views_of: dict[View, dict[str, View]] = {}  # of one pass of the network
    for view in views:
        views_of.setdefault(replace(view, pooling=""), {})[view.pooling] = view
    seen: dict[View, Activations] = {}
    for of, of_poolings in views_of.items():
        network = build_activations(
            of.backbone, tuple(of_poolings), of.blocks, of.weights, precision=precision
        )
        paths = np.asarray(rated.paths).tolist()
        if of.mirrored:
            photo = keras.Input(network.input_shape[1:])
            network = keras.Model(photo, call_again(network, keras.ops.flip(photo, axis=2)))
        else:
            settle(network, len(paths), precision=precision, engine=args.engine, cache=args.cache)
        found = cached_activations(paths, network, cache=args.cache)
        seen |= {view: found[pooling] for pooling, view in of_poolings.items()}
    return seen


def parse_sizes(size: str) -> tuple[int, ...]:
    """The sizes of a backbone in words: pixels, two with a plus between, or "own" for none."""
    return () if size == "own" else tuple(map(int, size.split("+")))


def training_photos(
    rated: RatedPhotos, backbone: str, sizes: tuple[int, ...], args: argparse.Namespace
) -> TrainingPhotos:
    """Averages of all blocks of photos, as heads are fed with them."""
    from decaf.extraction.feature_network import PlainBackbone
    from decaf.training.training_photos import read_training_photos

    plain = PlainBackbone(backbone, "multilevel", args.blocks, sizes=sizes)
    return read_training_photos(
        rated, plain, precision=args.precision, engine=args.engine, cache=args.cache
    )


def read_square(paths: Iterable[str], size: int, resize: str = "squash") -> np.ndarray:
    """Photos as a network of that size takes them, (n_photos, size, size, 3), uint8."""
    from features import photos

    return np.array([photos.read_square(path, size, resize)[0] for path in paths])


def take_readable(rated: RatedPhotos, activations: Sequence[Activations]) -> RatedPhotos:
    """The photos whose activations there are, in their order; the others are reported."""
    first, *others = activations
    if any(not np.array_equal(first.digests, other.digests) for other in others):
        raise InputError("photos changed while they were read: run the same command again")
    n_failed = len(rated.failed)  # these were reported
    rated = rated.readable(first.positions, first.digests, first.failed)
    report_failed(rated.failed[n_failed:])
    return rated


def divide(rated: RatedPhotos, args: argparse.Namespace) -> Photos:
    """Divide photos into training and test photos; copies of training photos are not judged."""
    from classifiers.evaluation.folds import make_folds
    from features.splits import choose_test_photos

    split = None
    if args.folds is None:
        rows = choose_test_photos(rated, args.test_fraction, args.seed)
        split = np.where(rows, "test", "train")
    folds = make_folds(replace(rated, split=split), n_folds=args.folds, seed=args.seed)
    if split is None:
        division = folds.design
    elif rated.split is None:
        division = "one stratified split" + (", groups kept together" * (rated.group is not None))
    else:
        division = "the split that the ratings or the test list give"
    n_judged = sum(len(fold.test) for fold in folds)
    facts = {
        "photos": f"{len(rated):,} of {args.data.name}, {rated.label.mean():.1%} professional",
        "division": f"{division}; {n_judged:,} photos judged",
        "not used": f"{rated.missing:,} missing, {len(rated.failed):,} that could not be read; not "
        f"judged: {sum(folds.excluded.values()):,} copies or members of trained-on groups",
        "seed": str(args.seed),
    }
    if rated.group is not None:
        facts["groups"] = f"{len(np.unique(rated.group)):,}"
    return Photos(rated, folds, facts, _identity(rated, folds))


def predict_unseen(
    photos: Photos, predict: Callable[[Fold], Mapping[str, np.ndarray]]
) -> dict[str, list[float]]:
    """Collect what is predicted of each fold's test photos after learning on its training photos.

    By name n_photos numbers, NaN where a photo is in no fold's test photos.
    """
    found: dict[str, np.ndarray] = {}
    for fold in photos.folds:
        for name, values in predict(fold).items():
            found.setdefault(name, np.full(len(photos.rated), np.nan))[fold.test] = values
    return {name: values.tolist() for name, values in found.items()}


def _first_file(folder, names):
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _identity(rated, folds):
    """A digest of everything about the photos on which figures depend."""
    about = [rated.digests, rated.label, rated.score, rated.votes, rated.group]
    about += [rated.scale, rated.midpoint, *(side for fold in folds for side in fold)]
    text = json.dumps(about, default=np.ndarray.tolist)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
