"""The rooms: no import goes upwards, and docs/architecture.md tells of every module."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up. A module belongs to the longest name here that its own begins with.
ROOMS = (
    "features",
    "classifiers",
    "decaf.backend",
    "decaf.networks",
    "decaf.extraction",
    "decaf.training",
    "decaf.models",
    "decaf.ranking",
    "decaf.rating",
    "decaf.camera",
    "decaf.editing",
    "decaf",
    "decaf.commands",
    "experiments",
)

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for top in ("features", "classifiers", "decaf", "experiments")
    for path in sorted((ROOT / top).rglob("*.py"))
}


def room(module):
    """Give the height of a module's room."""
    rooms = [name for name in ROOMS if f"{module}.".startswith(f"{name}.")]
    return ROOMS.index(max(rooms, key=len))


def imported(path):
    """Give every module of ours that a file imports, wherever in the file it does."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in inner]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in ROOMS)


@pytest.mark.parametrize("module", MODULES)
def test_no_import_goes_upwards(module):
    assert [name for name in imported(MODULES[module]) if room(name) > room(module)] == []


def test_the_map_tells_what_every_module_is_for_in_the_words_of_the_module():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    told, true = {}, {}
    for room, section in re.findall(r"^### `([a-z.]+)`\n(.*?)(?=^#)", page, re.M | re.S):
        told[room] = re.findall(r"^\| `.*$", section, re.M)
    for module, path in MODULES.items():
        if path.name != "__init__.py":
            room, _, name = module.rpartition(".")
            words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).splitlines()[0]
            true.setdefault(room, []).append(f"| `{name}` | {words} |")
    assert told == true
