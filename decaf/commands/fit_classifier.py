"""fit-classifier: features, or rated photos → classifiers compared, the best one kept."""

from __future__ import annotations

import argparse
import shlex
import sys
import textwrap
from pathlib import Path

from decaf.backend import versions
from decaf.commands.common import (
    add_backbone_options,
    add_machine_options,
    add_rating_options,
    add_scheduler_option,
    run_command,
)
from decaf.commands.judged_photos import read_feature_files, read_photos
from decaf.commands.kept_network import find_networks, finetune_network, network_of_features
from decaf.commands.rated_photos import add_recipe_options
from decaf.extraction.cluster import on_cluster
from features.errors import InputError
from features.files import writing
from features.folders import check_output_folder, filling_folder

COMMAND = "fit-classifier"
DESCRIPTION = """\
Compare classifiers on features by accuracy, balanced accuracy and AUC, with
intervals; keep the best, and its network, as a model that scores photos.
"""
EXAMPLES = """\
With feature files, the photos that their network was finetuned on train the
classifiers, and the others judge them; features of a plain backbone are
cross-validated. With photos, head and classifier are fitted anew in each fold,
on cached activations.

The folder gets results.csv, report.html and the model: classifier.skops (the
classifier with the best AUC; fitted on the training photos if there is one
split, on all photos if there are folds), network.keras, whose features it
takes, and model.json, which tells how well it did and makes probabilities of
its scores. With features of a finetuned network, give that with --network.

The report shows what more rated photos would bring, where there are at most
5,000 and the network has not seen them.

examples:
  fit-classifier features.h5 --network networks/vgg16-250.keras -o model/
  fit-classifier vgg16-4096.h5 vgg16-250.h5 --classifier tan -o compared/
  fit-classifier photos --ratings ratings.csv --group-by theme --folds 5 \\
      --backbone vgg16 --width 250 --width 500 -o model/

classifiers:
  logistic-regression, linear-svm, rbf-svm, k-nearest-neighbours,
  gaussian-naive-bayes, random-forest, gradient-boosting, naive-bayes, tan,
  aode; and by name only: kdb, bayesian-network
"""
OWN_FILES = ("classifier.skops", "network.keras", "model.json", "results.csv", "report.html")
# The curve fits up to 15 more heads and classifiers, and is for those who rate photos by hand.
LEARNING_CURVE_PHOTOS = 5_000


