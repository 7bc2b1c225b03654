"""Classifiers of the catalogue, made anew of the numbers in a file, which must fit together.

scikit-learn believes a fitted estimator: compiled code follows the indices of trees and the lengths
of support vectors unchecked. So a file gives numbers alone, each of which is checked here, and the
estimator around them is made by the scikit-learn that is installed.
"""

from __future__ import annotations

import copy
import reprlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from classifiers.bayesian.base import HIGHEST_CODE, DiscreteBayesClassifier, JointClassifier
from classifiers.bayesian.discretize import make_discretizer
from classifiers.bayesian.gaussian import MOST_CORRELATION
from classifiers.bayesian.tables import CLASS, NO_PARENT
from classifiers.gaussian_process import GaussianProcessRegression
from classifiers.kernel_svm import KernelSVMClassifier
from classifiers.ordinal import OrdinalRegression
from classifiers.signed_logarithm import SignedLogarithm
from classifiers.skops_file import SavedArray, SavedObject
from features.errors import InputError

# Numbers beyond these come of no features, and scores of them may not be finite in float32.
_LARGEST = 1e10
_SMALLEST = 1e-10
# Whose parameters may be None in place of a number.
_OURS = GaussianProcessRegression | KernelSVMClassifier | OrdinalRegression
# 64 parents of two states have more joint states than an index can tell.
_MOST_FAMILY = 65
_LOWEST_LOG_PROBABILITY = -1e4


def rebuild(saved: Any, unfitted: Mapping[str, BaseEstimator]) -> BaseEstimator:
    """Make the classifier that a file tells of, or what predicts scores in its place.

    Parameters
    ----------
    saved : object
        From `classifiers.skops_file.opened_skops`.
    unfitted : mapping of str to estimator
        The estimators that there may be, by their classes' names. Parameters must be theirs, or
        defaults, or other numbers in the place of numbers.

    Returns
    -------
    classifier : estimator
        Fitted: one of them, perhaps behind scalers in a pipeline.

    Raises
    ------
    InputError
        The file holds something else, or its numbers do not fit together. The message is for
        whoever read the file to put its name before.
    """
    *scalers, last = _steps(saved)
    name = last.kind.rpartition(".")[2] if isinstance(last, SavedObject) else ""
    if name not in unfitted:
        kind = last.kind if isinstance(last, SavedObject) else "no estimator"
        raise InputError(
            f"holds types that a classifier of decaf never holds: {kind}; it is not opened"
        )
    classifier = _restored(unfitted[name], last)
    fitted = [_restored(_scaler_like(each), each) for each in scalers]
    if any(scaler.n_features_in_ != classifier.n_features_in_ for scaler in fitted):
        raise InputError("n_features_in_ is not the same in all steps")
    return make_pipeline(*fitted, classifier) if _is_pipeline(saved) else classifier


def _steps(saved):
    """The saved estimators of a pipeline, or the one that there is."""
    if not _is_pipeline(saved):
        return [saved]
    steps = saved.attributes.get("steps")
    if not isinstance(steps, list) or not steps:
        raise InputError("has a pipeline without steps")
    if not all(isinstance(step, list) and len(step) == 2 for step in steps):
        raise InputError("has steps that are no pairs")
    return [estimator for _, estimator in steps]


def _scaler_like(saved):
    is_logarithm = isinstance(saved, SavedObject) and saved.kind == _kind(SignedLogarithm)
    return SignedLogarithm() if is_logarithm else StandardScaler()


def _is_pipeline(saved):
    return isinstance(saved, SavedObject) and saved.kind == _kind(Pipeline)


def _restored(estimator, saved):
    """Fit one estimator."""
    numbers = _Numbers(saved, estimator)
    estimator.n_features_in_ = numbers.number("n_features_in_", 1, 2**31, whole=True)
    if isinstance(estimator, ClassifierMixin):
        if numbers.array("classes_", (2,), 0, 1, kinds="iu").tolist() != [0, 1]:
            raise InputError("classes_ must be 0 and 1")
        estimator.classes_ = np.array([0, 1])
    parameters = _parameters(numbers, estimator)
    if isinstance(estimator, DiscreteBayesClassifier):
        _restore_bayes(estimator, numbers, parameters)
    else:
        _RESTORE[type(estimator).__name__](estimator, numbers, parameters)
    names = numbers.attributes.get("feature_names_in_")
    if names is not None:
        if not (_are_texts(names) and len(names) == estimator.n_features_in_):
            raise InputError("feature_names_in_ must be a text for each feature")
        estimator.feature_names_in_ = np.array(names, dtype=object)
    return estimator


