"""For every test, and every example in a docstring: a cache of their own, sample photos."""

import contextlib
import os
from pathlib import Path

import pytest

# PyTorch's CUDA builds bring Triton, whose library crashes if TensorFlow's was loaded before it.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401

# Before Keras is imported anywhere: its errors only, and the same hardware everywhere.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture(scope="session")
def shared_data():
    """The rated photographs that developers measure on; never part of the project."""
    folder = Path(__file__).parents[1] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the measuring photographs in ../shared/data")
    return folder


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """A cache of activations that the tests of one process share, apart from the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DECAF_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """A folder of 60 sample photos with their ratings.csv; tests do not change it."""
    from features.samples import make_samples

    folder = tmp_path_factory.mktemp("samples") / "photos"
    make_samples(folder, n=60)
    return folder


def pytest_terminal_summary(terminalreporter):
    """Show what tests have recorded as their summary, from whichever process they ran in."""
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == "summary":
                terminalreporter.write_line(text)
