"""The classifiers known by name, and the file that keeps one."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import skops.io
from sklearn.base import is_regressor
from sklearn.metrics import recall_score, roc_auc_score

from classifiers.catalogue import (
    CLASSIFIERS,
    DEFAULT_CLASSIFIERS,
    list_classifiers,
    load_classifier,
    make_classifier,
    save_classifier,
)
from features.errors import InputError


@pytest.fixture(scope="module")
def unequal_classes():
    """Features as fc7 gives them, half zeros; one photo in six is professional."""
    random = np.random.default_rng(0)
    label = (np.arange(600) % 6 == 0).astype(np.int8)
    X = random.normal(size=(600, 20)) + label[:, None] * 0.7
    return np.maximum(X, 0).astype(np.float32), label


@pytest.mark.parametrize("name", list_classifiers())
def test_every_classifier_learns_and_comes_back_from_its_file_as_it_was(
    name, unequal_classes, tmp_path
):
    X, label = unequal_classes
    classifier = make_classifier(name).fit(X[:180], label[:180])
    save_classifier(classifier, tmp_path / "classifier.skops")
    loaded = load_classifier(tmp_path / "classifier.skops")
    unseen = X[300:]
    assert np.array_equal(loaded.predict(unseen), classifier.predict(unseen))
    if is_regressor(classifier):
        assert roc_auc_score(label[300:], loaded.predict(unseen)) > 0.7
    else:
        assert np.mean(loaded.predict(unseen) == label[300:]) > 0.7


@pytest.mark.parametrize(
    "name", ["logistic-regression", "linear-svm", "rbf-svm", "gaussian-naive-bayes"]
)
def test_the_smaller_class_is_found_as_well_as_the_larger(name, unequal_classes):
    X, label = unequal_classes
    predicted = make_classifier(name).fit(X[:300], label[:300]).predict(X[300:])
    assert recall_score(label[300:], predicted) > 0.8


def test_the_default_leaves_out_only_those_that_are_behind_others():
    assert set(list_classifiers()) - set(DEFAULT_CLASSIFIERS) == {
        "kdb",
        "haode",
        "gaode",
        "bayesian-network",
    }


def test_the_seed_reaches_the_classifiers_that_draw_random_numbers():
    for name in ("random-forest", "gradient-boosting"):
        assert make_classifier(name, 7).random_state == 7


def test_an_unknown_name_is_refused_with_the_nearest_names():
    with pytest.raises(InputError, match=r"'random-forrest'; try random-forest"):
        make_classifier("random-forrest")


def test_a_name_like_no_other_is_refused_with_all_names():
    with pytest.raises(InputError, match=r"logistic-regression, .*, bayesian-network"):
        make_classifier("xyz")


def test_a_file_with_a_foreign_type_is_not_opened(tmp_path):
    import doctest

    skops.io.dump(doctest.OutputChecker(), tmp_path / "foreign.skops")
    with pytest.raises(InputError, match=r"foreign\.skops: .*doctest\.OutputChecker; it is not"):
        load_classifier(tmp_path / "foreign.skops")


def test_a_classifier_that_could_not_be_loaded_is_not_saved_silently(tmp_path):
    import doctest

    with pytest.raises(InputError, match=r"OutputChecker"):
        save_classifier(doctest.OutputChecker(), tmp_path / "foreign.skops")


def test_a_damaged_file_is_refused_in_one_line(unequal_classes, tmp_path):
    path = tmp_path / "classifier.skops"
    save_classifier(make_classifier("gaussian-naive-bayes").fit(*unequal_classes), path)
    whole = path.read_bytes()
    for damaged in (b"", b"no classifier", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"classifier\.skops: not a classifier") as error:
            load_classifier(path)
        assert "\n" not in str(error.value)


def test_a_file_that_unpacks_to_more_than_it_is_is_not_unpacked(unequal_classes, tmp_path):
    path = tmp_path / "classifier.skops"
    save_classifier(make_classifier("gaussian-naive-bayes").fit(*unequal_classes), path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.npy", bytes(10_000_000))
    with pytest.raises(InputError, match=r"classifier\.skops: not a classifier .*compressed"):
        load_classifier(path)


@pytest.mark.parametrize("kind", ["ReduceNode", "FunctionNode", "MethodNode", "TypeNode"])
def test_a_call_of_anything_foreign_is_refused_in_one_line(unequal_classes, tmp_path, kind):
    path = tmp_path / "classifier.skops"
    save_classifier(make_classifier("gaussian-naive-bayes").fit(*unequal_classes), path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members["schema.json"])
    made = tmp_path / "made"
    argument = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode"}
    argument |= {"is_json": True, "content": json.dumps(str(made)), "__id__": 10_001}
    call = {"__class__": "mkdir", "__module__": "os", "__loader__": kind, "__id__": 10_002}
    call |= {"content": argument, "reduce": argument, "constructor": argument}
    # In the place of a parameter.
    schema["content"]["content"]["priors"] = call
    members["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match=r"classifier\.skops: ") as error:
        load_classifier(path)
    assert "\n" not in str(error.value) and not made.exists()


def test_a_missing_file_is_refused():
    with pytest.raises(InputError, match="there is no such file"):
        load_classifier("nowhere.skops")


def test_the_trees_of_a_forest_for_many_rows_take_some_of_them(tmp_path, monkeypatch):
    entry = replace(CLASSIFIERS["random-forest"], max_samples=40)
    monkeypatch.setitem(CLASSIFIERS, "random-forest", entry)
    assert make_classifier("random-forest", n_rows=40).max_samples is None
    forest = make_classifier("random-forest", n_rows=41).set_params(n_estimators=5)
    X = np.random.default_rng(0).normal(size=(60, 3))
    forest.fit(X, (X[:, 0] > 0).astype(int))
    assert max(tree.tree_.n_node_samples[0] for tree in forest.estimators_) <= 40
    save_classifier(forest, tmp_path / "forest.skops")
    loaded = load_classifier(tmp_path / "forest.skops")
    np.testing.assert_array_equal(loaded.predict_proba(X), forest.predict_proba(X))
    assert loaded.max_samples == 40
