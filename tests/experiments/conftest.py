"""A folder in AVA's shape, and the quickest settings of a backbone."""

import csv

import pandas
import pytest
from PIL import Image

from experiments.__main__ import main

# Two blocks and the averages of a plain network are enough to run everything.
QUICK = ("--blocks", "2", "--epochs", "2", "--momentum", "0.9", "--learning-rate", "0.01")


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
    (folder / "generic_test.jpgl").write_text("".join(test))
    return folder


@pytest.fixture(scope="session")
def quick():
    """Options that make finetuning quick."""
    return list(QUICK)


@pytest.fixture(scope="session")
def run():
    """Runs an experiment; gives its table and its page."""

    def run(name, data, out, *options):
        command = ["--data", str(data), "--out", str(out), "--skip-missing", *options]
        assert main([name, *command]) == 0
        return pandas.read_csv(out / "results.csv"), (out / "README.md").read_text("utf-8")

    return run


@pytest.fixture(scope="session")
def table2_results(run, ava, quick, tmp_path_factory):
    """Its folder and options, its table and its page."""
    out = tmp_path_factory.mktemp("table2")
    options = ["--backbone", "alexnet-owt", "--width", "6", "--width", "3", *quick]
    return out, options, *run("table2", ava, out, *options)
