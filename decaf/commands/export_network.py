"""export-network: a model → one file that scores photos with another runtime, checked."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from importlib import metadata
from itertools import chain
from pathlib import Path

from decaf.backend import import_keras
from decaf.commands.common import add_rating_options, read_ratings_of, report_failed, run_command
from features.errors import InputError
from features.files import writing

DESCRIPTION = """\
Put a model's network and classifier into one file for ONNX Runtime or LiteRT,
and check the file against the model.
"""
EXAMPLES = """\
The file takes the RGB bytes of one photo, 1 × size × size × 3, uint8, and gives
the probability of "professional", 1 × 1, float32. Everything but the resize is
inside; the command prints size and kind of the resize.

A linear classifier (logistic-regression, linear-svm) is folded into the file
with its calibration; for others take --head softmax, the network's own output,
which is not calibrated. Of a network that predicts votes that is the share of
the votes above the midpoint.

Before it is put in its place, the file scores photos with its own runtime:
those of --photos or --ratings, else sample photos. Where a probability is
farther from the model's than --tolerance, or the AUC than --auc-tolerance, no
file is left, and the exit status is 1.

examples:
  export-network model/ -o scorer.onnx
  export-network model/ -o scorer.tflite --precision int8 --photos album
  export-network model/ -o scorer.tflite --precision int8-full \\
      --photos photos --ratings photos/ratings.csv
"""
# Of a probability. float16 has 11 significant bits and int8 8, and errors add up over the layers.
TOLERANCES = {"float32": 0.001, "float16": 0.01, "int8": 0.1, "int8-full": 0.15}
AUC_TOLERANCE = 0.005
N_SAMPLES = 40
N_RUNS = 20
RUNTIMES = {".onnx": "onnxruntime", ".tflite": "ai-edge-litert"}


class CheckFailed(Exception):
    """An exported file that does not score as its model does."""


def main(argv=None) -> int:
    """Run the command."""
    parser = build_parser()
    try:
        return run_command(export_model, parser, argv)
    except CheckFailed as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        "export-network",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model folder")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="ends in .onnx (ONNX Runtime) or .tflite (LiteRT)",
    )
    parser.add_argument("--force", action="store_true", help="replace an output that is there")
    parser.add_argument(
        "--precision",
        choices=tuple(TOLERANCES),
        default="float32",
        help="of the weights; int8-full computes in int8, too, and needs --photos (float32)",
    )
    parser.add_argument(
        "--head",
        choices=("classifier", "softmax"),
        default="classifier",
        help="what gives the probability (classifier)",
    )
    check = parser.add_argument_group("check")
    check.add_argument(
        "--photos",
        type=Path,
        metavar="PHOTOS",
        help="folder of photos, .txt list of paths, or .csv with a column file",
    )
    check.add_argument(
        "--tolerance",
        type=float,
        metavar="P",
        help="largest difference of a probability (float32 0.001, float16 0.01, int8 0.1, "
        "int8-full 0.15)",
    )
    check.add_argument(
        "--auc-tolerance",
        type=float,
        default=AUC_TOLERANCE,
        metavar="A",
        help=f"largest change of the AUC, with --ratings ({AUC_TOLERANCE})",
    )
    add_rating_options(parser, required=False)
    return parser


def export_model(args: argparse.Namespace) -> None:
    """Export a model, check the file, and put it in its place."""
    os.environ["KERAS_BACKEND"] = "tensorflow"  # the one that exports
    import_keras()
    from decaf.models.export import (
        check_format,
        export_network,
        open_scorer,
        predict_photos,
        probability_network,
        representative_rows,
    )
    from decaf.models.model import load_model

    check_format(args.output)
    if args.output.exists() and not args.force:
        raise InputError(f"{args.output} is there already: choose another name, or add --force")
    if not args.output.parent.is_dir():
        raise InputError(f"{args.output.parent}: there is no such folder; make it first")
    if args.precision == "int8-full" and not (args.photos or args.ratings):
        raise InputError("--precision int8-full needs representative photos; name some by --photos")
    model = load_model(args.model, "float32")
    network = probability_network(model, args.head)
    rgb, label = _read_photos(args, network.input_shape[1], model.network_record["resize"])
    expected = predict_photos(model, args.head, rgb)
    with (
        writing(args.output),
        tempfile.TemporaryDirectory(dir=args.output.parent, prefix=".export-") as folder,
    ):
        part = Path(folder) / f"scorer{args.output.suffix}"
        export_network(network, part, args.precision, rgb[representative_rows(len(rgb))])
        score = open_scorer(part)
        _check(args, score, rgb, label, expected)
        _describe(args, part, network, score, rgb[0], model.network_record["resize"])
        os.replace(part, args.output)


def _read_photos(args, size, resize):
    """Photos in the network's size, (n_photos, size, size, 3), and their labels, if there are."""
    import numpy as np

    from features.photos import find_photos, photo_root
    from features.ratings import read_ratings
    from features.samples import make_samples

    if args.ratings:
        ratings = read_ratings_of(args, args.photos)
        rgb, readable = _decode(ratings.paths, size, resize)
        return rgb, np.asarray(ratings.label)[readable]
    if args.photos:
        root = photo_root(args.photos)
        return _decode([root / name for name in find_photos(args.photos)], size, resize)[0], None
    with tempfile.TemporaryDirectory() as folder:
        ratings = read_ratings(make_samples(Path(folder) / "samples", N_SAMPLES))
        return _decode(ratings.paths, size, resize)[0], None


