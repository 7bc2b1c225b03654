"""Speed and accuracy of the Bayesian-network classifiers beside scikit-learn, pgmpy and pyAgrum.

pgmpy finds the tree of few features only in bearable time: it is timed with those, and its time for
all features is extrapolated by the square of their number, which is how many pairs it compares.
pyAgrum is an optional peer.
"""

import argparse
import importlib.util
import multiprocessing
import os
import platform
import sys
import time
import warnings
from datetime import date
from importlib import metadata
from pathlib import Path

from decaf.commands.common import run_command
from experiments import pages

# What is asked of the classifiers: how many times as long the others take at least, and megabytes.
TARGETS = {
    ("TAN", "fit", "pgmpy"): 200,
    ("TAN", "predict", "pgmpy"): 1000,
    ("TAN", "fit", "pyagrum"): 20,
    ("TAN", "predict", "pyagrum"): 50,
    ("naive Bayes", "fit", "scikit-learn"): 0.5,
    ("naive Bayes", "predict", "scikit-learn"): 0.5,
}
MEMORY_TARGET = 2000
PYAGRUM_METHODS = {"naive Bayes": "NaiveBayes", "TAN": "TAN"}


def main(argv=None):
    """Run the benchmark, print its tables and write them to a folder.

    Parameters
    ----------
    argv : list of str, optional

    Returns
    -------
    int
        Exit status.
    """
    parser = _parser()
    pages.remember_command(parser, "bench-bayes", argv)
    return run_command(_bench, parser, argv)


