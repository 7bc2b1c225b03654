"""LiteRT.js for tests, which are skipped where npm has not brought it."""

import sys
from pathlib import Path

import pytest

from decaf.camera.litert_js import PACKAGE


def runtime():
    """The unpacked package, where `make` puts it."""
    folder = Path(sys.prefix, "litertjs", "package")
    if not folder.is_dir():
        pytest.skip(f"needs LiteRT.js: npm pack {PACKAGE}, unpacked in {folder.parent}")
    return folder
