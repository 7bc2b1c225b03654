"""fit-classifier: features, or rated photos → classifiers compared, the best one kept."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

from decaf.commands.common import (
    add_backbone_options,
    add_machine_options,
    add_rating_options,
    report_failed,
    run_command,
)
from features.errors import InputError

EXAMPLES = """\
With feature files, the photos that their network was finetuned on train the classifiers, and the
others judge them; features of a plain backbone are cross-validated. With photos, head and
classifier are fitted anew in each fold, on cached activations.

The folder gets classifier.skops (the classifier with the best AUC; fitted on the training photos
if there is one split, on all photos if there are folds), results.csv and report.html; with photos
also network.keras, whose features the classifier takes.

examples:
  fit-classifier features.h5 -o model/
  fit-classifier vgg16-4096.h5 vgg16-250.h5 --classifier tan --classifier rbf-svm -o model/
  fit-classifier photos --ratings ratings.csv --backbone vgg16 --width 250 --width 500 \\
      --group-by theme --folds 5 -o model/

classifiers:
  logistic-regression, linear-svm, rbf-svm, k-nearest-neighbours, gaussian-naive-bayes,
  random-forest, gradient-boosting, naive-bayes, tan, aode; and by name only: kdb,
  bayesian-network
"""
OWN_FILES = ("classifier.skops", "results.csv", "report.html", "network.keras")


def main(argv=None) -> int:
    """Run the command."""
    return run_command(fit_classifier, build_parser(), argv)


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        "fit-classifier",
        description="Compare classifiers on features by accuracy, balanced accuracy and AUC, with "
        "intervals; keep the best.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source",
        nargs="+",
        type=Path,
        metavar="FEATURES|PHOTOS",
        help="feature files of extract-features, compared side by side; or, with --ratings, the "
        "folder of the photos",
    )
    parser.add_argument(
        "--classifier",
        action="append",
        metavar="NAME",
        help="may be given several times (all of the list below)",
    )
    judging = parser.add_argument_group("judging")
    judging.add_argument(
        "--folds", type=int, default=5, metavar="N", help="where there is no split (5)"
    )
    judging.add_argument(
        "--delta",
        type=float,
        default=0.0,
        help="leave training photos out whose score is nearer than this to the midpoint (0)",
    )
    judging.add_argument(
        "--allow-leak",
        action="store_true",
        help="judge on photos that the network or the classifier may have seen, too",
    )
    judging.add_argument("--seed", type=int, default=0)
    add_rating_options(parser, required=False)
    add_backbone_options(parser, required=False)
    heads = parser.add_argument_group("heads, finetuned in each fold")
    heads.add_argument(
        "--width",
        type=int,
        action="append",
        metavar="UNITS",
        help="units of fc6 and fc7; may be given several times (250)",
    )
    heads.add_argument(
        "--pooling",
        choices=("flatten", "multilevel", "average"),
        default="flatten",
        help="what fc6 is fed with (flatten)",
    )
    heads.add_argument("--learning-rate", type=float, default=0.001, metavar="RATE")
    heads.add_argument("--momentum", type=float, default=0.0)
    heads.add_argument("--epochs", type=int, default=10)
    add_machine_options(parser)
    parser.add_argument(
        "--jobs", type=int, default=-1, metavar="N", help="classifiers fitted at once (all cores)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="of the results"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace results that are in the folder"
    )
    return parser


def fit_classifier(args: argparse.Namespace) -> None:
    """Compare the classifiers, print and report how they do, keep the best."""
    _check(args)
    from sklearn.base import clone
    from tqdm import tqdm

    from classifiers.catalogue import DEFAULT_CLASSIFIERS, make_classifier, save_classifier
    from classifiers.evaluation import evaluate, make_folds, score_table, training_rows
    from classifiers.report import write_report

    names = dict.fromkeys(args.classifier or DEFAULT_CLASSIFIERS)
    classifiers = {name: make_classifier(name, args.seed) for name in names}
    data = _read_photos(args) if args.ratings else _read_stores(args.source, args.midpoint)
    folds = make_folds(
        data.label,
        group=data.group,
        split=data.split,
        finetuned=data.finetuned,
        digest=data.digest,
        n_folds=args.folds,
        seed=args.seed,
        allow_leak=args.allow_leak,
    )
    for reason, count in folds.excluded.items():
        if count:
            print(f"{count:,} photos are not judged: {reason}", file=sys.stderr)
    train_on = _outside_margin(data, args.delta)
    steps = len(classifiers) + bool(args.ratings)
    with tqdm(
        desc="judging", total=steps * len(data.feature_sets) * len(folds.folds), unit="fit"
    ) as bar:
        evaluation = evaluate(
            data.feature_sets,
            data.label,
            folds,
            classifiers,
            group=data.group,
            train_on=train_on,
            n_jobs=args.jobs,
            seed=args.seed,
            progress=bar.update,
        )

    best = evaluation.best
    rows = training_rows(data.label, folds, train_on)
    args.output.mkdir(parents=True, exist_ok=True)
    (feature_set,) = (f for f in data.feature_sets if f.name == best.features)
    if args.ratings:
        X = _finetune_network(args, data, feature_set.transformer, rows)
    else:
        X = feature_set.X[rows]
    classifier = clone(classifiers[best.classifier]).fit(X, data.label[rows])
    save_classifier(classifier, args.output / "classifier.skops")
    score_table(evaluation).to_csv(args.output / "results.csv", index=False)
    write_report(
        args.output / "report.html",
        evaluation,
        photos=data.facts | {"margin δ": str(args.delta), "seed": str(args.seed)},
        networks=data.networks,
        command=shlex.join(["fit-classifier", *sys.argv[1:]]),
    )
    _print_table(evaluation)
    print(f"\nbest AUC: {best.classifier} on {best.features}; {len(rows):,} photos train it")
    print(f"{args.output}: {', '.join(name for name in OWN_FILES if (args.output / name).exists())}")


@dataclass
class _Data:
    """Rated photos and their feature sets; the columns as in `make_folds`."""

    feature_sets: list
    label: object
    digest: object
    score: object = None
    midpoint: float | None = None
    group: object = None
    split: object = None
    finetuned: object = None
    facts: dict = field(default_factory=dict)
    networks: dict = field(default_factory=dict)
    activations: object = None


def _check(args):
    if not args.ratings and any(source.is_dir() for source in args.source):
        raise InputError(
            f"{args.source[0]}: is a folder; give feature files, or photos with --ratings FILE"
        )
    if args.ratings and len(args.source) > 1:
        raise InputError("with --ratings give one folder of photos")
    if args.ratings and not args.backbone:
        raise InputError("photos need --backbone NAME (vgg16, alexnet-owt, …)")
    for given, option in ((args.backbone, "--backbone"), (args.width, "--width")):
        if given and not args.ratings:
            raise InputError(f"{option} needs photos and --ratings FILE; feature files have theirs")
    if args.folds < 2:
        raise InputError(f"--folds {args.folds}: at least 2 are needed")
    if args.delta < 0:
        raise InputError(f"--delta {args.delta}: must not be negative")
    if args.output.exists() and not args.output.is_dir():
        raise InputError(f"{args.output}: is a file; choose another folder with -o")
    if args.output.is_dir() and any(args.output.iterdir()) and not args.force:
        raise InputError(f"{args.output}: is not empty; choose another folder, or add --force")


def _read_stores(paths, midpoint):
    """Read feature files, and keep the photos that are in all of them."""
    import numpy as np

    from classifiers.evaluation import FeatureSet
    from features.store import FeatureStore

    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise InputError(f"{paths[0]}: give each feature file once")
    with _opened(FeatureStore, paths) as stores:
        for store in stores:
            if store.label is None:
                raise InputError(
                    f"{store.path}: holds no ratings; extract the features with --ratings FILE"
                )
        rows = _common_rows(stores)
        first = stores[0]
        feature_sets = []
        finetuned = np.zeros(len(rows[0]), bool)
        for name, store, some in zip(names, stores, rows):
            X = store.features[:].astype(np.float32)[some]
            _check_finite(X, store, some)
            if not np.array_equal(store.label[some], first.label[rows[0]]):
                raise InputError(
                    f"{store.path}: rates photos otherwise than {first.path}; extract both with "
                    "the same ratings"
                )
            if store.finetuned is not None:
                finetuned |= store.finetuned[some]
            feature_sets.append(FeatureSet(name, X))
        columns = {
            column: next((s.__getattribute__(column)[r] for s, r in ()), None)
            for column in ()
        }
        raise NotImplementedError(columns)