def make_features(n_rows, n_features, seed=0):
    """Make numbers like fc7 features: half zeros, skewed, dependent on each other and on the class.

    Parameters
    ----------
    n_rows, n_features : int
    seed : int, default=0

    Returns
    -------
    X : ndarray of shape (n_rows, n_features), float32
    y : ndarray of shape (n_rows,), int
        0 or 1.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n_rows)
    causes = rng.normal(size=(n_rows, 20)).astype(np.float32)
    X = causes @ rng.normal(size=(20, n_features)).astype(np.float32) / 4
    X += rng.standard_normal(size=X.shape, dtype=np.float32)
    X += np.outer(y, 0.2 * rng.normal(size=n_features)).astype(np.float32)
    return np.maximum(X, 0), y


def _parser():
    parser = argparse.ArgumentParser(prog="python -m experiments bench-bayes", description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--features", type=int, default=250)
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=("pgmpy", "pyagrum"),
        help="libraries to compare with (those that are installed)",
    )
    parser.add_argument(
        "--pgmpy-features",
        type=int,
        nargs="+",
        default=(10, 20, 40),
        help="with how many features pgmpy looks for a tree (10 20 40)",
    )
    parser.add_argument(
        "--pgmpy-rows", type=int, default=40, help="how many rows pgmpy predicts (40)"
    )
    parser.add_argument(
        "--pyagrum-rows", type=int, default=1000, help="how many rows pyAgrum predicts (1000)"
    )
    parser.add_argument(
        "--growth-rows", type=int, nargs="+", default=(2_000, 20_000, 200_000), metavar="N"
    )
    parser.add_argument(
        "--growth-features", type=int, nargs="+", default=(50, 250, 1_000), metavar="N"
    )
    parser.add_argument(
        "--sets",
        nargs="+",
        choices=("iris", "wine", "breast_cancer", "digits"),
        default=("iris", "wine", "breast_cancer", "digits"),
        help="data sets of scikit-learn to compare the accuracy on (all four)",
    )
    parser.add_argument("--out", type=Path, help="folder for the results")
    parser.add_argument("--force", action="store_true", help="replace results")
    return parser


def _bench(args):
    import pandas as pd

    folder = pages.results_folder(args)
    peers = args.peers
    if peers is None:
        peers = [name for name in ("pgmpy", "pyagrum") if importlib.util.find_spec(name)]
    warnings.simplefilter("ignore")  # The peers warn of their own insides.
    load = os.getloadavg()[0]

    folder.mkdir(parents=True, exist_ok=True)
    tables = {}
    steps = {
        "speed": lambda: _speed(args, peers),
        "ratios": lambda: _ratios(tables["speed"], args.features),
        "memory": lambda: _aode_memory(args.rows, args.features),
        "accuracy": lambda: _accuracy(args.sets, "pyagrum" in peers),
        "growth": lambda: _growth(args),
    }
    for name, step in steps.items():
        tables[name] = table = pd.DataFrame(step())
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.4g")
        print(f"\n{name}\n{table.to_string(index=False, float_format='{:.4g}'.format)}", flush=True)
    pages.save_figure(_draw_growth(tables["growth"]), folder / "growth.svg")
    readme = _readme(args, peers, load, tables)
    (folder / pages.PAGE).write_text(readme, encoding="utf-8")


def _classifiers(**parameters):
    import classifiers

    return {
        "naive Bayes": classifiers.NaiveBayesClassifier(**parameters),
        "TAN": classifiers.TANClassifier(**parameters),
        "KDB": classifiers.KDBClassifier(**parameters),
        "AODE": classifiers.AODEClassifier(**parameters),
        "Bayesian network": classifiers.BayesianNetworkClassifier(**parameters),
    }


def _speed(args, peers):
    """Time all on the same codes; yield the rows of a table."""
    from sklearn.naive_bayes import CategoricalNB

    from classifiers import ZeroAwareDiscretizer

    X, y = make_features(args.rows, args.features)
    codes = ZeroAwareDiscretizer(n_bins=5).fit_transform(X)
    yield from _timed("naive Bayes", "scikit-learn", CategoricalNB(), codes, y)
    for name, classifier in _classifiers(discretizer=None).items():
        yield from _timed(name, "decaf", classifier, codes, y)
    if "pyagrum" in peers:
        for name, method in PYAGRUM_METHODS.items():
            yield from _timed(name, "pyagrum", _PyAgrum(method), codes, y, args.pyagrum_rows, 1)
    if "pgmpy" in peers:
        yield from _timed_pgmpy(codes, y, args.pgmpy_features, args.pgmpy_rows)


def _timed(name, library, classifier, codes, y, n_predicted=None, n_times=3):
    _say(f"{name} of {library}")
    what = {"classifier": name, "library": library, "features": codes.shape[1], "how": "measured"}
    predicted = codes[:n_predicted]
    seconds = _seconds(lambda: classifier.fit(codes, y), n_times)
    yield what | {"task": "fit", "rows": len(codes), "seconds": seconds}
    seconds = _seconds(lambda: classifier.predict_proba(predicted), n_times)
    yield what | {"task": "predict", "rows": len(predicted), "seconds": seconds}


def _timed_pgmpy(codes, y, tree_features, n_predicted):
    """Time pgmpy's tree search on a few features, and its prediction with our tree of all."""
    import pandas as pd

    from classifiers import TANClassifier

    n_features = codes.shape[1]
    frame = pd.DataFrame(codes, columns=[f"x{i}" for i in range(n_features)])
    what = {"classifier": "TAN", "library": "pgmpy"}
    _fit_pgmpy(frame.iloc[:, :2], y)  # Starts joblib's processes, whose start is not timed.
    for few in tree_features:
        _say(f"TAN of pgmpy, {few} features")
        seconds = _seconds(lambda few=few: _fit_pgmpy(frame.iloc[:, :few], y), 1)
        fit = {"features": few, "task": "fit", "rows": len(codes), "seconds": seconds}
        yield what | fit | {"how": "measured"}
    fit |= {"features": n_features, "seconds": seconds * (n_features / few) ** 2}
    yield what | fit | {"how": f"extrapolated from {few} features by their square"}

    network = TANClassifier(discretizer=None).fit(codes, y).to_pgmpy()
    predicted = frame[:n_predicted]
    seconds = _seconds(lambda: network.predict_probability(predicted), 1)
    predict = {"features": n_features, "task": "predict", "rows": len(predicted)}
    yield what | predict | {"seconds": seconds, "how": "measured"}


