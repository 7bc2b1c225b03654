"""What decaf needs: all of it declared, every extra explained, and named where it is missing."""

import ast
import importlib
import re
import sys
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from features import descriptors
from features.errors import InputError
from features.samples import make_samples

ROOT = Path(__file__).parents[1]
OURS = {"features", "classifiers", "decaf"}


@pytest.fixture(scope="module")
def setup():
    read = ConfigParser()
    read.read(ROOT / "setup.cfg")
    return read


def declared(lines):
    """Give the names of requirements, a line each; dask[distributed] is both."""
    requirements = map(Requirement, lines.strip().splitlines())
    return {canonicalize_name(name) for each in requirements for name in (each.name, *each.extras)}


class Imported(ast.NodeVisitor):
    """What a module imports while it runs, and not for its types alone."""

    def __init__(self):
        self.names = set()

    def visit_If(self, node):
        if ast.unparse(node.test) != "TYPE_CHECKING":
            self.generic_visit(node)

    def visit_Import(self, node):
        self.names.update(alias.name.split(".")[0] for alias in node.names)

    def visit_ImportFrom(self, node):
        self.names.add(node.module.split(".")[0])


def test_what_is_imported_is_declared_and_what_every_install_brings_is_imported(setup):
    always = declared(setup["options"]["install_requires"])
    extras = setup["options.extras_require"]
    at_times = set().union(*(declared(extras[name]) for name in extras if name != "test"))
    distributions = packages_distributions()
    imports = Imported()
    for top in OURS:
        for path in (ROOT / top).rglob("*.py"):
            imports.visit(ast.parse(path.read_text(encoding="utf-8")))
    wanted = set()
    for name in imports.names - sys.stdlib_module_names - OURS:
        found = set(map(canonicalize_name, distributions[name])) & (always | at_times)
        assert found, f"{name} is imported, and setup.cfg does not know it"
        wanted |= found
    assert always <= wanted


def test_the_readme_tells_what_every_extra_is_for(setup):
    rows = re.findall(r"^\|(.*?)\|", (ROOT / "README.md").read_text().split("| extra |")[1], re.M)
    named = re.findall(r"`(\w+)`", " ".join(rows))
    assert set(named) >= set(setup["options.extras_require"])


def test_descriptors_without_scikit_image_name_their_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ImportError, match=r"pip install 'decaf\[descriptors\]'"):
        importlib.reload(descriptors)


def test_sample_photos_without_scikit_image_name_their_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(InputError, match=r"pip install 'decaf\[samples\]'"):
        make_samples(tmp_path / "photos")
    assert not (tmp_path / "photos").exists()


def test_suggested_edits_without_scikit_image_name_their_extra(monkeypatch):
    from seeing_model import seeing_critic, seeing_model

    from decaf.editing.suggesting import Adviser

    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(InputError, match=r"pip install 'decaf\[edits\]'"):
        Adviser(seeing_model(), seeing_critic((1.0, 1.0, 1.0)))
