"""Files whose parts are each possible, and do not fit together."""

import functools
import io
import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classifiers import (
    GaussianProcessRegression,
    NaiveBayesClassifier,
    OrdinalRegression,
    SignedLogarithm,
)
from classifiers.catalogue import (
    CLASSIFIERS,
    Entry,
    load_classifier,
    make_classifier,
    save_classifier,
)
from features.errors import InputError
from tests.robustness.classifiers import WIDTH, Parts, put_array, saved_parts, training_rows


@pytest.fixture(autouse=True)
def plain_ridge(monkeypatch):
    """The catalogue has ridge regression with a penalty that it chooses; files may hold either."""
    entry = Entry("sklearn.linear_model.Ridge", scaled=True)
    monkeypatch.setitem(CLASSIFIERS, "plain-ridge", entry)


saved_once = functools.cache(saved_parts)


def parts_of(name):
    saved = saved_once(name)
    return Parts(json.loads(json.dumps(saved.schema)), dict(saved.members))


def found(schema, attribute):
    """The first node that stands for an attribute."""
    if isinstance(schema, dict):
        if attribute in schema:
            return schema[attribute]
        schema = list(schema.values())
    nodes = (found(each, attribute) for each in schema if isinstance(each, dict | list))
    return next((node for node in nodes if node is not None), None)


def refused(parts, tmp_path, match):
    path = tmp_path / "classifier.skops"
    path.write_bytes(parts.pack())
    with pytest.raises(InputError, match=match) as error:
        load_classifier(path)
    assert "\n" not in str(error.value)


def changed(field, place, value):
    def change(nodes):
        nodes[field][place] = value
        return nodes

    return change


@pytest.mark.parametrize(
    "name, attribute, change, message",
    [
        ("random-forest", "nodes", changed("left_child", 0, 0), "child of one before it"),
        ("random-forest", "nodes", changed("right_child", 0, 10**6), "child of one before it"),
        ("random-forest", "nodes", changed("feature", 0, WIDTH), f"one of {WIDTH} features"),
        ("random-forest", "nodes", changed("threshold", 0, np.nan), "have a threshold"),
        ("random-forest", "nodes", lambda nodes: nodes[:-1], "child of one before it"),
        ("random-forest", "values", lambda values: values / 2, "shares of the classes"),
        ("random-forest", "values", lambda values: values[:-1], "values must have the shape"),
        ("gradient-boosting", "nodes", changed("left", 0, 2**31), "child of one before it"),
        ("gradient-boosting", "nodes", changed("feature_idx", 0, -1), f"one of {WIDTH} features"),
        ("gradient-boosting", "nodes", changed("is_categorical", 0, 1), "must split numbers"),
        ("gradient-boosting", "nodes", changed("value", -1, np.inf), "have values"),
        ("rbf-svm", "weights_", lambda weights: weights[1:], "weights_ must have the shape"),
        ("rbf-svm", "vectors_", lambda rows: rows[:, 1:], "shape any × 6"),
        ("rbf-svm", "vectors_", lambda rows: rows[:0], "vectors_ must be rows"),
        ("logistic-regression", "scale_", np.zeros_like, "scale_ must be from 1e-10"),
        ("logistic-regression", "mean_", lambda mean: mean[1:], "mean_ must have the shape 6"),
        ("linear-svm", "coef_", lambda weights: weights * np.nan, "coef_ must be from"),
        ("linear-svm", "coef_", lambda weights: weights.astype(complex), "of another kind than"),
        ("k-nearest-neighbours", "_y", np.zeros_like, "both classes"),
        ("k-nearest-neighbours", "_fit_X", lambda rows: rows[:9], "_y must have the shape 9"),
        ("gaussian-naive-bayes", "var_", np.negative, "var_ must be from"),
        ("gaussian-naive-bayes", "classes_", lambda classes: classes[::-1], "must be 0 and 1"),
        ("naive-bayes", "edges_", lambda edges: edges[::-1], "edges_ must ascend"),
        ("naive-bayes", "n_states_", lambda counts: counts + 1, "edges_ must ascend"),
        ("tan", "log_tables_", lambda tables: tables[:1], "log_tables_ must have .* rows"),
        ("tan", "log_tables_", lambda tables: tables + 9, "log_tables_ must be from"),
        ("kdb", "families_", lambda families: families + 2**40, "families_ must be from -2 to 5"),
        ("bayesian-network", "families_", np.zeros_like, "of the class and of features"),
        ("haode", "parent_weights_", np.zeros_like, "must have one above 0"),
        ("haode", "variances_", np.negative, "variances_ must be from 1e-10"),
        ("haode", "means_", lambda means: means[:, 1:], "means_ must have the shape 2 × "),
        ("haode", "edges_", lambda edges: edges[::-1], "edges_ must ascend"),
        ("haode", "scale_", np.zeros_like, "scale_ must be from 1e-10"),
        ("gaode", "parent_weights_", np.zeros_like, "must have one above 0"),
        ("gaode", "variances_", np.negative, "variances_ must be from 1e-10"),
        ("gaode", "correlations_", np.ones_like, "correlations_ must be from -1 to 1"),
        ("gaode", "correlations_", lambda of: of[:, 1:], "correlations_ must have the shape 2 × 6"),
        ("aode", "parent_weights_", np.negative, "parent_weights_ must be from 0"),
        ("aode", "parents_", lambda parents: parents[::-1], "features, ascending"),
        ("ridge", "coef_", lambda weights: weights[None], "coef_ must have the shape 6"),
        ("ridge", "intercept_", lambda intercept: intercept * np.nan, "intercept_ must be from"),
        ("gaussian-process", "landmarks_", lambda rows: rows[:, 1:], "shape any × 6"),
        ("gaussian-process", "landmarks_", lambda rows: rows[:0], "landmarks_ must be rows"),
        ("gaussian-process", "weights_", lambda weights: weights[1:], "weights_ must have the"),
        ("gaussian-process", "uncertainty_", lambda matrix: matrix[:, 1:], "shape 60 × 60"),
        (
            "gaussian-process",
            "uncertainty_",
            lambda matrix: matrix * np.nan,
            "uncertainty_ must be from",
        ),
        ("ordinal", "coef_", lambda weights: weights[1:], "coef_ must have the shape 6"),
        ("ordinal", "thresholds_", lambda points: points[::-1], "thresholds_ must ascend"),
        ("ordinal", "level_means_", lambda means: means[:-1], "level_means_ must have the"),
        ("ordinal", "level_means_", np.zeros_like, "level_means_ must ascend"),
        ("ordinal", "level_variances_", lambda each: each - 1, "level_variances_ must be from 0"),
        (
            "aode",
            "child_counts_",
            lambda counts: counts[:, :1],
            "child_counts_ must have the shape",
        ),
    ],
)
def test_numbers_that_do_not_fit_together_are_refused(name, attribute, change, message, tmp_path):
    parts = parts_of(name)
    member = found(parts.schema, attribute)["file"]
    put_array(parts, member, change(parts.array(member)))
    refused(parts, tmp_path, message)