def _fit_pgmpy(frame, y):
    from pgmpy.estimators import TreeSearch
    from pgmpy.models import DiscreteBayesianNetwork

    frame = frame.assign(**{"class": y})
    search = TreeSearch(frame, root_node="x0")
    tree = search.estimate("tan", class_node="class", show_progress=False)
    DiscreteBayesianNetwork(tree.edges).fit(frame)


class _PyAgrum:
    """pyAgrum's classifier on codes, with Laplace smoothing."""

    def __init__(self, method):
        from pyagrum.skbn import createBNClassifier

        self.classifier = createBNClassifier(
            learningMethod=method, prior="Smoothing", priorWeight=1
        )

    def fit(self, codes, y):
        self.classifier.fit(codes, y)

    def predict_proba(self, codes):
        return self.classifier.predict_proba(codes)

    def score(self, codes, y):
        return (self.predict_proba(codes).argmax(axis=1) == y).mean()


def _ratios(speed, n_features):
    """Compare the seconds a row of the others with ours."""
    speed = speed[speed["features"] == n_features]
    each = speed.assign(seconds=speed["seconds"] / speed["rows"])
    each = each.set_index(["classifier", "task", "library"])["seconds"]
    for (classifier, task, library), seconds in each.items():
        if library != "decaf":
            ratio = seconds / each[classifier, task, "decaf"]
            target = TARGETS.get((classifier, task, library))
            yield {
                "classifier": classifier,
                "task": task,
                "library": library,
                "its time / ours": ratio,
                "at least": target,
                "reached": "" if target is None else "yes" if ratio >= target else "no",
            }


def _aode_memory(n_rows, n_features):
    """Fit and predict in a process of its own, whose peak memory is told."""
    _say("memory of AODE")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        megabytes = pool.apply(_peak_megabytes, (n_rows, n_features))
    yield {
        "classifier": "AODE",
        "rows": n_rows,
        "features": n_features,
        "megabytes": megabytes,
        "at most": MEMORY_TARGET,
    }


def _peak_megabytes(n_rows, n_features):
    import resource

    from classifiers import AODEClassifier

    X, y = make_features(n_rows, n_features)
    AODEClassifier().fit(X, y).predict_proba(X)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6  # in KiB on Linux


def _accuracy(sets, with_pyagrum):
    """Cross-validate all on the same folds and codes."""
    from sklearn import datasets

    for name in sets:
        _say(f"accuracy on {name}")
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        peers = PYAGRUM_METHODS if with_pyagrum else {}
        candidates = {f"{name} of pyAgrum": _PyAgrum(method) for name, method in peers.items()}
        like_pyagrum = _classifiers(discretizer=None, smoothing="laplace")
        candidates |= {f"{name}, Laplace": like_pyagrum[name] for name in PYAGRUM_METHODS}
        candidates |= _classifiers(discretizer=None)
        yield {"set": name, "rows": len(y)} | _cross_validated(candidates, X, y)


def _cross_validated(candidates, X, y):
    import numpy as np
    from sklearn.model_selection import StratifiedKFold

    from classifiers import ZeroAwareDiscretizer

    correct = dict.fromkeys(candidates, 0)
    for train, test in StratifiedKFold(10, shuffle=True, random_state=0).split(X, y):
        discretizer = ZeroAwareDiscretizer().fit(X[train])
        # pyAgrum refuses constant features, which tell nothing anyway.
        varied = discretizer.n_bins_ > 1
        codes = discretizer.transform(X)[:, varied]
        for name, candidate in candidates.items():
            candidate.fit(codes[train], y[train])
            correct[name] += np.round(candidate.score(codes[test], y[test]) * len(test))
    return {name: n_correct / len(y) for name, n_correct in correct.items()}


