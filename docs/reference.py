"""Build the API reference: ``python docs/reference.py FOLDER``. A warning ends it."""

import pkgutil
import sys
import warnings
from importlib import import_module
from pathlib import Path

import numpy
import pdoc

from decaf.backend import import_keras

PACKAGES = ("features", "classifiers", "decaf")


def show_all(name):
    """Let pdoc see what a package imports on first use only, and the modules beside it."""
    package = import_module(name)
    offered = getattr(package, "__all__", ())
    for lazy in offered:
        setattr(package, lazy, getattr(package, lazy))
    if offered:
        package.__all__ = [
            *offered,
            *(part.name for part in pkgutil.iter_modules(package.__path__)),
        ]


def main(folder):
    """Write a page for each module."""
    import_keras()
    # pdoc looks for what annotates a NamedTuple among the modules, and not in the file.
    sys.modules["np"] = numpy
    for package in PACKAGES:
        show_all(package)
    warnings.filterwarnings("error", module="pdoc")
    pdoc.render.configure(docformat="numpy")
    pdoc.pdoc(*PACKAGES, output_directory=Path(folder))


if __name__ == "__main__":
    main(sys.argv[1])
