"""The benchmark of the Bayesian-network classifiers at a tiny size."""

import numpy as np
import pandas as pd
import pytest

from experiments.__main__ import main
from experiments.benchmarks.bench_bayes import make_features

TINY = [
    "bench-bayes",
    *[
        "--rows",
        "60",
        "--features",
        "5",
        "--growth-rows",
        "60",
        "90",
        "--growth-features",
        "4",
        "5",
    ],
    *["--peers", "pgmpy", "--pgmpy-features", "3", "--pgmpy-rows", "4", "--sets", "iris"],
]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    assert main([*TINY, "--out", str(folder)]) == 0
    return folder


def test_every_classifier_is_timed_beside_its_peers(results):
    speed = pd.read_csv(results / "speed.csv").set_index(["classifier", "library", "task"])
    for classifier in ["naive Bayes", "TAN", "KDB", "AODE", "Bayesian network"]:
        assert (speed.loc[classifier, "decaf"]["seconds"] > 0).all()
    extrapolated = speed.loc[("TAN", "pgmpy", "fit")].set_index("features")["seconds"]
    assert extrapolated[5] == pytest.approx(extrapolated[3] * 25 / 9, rel=1e-3)
    ratios = pd.read_csv(results / "ratios.csv").set_index(["classifier", "task", "library"])
    assert set(ratios.index) == {
        (classifier, task, library)
        for classifier, library in [("naive Bayes", "scikit-learn"), ("TAN", "pgmpy")]
        for task in ("fit", "predict")
    }


def test_a_ratio_compares_seconds_a_row(results):
    speed = pd.read_csv(results / "speed.csv").set_index(["classifier", "library", "task"])
    seconds = speed["seconds"] / speed["rows"]
    ratios = pd.read_csv(results / "ratios.csv").set_index(["classifier", "task", "library"])
    expected = seconds["TAN", "pgmpy", "predict"].item() / seconds["TAN", "decaf", "predict"].item()
    measured = ratios.loc[("TAN", "predict", "pgmpy"), "its time / ours"]
    assert measured == pytest.approx(expected, rel=0.01)


def test_accuracy_growth_and_memory_are_told(results):
    accuracy = pd.read_csv(results / "accuracy.csv").set_index("set").loc["iris"]
    assert accuracy.drop("rows").between(0.85, 1).all()
    growth = pd.read_csv(results / "growth.csv")
    assert set(zip(growth["rows"], growth["features"])) == {(60, 5), (90, 5), (60, 4)}
    assert pd.read_csv(results / "memory.csv")["megabytes"].item() > 10
    assert "<svg" in (results / "figure.svg").read_text(encoding="utf-8")


def test_the_readme_tells_the_command_the_machine_and_the_tables(results):
    readme = (results / "README.md").read_text(encoding="utf-8")
    assert "`python -m experiments bench-bayes --rows 60 " in readme
    assert f"numpy {np.__version__}" in readme
    assert readme.count("\n| --- ") == 5


def test_results_are_not_overwritten(results, capsys):
    assert main([*TINY, "--out", str(results)]) == 2
    assert "add --force" in capsys.readouterr().err


def test_the_features_are_half_zeros_that_tell_of_the_class():
    X, y = make_features(2000, 30)
    assert 0.3 < (X == 0).mean() < 0.6
    assert X.min() == 0
    apart = np.abs(X[y == 1].mean(axis=0) - X[y == 0].mean(axis=0)) / X.std(axis=0)
    assert apart.max() > 0.2
