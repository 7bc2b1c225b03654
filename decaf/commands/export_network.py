"""export-network: a model → one file for another runtime, or a page for cameras, checked."""

from __future__ import annotations

import argparse
import functools
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from decaf.backend import import_keras
from decaf.camera.litert_js import PACKAGE
from decaf.camera.page import PAGE_FILE, check_page_folder, export_camera_page
from decaf.commands.options import PHOTOS, add_rating_options, read_ratings_of
from decaf.commands.printing import printable, report_failed
from decaf.commands.running import run_command
from decaf.models.formats import (
    AUC_TOLERANCE,
    ENOUGH_PHOTOS,
    PRECISIONS,
    TOLERANCES,
    beside,
    check_destination,
)
from features.errors import InputError

if TYPE_CHECKING:
    from decaf.models.export import Decoding, Exported

DESCRIPTION = """\
Put a model's network and classifier into one file for ONNX Runtime or LiteRT,
or into a page that scores what a camera sees, and check the file against the
model.
"""
EXAMPLES = """\
The file takes the RGB bytes of one photo, 1 × size × size × 3, uint8, and gives
the probability of "professional", 1 × 1, float32. Everything but the resize is
inside; the command prints size and kind of the resize. The file says in its
metadata what it takes and gives, what trained it, how well it did, and under
which licence its weights came. The file beside it, FILE.json, says the same,
and the probabilities of some photos, by which another program can be tested;
`b2sum -l 128` gives their digests.

A linear classifier (ridge, logistic-regression, linear-svm) or a Gaussian
process is folded into it with its calibration; for others take --head softmax,
the network's own output, which is not calibrated. Of a network that predicts
scores or votes that is the share of what it predicts above the midpoint.

Before it is put in its place, the file scores photos with its own runtime:
those of --photos or --ratings that the model has not seen, or all, if fewer
than 40 are unseen; else sample photos. Where a probability is farther from the
model's than --tolerance, or the AUC than --auc-tolerance, no file is left, and
the exit status is 1. The photos are decoded by the README's code for devices,
too, and the largest difference that makes is printed.

An output that is a folder becomes a page for phones and laptops: it scores,
live, what their camera sees, and photos that are dropped onto it, by a LiteRT
file that runs in the browser; nothing leaves the device. It tells how many in a
hundred of the photos that judged the model are no better. LiteRT.js comes from
its npm package, from a public address, or with --runtime out of a folder:
`npm pack {package}`, unpacked. `python -m http.server` in the folder
serves the page; docs/camera.md tells how a phone gets to it.

examples:
  export-network model/ -o scorer.onnx
  export-network model/ -o camera/ --precision float16 --runtime package/
  export-network model/ -o scorer.tflite --precision int8 --photos album
  export-network model/ -o scorer.tflite --precision int8-full \\
      --photos photos --ratings photos/ratings.csv
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run_command(export_network, build_parser(), argv, resumes="begins anew")


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        "export-network",
        description=DESCRIPTION,
        epilog=EXAMPLES.format(package=PACKAGE),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model folder")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUTPUT",
        help="ends in .onnx (ONNX Runtime) or .tflite (LiteRT), or is a folder, for a page",
    )
    parser.add_argument("--force", action="store_true", help="replace an output that is there")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="of the weights; int8-full computes in int8, too, and needs --photos (float32)",
    )
    parser.add_argument(
        "--head",
        choices=("classifier", "softmax"),
        default="classifier",
        help="what gives the probability (classifier)",
    )
    parser.add_argument(
        "--dynamic-batch",
        action="store_true",
        help="take any number of photos at once, and not one",
    )
    parser.add_argument(
        "--runtime",
        type=Path,
        metavar="FOLDER",
        help=f"of the package {PACKAGE}, to be copied to the page, which then needs no network",
    )
    check = parser.add_argument_group("check")
    check.add_argument(
        "--photos",
        type=Path,
        metavar="PHOTOS",
        help=PHOTOS,
    )
    check.add_argument(
        "--tolerance",
        type=float,
        metavar="P",
        help="largest difference of a probability "
        f"({', '.join(f'{name} {tolerance:g}' for name, tolerance in TOLERANCES.items())})",
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


def export_network(args: argparse.Namespace) -> int:
    """Export a model, and print what is in the file; a page's is in its folder."""
    output = Path(args.output)
    is_page = args.output.endswith(("/", os.sep)) or not output.suffix or output.is_dir()
    if args.runtime is not None and not is_page:
        raise InputError(f"{output}: --runtime needs a page: choose an output that is a folder")
    if args.dynamic_batch and is_page:
        raise InputError(f"{output}: a page takes one photo at once; leave --dynamic-batch out")
    os.environ["KERAS_BACKEND"] = "tensorflow"  # the one that exports
    import_keras()
    from decaf.models.export import ScoresDiffer, export_model
    from decaf.models.model import load_model

    export: Callable[..., Exported] = export_model
    if is_page:
        check_page_folder(output, force=args.force)
        export = functools.partial(export_camera_page, runtime=args.runtime)
    else:
        check_destination(output, force=args.force)
    try:
        exported = export(
            load_model(args.model),
            output,
            precision=args.precision,
            head=args.head,
            photos=read_ratings_of(args, args.photos) if args.ratings else args.photos,
            tolerance=args.tolerance,
            auc_tolerance=args.auc_tolerance,
            dynamic_batch=args.dynamic_batch,
            force=args.force,
        )
    except ScoresDiffer as error:
        print(f"export-network: error: {error}", file=sys.stderr)
        return 1
    report_failed(exported.failed)
    _describe(exported)
    if is_page:
        print(f"{output}: {PAGE_FILE}; serve it with: python -m http.server --directory {output}")
    return 0


