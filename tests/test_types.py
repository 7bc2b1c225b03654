"""Every public function has types; `make lint` checks with mypy that they are true."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = [
    path.relative_to(ROOT).as_posix()
    for top in ("features", "classifiers", "decaf")
    for path in sorted((ROOT / top).rglob("*.py"))
]


def untyped(body, owner=""):
    """Give the public functions and methods that lack the type of an argument or of the result."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from untyped(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and _is_public(node.name):
            of = node.args
            given = [
                *of.posonlyargs,
                *of.args,
                *of.kwonlyargs,
                *filter(None, (of.vararg, of.kwarg)),
            ]
            given = [arg for arg in given if not (owner and arg.arg in ("self", "cls"))]
            typed = node.returns or node.name == "__init__"
            if not (typed and all(arg.annotation for arg in given)):
                yield owner + node.name


def _is_public(name):
    return name == "__init__" or not name.startswith("_")


@pytest.mark.parametrize("module", MODULES)
def test_every_public_function_has_types(module):
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    assert list(untyped(tree.body)) == []