class _Numbers:
    """The attributes of a saved object, each checked when it is asked for."""

    def __init__(self, saved: Any, like: Any):
        kind = _kind(type(like))
        if not isinstance(saved, SavedObject) or saved.kind != kind:
            raise InputError(f"has something else where {kind.rpartition('.')[2]} must stand")
        if not isinstance(saved.attributes, dict):
            raise InputError(f"has a {kind.rpartition('.')[2]} without attributes")
        self.attributes = saved.attributes

    def array(
        self,
        name: str,
        shape: tuple[int | None, ...],
        least: float = -_LARGEST,
        most: float = _LARGEST,
        kinds: str = "f",
    ) -> np.ndarray:
        """An array of this shape (None: any length), in this range, of these kinds of numbers."""
        saved = self.attributes.get(name)
        if not isinstance(saved, SavedArray):
            raise InputError(f"{name} must be an array")
        array = saved.read()
        fits = array.ndim == len(shape) and all(
            length in (None, own) for length, own in zip(shape, array.shape)
        )
        if not fits:
            lengths = " × ".join("any" if length is None else str(length) for length in shape)
            raise InputError(f"{name} must have the shape {lengths or 'of one number'}")
        if array.dtype.kind not in kinds or array.dtype.itemsize > 8:
            raise InputError(f"{name} must be numbers of another kind than {array.dtype.name}")
        if not ((array >= least) & (array <= most)).all():  # NaN is in no range
            raise InputError(f"{name} must be from {least:g} to {most:g}")
        return array.astype(array.dtype.newbyteorder("="), order="C")

    def number(
        self, name: str, least: float = -_LARGEST, most: float = _LARGEST, whole: bool = False
    ) -> Any:
        """A number in this range."""
        value: Any = self.attributes.get(name)
        if isinstance(value, SavedArray):
            value = self.array(name, (), least, most, kinds="iu" if whole else "iuf").item()
        if not (
            _is_number(value) and least <= value <= most and (not whole or value == int(value))
        ):
            raise InputError(f"{name} must be a number from {least:g} to {most:g}")
        return int(value) if whole else value

    def nodes(self, dtype: np.dtype) -> np.ndarray:
        """The nodes of a tree: a record each."""
        saved = self.attributes.get("nodes")
        nodes = saved.read() if isinstance(saved, SavedArray) else None
        if nodes is None or nodes.dtype != dtype or nodes.ndim != 1 or not len(nodes):
            raise InputError("nodes must be those of a tree")
        return np.ascontiguousarray(nodes)

    def objects(self, name: str) -> list[Any]:
        """A list that is not empty."""
        value = self.attributes.get(name)
        if not isinstance(value, list) or not value:
            raise InputError(f"{name} must be a list")
        return value


def _parameters(numbers, estimator):
    """The parameters of a file: the catalogue's or scikit-learn's, but for numbers."""
    defaults = type(estimator)().get_params(deep=False)
    parameters = {}
    for name, own in estimator.get_params(deep=False).items():
        value, known = numbers.attributes.get(name), (own, defaults[name])
        if isinstance(own, tuple) and isinstance(value, list):  # a penalty each
            value = tuple(value)
            is_free = all(map(_may_be_parameter, value))
        elif isinstance(value, str | None):  # ours check their words themselves
            is_free = isinstance(estimator, JointClassifier | OrdinalRegression)
        else:
            # A number may be missing in ours alone. A verbose forest prints when it predicts.
            is_free = isinstance(estimator, _OURS) or (
                name != "verbose" and any(map(_is_number, known))
            )
            is_free &= _may_be_parameter(value)
        if not is_free and value not in known:
            raise InputError(f"{name} is {reprlib.repr(value)}, not {own!r} or another number")
        parameters[name] = value
    return parameters


