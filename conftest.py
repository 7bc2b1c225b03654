"""For every test, and every example in a docstring: a cache of their own, sample photos."""

import contextlib
import csv
import os
from pathlib import Path

import pytest
from PIL import Image

# PyTorch's CUDA builds bring Triton, whose library crashes if TensorFlow's was loaded before it.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401

# Before Keras is imported anywhere: its errors only, and the same hardware everywhere.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def pytest_collection_modifyitems(items):
    """The longest test first, which takes minutes: in the end one worker would wait for it."""
    items.sort(key=lambda item: item.path.name != "test_readme.py")


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


@pytest.fixture(scope="session")
def ava(samples, tmp_path_factory):
    """The sample photos as AVA has them, with one photo missing and one truncated."""
    folder = tmp_path_factory.mktemp("ava") / "AVA"
    (folder / "images").mkdir(parents=True)
    with open(samples / "ratings.csv", newline="", encoding="utf-8") as file:
        rated = list(csv.DictReader(file))
    groups = sorted({row["group"] for row in rated})
    lines, test = [], []
    for number, row in enumerate(rated, 1):
        image = 95_000 + number
        counts = " ".join(row[f"count{grade}"] for grade in range(1, 11))
        lines.append(f"{number} {image} {counts} 1 22 {groups.index(row['group']) + 1}\n")
        with Image.open(samples / row["file"]) as photo:
            photo.resize((128, 96)).save(folder / "images" / f"{image}.jpg")  # quick to describe
        if number % 3 == 0:
            test.append(f"{image}\n")
    first = folder / "images" / "95001.jpg"
    first.write_bytes(first.read_bytes()[:500])
    lines.append(f"{len(lines) + 1} 1234 0 0 0 0 0 9 9 9 9 9 0 0 1396\n")
    (folder / "AVA.txt").write_text("".join(lines))
    (folder / "aesthetics_image_lists").mkdir()
    (folder / "aesthetics_image_lists" / "generic_test.jpgl").write_text("".join(test))
    return folder


def pytest_terminal_summary(terminalreporter):
    """Show what tests have recorded as their summary, from whichever process they ran in."""
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == "summary":
                terminalreporter.write_line(text)