def main(argv=None) -> int:
    """Run the command."""
    parser = build_parser()
    words = sys.argv[1:] if argv is None else argv
    parser.set_defaults(command_line=shlex.join([parser.prog, *words]))
    return run_command(fit_classifier, parser, argv)


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        COMMAND,
        description=DESCRIPTION,
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
    parser.add_argument(
        "--network",
        type=Path,
        action="append",
        metavar="FILE",
        help="the network of finetune-network that gave the features, so that the model is "
        "complete; may be given several times, with several feature files",
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
    heads = parser.add_argument_group(
        "heads, finetuned in each fold (what is not given is the recipe's)"
    )
    heads.add_argument(
        "--width",
        type=int,
        action="append",
        metavar="UNITS",
        help="units of fc6 and fc7; may be given several times (250)",
    )
    add_recipe_options(heads)
    heads.add_argument("--learning-rate", type=float, metavar="RATE")
    heads.add_argument("--momentum", type=float)
    heads.add_argument("--epochs", type=int)
    add_machine_options(parser)
    parser.add_argument(
        "--jobs", type=int, default=-1, metavar="N", help="classifiers fitted at once (all cores)"
    )
    add_scheduler_option(parser)
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
    # From the start, so that a scheduler that is not there is told before the photos are read.
    with on_cluster(args.scheduler):
        _compare_and_keep(args)


def _compare_and_keep(args):
    from sklearn.base import clone
    from tqdm import tqdm

    from classifiers.catalogue import DEFAULT_CLASSIFIERS, make_classifier
    from classifiers.evaluation.evaluation import evaluate
    from classifiers.evaluation.folds import make_folds
    from classifiers.evaluation.report import write_report
    from features.splits import outside_margin

    names = dict.fromkeys(args.classifier or DEFAULT_CLASSIFIERS)
    classifiers = {name: make_classifier(name, args.seed) for name in names}
    data = read_photos(args) if args.ratings else read_feature_files(args.source, args.midpoint)
    rated = data.rated
    network_files = find_networks(args.network or [], data.networks)
    folds = make_folds(rated, n_folds=args.folds, seed=args.seed, allow_leak=args.allow_leak)
    for reason, count in folds.excluded.items():
        if count:
            print(f"{count:,} photos are not judged: {reason}", file=sys.stderr)
    if args.delta:
        folds = folds.training_on(outside_margin(rated.score, rated.midpoint, args.delta))
    steps = len(classifiers) + bool(args.ratings)
    with tqdm(desc="judging", total=steps * len(data.feature_sets) * len(folds), unit="fit") as bar:
        evaluation = evaluate(
            data.feature_sets,
            folds,
            classifiers,
            n_jobs=args.jobs,
            seed=args.seed,
            progress=bar.update,
        )

    best = evaluation.best
    rows = folds.training_rows
    with filling_folder(args.output, COMMAND, OWN_FILES):
        # The results first: fitting the best one anew may take minutes, and be interrupted.
        results, report = args.output / "results.csv", args.output / "report.html"
        with writing(results):
            evaluation.to_pandas().to_csv(results, index=False)
        curve = _learning_curve(data, evaluation)
        with writing(report):
            write_report(
                report,
                evaluation,
                photos=data.facts | {"margin δ": str(args.delta), "seed": str(args.seed)},
                networks=data.networks,
                command=args.command_line,
                learning_curve=curve,
            )
        _print_table(evaluation)
        if args.ratings:
            network, X = finetune_network(args, data, best.features, rows)
        else:
            network = network_of_features(
                args, best.features, data.networks[best.features], network_files
            )
            X = evaluation.feature_sets[best.features].X[rows]
        classifier = clone(classifiers[best.classifier]).fit(X, rated.label[rows])
        _keep(args, evaluation, data, rows, classifier, network)
    print(f"\nbest AUC: {best.classifier} on {best.features}; {len(rows):,} photos train it")
    print(
        f"as good within the 95 % interval of the difference: {len(evaluation.equals)} of "
        f"{len(evaluation.ranked) - 1} others"
    )
    if best.interval("auc")[0] <= 0.5:
        print("too few photos to tell it from chance: its AUC's interval reaches down to 0.5")
    if curve:
        print(textwrap.fill(" ".join(curve.describe()), 80))
    print(
        f"{args.output}: {', '.join(name for name in OWN_FILES if (args.output / name).exists())}"
    )


def _check(args):
    if not args.ratings and any(source.is_dir() for source in args.source):
        raise InputError(
            f"{args.source[0]}: is a folder; give feature files, or photos with --ratings FILE"
        )
    if args.ratings and len(args.source) > 1:
        raise InputError("with --ratings give one folder of photos")
    if args.ratings and not args.backbone:
        raise InputError("photos need --backbone NAME (vgg16, alexnet-owt, …)")
    if args.ratings and args.network:
        raise InputError("--network needs feature files; photos get a network of their own")
    for given, option in ((args.backbone, "--backbone"), (args.width, "--width")):
        if given and not args.ratings:
            raise InputError(f"{option} needs photos and --ratings FILE; feature files have theirs")
    if args.folds < 2:
        raise InputError(f"--folds {args.folds}: at least 2 are needed")
    if args.delta < 0:
        raise InputError(f"--delta {args.delta}: must not be negative")
    check_output_folder(args.output, force=args.force, owner=COMMAND)


def _learning_curve(data, evaluation):
    """What fewer training photos would have taught.

    None where their network has seen them all, and for sets too large to be rated by one hand.
    """
    from tqdm import tqdm

    from classifiers.evaluation.learning_curve import learning_curve

    rated = data.rated
    if rated.finetuned is not None and rated.finetuned.any():
        return None
    if len(rated) > LEARNING_CURVE_PHOTOS:
        return None
    with tqdm(desc="learning curve", unit="fit") as bar:
        return learning_curve(evaluation, progress=bar.update)


def _keep(args, evaluation, data, rows, classifier, network):
    """Save the model, or the classifier alone where its network is not at hand."""
    from importlib import metadata

    from classifiers.catalogue import save_classifier
    from classifiers.evaluation.calibration import calibrate
    from classifiers.evaluation.evaluation import INTERVAL_METRICS

    if network is None:
        path = args.output / "classifier.skops"
        with writing(path):
            save_classifier(classifier, path)
        return
    from decaf.models.model import save_model

    best = evaluation.best
    record = {
        "classifier": best.classifier,
        "features": best.features,
        "judged": {
            "photos": len(evaluation.judged_label),
            "professional": float(evaluation.judged_label.mean()),
            "design": evaluation.folds.design,
            "best_of": len(evaluation.results) - 1,
            **{
                metric: dict(
                    zip(
                        ("value", "low", "high"),
                        map(float, (best.metrics[metric], *best.interval(metric))),
                    )
                )
                for metric in INTERVAL_METRICS
            },
        },
        "calibration": calibrate(evaluation).to_json(),
        "trained_on": {
            "photos": len(rows),
            "professional": float(data.rated.label[rows].mean()),
            "digests": sorted(set(data.rated.digests[rows].tolist())),
        },
        "command": args.command_line,
        "versions": versions()
        | {package: metadata.version(package) for package in ("scikit-learn", "skops")},
    }
    save_model(args.output, network, classifier, record)


def _print_table(evaluation):
    """Print the results, best first, the majority class last, in 80 columns."""
    print(f"{'classifier':21}{'features':17}AUC  (95 % interval)    acc.   bal.    ECE")
    for result in [*evaluation.ranked, evaluation.baseline]:
        low, high = result.interval("auc")
        metrics = result.metrics
        calibration = metrics.get("calibration_error")
        print(
            f"{result.classifier:21}{_shorten(result.features, 16):17}"
            f"{metrics['auc']:.3f}  ({low:.3f}–{high:.3f})  "
            f"{metrics['accuracy']:6.3f} {metrics['balanced_accuracy']:6.3f} "
            + ("     –" if calibration is None else f"{calibration:6.3f}")
        )
    print("acc. accuracy; bal. balanced accuracy; ECE expected calibration error")


def _shorten(text, length):
    """Keep the end of a name, where networks have their width."""
    return text if len(text) <= length else f"…{text[1 - length :]}"