def _restore_scaler(scaler, numbers, parameters):
    n_features = scaler.n_features_in_
    scaler.set_params(**parameters)
    scaler.mean_ = numbers.array("mean_", (n_features,))
    scaler.scale_ = numbers.array("scale_", (n_features,), _SMALLEST)
    scaler.var_ = numbers.array("var_", (n_features,), 0, _LARGEST**2)
    scaler.n_samples_seen_ = numbers.number("n_samples_seen_", 0)


def _restore_logarithm(transformer, numbers, parameters):
    transformer.set_params(**parameters)
    transformer._check_parameters()


def _restore_linear(classifier, numbers, parameters):
    _set_validated(classifier, parameters)
    classifier.coef_ = numbers.array("coef_", (1, classifier.n_features_in_))
    classifier.intercept_ = numbers.array("intercept_", (1,))


def _restore_ridge(regressor, numbers, parameters):
    _set_validated(regressor, parameters)
    regressor.coef_ = numbers.array("coef_", (regressor.n_features_in_,))
    regressor.intercept_ = numbers.number("intercept_")


def _restore_gaussian_process(regressor, numbers, parameters):
    regressor.set_params(**parameters)
    regressor._check_parameters()
    regressor.landmarks_ = numbers.array("landmarks_", (None, regressor.n_features_in_))
    n_landmarks = len(regressor.landmarks_)
    if not n_landmarks:
        raise InputError("landmarks_ must be rows")
    regressor.weights_ = numbers.array("weights_", (n_landmarks,))
    regressor.uncertainty_ = numbers.array("uncertainty_", (n_landmarks, n_landmarks))
    regressor.mean_ = numbers.number("mean_")
    regressor.length_scale_ = numbers.number("length_scale_", _SMALLEST)
    regressor.signal_ = numbers.number("signal_", 0)
    regressor.noise_ = numbers.number("noise_", 0)


def _restore_ordinal(regressor, numbers, parameters):
    regressor.set_params(**parameters)
    regressor._check_parameters()
    regressor.coef_ = numbers.array("coef_", (regressor.n_features_in_,))
    regressor.thresholds_ = numbers.array("thresholds_", (None,))
    n_levels = len(regressor.thresholds_) + 1
    regressor.level_means_ = numbers.array("level_means_", (n_levels,))
    for name in ("thresholds_", "level_means_"):
        if not (np.diff(getattr(regressor, name)) > 0).all():
            raise InputError(f"{name} must ascend")
    regressor.level_variances_ = numbers.array("level_variances_", (n_levels,), 0)


def _restore_kernel_svm(classifier, numbers, parameters):
    classifier.set_params(**parameters)
    classifier._check_parameters()
    classifier.gamma_ = numbers.number("gamma_", _SMALLEST)
    classifier.vectors_ = numbers.array("vectors_", (None, classifier.n_features_in_))
    if not len(classifier.vectors_):
        raise InputError("vectors_ must be rows")
    classifier.weights_ = numbers.array("weights_", (len(classifier.vectors_),)).astype(float)
    classifier.intercept_ = numbers.number("intercept_")


def _restore_neighbours(classifier, numbers, parameters):
    rows = numbers.array("_fit_X", (None, classifier.n_features_in_))
    labels = numbers.array("_y", (len(rows),), 0, 1, kinds="iu")
    _set_validated(classifier, parameters)
    if not classifier.n_neighbors <= len(rows) or len(np.unique(labels)) != 2:
        raise InputError("_y must hold both classes, and n_neighbors of them")
    classifier.fit(rows, labels)


def _restore_gaussian(classifier, numbers, parameters):
    _set_validated(classifier, parameters)
    shape = (2, classifier.n_features_in_)
    # In float64: in float32 squares of differences, divided by variances, may not be finite.
    classifier.theta_ = numbers.array("theta_", shape).astype(float)
    classifier.var_ = numbers.array("var_", shape, _SMALLEST**3, _LARGEST**2).astype(float)
    classifier.class_prior_ = numbers.array("class_prior_", (2,), _SMALLEST, 1).astype(float)


