"""Speed and accuracy of the Bayesian-network classifiers beside scikit-learn, pgmpy and pyAgrum.

pgmpy finds the tree of few features only in bearable time: it is timed with those, and its time for
all features is extrapolated by the square of their number, which is how many pairs it compares.
pyAgrum is an optional peer.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Iterator
from functools import partial
from importlib import metadata
from operator import itemgetter

import numpy as np
from tqdm import tqdm

from experiments.figures import Panel, draw_lines, lines_of
from experiments.frame import Experiment, at_once, option
from experiments.measuring import best_seconds, in_child, peak_megabytes
from experiments.pages import Page, Row, Table, markdown_tables

# How many times as long the others take at least, and megabytes.
TARGETS = {
    ("TAN", "fit", "pgmpy"): 200,
    ("TAN", "predict", "pgmpy"): 1000,
    ("TAN", "fit", "pyagrum"): 20,
    ("TAN", "predict", "pyagrum"): 50,
    ("naive Bayes", "fit", "scikit-learn"): 0.5,
    ("naive Bayes", "predict", "scikit-learn"): 0.5,
}
MEMORY_TARGET = 2000
CLASSIFIERS = {
    "naive Bayes": "NaiveBayes",
    "TAN": "TAN",
    "KDB": "KDB",
    "AODE": "AODE",
    "Bayesian network": "BayesianNetwork",
}
PYAGRUM_METHODS = {"naive Bayes": "NaiveBayes", "TAN": "TAN"}
SETS = ("iris", "wine", "breast_cancer", "digits")
TEXT = """\
The Bayesian-network classifiers beside scikit-learn's naive Bayes, pgmpy and pyAgrum: two classes,
{rows:,} rows, {features} features of 5 bins unless another number is told."""
CAPTIONS = {
    "ratios": "Speed: how many times as long the others take for a row",
    "speed": "Speed: seconds",
    "memory": "Memory",
    "accuracy": "Accuracy",
    "growth": "Growth: seconds, drawn below",
}
NOTES = {
    "ratios": "Codes go in, so that discretising is not timed. Ours and scikit-learn's times are "
    "the best of three, the others' are of one run. pgmpy looked for a tree of at most {n_pgmpy} "
    "features; the time for all is extrapolated by the square of their number, which favours "
    "pgmpy: the time for a pair grows, too. It predicts with our tree of all features.",
    "memory": "Peak of a process that makes the data, fits and predicts all rows.",
    "accuracy": "10-fold cross-validation, the same folds and codes (zero-aware, 5 bins) for all. "
    "pyAgrum smoothes by Laplace's rule, as the two columns named so do; the others are our "
    "estimators with their defaults.",
    "growth": "Discretising included; all rows are predicted.",
}


def bench_bayes(args) -> Page:
    """Time, weigh and judge all of them."""
    peers = args.peers
    if peers is None:
        peers = [name for name in ("pgmpy", "pyagrum") if importlib.util.find_spec(name)]
    warnings.simplefilter("ignore")  # The peers warn of their own insides.
    load = os.getloadavg()[0]
    rows = {"speed": list(_speed(args, peers))}
    rows["ratios"] = list(_ratios(rows["speed"], args.features))
    size = {"rows": args.rows, "features": args.features}
    weight = {"megabytes": in_child(_weigh_aode, *size.values()), "at most": MEMORY_TARGET}
    rows["memory"] = [{"classifier": "AODE", **size, **weight}]
    rows["accuracy"] = list(_accuracy(args.sets, "pyagrum" in peers))
    rows["growth"] = list(_growth(args))
    tables = {}
    for name, caption in CAPTIONS.items():
        note = NOTES.get(name, "").format(n_pgmpy=max(args.pgmpy_features))
        tables[caption] = _table(rows[name], note)
    print(markdown_tables(tables))
    return Page(
        title="Bayesian-network classifiers: speed and accuracy",
        text=TEXT.format(rows=args.rows, features=args.features),
        tables=tables,
        rows=rows,
        figure=_draw(args, rows["growth"]),
        facts={
            "load at the start": f"{load:.1f}",
            "peers": ", ".join(f"{name} {metadata.version(name)}" for name in peers),
        },
    )


def make_features(n_rows: int, n_features: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Make numbers like fc7 features: half zeros, skewed, dependent on each other and on the class.

    Gives X, (n_rows, n_features), float32, and y, 0 or 1.
    """
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n_rows)
    causes = rng.normal(size=(n_rows, 20)).astype(np.float32)
    X = causes @ rng.normal(size=(20, n_features)).astype(np.float32) / 4
    X += rng.standard_normal(size=X.shape, dtype=np.float32)
    X += np.outer(y, 0.2 * rng.normal(size=n_features)).astype(np.float32)
    return np.maximum(X, 0), y


