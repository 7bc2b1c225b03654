"""suggest-edits: photos → the few edits that are expected to help each most, on a page."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from decaf.backend import import_keras
from decaf.commands.options import PHOTOS, add_machine_options
from decaf.commands.printing import printable, report_failed, report_passed_over
from decaf.commands.running import run_command
from features.errors import InputError, NotTaught
from features.folders import check_writable, lies_in

if TYPE_CHECKING:
    from decaf.editing.copies import Copied
    from decaf.editing.damage_critic import DamageCritic
    from decaf.models.model import Model

DESCRIPTION = """\
Suggest for each photo the few edits that are expected to help it most: a crop,
straightening, exposure, white balance, contrast, saturation; or to leave it as
it is. Photos are read only: none is changed, moved or deleted.
"""
EXAMPLES = """\
A model of whole photos hardly sees that a photo is too dark or tilted. So it is
taught once, by good photos and damaged copies of them (--teach; no ratings are
needed, and the model's order of photos stays as it is), and then suggests what
undoes such damage, as far as it has shown that it sees it.

The folder gets index.html (before and after, and what each edit brings) and
edits.json. On the page edits are accepted; it gives chosen.json for --apply,
which writes edited copies, never over a photo.

examples:
  suggest-edits --model model/ --teach good-photos
  suggest-edits album --model model/ -o edits/
  suggest-edits album --apply chosen.json -o copies/
"""
# As many as can be read at a glance.
SHOWN = 5


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run_command(suggest_edits, build_parser(), argv)


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        "suggest-edits",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photos", type=Path, nargs="?", metavar="PHOTOS", help=PHOTOS)
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="a model of fit-classifier")
    parser.add_argument(
        "--teach",
        type=Path,
        metavar="PHOTOS",
        help="20 to 300 photos that are good as they are; what they teach is kept beside the model",
    )
    parser.add_argument(
        "--save",
        type=Path,
        metavar="FOLDER",
        help="write edited copies of all photos at once, to this folder",
    )
    parser.add_argument(
        "--apply", type=Path, metavar="FILE", help="write edited copies, as this file tells"
    )
    # Edits are compared in float32 alone.
    add_machine_options(parser, precision=False)
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="of the results")
    parser.add_argument(
        "--force", action="store_true", help="replace what somebody has changed in the folder"
    )
    return parser


def suggest_edits(args: argparse.Namespace) -> None:
    """Teach, suggest, or apply."""
    _check(args)
    if args.apply is not None:
        _apply(args)
        return
    from decaf.editing.page import check_page_folder

    if args.photos is not None:
        check_page_folder(args.output, force=args.force)
    for written in (args.save, args.teach and args.model):
        if written is not None:
            check_writable(written)
    import_keras()
    from decaf.editing.damage_critic import load_critic
    from decaf.models.model import load_model

    model = load_model(args.model, "float32", args.engine)
    critic = load_critic(model) if args.teach is None else _teach(model, args)
    if critic is None:
        raise NotTaught(f"{args.model}: has not been taught yet what damages photos")
    if args.photos is not None:
        _suggest(model, critic, args)


def _check(args: argparse.Namespace) -> None:
    if args.photos is None and args.teach is None:
        raise InputError("name the photos")
    if (args.photos is None) != (args.output is None):
        raise InputError("PHOTOS and -o FOLDER need each other")
    if (args.model is None) == (args.apply is None):
        raise InputError("give either --model, or --apply with a file of edits")
    if args.apply is not None and (args.photos is None or args.teach or args.save or args.force):
        raise InputError("--apply takes the photos, and neither --teach, --save nor --force")
    if args.save is not None and args.photos is None:
        raise InputError("--save takes the photos")
    folders = [folder for folder in (args.output, args.save) if folder is not None]
    for folder in folders:
        if args.photos.is_dir() and lies_in(folder, args.photos):
            raise InputError(
                f"{folder}: lies in {args.photos}, and would be taken for photos of it; choose "
                "another folder"
            )
    if args.save is not None and lies_in(args.save, args.output):
        raise InputError(f"{args.save}: lies in the page's folder; choose another one for --save")


def _teach(model: Model, args: argparse.Namespace) -> DamageCritic:
    from decaf.editing.damage_teaching import teach_damage
    from features.photos import find_photos, photo_root

    names = find_photos(args.teach)
    paths = [str(photo_root(args.teach) / name) for name in names]
    critic = teach_damage(model, paths, cache=args.cache)
    critic.save(args.model)
    record = critic.record
    print(f"taught by {record.photos:,} photos; of others it sees the damage in")
    for kind, share in record.right.items():
        print(f"  {kind:18}{share:4.0%}{'' if kind in record.least_gains else '  (not undone)'}")
    return critic


def _suggest(model: Model, critic: DamageCritic, args: argparse.Namespace) -> None:
    from decaf.editing.album import suggest_for_album
    from decaf.editing.copies import write_copies
    from decaf.editing.edits import describe
    from decaf.editing.page import EDITS_FILE, PAGE_FILE, write_page
    from decaf.editing.suggestions import certainty

    suggestions, failed = suggest_for_album(args.photos, model, critic, cache=args.cache)
    report_passed_over(args.photos)
    report_failed(failed)
    facts = {"model": str(args.model), "taught by": f"{critic.record.photos:,} photos"}
    write_page(args.output, suggestions, args.photos.resolve().name, facts, force=True)
    edited = [each for each in suggestions if each.steps]
    print(f"{len(edited):,} of {len(suggestions):,} photos: edits are expected to help")
    for each in edited[:SHOWN]:
        print(printable(each.name))
        for step in each.steps:
            print(f"  {describe(step.edit)}\n    {certainty(step)}")
    print(f"{args.output}: {PAGE_FILE}, {EDITS_FILE}")
    if args.save is not None:
        _print_copied(write_copies(edited, args.save), args.save)


def _apply(args: argparse.Namespace) -> None:
    from decaf.editing.copies import write_copies
    from decaf.editing.suggestions import read_suggestions
    from features.photos import photo_root

    if not args.photos.exists():
        raise InputError(f"{args.photos}: there is no such folder or file")
    suggestions = read_suggestions(args.apply, photo_root(args.photos))
    copied = write_copies(suggestions, args.output)
    _print_copied(copied, args.output)
    if copied.failed and not copied.photos:
        raise InputError(f"{args.photos}: none of the photos of {args.apply} can be read")


def _print_copied(copied: Copied, folder: Path) -> None:
    report_failed(copied.failed)
    print(f"{folder}: {copied.photos:,} copies, {copied.sidecars:,} sidecars")
