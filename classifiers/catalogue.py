"""The classifiers that are known by name, and how they are kept on disk."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

from features.errors import InputError
from features.shortage import blame_machine

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin


@dataclass(frozen=True)
class Entry:
    """How one classifier is made.

    Attributes
    ----------
    path : str
        Module and class, imported when one is made: scikit-learn takes longer to load than
        ``--help`` may.
    parameters : dict of str to object
    scaled : bool
        Whether the features are brought to mean 0 and variance 1 before.
    compressed : bool
        Whether their logarithms are taken then.
    seeded : bool
        Whether it draws random numbers.
    max_samples : int, optional
        Rows that each part of an ensemble takes at most.
    seconds : float
        About how long it takes to fit one on 100,000 rows of 250 features, and to judge a tenth as
        many, on one core (experiments/README.md, "AVA at its full size").
    """

    path: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    scaled: bool = False
    compressed: bool = False
    seeded: bool = False
    max_samples: int | None = None
    seconds: float = 1.0


# fc7 has more numbers a photo than a few hundred photos can fix, so the linear classifiers are
# held far more tightly than scikit-learn's C = 1.
_PENALTY = 0.01

CLASSIFIERS = {
    # The penalty is chosen by leave-one-out error, among those that any size of set may need.
    "ridge": Entry(
        "sklearn.linear_model.RidgeCV",
        {"alphas": tuple(10.0 ** (power / 2) for power in range(11))},
        scaled=True,
        seconds=15,
    ),
    "gaussian-process": Entry(
        "classifiers.gaussian_process.GaussianProcessRegression",
        scaled=True,
        compressed=True,
        seeded=True,
        seconds=35,
    ),
    "ordinal": Entry("classifiers.ordinal.OrdinalRegression", scaled=True, seconds=10),
    "logistic-regression": Entry(
        "sklearn.linear_model.LogisticRegression",
        {"C": _PENALTY, "class_weight": "balanced", "max_iter": 1000},
        scaled=True,
        seeded=True,
        seconds=4,
    ),
    "linear-svm": Entry(
        "sklearn.svm.LinearSVC",
        {"C": _PENALTY / 10, "class_weight": "balanced", "dual": "auto", "max_iter": 5000},
        scaled=True,
        seeded=True,
        seconds=16,
    ),
    "rbf-svm": Entry(
        "classifiers.kernel_svm.KernelSVMClassifier",
        {"class_weight": "balanced"},
        scaled=True,
        seeded=True,
        seconds=60,
    ),
    # Brute force: search trees do not help in hundreds of dimensions.
    "k-nearest-neighbours": Entry(
        "sklearn.neighbors.KNeighborsClassifier",
        {"n_neighbors": 25, "algorithm": "brute"},
        scaled=True,
        seconds=70,
    ),
    "gaussian-naive-bayes": Entry(
        "sklearn.naive_bayes.GaussianNB", {"priors": [0.5, 0.5]}, seconds=1
    ),
    # Trees of two rows a leaf and 300 of them: shares of votes fine enough to rank by. A tree grows
    # with its rows, so at AVA's size a forest of all rows would be a file of gigabytes.
    "random-forest": Entry(
        "sklearn.ensemble.RandomForestClassifier",
        {"n_estimators": 300, "min_samples_leaf": 2, "class_weight": "balanced"},
        seeded=True,
        max_samples=20_000,
        seconds=20,
    ),
    # 31 steps of a feature in place of 255: the same AUC on OASIS in a seventh of the time.
    "gradient-boosting": Entry(
        "sklearn.ensemble.HistGradientBoostingClassifier",
        {"max_bins": 31, "class_weight": "balanced"},
        seeded=True,
        seconds=20,
    ),
    "naive-bayes": Entry("classifiers.bayesian.augmented.NaiveBayesClassifier", seconds=3),
    "tan": Entry("classifiers.bayesian.augmented.TANClassifier", seconds=5),
    "kdb": Entry("classifiers.bayesian.augmented.KDBClassifier"),
    "aode": Entry("classifiers.bayesian.aode.AODEClassifier", seconds=10),
    "haode": Entry("classifiers.bayesian.hybrid.HybridAODEClassifier"),
    "gaode": Entry("classifiers.bayesian.gaussian.GaussianAODEClassifier"),
    "bayesian-network": Entry("classifiers.bayesian.markov_blanket.BayesianNetworkClassifier"),
}

# On fc7 of both measuring sets those that are left out are behind others at nearly every width
# (experiments/results/chain; hybrid AODE mostly behind AODE); they are fitted when named.
_LEFT_OUT = ("kdb", "haode", "gaode", "bayesian-network")
DEFAULT_CLASSIFIERS = tuple(name for name in CLASSIFIERS if name not in _LEFT_OUT)


def list_classifiers() -> list[str]:
    """Names that `make_classifier` takes, in the catalogue's order.

    Returns
    -------
    list of str
    """
    return list(CLASSIFIERS)


def make_classifier(name: str, seed: int = 0, n_rows: int = 0) -> ClassifierMixin | RegressorMixin:
    """Make an unfitted classifier for the two classes snapshot (0) and professional (1).

    Some learn scores: regressors, whose prediction puts photos in order.

    Every classifier weighs the classes equally where its estimator can: balanced class weights, or
    equal priors for the naive Bayes of real numbers. k-nearest neighbours cannot: it counts
    neighbours, and leans to the larger class. The Bayesian-network classifiers keep the classes'
    own shares, so that their probabilities stand for the photos as they are.

    Parameters
    ----------
    name : str
        One of `list_classifiers`.
    seed : int, default=0
        Random state of the classifiers that draw random numbers.
    n_rows : int, default=0
        Rows that it will be fitted on at least. Of more than 20,000, the trees of a forest each
        take 20,000.

    Returns
    -------
    classifier : sklearn.base.ClassifierMixin or RegressorMixin

    Raises
    ------
    InputError
        If no classifier has this name; the message gives the nearest names.

    Examples
    --------
    >>> make_classifier("gaussian-naive-bayes")
    GaussianNB(priors=[0.5, 0.5])
    """
    if name not in CLASSIFIERS:
        near = get_close_matches(name, CLASSIFIERS) or list_classifiers()
        raise InputError(f"no classifier is called {name!r}; try {', '.join(near)}")
    entry = CLASSIFIERS[name]
    if not entry.scaled:
        return _make_estimator(entry, seed, n_rows)
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from classifiers.signed_logarithm import SignedLogarithm

    before = [StandardScaler(), SignedLogarithm()] if entry.compressed else [StandardScaler()]
    return make_pipeline(*before, _make_estimator(entry, seed, n_rows))


def _make_estimator(entry: Entry, seed: int, n_rows: float) -> ClassifierMixin | RegressorMixin:
    module, _, estimator = entry.path.rpartition(".")
    parameters = dict(entry.parameters)
    if entry.seeded:
        parameters["random_state"] = seed
    if entry.max_samples is not None and n_rows > entry.max_samples:
        parameters["max_samples"] = entry.max_samples
    return getattr(import_module(module), estimator)(**parameters)


def seconds_of(name: str, n_rows: int = 100_000, n_features: int = 250) -> float:
    """About how long it takes to fit and judge a classifier of that name, on one core.

    Parameters
    ----------
    name : str
        One that is not of the catalogue is taken for a quick one.
    n_rows, n_features : int

    Returns
    -------
    float
    """
    entry = CLASSIFIERS.get(name, Entry(""))
    return entry.seconds * (n_rows / 100_000) * (n_features / 250)


def save_classifier(classifier: BaseEstimator, path: str | os.PathLike) -> None:
    """Write a fitted classifier in skops format and read it back once, as a user will.

    Parameters
    ----------
    classifier : estimator
        Fitted to the classes 0 and 1: one of the catalogue's classes, perhaps behind scalers in a
        pipeline. Its parameters are the catalogue's, or defaults, or other numbers.
    path : path-like

    Raises
    ------
    InputError
        If it is something that `load_classifier` would refuse.
    """
    import skops.io

    skops.io.dump(classifier, path)
    load_classifier(path)


def load_classifier(path: str | os.PathLike) -> ClassifierMixin:
    """Read a classifier that `save_classifier` wrote.

    The file gives numbers, which must fit together; the classifier is made anew of them. So nothing
    in the file is executed, and no prediction crashes, hangs, or is no number.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    classifier : estimator
        With what prediction needs of its fit; it tells neither iterations nor importances.

    Raises
    ------
    InputError
        If the file is not a classifier of the catalogue, or its numbers do not fit together.
    """
    from classifiers.rebuilding import rebuild
    from classifiers.skops_file import opened_skops

    unfitted = {
        entry.path.rpartition(".")[2]: _make_estimator(entry, 0, math.inf)
        for entry in CLASSIFIERS.values()
    }
    try:
        with opened_skops(path) as saved:
            return rebuild(saved, unfitted)
    except InputError as error:
        raise InputError(f"{path}: {_in_one_line(str(error))}; fit one anew") from None
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; fit a classifier and save it") from None
    except Exception as error:  # a damaged file fails in any of zip, JSON or NumPy
        blame_machine(error, path)
        said = _in_one_line(f"{type(error).__name__}: {error}")
        raise InputError(
            f"{path}: not a classifier that decaf can read ({said}); fit one anew"
        ) from None


def _in_one_line(text: str) -> str:
    """What a file says, fit for a message: neither lone surrogates nor lines."""
    return " ".join(text.encode("utf-8", "backslashreplace").decode().split())[:200]
