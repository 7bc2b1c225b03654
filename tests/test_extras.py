"""The README names every extra; where a package of one is missing, the line is named, too."""

import importlib
import re
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from features import descriptors
from features.errors import InputError
from features.samples import make_samples

ROOT = Path(__file__).parents[1]


def test_the_readme_tells_what_every_extra_is_for():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
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