def _decode(paths, size, resize):
    """The photos that can be read, and where they stand among the paths."""
    import numpy as np
    from tqdm import tqdm

    from decaf.extraction.forward_pass import decode_photos
    from features.photos import PhotoError

    photos, readable, failed = [], [], []
    decoded = chain.from_iterable(decode_photos([paths], size, resize))
    for position, photo in enumerate(tqdm(decoded, "reading", len(paths), unit="photo")):
        if isinstance(photo, PhotoError):
            failed.append((str(paths[position]), str(photo)))
        else:
            photos.append(photo[0])
            readable.append(position)
    report_failed(failed)
    if not photos:
        raise InputError(f"{paths[0]}: no photo could be read; name others with --photos")
    return np.array(photos), readable


def _check(args, score, rgb, label, expected):
    """Compare the file's scores with the model's; tell both, and fail where they differ."""
    import numpy as np
    from sklearn.metrics import roc_auc_score
    from tqdm import tqdm

    found = np.array([score(photo) for photo in tqdm(rgb, "checking", unit="photo")])
    runtime = RUNTIMES[args.output.suffix]
    tolerance = TOLERANCES[args.precision] if args.tolerance is None else args.tolerance
    difference = np.abs(found - expected).max()
    print(
        f"checked on {len(rgb):,} photos with {runtime} {metadata.version(runtime)}:\n"
        f"largest difference of the probability {difference:.5f} (tolerance {tolerance:g})"
    )
    if not difference <= tolerance:  # not a number is a failure, too
        raise CheckFailed(
            f"{args.output} not written: a probability differs by {difference:.5f} from the "
            f"model's, more than {tolerance:g}; try another --precision, or --tolerance"
        )
    if label is None or len(np.unique(label)) < 2:
        return
    before, after = roc_auc_score(label, expected), roc_auc_score(label, found)
    print(
        f"AUC {before:.4f} → {after:.4f}, {after - before:+.4f} (tolerance {args.auc_tolerance:g})"
    )
    if abs(after - before) > args.auc_tolerance:
        raise CheckFailed(
            f"{args.output} not written: the AUC changes by {after - before:+.4f}, more than "
            f"{args.auc_tolerance:g}; try another --precision, or --auc-tolerance"
        )


def _describe(args, path, network, score, rgb, resize):
    from decaf.models.export import measure_latency

    size = len(rgb)
    latency = measure_latency(score, rgb, N_RUNS)
    how = {"squash": "squashed", "crop": "cropped", "pad": "padded"}[resize]
    print(
        f"{'file':28}{'precision':11}{'size':>9}{'parameters':>13}{'one thread':>12}\n"
        f"{args.output.name:28}{args.precision:11}{path.stat().st_size / 1e6:6.2f} MB"
        f"{network.count_params():13,}{1e3 * latency:9.1f} ms\n"
        f"takes photos {how} to {size} × {size}: 1 × {size} × {size} × 3 bytes, RGB"
    )
