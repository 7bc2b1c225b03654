"""score-camera: a camera, a video or a stream → scores of its frames, the best of them kept."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from decaf.commands.running import run_command
from features.errors import InputError
from features.folders import check_output_folder

DESCRIPTION = """\
Score what a camera sees, or a video, frame by frame, and keep the best frames
of each stretch of time.
"""
EXAMPLES = """\
Each line tells when a frame was taken, how many in a hundred of the photos that
judged the model are no better, and the probability of a professional photo. Of
a camera and a stream the newest frame is scored, and never one that has waited.
With --keep the folder holds the best frames so far, whenever this is ended.

A .tflite file of export-network needs LiteRT alone, and no TensorFlow, as on a
Raspberry Pi: docs/camera.md tells how. It needs pip install 'decaf[camera]'.

examples:
  score-camera --model model/
  score-camera --model scorer.tflite --source picamera --keep 10 --every 60s \\
      -o best/
  score-camera --model model/ --source film.mp4 --interval 0.2
"""
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run_command(score_camera, build_parser(), argv, resumes="begins anew")


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        "score-camera",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model",
        type=Path,
        required=True,
        metavar="MODEL",
        help="a model of fit-classifier, or a .tflite or .onnx file of export-network",
    )
    parser.add_argument(
        "--source",
        default="0",
        help="the number of a camera, picamera, a video file, or the address of a stream (0)",
    )
    parser.add_argument(
        "--interval",
        type=_seconds,
        default=0.5,
        metavar="TIME",
        help="between two frames that are scored, at least; 0 takes all that it can (0.5)",
    )
    keep = parser.add_argument_group("best frames")
    keep.add_argument("--keep", type=int, metavar="N", help="keep the best N frames of a stretch")
    keep.add_argument(
        "--every",
        type=_seconds,
        default=60,
        metavar="TIME",
        help="how long a stretch is, such as 60s, 5m or 1h (60s)",
    )
    keep.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="of these frames")
    keep.add_argument(
        "--force", action="store_true", help="write into a folder that holds something"
    )
    return parser


def score_camera(args: argparse.Namespace) -> None:
    """Score the frames, print a line each, and keep the best."""
    if (args.keep is None) != (args.output is None):
        raise InputError("--keep N and -o FOLDER need each other")
    if args.keep is not None:
        if args.keep < 1 or not args.every > 0:
            raise InputError("--keep and --every: give numbers above 0")
        check_output_folder(args.output, force=args.force)
    from decaf.camera.frame_scorer import open_frame_scorer
    from decaf.camera.frames import read_frames
    from decaf.camera.stretches import BestOfStretches, clock

    scorer = open_frame_scorer(args.model)
    best = args.keep and BestOfStretches(args.output, args.keep, args.every, force=args.force)
    if scorer.compared_with is None:
        print("the model does not tell how photos score: no percentiles", file=sys.stderr)
    else:
        print(f"percentile: of {scorer.compared_with}, how many are no better", file=sys.stderr)
    print("time          percentile  probability")
    for frame in read_frames(args.source, args.interval):
        probability = scorer.score(frame.rgb)
        percentile = scorer.percentile(probability)
        told = "–" if percentile is None else f"{percentile:.0f}"
        label = f"{probability:.3f}" if percentile is None else f"{percentile:.0f} percent"
        is_kept = best and best.add(frame, probability, label)
        line = f"{clock(frame.seconds)}  {told:>10}  {probability:11.3f}"
        print(line + "  kept" * bool(is_kept), flush=True)


def _seconds(text: str) -> float:
    """A time such as 90, 90s, 1.5m or 1h."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: give a time such as 0.5, 60s, 5m or 1h")
    return float(found[1]) * _UNITS[found[2]]
