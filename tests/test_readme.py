"""The README's examples, run one after another as a reader would."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from decaf.networks.backbones import list_backbones
from features.samples import make_samples

ROOT = Path(__file__).parents[1]
EXAMPLES = re.findall(
    r"^```(bash|python)\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S
)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with rated photos, as the examples suppose."""
    folder = tmp_path_factory.mktemp("readme")
    make_samples(folder / "photos", n=80)
    return folder


def test_the_examples_run_in_their_order(workplace):
    assert len(EXAMPLES) >= 5
    commands = Path(sys.executable).parent
    env = os.environ | {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    for language, example in EXAMPLES:
        if name := re.match(r"# (\w+\.py)\n", example):
            (workplace / name[1]).write_text(example)
            continue
        argv = ["bash", "-euo", "pipefail", "-c"] if language == "bash" else [sys.executable, "-c"]
        done = subprocess.run(
            [*argv, example], cwd=workplace, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{example}\n{done.stderr}"
    assert (workplace / "model" / "report.html").stat().st_size > 10_000
    assert (workplace / "judged" / "results.csv").exists()
    assert (workplace / "ranking" / "ranking.html").stat().st_size > 10_000
    assert len(list((workplace / "photos").glob("*.jpg.xmp"))) == 80


def test_the_error_that_the_readme_shows_is_the_one_that_a_hidden_package_gives(tmp_path):
    (tmp_path / "features.py").write_text("")
    code = [sys.executable, "-c", "import decaf"]
    done = subprocess.run(code, cwd=tmp_path, capture_output=True, text=True)
    told = done.stderr.splitlines()[-1].replace(str(tmp_path), "/home/you")
    assert f"```\n{told}\n```" in (ROOT / "README.md").read_text()


def test_the_readme_has_a_row_for_every_backbone():
    section = (ROOT / "README.md").read_text().split("\n## Backbones\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\|(.*?)\|", section, re.M)
    assert set(re.findall(r"`([\w-]+)`", " ".join(cells))) == set(list_backbones())


def test_the_files_that_the_readme_links_to_are_there():
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    files = [link for link in links if not link.startswith(("https://", "#"))]
    missing = [file for file in files if not (ROOT / file).exists()]
    assert files and not missing, missing