def _growth(args):
    """Time our classifiers on numbers, discretising included, with more rows or features."""
    sizes = [(rows, args.features) for rows in args.growth_rows]
    sizes += [(args.rows, features) for features in args.growth_features]
    for n_rows, n_features in dict.fromkeys(sizes):
        X, y = make_features(n_rows, n_features)
        for name, classifier in _classifiers().items():
            _say(f"{name}, {n_rows:,} × {n_features:,}")
            yield {
                "classifier": name,
                "rows": n_rows,
                "features": n_features,
                "fit": _seconds(lambda fit=classifier.fit, X=X, y=y: fit(X, y), 1),
                "predict": _seconds(lambda predict=classifier.predict_proba, X=X: predict(X), 1),
            }


def _draw_growth(growth):
    from matplotlib.figure import Figure

    middle = {axis: growth[axis].mode()[0] for axis in ("rows", "features")}
    figure = Figure(figsize=(9, 4), layout="constrained")
    for ax, (axis, other) in zip(
        figure.subplots(1, 2, sharey=True), [("rows", "features"), ("features", "rows")]
    ):
        line = growth[growth[other] == middle[other]]
        for number, (name, times) in enumerate(line.groupby("classifier", sort=False)):
            times = times.sort_values(axis)
            ax.loglog(times[axis], times["fit"], "o-", color=f"C{number}", label=f"{name}, fit")
            ax.loglog(
                times[axis], times["predict"], "o--", color=f"C{number}", label="… predict all"
            )
        ax.set(xlabel=f"{axis} ({middle[other]:,} {other})")
        ax.grid(alpha=0.3)
    figure.axes[0].set_ylabel("seconds")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside right center", fontsize=8)
    return figure


def _readme(args, peers, load, tables):
    packages = ["numpy", "scipy", "scikit-learn", *peers]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    n_pgmpy = max(args.pgmpy_features)
    sections = {
        "Speed": (
            f"{args.rows:,} rows, {args.features} features of 5 bins, two classes; codes go in, so "
            "that discretising is not timed. Ours and scikit-learn's times are the best of three, "
            f"the others' are of one run. pgmpy looked for a tree of at most {n_pgmpy} features; "
            "the time for all is extrapolated by the square of their number, which favours "
            "pgmpy: the time for a pair grows, too. It predicts with our tree of all features.",
            ["ratios", "speed"],
        ),
        "Memory": (
            "Peak of a process that makes the data, fits and predicts all rows.",
            ["memory"],
        ),
        "Accuracy": (
            "10-fold cross-validation, the same folds and codes (zero-aware, 5 bins) for all. "
            "pyAgrum smoothes by Laplace's rule, as the two columns named so do; the others are "
            "our estimators with their defaults.",
            ["accuracy"],
        ),
        "Growth": (
            "Seconds, discretising included; all rows are predicted.\n\n"
            "![Seconds by rows and by features](growth.svg)",
            ["growth"],
        ),
    }
    text = (
        "# Bayesian-network classifiers: speed and accuracy\n\n"
        f"`{args.command}` on {date.today()}: {pages.machine()} (load {load:.1f} at the start), "
        f"Python {platform.python_version()}, {versions}.\n"
    )
    for title, (explanation, names) in sections.items():
        text += f"\n## {title}\n{explanation}\n"
        text += "".join(f"\n{_markdown(tables[name])}" for name in names)
    return text


def _markdown(table):
    cells = table.map(lambda cell: f"{cell:.4g}" if isinstance(cell, float) else str(cell))
    lines = cells.replace("nan", "").to_numpy().tolist()
    return pages.markdown_table(list(table.columns), lines) + "\n"


def _seconds(function, n_times):
    """Give the shortest of some runs."""
    times = []
    for _ in range(n_times):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def _say(what):
    print(what, file=sys.stderr)
