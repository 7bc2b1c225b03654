"""What is learnt on features: Bayesian-network classifiers, and the comparison of classifiers."""

from importlib import import_module

_MODULES = {
    "NaiveBayesClassifier": "classifiers.bayesian.augmented",
    "TANClassifier": "classifiers.bayesian.augmented",
    "KDBClassifier": "classifiers.bayesian.augmented",
    "AODEClassifier": "classifiers.bayesian.aode",
    "HybridAODEClassifier": "classifiers.bayesian.hybrid",
    "GaussianAODEClassifier": "classifiers.bayesian.gaussian",
    "BayesianNetworkClassifier": "classifiers.bayesian.markov_blanket",
    "GaussianProcessRegression": "classifiers.gaussian_process",
    "KernelSVMClassifier": "classifiers.kernel_svm",
    "OrdinalGaussianProcess": "classifiers.taste.process",
    "OrdinalRegression": "classifiers.ordinal",
    "SignedLogarithm": "classifiers.signed_logarithm",
    "ZeroAwareDiscretizer": "classifiers.bayesian.discretize",
    "EqualWidthDiscretizer": "classifiers.bayesian.discretize",
    "MDLPDiscretizer": "classifiers.bayesian.discretize",
}

__all__ = list(_MODULES)


def __getattr__(name):
    # Imported on first use: scikit-learn and SciPy take longer to load than `--help` may.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
