"""finetune-network: rated photos → networks with heads of the widths asked for."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from decaf.backend import import_keras, versions
from decaf.commands.common import (
    add_backbone_options,
    add_machine_options,
    add_rating_options,
    run_command,
)
from decaf.commands.rated_photos import (
    add_recipe_options,
    read_rated_photos,
    training_settings,
)
from features.errors import InputError
from features.folders import check_writable

if TYPE_CHECKING:
    import numpy as np

    from decaf.networks.record import NetworkRecord
    from features.ratings import RatedPhotos

DESCRIPTION = """\
Finetune networks on rated photos: the convolutions run once a photo, then a
head of each width is trained on their activations. Prints how well each one
does on photos that it has not seen.
"""
EXAMPLES = """\
examples:
  finetune-network photos --ratings ratings.csv --backbone vgg16 \\
      --width 250 --width 500 -o networks/
  finetune-network AVA/images --ratings AVA/AVA.txt \\
      --test-list generic_test.jpgl --backbone vgg16 --recipe paper \\
      --width 4096 -o networks/
  finetune-network photos --ratings ratings.csv --group-by theme \\
      --backbone alexnet-owt --outputs votes -o networks/
"""
# What of a record is known only once the network is finetuned.
MEASURED = ("parameters", "history", "test", "versions")


def main(argv=None) -> int:
    """Run the command."""
    return run_command(finetune_network, build_parser(), argv)


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        "finetune-network",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="folder of the photos")
    add_rating_options(parser, required=True)
    parser.add_argument(
        "--test-list",
        type=Path,
        metavar="FILE",
        help="ids or names of the test photos, one a line, such as AVA's generic_test.jpgl",
    )
    parser.add_argument(
        "--test-fraction",
        type=float,
        default=0.2,
        metavar="SHARE",
        help="share of the photos kept for testing where the ratings have no split (0.2)",
    )
    add_backbone_options(parser, required=True)
    parser.add_argument(
        "--width",
        type=int,
        action="append",
        metavar="UNITS",
        help="units of fc6 and fc7; may be given several times (250)",
    )
    parser.add_argument(
        "--outputs",
        choices=("label", "votes"),
        default="label",
        help="what the networks learn to tell: snapshot or professional, or the share of each "
        "vote (label)",
    )
    training = parser.add_argument_group("training (what is not given is the recipe's)")
    add_recipe_options(training)
    training.add_argument("--optimizer", choices=("sgd", "adam", "adamw"))
    training.add_argument("--learning-rate", type=float, metavar="RATE")
    training.add_argument("--momentum", type=float)
    training.add_argument("--weight-decay", type=float)
    training.add_argument("--batch-size", type=int, metavar="PHOTOS")
    training.add_argument("--epochs", type=int)
    training.add_argument("--dropout", type=float)
    training.add_argument("--class-weight", choices=("balanced", "none"))
    training.add_argument(
        "--softness",
        type=float,
        metavar="SHARE",
        help="share of the scale within which a label is unsure; 0 takes labels as they are",
    )
    training.add_argument(
        "--validation-fraction",
        type=float,
        metavar="SHARE",
        help="share of the training photos whose loss and AUC are shown every epoch (0.1)",
    )
    training.add_argument(
        "--patience",
        type=int,
        metavar="EPOCHS",
        help="stop after so many epochs without a better validation AUC, keep the best",
    )
    training.add_argument(
        "--delta",
        type=float,
        default=0.0,
        help="leave training photos out whose score is nearer than this to the midpoint (0)",
    )
    training.add_argument("--seed", type=int, default=0)
    add_machine_options(parser)
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="of the network files"
    )
    parser.add_argument("--force", action="store_true", help="replace networks that are there")
    return parser


def finetune_network(args: argparse.Namespace) -> None:
    """Finetune a network of every width and print how they do on the test photos."""
    import_keras()
    import numpy as np

    from decaf.networks.network import attach_head
    from decaf.training.finetune import finetune, predict
    from features.splits import choose_test_photos, outside_margin

    widths = list(dict.fromkeys(args.width or [250]))
    settings = training_settings(args)
    photos = read_rated_photos(
        args, args.photos, settings, widths, outputs=args.outputs, test_list=args.test_list
    )
    rated, activations = photos.rated, photos.activations
    test = choose_test_photos(rated, args.test_fraction, args.seed)
    train = ~test
    if args.delta:
        train &= outside_margin(rated.score, rated.midpoint, args.delta)
    # A copy of a training photo under another name is no test photo.
    test &= ~np.isin(rated.digests, rated.digests[train])
    finetuned_on = tuple(sorted(set(rated.digests[train].tolist())))
    train, test = np.flatnonzero(train), np.flatnonzero(test)
    paths = []
    for wanted in photos.records:
        wanted = replace(wanted, finetuned_on=finetuned_on)
        path = args.output / f"{wanted.name}.keras"
        paths.append(path)
        if path.exists() and not args.force:
            _check_same(path, wanted)
            continue
        check_writable(args.output)
        head, history = finetune(
            activations,
            rated.label,
            wanted.width,
            settings,
            votes=rated.votes if args.outputs == "votes" else None,
            above_midpoint=rated.above_midpoint,
            photos=train,
            group=rated.group,
            progress=path.stem,
        )
        output = predict(head, activations, test)
        record = replace(
            wanted,
            history=tuple(history),
            test=_judge(rated.take(test), output, args.outputs),
            versions=versions(),
        )
        attach_head(head, record, args.weights).save(path, force=args.force)
    _print_table(paths)


def _check_same(path: Path, wanted: NetworkRecord) -> None:
    """A network that is there is kept if this command would make it again."""
    from decaf.networks.network_file import read_record

    found, asked = read_record(path).to_json(), wanted.to_json()
    differing = [key for key in asked if key not in MEASURED and found[key] != asked[key]]
    if differing:
        raise InputError(
            f"{path} is there already, with other {' and '.join(differing)}: choose another "
            "folder, or add --force"
        )
    print(f"{path} is there already and is kept", file=sys.stderr)


def _judge(rated: RatedPhotos, output: np.ndarray, outputs: str) -> dict:
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

    from decaf.networks.votes import judge_votes, mean_and_spread

    if outputs == "label":
        score, threshold, judged = output[:, 1], 0.5, {}
    else:
        score, _ = mean_and_spread(output)
        threshold, judged = rated.midpoint, judge_votes(rated.votes, output)
    return {
        "photos": len(rated),
        "accuracy": accuracy_score(rated.label, score > threshold),
        "balanced_accuracy": balanced_accuracy_score(rated.label, score > threshold),
        "auc": roc_auc_score(rated.label, score),
        **judged,
    }


def _print_table(paths: list[Path]) -> None:
    from decaf.networks.network_file import read_record

    records = [read_record(path) for path in paths]
    length = max(len(path.stem) for path in paths)
    print(f"on {records[0].test['photos']:,} test photos")
    print(f"{'network':{length}}   parameters      MB   acc.   bal.    AUC")
    for path, record in zip(paths, records):
        test = record.test
        print(
            f"{path.stem:{length}} {record.parameters:12,} {path.stat().st_size / 1e6:7.1f}"
            f"  {test['accuracy']:5.3f}  {test['balanced_accuracy']:5.3f}  {test['auc']:5.3f}"
        )
    print("acc. accuracy; bal. balanced accuracy")
    if records[0].kind == "votes":
        _print_vote_table(paths, [record.test for record in records], length)


def _print_vote_table(paths: list[Path], tests: list[dict], length: int) -> None:
    print(f"\n{'':{length}}            mean of votes   their spread")
    print(f"{'network':{length}}     EMD     SRCC    LCC    SRCC    LCC")
    for path, test in zip(paths, tests):
        print(
            f"{path.stem:{length}}  {test['emd']:6.4f}   {test['srcc_mean']:6.3f} "
            f"{test['lcc_mean']:6.3f}  {test['srcc_spread']:6.3f} {test['lcc_spread']:6.3f}"
        )
    print("EMD earth mover's distance; SRCC, LCC Spearman's and Pearson's correlation")
