"""extract-features: photos → one feature file."""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

from decaf.backend import import_keras, versions
from decaf.commands.common import (
    add_backbone_options,
    add_machine_options,
    add_rating_options,
    read_ratings_of,
    report_failed,
    run_command,
)
from decaf.extraction.cluster import add_scheduler_option
from features.errors import InputError

DESCRIPTION = """\
Write the features of photos to an HDF5 file, a row a photo: fc7 of a finetuned
network, or the pooled activations of a plain backbone. An interrupted run goes
on when it is started again. With --scheduler the workers of a Dask cluster
write it together: FILE is then an index of the folder FILE.parts, and both stay
together. Start the workers with the same decaf; photos, network and FILE lie in
folders that all machines share.
"""
EXAMPLES = """\
examples:
  extract-features photos --network networks/vgg16-250.keras \\
      --ratings ratings.csv -o features.h5
  extract-features album --network networks/vgg16-250.keras -o album.h5
  extract-features photos --backbone vgg16 --pooling multilevel \\
      --ratings ratings.csv -o plain.h5
  extract-features /shared/photos --network /shared/vgg16-250.keras \\
      --scheduler tcp://host:8786 -o /shared/features.h5
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
    add_scheduler_option(parser)
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

    if bool(args.network) == bool(args.backbone):
        raise InputError("give either --network FILE or --backbone NAME")
    names, paths, columns, scale = _find_photos(args)
    if args.network:
        load = functools.partial(_load, args.network.absolute(), args.precision)
    else:
        weights = Path(args.weights).absolute() if Path(args.weights).exists() else args.weights
        load = functools.partial(
            _build,
            args.backbone,
            args.blocks,
            args.pooling,
            weights,
            args.resize,
            args.precision,
        )
    extraction = extract_features(
        names,
        paths,
        args.output,
        load,
        columns=columns,
        attributes=scale,
        cache=args.cache,
        scheduler=args.scheduler,
        force=args.force,
    )
    _report_changed(extraction.changed)
    report_failed(extraction.failed)
    print(
        f"{args.output}: {extraction.n_rows:,} photos × {extraction.n_features:,} features"
        + (f", {len(extraction.failed):,} photos failed" if extraction.failed else "")
    )
    if extraction.shards is not None:
        print(f"an index of the shards in {extraction.shards.name}: both stay together")
    return 1 if extraction.failed and args.strict else 0


def _report_changed(changed: list[str]) -> None:
    if changed:
        print(
            f"{len(changed):,} photos have changed since the interrupted run, and were extracted "
            f"again: {changed[0]!r}{' …' if len(changed) > 1 else ''}",
            file=sys.stderr,
        )


def _find_photos(args: argparse.Namespace) -> tuple[list[str], list[str], dict, dict]:
    """Names, paths, columns of ratings, and the attributes of their scale."""
    from features.photos import find_photos, photo_root

    if args.ratings is None:
        names = find_photos(args.photos)
        return names, [str(photo_root(args.photos) / name) for name in names], {}, {}
    rated = read_ratings_of(args, args.photos)
    scale = {"scale": rated.scale and list(rated.scale), "midpoint": rated.midpoint}
    return list(rated.names), list(rated.paths), rated.columns(), scale


def _load(path: Path, precision: str):
    """Convolutions, head and provenance of a finetuned network."""
    import_keras()
    from decaf.backend import choose_precision
    from decaf.extraction.feature_file import FeatureNetwork
    from decaf.networks.network import load_network
    from decaf.networks.weights import file_sha256

    precision = choose_precision(precision)
    network, record = load_network(path, precision)
    if record["outputs"] is None:
        blocks = f" --blocks {record['blocks']}" if record.get("blocks") else ""
        raise InputError(
            f"{path}: is a plain backbone, without a head; give --backbone {record['backbone']}"
            f"{blocks} --pooling {record['pooling']} instead of --network"
        )
    finetuned = frozenset(record.pop("finetuned_on"))
    model, to_features = _part(network, record)
    digest = file_sha256(path)
    deciding = ("backbone", "blocks", "pooling", "resize", "width")
    settings = {key: record.pop(key) for key in deciding if key in record}
    return FeatureNetwork(
        model,
        to_features,
        settings["width"],
        settings | {"network": path.name, "network_digest": digest, "precision": precision},
        record | {"versions": versions()},
        finetuned,
    )


def _part(network, record: dict):
    """Convolutions; and the head, which gives features and, if it has learnt them, votes."""
    import keras

    from decaf.networks.network import split_network
    from decaf.networks.votes import mean_and_spread

    model, _ = split_network(network, record["pooling"])
    fc6, fc7 = network.get_layer("fc6"), network.get_layer("fc7")
    head = keras.Model(fc6.input, [fc7.output, network.output])

    def to_features(activations):
        fc7, output = head.predict_on_batch(activations.astype("float32"))
        if record["outputs"] == ["snapshot", "professional"]:
            return fc7, {}
        return fc7, dict(zip(("predicted_mean", "predicted_spread"), mean_and_spread(output)))

    return model, to_features


def _build(backbone, blocks, pooling, weights, resize, precision):
    """The activations of a plain backbone are the features."""
    import_keras()
    from decaf.backend import choose_precision
    from decaf.extraction.feature_file import FeatureNetwork
    from decaf.networks.backbones import build_activations

    precision = choose_precision(precision)
    model = build_activations(backbone, (pooling,), blocks, weights, dtype=precision)
    width = model.output[pooling].shape[1]
    settings = {
        "backbone": backbone,
        "blocks": blocks,
        "pooling": pooling,
        "resize": resize,
        "width": width,
        "weights": Path(weights).name,
        "precision": precision,
    }
    return FeatureNetwork(model, _as_they_are, width, settings, {"versions": versions()})


def _as_they_are(activations):
    return activations.astype("float32"), {}
