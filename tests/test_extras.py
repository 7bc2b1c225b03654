"""Where a package of an extra is missing, the line that installs it is named."""

import importlib
import sys

import pytest

from features import descriptors
from features.errors import InputError
from features.samples import make_samples


def test_descriptors_without_scikit_image_name_their_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ImportError, match=r"pip install 'decaf\[descriptors\]'"):
        importlib.reload(descriptors)


def test_sample_photos_without_scikit_image_name_their_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(InputError, match=r"pip install 'decaf\[samples\]'"):
        make_samples(tmp_path / "photos")
    assert not (tmp_path / "photos").exists()