def _classifiers(**parameters):
    import classifiers

    kinds = {name: getattr(classifiers, f"{kind}Classifier") for name, kind in CLASSIFIERS.items()}
    return {name: kind(**parameters) for name, kind in kinds.items()}


def _speed(args, peers) -> Iterator[Row]:
    """Time all on the same codes."""
    from sklearn.naive_bayes import CategoricalNB

    from classifiers import ZeroAwareDiscretizer

    X, y = make_features(args.rows, args.features)
    codes = ZeroAwareDiscretizer(n_bins=5).fit_transform(X)
    timed = [("naive Bayes", "scikit-learn", CategoricalNB(), None, 3)]
    ours = _classifiers(discretizer=None)
    timed += [(name, "decaf", classifier, None, 3) for name, classifier in ours.items()]
    if "pyagrum" in peers:
        for name, method in PYAGRUM_METHODS.items():
            timed.append((name, "pyagrum", _PyAgrum(method), args.pyagrum_rows, 1))
    for name, library, classifier, n_predicted, n_times in tqdm(timed, "speed"):
        what = {"classifier": name, "library": library, "features": args.features}
        seconds = best_seconds(partial(classifier.fit, codes, y), n_times)
        yield what | _measured("fit", len(codes), seconds)
        predicted = codes[:n_predicted]
        seconds = best_seconds(partial(classifier.predict_proba, predicted), n_times)
        yield what | _measured("predict", len(predicted), seconds)
    if "pgmpy" in peers:
        yield from _timed_pgmpy(codes, y, args.pgmpy_features, args.pgmpy_rows)


def _timed_pgmpy(codes, y, tree_features, n_predicted):
    """Time pgmpy's tree search on a few features, and its prediction with our tree of all."""
    import pandas as pd
    from pgmpy.estimators import TreeSearch
    from pgmpy.models import DiscreteBayesianNetwork

    from classifiers import TANClassifier

    def fit(few):
        some = frame.iloc[:, :few].assign(**{"class": y})
        search = TreeSearch(some, root_node="x0")
        tree = search.estimate("tan", class_node="class", show_progress=False)
        DiscreteBayesianNetwork(tree.edges).fit(some)

    n_features = codes.shape[1]
    frame = pd.DataFrame(codes, columns=[f"x{i}" for i in range(n_features)])
    what = {"classifier": "TAN", "library": "pgmpy"}
    fit(2)  # Starts joblib's processes, whose start is not timed.
    for few in tqdm(tree_features, "pgmpy"):
        seconds = best_seconds(partial(fit, few))
        yield what | {"features": few} | _measured("fit", len(codes), seconds)
    seconds *= (n_features / few) ** 2
    how = f"extrapolated from {few} features by their square"
    yield what | {"features": n_features} | _measured("fit", len(codes), seconds, how)

    network = TANClassifier(discretizer=None).fit(codes, y).to_pgmpy()
    predicted = frame[:n_predicted]
    seconds = best_seconds(partial(network.predict_probability, predicted))
    yield what | {"features": n_features} | _measured("predict", len(predicted), seconds)


def _measured(task, n_rows, seconds, how="measured"):
    return {"how": how, "task": task, "rows": n_rows, "seconds": seconds}


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


