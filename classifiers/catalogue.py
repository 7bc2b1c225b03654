"""The classifiers that are known by name, and how they are kept on disk."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

from features.errors import InputError

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator, ClassifierMixin


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
    seeded : bool
        Whether it draws random numbers.
    """

    path: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    scaled: bool = False
    seeded: bool = False


# fc7 has more numbers a photo than a few hundred photos can fix, so the linear classifiers are
# held far more tightly than scikit-learn's C = 1.
_PENALTY = 0.01

CLASSIFIERS = {
    "logistic-regression": Entry(
        "sklearn.linear_model.LogisticRegression",
        {"C": _PENALTY, "class_weight": "balanced", "max_iter": 1000},
        scaled=True,
        seeded=True,
    ),
    "linear-svm": Entry(
        "sklearn.svm.LinearSVC",
        {"C": _PENALTY / 10, "class_weight": "balanced", "dual": "auto", "max_iter": 5000},
        scaled=True,
        seeded=True,
    ),
    "rbf-svm": Entry("sklearn.svm.SVC", {"class_weight": "balanced"}, scaled=True),
    # Brute force: search trees do not help in hundreds of dimensions.
    "k-nearest-neighbours": Entry(
        "sklearn.neighbors.KNeighborsClassifier",
        {"n_neighbors": 25, "algorithm": "brute"},
        scaled=True,
    ),
    "gaussian-naive-bayes": Entry("sklearn.naive_bayes.GaussianNB", {"priors": [0.5, 0.5]}),
    # Trees of two rows a leaf and 300 of them: shares of votes fine enough to rank by.
    "random-forest": Entry(
        "sklearn.ensemble.RandomForestClassifier",
        {"n_estimators": 300, "min_samples_leaf": 2, "class_weight": "balanced"},
        seeded=True,
    ),
    # 31 steps of a feature in place of 255: the same AUC on OASIS in a seventh of the time.
    "gradient-boosting": Entry(
        "sklearn.ensemble.HistGradientBoostingClassifier",
        {"max_bins": 31, "class_weight": "balanced"},
        seeded=True,
    ),
    "naive-bayes": Entry("classifiers.bayesian.augmented.NaiveBayesClassifier"),
    "tan": Entry("classifiers.bayesian.augmented.TANClassifier"),
    "kdb": Entry("classifiers.bayesian.augmented.KDBClassifier"),
    "aode": Entry("classifiers.bayesian.aode.AODEClassifier"),
    "bayesian-network": Entry("classifiers.bayesian.markov_blanket.BayesianNetworkClassifier"),
}

# On fc7 of both measuring sets the two that are left out are behind others at nearly every width
# (experiments/results/chain); they are fitted when named.
DEFAULT_CLASSIFIERS = tuple(name for name in CLASSIFIERS if name not in ("kdb", "bayesian-network"))

# What classifiers of the catalogue are made of beyond the types that skops admits by itself.
TRUSTED_TYPES = (
    *(entry.path for entry in CLASSIFIERS.values() if entry.path.startswith("classifiers.")),
    "classifiers.bayesian.discretize.ZeroAwareDiscretizer",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)


def list_classifiers() -> list[str]:
    """Names that `make_classifier` takes, in the catalogue's order.

    Returns
    -------
    list of str
    """
    return list(CLASSIFIERS)


def make_classifier(name: str, seed: int = 0) -> ClassifierMixin:
    """Make an unfitted classifier for the two classes snapshot (0) and professional (1).

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

    Returns
    -------
    classifier : sklearn.base.ClassifierMixin

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
    module, _, estimator = entry.path.rpartition(".")
    random = {"random_state": seed} if entry.seeded else {}
    classifier = getattr(import_module(module), estimator)(**entry.parameters, **random)
    if not entry.scaled:
        return classifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), classifier)


def save_classifier(classifier: BaseEstimator, path: str | os.PathLike) -> None:
    """Write a fitted classifier in skops format and read it back once, as a user will.

    Parameters
    ----------
    classifier : estimator
        Fitted; made of types that `load_classifier` admits.
    path : path-like

    Raises
    ------
    InputError
        If the classifier holds a type that `load_classifier` would refuse.
    """
    import skops.io

    skops.io.dump(classifier, path)
    load_classifier(path)


def load_classifier(path: str | os.PathLike) -> ClassifierMixin:
    """Read a classifier that `save_classifier` wrote. Nothing in the file is executed.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    classifier : estimator

    Raises
    ------
    InputError
        If the file is not a classifier, or holds types that are not on the list of this module.
    """
    import skops.io

    try:
        with zipfile.ZipFile(path) as archive:
            # skops compresses nothing; what unpacks to more than the file is would fill the memory.
            if sum(member.file_size for member in archive.infolist()) > os.path.getsize(path):
                raise zipfile.BadZipFile("it is compressed")
        foreign = set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED_TYPES)
        if foreign:
            raise InputError(
                f"{path}: holds types that a classifier of decaf never holds: "
                f"{', '.join(sorted(foreign))}; it is not opened"
            )
        return skops.io.load(path, trusted=TRUSTED_TYPES)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; fit a classifier and save it") from None
    except Exception as error:  # a damaged file fails in any of zip, JSON, NumPy or skops
        raise InputError(
            f"{path}: not a classifier that decaf can read ({type(error).__name__}: {error}); "
            "fit it anew"
        ) from None
