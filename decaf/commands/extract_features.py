"""extract-features: photos → one feature file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from decaf.commands.options import (
    PHOTOS,
    add_backbone_options,
    add_machine_options,
    add_rating_options,
    add_scheduler_option,
    backbone_of,
    list_of_backbones,
    read_ratings_of,
)
from decaf.commands.printing import report_failed, report_passed_over
from decaf.commands.running import run_command
from features.errors import InputError

if TYPE_CHECKING:
    from decaf.extraction.feature_network import PlainBackbone

DESCRIPTION = """\
Write the features of photos to an HDF5 file, a row a photo: fc7 of a finetuned
network, or the pooled activations of a plain backbone. An interrupted run goes
on when it is started again. With --scheduler the workers of a Dask cluster
write it together: FILE is then a folder of such files, which fit-classifier
reads as one. Start the workers with the same decaf; photos, network and FILE
lie in folders that all machines share.
"""
EXAMPLES = """\
examples:
  extract-features photos --network networks/vgg16-250.keras \\
      --ratings ratings.csv -o features.h5
  extract-features album --network networks/vgg16-250.keras -o album.h5
  extract-features photos --backbone vgg16 --pooling multilevel \\
      --ratings ratings.csv -o plain.h5
  extract-features AVA_dataset --ratings AVA_dataset/AVA.txt --skip-missing \\
      --test-list generic_test.jpgl --backbone vgg16 -o ava.h5
  extract-features /shared/photos --network /shared/vgg16-250.keras \\
      --scheduler tcp://host:8786 -o /shared/features.h5
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run_command(extract_features_of_photos, build_parser(), argv)


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        "extract-features",
        description=DESCRIPTION,
        epilog=EXAMPLES + list_of_backbones(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "photos",
        type=Path,
        metavar="PHOTOS",
        help=PHOTOS,
    )
    parser.add_argument(
        "--network", type=Path, metavar="FILE", help="a network of finetune-network"
    )
    add_backbone_options(parser)
    parser.add_argument(
        "--pooling",
        choices=("average", "multilevel", "flatten"),
        default="average",
        help="of a plain backbone: the averages of the last block, or of all blocks, or the last "
        "block's whole map (average)",
    )
    add_rating_options(parser, required=False)
    add_machine_options(parser)
    add_scheduler_option(parser)
    parser.add_argument(
        "--shard-rows",
        type=int,
        metavar="N",
        help="photos of a shard: fewer where many workers are to share few photos (with "
        "--scheduler 4096, else 128)",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--force", action="store_true", help="replace an output that is there")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="exit status 1 if photos could not be read; the others are written all the same (0)",
    )
    return parser


def extract_features_of_photos(args: argparse.Namespace) -> int:
    """Write the feature file and print what it holds."""
    from decaf.extraction.feature_file import extract_features

    if args.shard_rows is not None and args.shard_rows < 1:
        raise InputError(f"--shard-rows {args.shard_rows}: at least 1 is needed")
    network = _network(args)
    extraction = extract_features(
        args.photos if args.ratings is None else read_ratings_of(args, args.photos),
        network,
        args.output,
        precision=args.precision,
        engine=args.engine,
        cache=args.cache,
        scheduler=args.scheduler,
        shard_rows=args.shard_rows,
        force=args.force,
    )
    if args.ratings is None:
        report_passed_over(args.photos)
    _report_changed(extraction.changed)
    report_failed(extraction.failed)
    shards, failed = extraction.n_shards, len(extraction.failed)
    print(
        f"{args.output}: {extraction.n_rows:,} photos × {extraction.n_features:,} features"
        + (f", in a folder of {shards:,} shards" if shards else "")
        + (f", {failed:,} photos failed" if failed else "")
    )
    return 1 if extraction.failed and args.strict else 0


def _network(args: argparse.Namespace) -> Path | PlainBackbone:
    if bool(args.network) == bool(args.backbone):
        raise InputError("give either --network FILE or --backbone NAME")
    if args.network:
        return args.network
    return backbone_of(args, args.pooling, args.backbone, args.size)


def _report_changed(changed: list[str]) -> None:
    if changed:
        print(
            f"{len(changed):,} photos have changed since the interrupted run, and were extracted "
            f"again: {changed[0]!r}{' …' if len(changed) > 1 else ''}",
            file=sys.stderr,
        )
