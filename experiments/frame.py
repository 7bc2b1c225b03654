"""The frame of every experiment: it parses the options, calls the idea, and writes its page."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decaf.backend import import_keras
from decaf.commands.running import run_command
from experiments.pages import PAGE, RESULTS, Page, write_page
from features.errors import InputError

Option = Callable[[argparse.ArgumentParser], object]


@dataclass(frozen=True)
class Experiment:
    """An idea, and what can be chosen about it.

    Attributes
    ----------
    about : str
        The module's docstring, for ``--help``.
    run : callable
        Parsed arguments → page; ``args.folder`` takes the results.
    options : sequence of callable
        Each adds options to a parser; ``--out`` and ``--force`` are there anyway.
    part : callable, optional
        Parsed arguments → name of the folder within the experiment's for their results; by default
        that of the photos, where there are any.
    """

    about: str
    run: Callable[[argparse.Namespace], Page]
    options: Sequence[Option] = ()
    part: Callable[[argparse.Namespace], str] | None = None


def option(flag: str, help: str, default: Any = None, **keywords: Any) -> Option:
    """An option; its default, which its help tells, gives its type."""
    if default is not None:
        keywords = {"type": type(default), "default": default} | keywords
        help = f"{help} ({default})".lstrip()
    return lambda parser: parser.add_argument(flag, help=help, **keywords)


def at_once(flag: str, help: str, default: Sequence[Any], **keywords: Any) -> Option:
    """An option with several values."""
    return _plural(flag, help, default, nargs="+", **keywords)


def several(flag: str, help: str, default: Sequence[Any], **keywords: Any) -> Option:
    """An option that may be given again and again, in place of its defaults."""
    return _plural(flag, help, default, action=_Several, **keywords)


def run_experiment(
    name: str, experiment: Experiment, argv: Sequence[str] | None = None, module: str = ""
) -> int:
    """Run an experiment from its command line; give the exit status.

    Parameters
    ----------
    name : str
        Of the experiment, and of the folder of its results.
    experiment : Experiment
    argv : sequence of str, optional
        ``sys.argv[1:]`` by default.
    module : str, optional
        What is run in place of ``experiments`` with the name.
    """
    program = ["python", "-m", *([module] if module else ["experiments", name])]
    parser = argparse.ArgumentParser(shlex.join(program), description=experiment.about)
    for add in experiment.options:
        add(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help=f"of the results (one within {RESULTS}/{name})",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace results of other settings in the folder"
    )

    def work(args: argparse.Namespace) -> int:
        args.folder = results_folder(name, args, experiment.part)
        import_keras()
        words = sys.argv[1:] if argv is None else argv
        page = experiment.run(args)
        write_page(args.folder, page, shlex.join([*program, *words]))
        print(args.folder / PAGE)
        return int(page.failed)

    return run_command(work, parser, argv)


def results_folder(
    name: str,
    args: argparse.Namespace,
    part: Callable[[argparse.Namespace], str] | None = None,
) -> Path:
    """The folder for the results; those that are there stay without ``--force``.

    Raises
    ------
    InputError
        If it holds a page.
    """
    folder = args.out
    if folder is None:
        folder = RESULTS / name
        if part is not None:
            folder /= part(args)
        elif hasattr(args, "data"):
            folder /= args.data.resolve().name
    if (folder / PAGE).exists() and not args.force:
        raise InputError(f"{folder}: holds results already; choose another --out, or add --force")
    return folder


def _plural(flag, help, default, **keywords):
    told = f"{help} ({' '.join(map(str, default))})".lstrip()
    keywords |= {"type": type(default[0]), "default": tuple(default), "help": told}
    return lambda parser: parser.add_argument(flag, **keywords)


class _Several(argparse.Action):
    """Collects what is given; the defaults count only where nothing is."""

    def __call__(self, parser, namespace, values, option_string=None):
        given = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [values] if given is self.default else [*given, values])
