"""extract-features: photos → one feature file."""

from __future__ import annotations

import argparse
from pathlib import Path

from decaf.commands.common import (
    add_backbone_options,
    add_machine_options,
    add_rating_options,
    import_keras,
    report_failed,
    run_command,
    versions,
)
from features.errors import InputError

DESCRIPTION = """\
Write the features of photos to an HDF5 file, a row a photo: fc7 of a finetuned
network, or the pooled activations of a plain backbone. An interrupted run goes
on when it is started again.
"""
EXAMPLES = """\
examples:
  extract-features photos --network networks/vgg16-250.keras \\
      --ratings ratings.csv -o features.h5
  extract-features album --network networks/vgg16-250.keras -o album.h5
  extract-features photos --backbone vgg16 --pooling multilevel \\
      --ratings ratings.csv -o plain.h5
"""


def main(argv=None) -> int:
    """Run the command."""
    return run_command(extract_features_of_photos, build_parser(), argv)


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        "extract-features",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "photos",
        type=Path,
        metavar="PHOTOS",
        help="folder of photos, .txt list of paths, or .csv with a column file",
    )
    parser.add_argument(
        "--network", type=Path, metavar="FILE", help="a network of finetune-network"
    )
    add_backbone_options(parser, required=False)
    parser.add_argument(
        "--pooling",
        choices=("average", "multilevel", "flatten"),
        default="average",
        help="of a plain backbone: the averages of the last block, or of all blocks, or the last "
        "block's whole map (average)",
    )
    add_rating_options(parser, required=False)
    add_machine_options(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--force", action="store_true", help="replace an output that is there")
    return parser


def extract_features_of_photos(args: argparse.Namespace) -> None:
    """Write the feature file and print what it holds."""
    import_keras()
    from decaf.extraction import extract_features
    from decaf.pipeline import choose_precision

    if bool(args.network) == bool(args.backbone):
        raise InputError("give either --network FILE or --backbone NAME")
    if args.output.exists() and not args.force:
        raise InputError(f"{args.output} is there already: choose another name, or add --force")
    names, paths, columns, scale = _find_photos(args)
    precision = choose_precision(args.precision)
    if args.network:
        model, to_features, attributes, finetuned = _load(args.network, precision)
    else:
        model, to_features, attributes, finetuned = _build(args, precision)
    n_rows, failed = extract_features(
        names,
        paths,
        args.output,
        model,
        to_features,
        attributes["width"],
        columns=columns,
        finetuned=finetuned,
        attributes=attributes | scale | {"precision": precision, "versions": versions()},
        resize=attributes["resize"],
        cache=args.cache,
        force=args.force,
    )
    report_failed(failed)
    print(
        f"{args.output}: {n_rows:,} photos × {attributes['width']:,} features"
        + (f", {len(failed):,} photos failed" if failed else "")
    )


def _find_photos(args: argparse.Namespace) -> tuple[list[str], list[str], dict, dict]:
    """Names, paths, columns of ratings, and the attributes of their scale."""
    from features.photos import find_photos, photo_root
    from features.ratings import read_ratings

    if args.ratings is None:
        names = find_photos(args.photos)
        return names, [str(photo_root(args.photos) / name) for name in names], {}, {}
    ratings = read_ratings(
        args.ratings,
        args.photos,
        scale=args.scale,
        midpoint=args.midpoint,
        group_by=args.group_by,
        skip_missing=args.skip_missing,
    )
    columns = {
        column: getattr(ratings, column)
        for column in ("score", "label", "votes", "split", "group")
        if getattr(ratings, column) is not None
    }
    scale = {"scale": ratings.scale and list(ratings.scale), "midpoint": ratings.midpoint}
    return list(ratings.names), list(ratings.paths), columns, scale


def _load(path: Path, precision: str):
    """Convolutions, head and provenance of a finetuned network."""
    from decaf.network import load_network

    network, record = load_network(path, precision)
    finetuned = frozenset(record.pop("finetuned_on"))
    attributes = record | {"network": path.name}
    model, to_features = _part(network, record)
    return model, to_features, attributes, finetuned


def _part(network, record: dict):
    """Convolutions; and the head, which gives features and, if it has learnt them, votes."""
    import keras

    from decaf.network import split_network
    from decaf.votes import mean_and_spread

    model, _ = split_network(network, record["pooling"])
    fc6, fc7 = network.get_layer("fc6"), network.get_layer("fc7")
    head = keras.Model(fc6.input, [fc7.output, network.output])

    def to_features(activations):
        fc7, output = head.predict_on_batch(activations.astype("float32"))
        if record["outputs"] == ["snapshot", "professional"]:
            return fc7, {}
        return fc7, dict(zip(("predicted_mean", "predicted_spread"), mean_and_spread(output)))

    return model, to_features


def _build(args: argparse.Namespace, precision: str):
    """The activations of a plain backbone are the features."""
    from decaf.backbones import build_activations

    model = build_activations(
        args.backbone, (args.pooling,), args.blocks, args.weights, dtype=precision
    )
    attributes = {
        "backbone": args.backbone,
        "blocks": args.blocks,
        "pooling": args.pooling,
        "resize": args.resize,
        "width": model.output[args.pooling].shape[1],
    }
    return model, lambda activations: (activations.astype("float32"), {}), attributes, frozenset()