def _restore_forest(classifier, numbers, parameters):
    from sklearn.tree._tree import Tree

    n_features = classifier.n_features_in_
    classifier.set_params(n_estimators=1, max_samples=None)
    _fit_one_feature(classifier)
    (like,) = classifier.estimators_
    dtype = like.tree_.__getstate__()["nodes"].dtype
    trees = []
    for saved in numbers.objects("estimators_"):
        saved_tree = _Numbers(saved, like).attributes.get("tree_")
        own = _Numbers(saved_tree, like.tree_)
        nodes = own.nodes(dtype)
        depth = _check_tree(
            nodes["left_child"],
            nodes["right_child"],
            nodes["left_child"] == -1,
            nodes["feature"],
            nodes["threshold"],
            n_features,
        )
        values = own.array("values", (len(nodes), 1, 2), 0, 1)
        if not np.allclose(values.sum(axis=2), 1):
            raise InputError("values of a tree must be shares of the classes")
        tree = copy.copy(like)
        tree.n_features_in_ = n_features
        tree.tree_ = Tree(n_features, np.array([2]), 1)
        tree.tree_.__setstate__(
            {"max_depth": depth, "node_count": len(nodes), "nodes": nodes, "values": values}
        )
        trees.append(tree)
    _set_validated(classifier, parameters)
    if classifier.n_estimators != len(trees):
        raise InputError(f"has {len(trees)} trees in place of {classifier.n_estimators}")
    classifier.n_features_in_, classifier.estimators_ = n_features, trees


def _restore_boosting(classifier, numbers, parameters):
    n_features = classifier.n_features_in_
    classifier.set_params(max_iter=1)
    _fit_one_feature(classifier)
    ((like,),) = classifier._predictors
    predictors = []
    for saved in numbers.objects("_predictors"):
        if not isinstance(saved, list) or len(saved) != 1:
            raise InputError("_predictors must have one tree a step")
        nodes = _Numbers(saved[0], like).nodes(like.nodes.dtype)
        leaf = nodes["is_leaf"] == 1
        _check_tree(
            nodes["left"],
            nodes["right"],
            leaf,
            nodes["feature_idx"],
            nodes["num_threshold"],
            n_features,
        )
        if nodes["is_categorical"].any() or not (np.abs(nodes["value"]) <= _LARGEST).all():
            raise InputError("nodes of a tree must split numbers, and have values")
        predictor = copy.copy(like)
        predictor.nodes = nodes
        predictors.append([predictor])
    baseline = numbers.array("_baseline_prediction", (1, 1))
    _set_validated(classifier, parameters)
    classifier.n_features_in_ = classifier._n_features = n_features
    classifier._predictors, classifier._baseline_prediction = predictors, baseline
    # For one feature it is not categorical.
    classifier._bin_mapper.is_categorical_ = np.zeros(n_features, np.uint8)


def _check_tree(left, right, leaf, feature, threshold, n_features):
    """Refuse nodes that are no tree, and give its depth."""
    parents = np.flatnonzero(~leaf)
    children = np.concatenate([left[parents], right[parents]]).astype(np.int64)
    # All but the root are the child of one node, which stands before them: so it is a tree.
    if not (
        np.array_equal(np.sort(children), np.arange(1, len(leaf)))
        and (children > np.tile(parents, 2)).all()
    ):
        raise InputError("nodes of a tree must each be the child of one before it")
    if not ((feature[parents] >= 0) & (feature[parents] < n_features)).all():
        raise InputError(f"nodes of a tree must ask for one of {n_features} features")
    if np.isnan(threshold[parents]).any():
        raise InputError("nodes of a tree must have a threshold")
    depth, level = 0, np.zeros(1, np.int64)
    while len(level := level[~leaf[level]]):
        level = np.concatenate([left[level], right[level]]).astype(np.int64)
        depth += 1
    return depth


