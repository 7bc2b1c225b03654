"""What is learnt on features: Bayesian-network classifiers, and the comparison of classifiers."""

from importlib import import_module

_MODULES = {
    "NaiveBayesClassifier": "augmented",
    "TANClassifier": "augmented",
    "KDBClassifier": "augmented",
    "AODEClassifier": "aode",
    "BayesianNetworkClassifier": "markov_blanket",
    "ZeroAwareDiscretizer": "discretize",
    "EqualWidthDiscretizer": "discretize",
    "MDLPDiscretizer": "discretize",
}

__all__ = list(_MODULES)


def __getattr__(name):
    # Imported on first use: scikit-learn and SciPy take longer to load than `--help` may.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"classifiers.{_MODULES[name]}"), name)