def _ratios(speed, n_features) -> Iterator[Row]:
    """Compare the seconds a row of the others with ours."""
    seconds = {
        (row["classifier"], row["task"], row["library"]): row["seconds"] / row["rows"]
        for row in speed
        if row["features"] == n_features
    }
    for (classifier, task, library), theirs in seconds.items():
        if library != "decaf":
            ratio = theirs / seconds[classifier, task, "decaf"]
            target = TARGETS.get((classifier, task, library))
            yield {
                "classifier": classifier,
                "task": task,
                "library": library,
                "its time / ours": ratio,
                "at least": target,
                "reached": "" if target is None else "yes" if ratio >= target else "no",
            }


def _weigh_aode(n_rows, n_features):
    from classifiers import AODEClassifier

    X, y = make_features(n_rows, n_features)
    AODEClassifier().fit(X, y).predict_proba(X)
    return peak_megabytes()


def _accuracy(sets, with_pyagrum) -> Iterator[Row]:
    """Cross-validate all on the same folds and codes."""
    from sklearn import datasets

    for name in tqdm(sets, "accuracy"):
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        peers = PYAGRUM_METHODS if with_pyagrum else {}
        candidates = {f"{name} of pyAgrum": _PyAgrum(method) for name, method in peers.items()}
        like_pyagrum = _classifiers(discretizer=None, smoothing="laplace")
        candidates |= {f"{name}, Laplace": like_pyagrum[name] for name in PYAGRUM_METHODS}
        candidates |= _classifiers(discretizer=None)
        yield {"set": name, "rows": len(y)} | _cross_validated(candidates, X, y)


def _cross_validated(candidates, X, y):
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


def _growth(args) -> Iterator[Row]:
    """Time our classifiers on numbers, discretising included, with more rows or features."""
    sizes = [(rows, args.features) for rows in args.growth_rows]
    sizes += [(args.rows, features) for features in args.growth_features]
    for n_rows, n_features in tqdm(dict.fromkeys(sizes), "growth"):
        X, y = make_features(n_rows, n_features)
        for name, classifier in _classifiers().items():
            yield {
                "classifier": name,
                "rows": n_rows,
                "features": n_features,
                "fit": best_seconds(partial(classifier.fit, X, y)),
                "predict": best_seconds(partial(classifier.predict_proba, X)),
            }


def _draw(args, growth):
    timed = [
        row | {"task": task, "seconds": row[task]} for row in growth for task in ("fit", "predict")
    ]
    styles, middle = {"predict": "o--"}, {"rows": args.rows, "features": args.features}
    panels = []
    for axis, other in (("rows", "features"), ("features", "rows")):
        own = sorted((r for r in timed if r[other] == middle[other]), key=itemgetter(axis))
        lines = lines_of(own, axis, "seconds", ("classifier", "task"), styles)
        axes = {"xlabel": f"{axis} ({middle[other]:,} {other})", "xscale": "log", "yscale": "log"}
        panels.append(Panel(lines, axes | {"ylabel": "seconds"}))
    return draw_lines(*panels, size=(9, 4), sharey=True)


def _table(rows, note):
    def text(value):
        return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)

    return Table(list(rows[0]), [[text(value) for value in row.values()] for row in rows], note)


EXPERIMENT = Experiment(
    __doc__,
    bench_bayes,
    (
        option("--rows", "", 20_000),
        option("--features", "", 250),
        option("--peers", "(those installed)", nargs="*", choices=("pgmpy", "pyagrum")),
        at_once("--pgmpy-features", "with how many pgmpy looks for a tree", (10, 20, 40)),
        option("--pgmpy-rows", "how many rows pgmpy predicts", 40),
        option("--pyagrum-rows", "how many rows pyAgrum predicts", 1000),
        at_once("--growth-rows", "", (2_000, 20_000, 200_000)),
        at_once("--growth-features", "", (50, 250, 1_000)),
        at_once("--sets", "of scikit-learn, for accuracy", SETS, choices=SETS),
    ),
)