def _restore_bayes(classifier, numbers, parameters):
    """Fit what `DiscreteBayesClassifier` shares, and the tables of its kind."""
    classifier.set_params(**parameters)
    classifier._check_parameters()
    n_features = classifier.n_features_in_
    n_states = numbers.array("n_states_", (n_features,), 1, HIGHEST_CODE + 1, kinds="iu")
    classifier.n_states_ = n_states.astype(int)
    classifier.categories_ = _categories(numbers.attributes.get("categories_"), classifier)
    classifier.discretizer_ = make_discretizer(classifier.discretizer)
    measured = classifier._measured()
    if classifier.discretizer_ is not None and measured.any():
        _restore_discretizer(classifier.discretizer_, numbers, classifier.n_states_[measured])
    if hasattr(classifier, "m"):
        _restore_aode(classifier, numbers)
    else:
        _restore_network(classifier, numbers)


def _categories(saved, classifier):
    """The states of columns of words."""
    places = {str(place): place for place in range(classifier.n_features_in_)}
    if not isinstance(saved, dict) or not set(saved) <= set(places):
        raise InputError("categories_ must be of features")
    for place, states in saved.items():
        n_states = classifier.n_states_[places[place]]
        if not (
            isinstance(states, list)
            and all(isinstance(state, str | int | float | bool) for state in states)
            and len(states) == len(set(states)) == n_states
        ):
            raise InputError("categories_ must be the states of a feature")
    return {places[place]: np.array(states, dtype=object) for place, states in saved.items()}


def _restore_discretizer(discretizer, numbers, n_states):
    own = _Numbers(numbers.attributes.get("discretizer_"), discretizer)
    discretizer.set_params(**_parameters(own, discretizer))
    n_features = len(n_states)
    discretizer.n_features_in_ = own.number("n_features_in_", n_features, n_features, whole=True)
    discretizer.n_bins_ = own.array("n_bins_", (n_features,), 1, HIGHEST_CODE + 1, kinds="iu")
    edges = own.array("edges_", (int(discretizer.n_bins_.max()) - 1, n_features), most=np.inf)
    n_bins = np.isfinite(edges).sum(axis=0) + 1
    if not (
        (edges[1:] >= edges[:-1]).all()
        and np.array_equal(n_bins, discretizer.n_bins_)
        and np.array_equal(n_bins, n_states)
    ):
        raise InputError("edges_ must ascend and make n_bins_ and n_states_ bins")
    discretizer.edges_ = edges


def _restore_network(classifier, numbers):
    n_features, n_states = classifier.n_features_in_, classifier.n_states_
    families = numbers.array("families_", (None, None), NO_PARENT, n_features - 1, kinds="i")
    families = families.astype(int)
    n_nodes, size = families.shape
    if not (1 <= n_nodes <= n_features + 1 and 1 <= size <= _MOST_FAMILY):
        raise InputError("families_ must be of the class and of features")
    own, parents = families[:, 0], families[:, 1:]
    nodes_fit = own[0] == CLASS and (own[1:] >= 0).all() and len(np.unique(own)) == n_nodes
    if not nodes_fit or (parents == CLASS).any():
        raise InputError("families_ must be of the class and of features")
    # In floats, since the product of whole numbers may turn over.
    n_table_rows = np.append(n_states, [1, 1]).astype(float)[families].prod(axis=1).sum()
    tables = numbers.array("log_tables_", (None, 2), _LOWEST_LOG_PROBABILITY, _SMALLEST)
    if len(tables) != n_table_rows:
        raise InputError(f"log_tables_ must have {n_table_rows:g} rows")
    classifier.class_is_parent_ = numbers.array("class_is_parent_", (n_nodes,), 0, 1, kinds="b")
    classifier.families_, classifier.log_tables_ = families, tables


