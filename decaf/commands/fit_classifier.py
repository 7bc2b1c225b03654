"""fit-classifier: features, or rated photos → classifiers compared, the best one kept."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from classifiers.catalogue import DEFAULT_CLASSIFIERS, list_classifiers
from decaf.backend import can_train, check_training, import_keras
from decaf.commands.interrupting import workers_of_a_command
from decaf.commands.options import (
    add_backbone_options,
    add_machine_options,
    add_rating_options,
    add_scheduler_option,
    list_of_backbones,
    list_of_names,
    read_ratings_of,
)
from decaf.commands.printing import report_failed
from decaf.commands.running import explain, run_command
from decaf.commands.training_options import (
    DEFAULT_BACKBONE_TEXT,
    add_delta_option,
    add_outputs_option,
    add_recipe_options,
    add_training_options,
    add_width_option,
    check_outputs,
    chosen_backbone,
    chosen_widths,
    training_settings,
)
from features.errors import InputError, NoNetwork
from features.files import writing
from features.folders import check_output_folder, filling_folder

if TYPE_CHECKING:
    from classifiers.evaluation.evaluation import Evaluation
    from classifiers.evaluation.kept import KeptFits
    from decaf.models.comparison import Comparison
    from decaf.models.sources import Sources

COMMAND = "fit-classifier"
DESCRIPTION = """\
Compare classifiers on features by accuracy, balanced accuracy and AUC, and by
the order in which they put photos where there are scores, with intervals; keep
the best, and its network, as a model that scores photos.
"""
EXAMPLES = """\
With photos, head and classifier are fitted anew in each fold, on cached
activations; without --width the plain backbone is compared with a head of 250
units. With feature files, the photos that their network was finetuned on train
the classifiers, and the others judge them; features of a plain backbone are
cross-validated.

The best is chosen by Spearman's rank correlation (SRCC) with the scores, votes
or stars; by AUC where photos have labels only. ridge, gaussian-process and
ordinal learn the scores themselves.

Of many photos some learn approximately: gaussian-process above 2,000 and
rbf-svm above 10,000 over landmarks (Nystroem); the trees of random-forest
take 20,000 photos each.

The folder gets results.csv, report.html and the model: classifier.skops (the
best classifier; fitted on the training photos if there is one
split, on all photos if there are folds), network.keras, whose features it
takes, model.json, which tells how well it did and makes probabilities of its
scores, and trained_on.bin: which photos trained it, by eight bytes of the
digest of each, but for those that network.keras tells. With features of a
finetuned network, give that with --network.

Finished fits are kept beside the folder until all are there; the same command
goes on from them.

The report shows what more rated photos would bring, where there are at most
5,000 and the network has not seen them.

examples:
  fit-classifier features.h5 --network networks/vgg16-250.keras -o model/
  fit-classifier vgg16-4096.h5 vgg16-250.h5 --classifier tan -o compared/
  fit-classifier photos --ratings ratings.csv --group-by theme --folds 5 \\
      --backbone vgg16 --width 250 --width 500 -o model/
