"""What may import what: the rooms lie above one another, and no import goes upwards."""

import ast
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