@pytest.mark.parametrize(
    "name, attribute, value, message",
    [
        ("random-forest", "n_jobs", "100000", "n_jobs is 100000, not None"),
        ("random-forest", "verbose", "9", "verbose is 9, not 0"),
        ("random-forest", "n_estimators", "5", "has 4 trees in place of 5"),
        ("k-nearest-neighbours", "metric", '"cosine"', "metric is 'cosine', not 'minkowski'"),
        ("k-nearest-neighbours", "n_neighbors", "61", "and n_neighbors of them"),
        ("rbf-svm", "C", "9" * 400, "C is 9+"),
        ("rbf-svm", "C", "-1", "not a classifier .*C == -1, must be >= 1e-10"),
        ("naive-bayes", "smoothing", '"none"', "smoothing is 'none'"),
        ("aode", "average", '"median"', "average is 'median'; it must be one of"),
        ("haode", "average", '"median"', "average is 'median'"),
        ("haode", "discretizer", "null", "discretizer is None"),
        ("gaode", "average", '"median"', "average is 'median'"),
        ("gaode", "alpha", "0", "alpha is 0; it must be positive"),
        ("aode", "average", "null", "average is None"),
        ("aode", "weights", '"gain"', "weights is 'gain'"),
        ("gaussian-naive-bayes", "n_features_in_", "NaN", "n_features_in_ must be a number"),
        ("ridge", "scoring", '"accuracy"', "scoring is 'accuracy', not None"),
        ("gaussian-process", "noise", "-1", "noise is -1; it must"),
        ("gaussian-process", "noise", "NaN", "noise is nan"),
        ("gaussian-process", "length_scale_", "0", "length_scale_ must be a number from 1e-10"),
        ("gaussian-process", "signal_", '"text"', "signal_ must be a number"),
        ("gaussian-process", "random_state", '"text"', "random_state is 'text', not 0"),
        ("ordinal", "link", '"cauchit"', "link is 'cauchit'"),
        ("ordinal", "link", "null", "link is None"),
        ("ordinal", "C", "9" * 400, "C is 9+"),
    ],
)
def test_parameters_that_prediction_would_suffer_from_are_refused(
    name, attribute, value, message, tmp_path
):
    parts = parts_of(name)
    *_, estimator = [node for node in parts.nodes("DictNode") if attribute in node["content"]][:2]
    if name == "random-forest":
        estimator = parts.schema["content"]
    estimator["content"][attribute]["content"] = value
    refused(parts, tmp_path, message)