"""
TEXT_TABLES = ("md", "tex")
# How the printed table calls what it tells.
_NAMES = {
    "srcc": "SRCC",
    "auc": "AUC",
    "accuracy": "acc.",
    "balanced_accuracy": "bal.",
    "calibration_error": "ECE",
}
OWN_FILES = (
    *("classifier.skops", "network.keras", "trained_on.bin", "model.json", "report.html"),
    *("results.csv", *(f"results.{suffix}" for suffix in TEXT_TABLES)),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = build_parser()
    given = sys.argv[1:] if argv is None else argv
    words = [word for word in given if word != "--force"]  # with it, too, it is the same command
    parser.set_defaults(command_line=shlex.join([parser.prog, *words]))
    return run_command(fit_classifier, parser, argv)


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        COMMAND,
        description=DESCRIPTION,
        epilog=EXAMPLES + list_of_backbones() + _list_of_classifiers(),
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
    add_delta_option(judging)
    judging.add_argument(
        "--choose-by",
        choices=("srcc", "auc", "accuracy", "balanced_accuracy"),
        metavar="MEASURE",
        help="choose the best by srcc, auc, accuracy or balanced_accuracy (srcc where there are "
        "scores, else auc)",
    )
    judging.add_argument(
        "--allow-leak",
        action="store_true",
        help="judge on photos that the network or the classifier may have seen, too",
    )
    judging.add_argument("--seed", type=int, default=0)
    add_rating_options(parser, required=False)
    add_backbone_options(parser, DEFAULT_BACKBONE_TEXT)
    heads = parser.add_argument_group(
        "heads, finetuned in each fold (what is not given is the recipe's)"
    )
    add_width_option(heads)
    add_outputs_option(heads, {"label": "snapshot or professional", "score": "the score"})
    add_recipe_options(heads)
    add_training_options(heads, ["learning_rate", "momentum", "epochs"])
    add_machine_options(parser)
    parser.add_argument(
        "--jobs", type=int, default=-1, metavar="N", help="classifiers fitted at once (all cores)"
    )
    add_scheduler_option(parser)
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="of the results"
    )
    parser.add_argument(
        "--table",
        action="append",
        choices=TEXT_TABLES,
        help="write the printed table, with all intervals, to results.md (Markdown) or results.tex "
        "(LaTeX with booktabs), too; may be given twice",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace results of another command in the folder, or such as somebody has changed; "
        "those of the same command are replaced anyway, once it is done",
    )
    return parser


def fit_classifier(args: argparse.Namespace) -> None:
    """Compare the classifiers, print and report how they do, keep the best."""
    _check(args)
    from classifiers.evaluation.kept import KeptFits
    from decaf.extraction.cluster import on_cluster

    kept = KeptFits(args.output.with_name(f"{args.output.name}.parts"))
    # From the start, so that a scheduler that is not there is told before the photos are read.
    with workers_of_a_command(), on_cluster(args.scheduler):
        comparison = _compare(args, kept)
        with filling_folder(args.output, COMMAND, OWN_FILES, command=args.command_line):
            # The results first: fitting the best one anew may take minutes, and be interrupted.
            comparison.write(
                args.output,
                tables=args.table or (),
                facts=_facts(args, comparison),
                command=args.command_line,
            )
            _print_table(comparison.evaluation)
            _keep_best(args, comparison)
    kept.remove()
    _print_best(args, comparison)


def _list_of_classifiers() -> str:
    others = [name for name in list_classifiers() if name not in DEFAULT_CLASSIFIERS]
    return list_of_names(
        "classifiers", DEFAULT_CLASSIFIERS, f"; and by name only: {', '.join(others)}"
    )


def _check(args: argparse.Namespace) -> None:
    if not args.ratings and any(source.is_dir() for source in args.source):
        raise InputError(
            f"{args.source[0]}: is a folder; give feature files, or photos with --ratings FILE"
        )
    if args.ratings and len(args.source) > 1:
        raise InputError("with --ratings give one folder of photos")
    if args.ratings and args.network:
        raise InputError("--network needs feature files; photos get a network of their own")
    for given, option in (
        (args.backbone, "--backbone"),
        (args.size, "--size"),
        (args.width, "--width"),
        (args.outputs != "label", "--outputs"),
    ):
        if given and not args.ratings:
            raise InputError(f"{option} needs photos and --ratings FILE; feature files have theirs")
    if args.folds < 2:
        raise InputError(f"--folds {args.folds}: at least 2 are needed")
    if args.delta < 0:
        raise InputError(f"--delta {args.delta}: must not be negative")
    check_output_folder(
        args.output,
        force=args.force,
        owner=COMMAND,
        own_files=OWN_FILES,
        command=args.command_line,
    )


def _compare(args: argparse.Namespace, kept: KeptFits) -> Comparison:
    """Judge the classifiers, and say on stderr which photos are left out."""
    import_keras()
    from decaf.models.comparison import compare_classifiers, make_classifiers

    make_classifiers(args.classifier)  # an unknown name is told before the photos are read
    sources = _head_sources(args) if args.ratings else _file_sources(args)
    folds = sources.divide(args.folds, args.seed, allow_leak=args.allow_leak)
    for reason, count in folds.excluded.items():
        if count:
            print(f"{count:,} photos are not judged: {reason}", file=sys.stderr)
    with_scores = folds.above_midpoint is not None
    return compare_classifiers(
        sources,
        folds,
        make_classifiers(
            args.classifier, args.seed, with_scores=with_scores, n_rows=folds.fewest_training_rows
        ),
        n_jobs=args.jobs,
        seed=args.seed,
        choose_by=args.choose_by,
        kept=kept,
    )


def _head_sources(args: argparse.Namespace) -> Sources:
    from decaf.models.heads import head_sources
    from decaf.training.training_photos import read_training_photos

    settings, widths = training_settings(args), chosen_widths(args)
    backbone = chosen_backbone(args)
    plain = not args.width and args.recipe != "paper"
    if not plain:
        check_training()
    elif not can_train():
        print(
            "the plain backbone alone is compared: Keras's back end OpenVINO trains no heads",
            file=sys.stderr,
        )
    rated = read_ratings_of(args, args.source[0])
    check_outputs(args, rated)
    photos = read_training_photos(
        rated,
        backbone,
        precision=args.precision,
        engine=args.engine,
        cache=args.cache,
    )
    report_failed(photos.rated.failed[len(rated.failed) :])  # the others were reported
    return head_sources(photos, widths, settings, kind=args.outputs, plain=plain, delta=args.delta)


def _file_sources(args: argparse.Namespace) -> Sources:
    from decaf.models.feature_files import file_sources

    sources = file_sources(
        args.source,
        args.network or (),
        midpoint=args.midpoint,
        delta=args.delta,
        weights=args.weights,
        test_list=args.test_list,
    )
    if sources.n_left_out:
        print(
            f"{sources.n_left_out:,} photos are left out: not in every feature file",
            file=sys.stderr,
        )
    return sources


def _facts(args: argparse.Namespace, comparison: Comparison) -> dict[str, str]:
    """What the report says of the photos beyond what the library knows of them."""
    if not args.ratings:
        return {}
    rated = comparison.sources.rated
    return {
        "photos": f"{len(rated):,} of {args.source[0]}, {rated.label.mean():.0%} professional",
        "ratings": str(args.ratings),
    }


def _keep_best(args: argparse.Namespace, comparison: Comparison) -> None:
    """Save the model, or the classifier alone where its network is not at hand."""
    from classifiers.catalogue import save_classifier

    try:
        model = comparison.fit_best(command=args.command_line)
    except NoNetwork as error:
        print(
            f"{args.output}: holds a classifier only, and scores no photos: {explain(error)}",
            file=sys.stderr,
        )
        path = args.output / "classifier.skops"
        with writing(path):
            save_classifier(comparison.fit_classifier(), path)
    else:
        model.save(args.output, force=True)


def _print_table(evaluation: Evaluation) -> None:
    """Print the results, best first, the majority class last, in 80 columns."""
    chosen_by = evaluation.choose_by
    told = {*evaluation.interval_metrics, "calibration_error"} - {chosen_by}
    others = [name for name in _NAMES if name in told]
    print(
        f"{'classifier':21}{'features':17}{_NAMES[chosen_by]:5} (95 % interval)"
        + "".join(f"{_NAMES[name]:>6}" for name in others)
    )
    for result in [*evaluation.ranked, evaluation.baseline]:
        low, high = result.interval(chosen_by)
        ends = f"({_figure(low)}–{_figure(high)})" if math.isfinite(low) else ""
        print(
            f"{result.classifier:21}{_shorten(result.features, 16):17}"
            f"{_figure(result.metrics[chosen_by]):5} {ends:15}"
            + "".join(f"{_figure(result.metrics.get(name)):>6}" for name in others)
        )
    print(
        "SRCC rank correlation with the scores; acc. accuracy; bal. balanced accuracy;\n"
        "ECE expected calibration error"
    )


def _print_best(args: argparse.Namespace, comparison: Comparison) -> None:
    """Print what was kept, how sure that choice is, and what more ratings would bring."""
    evaluation, curve = comparison.evaluation, comparison.learning_curve
    best = evaluation.best
    print(
        f"\nbest by {_NAMES[evaluation.choose_by]}: {best.classifier} on {best.features}; "
        f"{len(comparison.training_rows):,} photos train it"
    )
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


def _figure(value: float | None) -> str:
    """Three digits, without the leading 0; a dash for what cannot be told."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.3f}".replace("0.", ".", 1).replace("-", "−")


def _shorten(text: str, length: int) -> str:
    """Keep the end of a name, where networks have their width."""
    return text if len(text) <= length else f"…{text[1 - length :]}"
