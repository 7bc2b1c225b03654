"""finetune-network: rated photos → networks with heads of the widths asked for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from decaf.backend import check_training, import_keras
from decaf.commands.options import (
    add_backbone_options,
    add_machine_options,
    add_rating_options,
    list_of_backbones,
    read_ratings_of,
)
from decaf.commands.printing import report_failed
from decaf.commands.running import run_command
from decaf.commands.training_options import (
    DEFAULT_BACKBONE_TEXT,
    SETTINGS,
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

if TYPE_CHECKING:
    from decaf.training.networks import NetworkFile

DESCRIPTION = """\
Finetune networks on rated photos: the convolutions run once a photo, then a
head of each width is trained on their activations. Prints how well each one
does on photos that it has not seen.
"""
EXAMPLES = """\
examples:
  finetune-network photos --ratings ratings.csv --backbone vgg16 \\
      --width 250 --width 500 -o networks/
  finetune-network AVA_dataset --ratings AVA_dataset/AVA.txt --skip-missing \\
      --test-list generic_test.jpgl --backbone vgg16 --recipe paper \\
      --width 4096 -o networks/
  finetune-network photos --ratings ratings.csv --group-by theme \\
      --backbone alexnet-owt --outputs votes -o networks/
  finetune-network photos --ratings stars.csv --scale 1 5 \\
      --backbone efficientnet-lite0 --outputs score -o networks/
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run_command(
        finetune_on_photos,
        build_parser(),
        argv,
        resumes="keeps the activations and the networks that are finished",
    )


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        "finetune-network",
        description=DESCRIPTION,
        epilog=EXAMPLES + list_of_backbones(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="folder of the photos")
    add_rating_options(parser, required=True)
    parser.add_argument(
        "--test-fraction",
        type=float,
        default=0.2,
        metavar="SHARE",
        help="share of the photos kept for testing where the ratings have no split (0.2)",
    )
    add_backbone_options(parser, DEFAULT_BACKBONE_TEXT)
    add_width_option(parser)
    add_outputs_option(
        parser,
        {
            "label": "snapshot or professional",
            "score": "the score",
            "votes": "the share of each vote",
        },
    )
    training = parser.add_argument_group("training (what is not given is the recipe's)")
    add_recipe_options(training)
    names = [name for name in SETTINGS if name not in ("standardize", "seed")]
    add_training_options(training, names)
    add_delta_option(training)
    training.add_argument("--seed", type=int, default=0)
    add_machine_options(parser)
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="of the network files"
    )
    parser.add_argument("--force", action="store_true", help="replace networks that are there")
    return parser


def finetune_on_photos(args: argparse.Namespace) -> None:
    """Finetune a network of every width and print how they do on the test photos."""
    import_keras()
    check_training()
    from decaf.training.networks import finetune_networks
    from decaf.training.training_photos import read_training_photos

    settings = training_settings(args)
    widths = chosen_widths(args)
    backbone = chosen_backbone(args)
    rated = read_ratings_of(args, args.photos)
    check_outputs(args, rated)
    photos = read_training_photos(
        rated,
        backbone,
        precision=args.precision,
        engine=args.engine,
        cache=args.cache,
    )
    report_failed(photos.rated.failed[len(rated.failed) :])
    files = finetune_networks(
        photos,
        widths,
        args.output,
        settings,
        kind=args.outputs,
        test_fraction=args.test_fraction,
        delta=args.delta,
        force=args.force,
    )
    for file in files:
        if file.was_there:
            print(f"{file.path} is there already and is kept", file=sys.stderr)
    _print_table(files)


def _print_table(files: list[NetworkFile]) -> None:
    length = max(len(file.path.stem) for file in files)
    print(f"on {files[0].test['photos']:,} test photos")
    has_order = "srcc" in files[0].test
    order = "   SRCC" if has_order else ""
    print(f"{'network':{length}}  parameters      MB   acc.   bal.    AUC{order}")
    for file in files:
        record, test = file.record, file.test
        order = f"  {test['srcc']:5.3f}" if has_order else ""
        print(
            f"{file.path.stem:{length}} {record.parameters:11,} "
            f"{file.path.stat().st_size / 1e6:7.1f}"
            f"  {test['accuracy']:5.3f}  {test['balanced_accuracy']:5.3f}  {test['auc']:5.3f}"
            f"{order}"
        )
    meaning = "; SRCC rank correlation" if has_order else ""
    print(f"acc. accuracy; bal. balanced accuracy{meaning}")
    if files[0].record.kind == "votes":
        _print_vote_table(files, length)


def _print_vote_table(files: list[NetworkFile], length: int) -> None:
    print(f"\n{'':{length}}            mean of votes   their spread")
    print(f"{'network':{length}}     EMD     SRCC    LCC    SRCC    LCC")
    for file in files:
        test = file.test
        print(
            f"{file.path.stem:{length}}  {test['emd']:6.4f}   {test['srcc_mean']:6.3f} "
            f"{test['lcc_mean']:6.3f}  {test['srcc_spread']:6.3f} {test['lcc_spread']:6.3f}"
        )
    print("EMD earth mover's distance; SRCC, LCC Spearman's and Pearson's correlation")