def _restore_aode(classifier, numbers):
    n_features, n_states = classifier.n_features_in_, classifier.n_states_
    if classifier.alpha < _SMALLEST:
        raise InputError(f"alpha must be {_SMALLEST:g} or more")
    parents = numbers.array("parents_", (None,), 0, n_features - 1, kinds="iu").astype(int)
    if not len(parents) or (np.diff(parents) <= 0).any():
        raise InputError("parents_ must be features, ascending")
    all_states, own_states = int(n_states.sum()), int(n_states[parents].sum())
    in_log = {"least": _LOWEST_LOG_PROBABILITY, "most": _SMALLEST}
    counts = {"least": 0, "kinds": "iuf"}
    classifier.parents_ = parents
    classifier.parent_weights_ = numbers.array("parent_weights_", parents.shape, 0)
    classifier.parent_counts_ = numbers.array("parent_counts_", (own_states,), **counts)
    classifier.log_parent_tables_ = numbers.array("log_parent_tables_", (2, own_states), **in_log)
    classifier.child_counts_ = numbers.array("child_counts_", (2, own_states, all_states), **counts)
    classifier.log_naive_tables_ = numbers.array("log_naive_tables_", (1 + all_states, 2), **in_log)


def _restore_hybrid(classifier, numbers, parameters):
    n_features = classifier.n_features_in_
    classifier.set_params(**parameters)
    classifier._check_parameters()
    n_states = numbers.array("n_states_", (n_features,), 1, HIGHEST_CODE + 1, kinds="iu")
    classifier.n_states_ = n_states.astype(int)
    classifier.discretizer_ = make_discretizer(classifier.discretizer)
    _restore_discretizer(classifier.discretizer_, numbers, classifier.n_states_)
    classifier.center_ = numbers.array("center_", (n_features,))
    classifier.scale_ = numbers.array("scale_", (n_features,), _SMALLEST)
    classifier.parent_weights_ = _parent_weights(numbers, n_features)
    size = 2, int(classifier.n_states_.sum())
    classifier.log_parent_tables_ = numbers.array(
        "log_parent_tables_", size, _LOWEST_LOG_PROBABILITY, _SMALLEST
    )
    classifier.means_ = numbers.array("means_", (*size, n_features))
    classifier.variances_ = numbers.array("variances_", (*size, n_features), _SMALLEST)


def _restore_gaussian_aode(classifier, numbers, parameters):
    n_features = classifier.n_features_in_
    classifier.set_params(**parameters)
    classifier._check_parameters()
    classifier.center_ = numbers.array("center_", (n_features,))
    classifier.scale_ = numbers.array("scale_", (n_features,), _SMALLEST)
    classifier.parent_weights_ = _parent_weights(numbers, n_features)
    classifier.log_priors_ = numbers.array("log_priors_", (2,), _LOWEST_LOG_PROBABILITY, _SMALLEST)
    classifier.means_ = numbers.array("means_", (2, n_features))
    classifier.variances_ = numbers.array("variances_", (2, n_features), _SMALLEST)
    classifier.correlations_ = numbers.array(
        "correlations_", (2, n_features, n_features), -MOST_CORRELATION, MOST_CORRELATION
    )


def _parent_weights(numbers, n_features):
    weights = numbers.array("parent_weights_", (n_features,), 0)
    if not weights.any():
        raise InputError("parent_weights_ must have one above 0")
    return weights


def _fit_one_feature(classifier):
    """Fit so that all is there that an estimator of this scikit-learn has when it is fitted."""
    classifier.fit([[0.0], [1.0]], [0, 1])


def _set_validated(classifier, parameters):
    classifier.set_params(**parameters)
    classifier._validate_params()


_RESTORE: dict[str, Callable[[BaseEstimator, _Numbers, dict[str, Any]], None]] = {
    "SignedLogarithm": _restore_logarithm,
    "StandardScaler": _restore_scaler,
    "LogisticRegression": _restore_linear,
    "LinearSVC": _restore_linear,
    "Ridge": _restore_ridge,
    "RidgeCV": _restore_ridge,
    "GaussianProcessRegression": _restore_gaussian_process,
    "OrdinalRegression": _restore_ordinal,
    "KernelSVMClassifier": _restore_kernel_svm,
    "HybridAODEClassifier": _restore_hybrid,
    "GaussianAODEClassifier": _restore_gaussian_aode,
    "KNeighborsClassifier": _restore_neighbours,
    "GaussianNB": _restore_gaussian,
    "RandomForestClassifier": _restore_forest,
    "HistGradientBoostingClassifier": _restore_boosting,
}


def _kind(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _may_be_parameter(value: Any) -> bool:
    return _is_number(value) and abs(value) < 2**53


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
