"""--help: examples, lists of what there is, in 80 columns, at once."""

import os
import subprocess
import sys

import pytest

from classifiers.catalogue import list_classifiers
from decaf.networks.backbones import list_backbones

COMMANDS = [
    "finetune-network",
    "extract-features",
    "fit-classifier",
    "rank-photos",
    "export-network",
    "rate-photos",
    "score-camera",
    "suggest-edits",
]
# What takes long to import, or brings it along.
HEAVY = {
    "numpy",
    "scipy",
    "sklearn",
    "pandas",
    "h5py",
    "PIL",
    "jinja2",
    "pgmpy",
    "matplotlib",
    "starlette",
}
HEAVY |= {"keras", "tensorflow", "jax", "torch", "onnx", "starlette", "cv2"}


def help_of(command):
    """The help of a command in 80 columns, of a Python that imports nothing heavy for it."""
    module = command.replace("-", "_")
    code = (
        "import sys\n"
        f"from decaf.commands.{module} import build_parser\n"
        "print(build_parser().format_help())\n"
        f"assert not {HEAVY} & set(sys.modules), {HEAVY} & set(sys.modules)\n"
    )
    environment = os.environ | {"COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_gives_examples_and_imports_nothing_heavy(command):
    told = help_of(command)
    assert f"examples:\n  {command} " in told
    assert max(map(len, told.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS[:3])
def test_help_names_every_backbone(command):
    listed = help_of(command).split("\nbackbones:\n")[1].split("\n\n")[0]
    assert listed.replace("\n ", "").strip().split(", ") == list_backbones()


def test_help_names_every_classifier():
    listed = help_of("fit-classifier").split("\nclassifiers:\n")[1]
    words = listed.replace("; and by name only:", ",").replace("\n ", "").strip().split(", ")
    assert sorted(words) == sorted(list_classifiers())


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        ("fit-classifier", "features.h5 -o full"),
        ("rank-photos", "photos --model model -o full"),
        ("export-network", "model -o taken.onnx"),
    ],
)
def test_an_output_that_is_taken_is_refused_in_one_line_and_no_word_of_the_back_end(
    tmp_path, command, argv
):
    (tmp_path / "full").mkdir()
    for taken in ("full/mine.txt", "taken.onnx"):
        (tmp_path / taken).touch()
    module = command.replace("-", "_")
    code = f"import sys\nfrom decaf.commands.{module} import main\nsys.exit(main({argv.split()}))\n"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert "add --force" in done.stderr
