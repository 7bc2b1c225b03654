"""The quickest settings of a backbone, and what runs experiments."""

import pandas
import pytest

from experiments.__main__ import main

# Two blocks and the averages of a plain network are enough to run everything.
QUICK = ("--blocks", "2", "--epochs", "2", "--momentum", "0.9", "--learning-rate", "0.01")


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