def _describe(exported: Exported) -> None:
    print(_photos(exported))
    print(
        f"largest difference of the probability {exported.difference:.5f} "
        f"(tolerance {exported.tolerance:g})"
    )
    print(_decoding(exported.decoding))
    if exported.auc is not None:
        before, after = exported.auc
        print(
            f"AUC {before:.4f} → {after:.4f}, {after - before:+.4f} "
            f"(tolerance {exported.auc_tolerance:g})"
        )
    size, batch = exported.size, "n" if exported.dynamic_batch else "1"
    how = {"squash": "squashed", "crop": "cropped", "pad": "padded"}[exported.resize]
    print(
        f"{'file':28}{'precision':11}{'size':>9}{'parameters':>13}{'one thread':>12}\n"
        f"{exported.path.name:28}{exported.precision:11}{exported.bytes / 1e6:6.2f} MB"
        f"{exported.parameters:13,}{1e3 * exported.seconds:9.1f} ms\n"
        f"takes photos {how} to {size} × {size}: {batch} × {size} × {size} × 3 bytes, RGB\n"
        f"{beside(exported.path).name}: what the file says of itself, and a test vector"
    )
    if exported.description.licence is not None:
        print(textwrap.fill(f"weights: {exported.description.licence}", 80))


def _photos(exported: Exported) -> str:
    """Which photos checked it."""
    kind = "sample photos" if exported.are_samples else "photos"
    if not exported.n_seen:
        return (
            f"checked on {exported.photos:,} {kind} that the model has not seen, "
            f"with {exported.runtime}:"
        )
    return (
        f"checked on {exported.photos:,} {kind} with {exported.runtime};\n"
        f"{exported.n_seen:,} of them trained the model, and fewer than {ENOUGH_PHOTOS} others are "
        "there:"
    )


def _decoding(decoding: Decoding) -> str:
    """What becomes of the scores where the README's code decodes the photos."""
    photo = "" if decoding.photo is None else f" ({printable(decoding.photo)})"
    unread = f"; {decoding.unread:,} photos it cannot read" if decoding.unread else ""
    return f"decoded by the README's code: {decoding.difference:.5f}{photo}{unread}"
