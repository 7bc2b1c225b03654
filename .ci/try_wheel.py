"""Prove that the wheel works by itself: run by the Python of an environment that has nothing else.

Everything in it is imported, every command answers, and photos go all the way to a ranked page.
"""

import csv
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from pkgutil import walk_packages

import numpy as np
from PIL import Image

PACKAGES = ("features", "classifiers", "decaf")
NEEDS_AN_EXTRA = "features.descriptors"


def import_everything():
    """Import every module from the environment, but for those that an extra serves."""
    for package in map(import_module, PACKAGES):
        assert Path(package.__file__).is_relative_to(sys.prefix), package.__file__
        # The packages on the way are imported by walking; what one raises is passed on.
        for module in walk_packages(package.__path__, f"{package.__name__}.", _refuse):
            if not module.name.startswith(NEEDS_AN_EXTRA):
                import_module(module.name)


def _refuse(name):
    if name != NEEDS_AN_EXTRA:
        raise


def run(name, *arguments):
    """Run an installed command; one that fails ends this."""
    subprocess.run([Path(sys.executable).parent / name, *arguments], check=True)


def write_photos(folder, n=24):
    """Write noise, the first half of it darker and rated lower."""
    folder.mkdir()
    random = np.random.default_rng(0)
    with open(folder / "ratings.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "score"])
        for i in range(n):
            brightest = 100 if i < n // 2 else 256
            noise = random.integers(brightest, size=(64, 96, 3), dtype=np.uint8)
            Image.fromarray(noise).save(folder / f"{i}.png")
            rows.writerow([f"{i}.png", 3 if i < n // 2 else 8])


def main():
    """Try it, in a folder that is gone afterwards."""
    import_everything()
    commands = distribution("decaf").entry_points.select(group="console_scripts")
    for command in commands:
        run(command.name, "--help")
    with tempfile.TemporaryDirectory() as place:
        os.environ["DECAF_CACHE"] = f"{place}/cache"
        photos, model, ranking = (Path(place) / name for name in ("photos", "model", "ranking"))
        write_photos(photos)
        ratings = ("--ratings", photos / "ratings.csv", "--scale", "1", "10")
        network = ("--backbone", "efficientnet-lite0", "--width", "8", "--epochs", "2")
        judging = ("--folds", "2", "--classifier", "logistic-regression", "--classifier", "tan")
        run("fit-classifier", photos, *ratings, *network, *judging, "-o", model)
        run("rank-photos", photos, "--model", model, "-o", ranking)
        for page in (model / "report.html", ranking / "ranking.html"):
            assert "</html>" in page.read_text(encoding="utf-8"), page


if __name__ == "__main__":
    main()
