"""rank-photos: a folder of photos → the same photos in the order of a model's taste."""

from __future__ import annotations

import argparse
from pathlib import Path

from decaf.backend import import_keras
from decaf.commands.common import (
    add_machine_options,
    printable,
    report_failed,
    run_command,
)
from decaf.commands.stars import add_star_options, check_star_options, give_stars
from features.errors import InputError
from features.folders import check_output_folder, filling_folder

DESCRIPTION = """\
Rank photos by a model, and write a table and a page to look through them.
Photos are read only: none is changed, moved or deleted.
"""
EXAMPLES = """\
The folder gets ranking.csv (rank and percentile among these photos, probability
of a professional photo, stack; last the photos that could not be read, and why)
and ranking.html. Photos of one burst, and copies of one picture, are stacked
under the best of them.

examples:
  rank-photos album --model model/ -o ranking/
  rank-photos album --model model/ -o ranking/ --copy-best 50 best/
  rank-photos album --model model/ -o ranking/ --xmp --dry-run
"""
COMMAND = "rank-photos"
OWN_FILES = ("ranking.csv", "ranking.html")


def main(argv=None) -> int:
    """Run the command."""
    return run_command(rank_folder, build_parser(), argv)


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        COMMAND,
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
        "--model", type=Path, required=True, metavar="FOLDER", help="a model of fit-classifier"
    )
    parser.add_argument(
        "--copy-best",
        nargs=2,
        metavar=("N", "FOLDER"),
        help="copy the best N photos, one of each stack, to this folder; their names there begin "
        "with their ranks",
    )
    add_star_options(parser)
    add_machine_options(parser)
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="of the ranking"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace a ranking that is in the folder"
    )
    return parser


def rank_folder(args: argparse.Namespace) -> None:
    """Rank the photos, write the table and the page, print the first ones."""
    n_copies, copy_folder = _check(args)
    from features.photos import find_photos, photo_root

    names = find_photos(args.photos)
    paths = [str(photo_root(args.photos) / name) for name in names]
    import_keras()
    from tqdm import tqdm

    from decaf.models.model import load_model
    from decaf.ranking.page import write_page
    from decaf.ranking.ranking import copy_best, rank_photos, write_table

    model = load_model(args.model, args.precision)
    scored = model.score_photos(paths, cache=args.cache)
    failed = [(names[i], reason) for i, reason in scored.activations.failed]
    report_failed(failed)
    if len(failed) == len(names):
        raise InputError(f"{args.photos}: none of its {len(names):,} photos can be read")
    ranking = rank_photos(names, paths, scored, model.record["pooling"])
    notes = _notes(model, scored, failed)
    # Until stars and copies are there, too, the same command may be given again.
    with filling_folder(args.output, COMMAND, OWN_FILES):
        write_table(args.output / "ranking.csv", ranking, failed)
        with tqdm(desc="thumbnails", total=len(ranking), unit="photo") as bar:
            write_page(
                args.output / "ranking.html",
                ranking,
                title=args.photos.resolve().name,
                facts=_facts(args, model.record),
                notes=notes,
                advance=bar.update,
            )
        _print_first(ranking)
        for note in notes:
            print(note)
        print(f"{args.output}: {', '.join(OWN_FILES)}")
        if args.xmp:
            give_stars(args, ranking)
        if n_copies:
            print(f"{copy_folder}: {copy_best(ranking, n_copies, copy_folder):,} photos copied")


def _check(args):
    """Refuse before anything long what would fail after it; N and FOLDER of --copy-best."""
    check_star_options(args)
    check_output_folder(args.output, force=args.force, owner=COMMAND)
    if args.copy_best is None:
        return 0, None
    n, folder = args.copy_best
    if not n.isdecimal() or int(n) < 1:
        raise InputError(f"--copy-best {n}: give how many photos, then the folder to copy them to")
    if Path(folder).exists() and not Path(folder).is_dir():
        raise InputError(f"{folder}: is a file; choose another folder with --copy-best")
    return int(n), Path(folder)


def _notes(model, scored, failed):
    """What a reader of the ranking must know."""
    notes = []
    seen = {*model.record["trained_on"]["digests"], *model.network_record["finetuned_on"]}
    n_seen = sum(digest in seen for digest in scored.activations.digests)
    if n_seen:
        notes.append(
            f"{n_seen:,} of these photos trained the model; their ranks are its memory of them."
        )
    if failed:
        notes.append(f"{len(failed):,} photos could not be read; ranking.csv says why.")
    return notes


def _facts(args, record):
    auc, error = record["judged"]["auc"], record["calibration"]["calibration_error"]["after"]
    return {
        "model": str(args.model),
        "classifier": f"{record['classifier']} on {record['features']}",
        "trained on": f"{record['trained_on']['photos']:,} photos",
        "how sure it is": f"AUC {auc['value']:.2f} ({auc['low']:.2f}–{auc['high']:.2f}): of a "
        "professional photo and a snapshot that it had not seen it ranked the right one higher so "
        f"often ({record['judged']['photos']:,} photos, 95 % interval)",
        "probability": "calibrated on photos that were held back"
        + ("" if error is None else f"; there it was off by {error:.2f} on average"),
    }


def _print_first(ranking):
    """Print the best photos, a row each, in 80 columns."""
    n_stacks = len({photo.stack for photo in ranking} - {None})
    print(f"{len(ranking):,} photos ranked, {n_stacks:,} stacks")
    print("rank  percentile  probability  file")
    for photo in [photo for photo in ranking if photo.is_top][:_SHOWN]:
        name = printable(photo.name)
        name = name if len(name) <= 48 else f"…{name[-47:]}"
        print(f"{photo.rank:4,}  {photo.percentile:10.1f}  {photo.probability:11.3f}  {name}")


# As many as can be read at a glance.
_SHOWN = 5