def test_parts_of_another_classifier_are_refused(tmp_path):
    parts = parts_of("tan")
    other = parts_of("naive-bayes")
    parts.members |= other.members
    tables = parts.schema["content"]["content"]
    tables["discretizer_"] = other.schema | {"__id__": 0}
    refused(parts, tmp_path, "where ZeroAwareDiscretizer must stand")


def test_an_array_that_stands_for_several_is_read_once(tmp_path):
    parts = parts_of("random-forest")
    trees = found(parts.schema, "estimators_")["content"]
    trees[1] = trees[0]
    refused(parts, tmp_path, "stands for several arrays")


def test_an_array_of_more_than_its_file_holds_takes_no_memory(tmp_path):
    parts = parts_of("logistic-regression")
    name = next(name for name in parts.members if name.endswith(".npy"))
    header = io.BytesIO()
    shape = {"shape": (2**50,), "fortran_order": False, "descr": "<f8"}
    np.lib.format.write_array_header_1_0(header, shape)
    parts.members[name] = header.getvalue() + bytes(8)
    refused(parts, tmp_path, f"'{name}' is not whole")


def test_a_classifier_of_one_s_own_parameters_is_kept_with_them(tmp_path):
    X, labels = training_rows()
    path = tmp_path / "classifier.skops"
    bare = LogisticRegression(C=0.5).fit(X, labels)
    save_classifier(bare, path)
    assert load_classifier(path).get_params() == bare.get_params()
    scaled = make_pipeline(StandardScaler(), make_classifier("gaussian-naive-bayes"))
    save_classifier(scaled.fit(X, labels), path)
    np.testing.assert_allclose(
        load_classifier(path).predict_proba(X), scaled.predict_proba(X), 1e-4
    )
    ours = NaiveBayesClassifier("mdlp", "laplace", 0.1).fit(X, labels)
    save_classifier(ours, path)
    np.testing.assert_array_equal(load_classifier(path).predict_proba(X), ours.predict_proba(X))


@pytest.mark.parametrize(
    "regressor",
    [
        RidgeCV(alphas=(3.0, 30.0)),
        Ridge(alpha=7),
        GaussianProcessRegression(noise=0.2),
        GaussianProcessRegression(n_landmarks=9, length_scale=2, random_state=1),
        OrdinalRegression(n_levels=4, C=0.5, link="probit"),
    ],
)
def test_what_learns_scores_predicts_them_as_before(regressor, tmp_path):
    X, labels = training_rows()
    pipeline = make_pipeline(StandardScaler(), regressor).fit(X, labels + X[:, 0])
    save_classifier(pipeline, tmp_path / "classifier.skops")
    loaded = load_classifier(tmp_path / "classifier.skops")
    asked = {} if isinstance(regressor, Ridge | RidgeCV) else {"return_std": True}
    np.testing.assert_array_equal(loaded.predict(X, **asked), pipeline.predict(X, **asked))
    assert loaded[-1].get_params() == regressor.get_params()


def test_logarithms_with_a_slope_of_one_s_own_are_kept_and_others_refused(tmp_path):
    X, labels = training_rows()
    path = tmp_path / "classifier.skops"
    pipeline = make_pipeline(StandardScaler(), SignedLogarithm(0.5), Ridge()).fit(X, labels)
    save_classifier(pipeline, path)
    np.testing.assert_array_equal(load_classifier(path).predict(X), pipeline.predict(X))
    pipeline[1].slope = float("nan")
    with pytest.raises(InputError, match="slope"):
        save_classifier(pipeline, path)


def test_a_regression_of_several_scores_is_not_saved(tmp_path):
    X, labels = training_rows()
    several = Ridge().fit(X, np.stack([labels, labels], axis=1))
    with pytest.raises(InputError, match="coef_ must have the shape 6"):
        save_classifier(several, tmp_path / "classifier.skops")


def test_a_classifier_of_other_classes_is_not_saved(tmp_path):
    X, labels = training_rows()
    classifier = make_classifier("tan").fit(X, labels + 1)
    with pytest.raises(InputError, match="classes_ must be from 0 to 1"):
        save_classifier(classifier, tmp_path / "classifier.skops")
