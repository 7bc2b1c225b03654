import numpy as np
import pandas
import pytest

from classifiers import (
    AODEClassifier,
    BayesianNetworkClassifier,
    KDBClassifier,
    NaiveBayesClassifier,
    TANClassifier,
)
from classifiers.catalogue import load_classifier, save_classifier

KINDS = [
    AODEClassifier,
    BayesianNetworkClassifier,
    KDBClassifier,
    NaiveBayesClassifier,
    TANClassifier,
]


def make_frame(n_rows=200, dtype="category"):
    random = np.random.default_rng(0)
    light = random.choice(["dawn", "noon", "dusk"], n_rows)
    lens = random.choice(["35 mm", "85 mm"], n_rows)
    sharpness = random.normal(size=n_rows)
    y = ((light == "dusk") & (sharpness > -1)).astype(int)
    frame = pandas.DataFrame({"light": light, "sharpness": sharpness, "lens": lens})
    return frame.astype({"light": dtype, "lens": dtype}), y


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["category", "string", object])
def test_words_are_states_as_if_they_were_codes(kind, dtype):
    frame, y = make_frame(dtype=dtype)
    found = kind().fit(frame, y)
    # The same states as codes, beside the same bins.
    bins = found.discretizer_.transform(frame[["sharpness"]].to_numpy())
    codes = np.column_stack(
        [
            pandas.Categorical(frame["light"]).codes,
            bins,
            pandas.Categorical(frame["lens"]).codes,
        ]
    ).astype(float)
    expected = kind(discretizer=None).fit(codes, y)
    np.testing.assert_allclose(found.predict_proba(frame), expected.predict_proba(codes))


def test_a_frame_of_words_alone_needs_no_discretizer():
    frame, y = make_frame()
    assert TANClassifier().fit(frame[["light", "lens"]], y).score(frame[["light", "lens"]], y) > 0.8


def test_a_category_that_no_row_has_is_a_state_all_the_same():
    frame, y = make_frame()
    frame["light"] = frame["light"].cat.add_categories("night")
    other = frame.iloc[:1].assign(
        light=pandas.Categorical(["night"], frame["light"].cat.categories)
    )
    assert np.isfinite(TANClassifier().fit(frame, y).predict_proba(other)).all()


def test_pgmpy_gets_the_words_as_states():
    frame, y = make_frame()
    network = TANClassifier().fit(frame, y).to_pgmpy()
    assert network.get_cpds("light").state_names["light"] == ["dawn", "dusk", "noon"]


def test_a_word_that_fit_did_not_see_is_named():
    frame, y = make_frame(dtype=object)
    classifier = TANClassifier().fit(frame, y)
    frame.loc[7, "light"] = "night"
    with pytest.raises(ValueError, match="row 7 of feature light is 'night', which fit did"):
        classifier.predict(frame)
    with pytest.raises(ValueError, match="has to be a DataFrame"):
        classifier.predict(frame.to_numpy())


def test_a_missing_word_is_named():
    frame, y = make_frame()
    frame.loc[7, "light"] = pandas.NA
    with pytest.raises(ValueError, match="row 7 of feature light is missing"):
        TANClassifier().fit(frame, y)


def test_a_classifier_of_words_is_kept_in_a_file(tmp_path):
    frame, y = make_frame()
    classifier = TANClassifier().fit(frame, y)
    save_classifier(classifier, tmp_path / "classifier.skops")
    again = load_classifier(tmp_path / "classifier.skops")
    np.testing.assert_array_equal(again.predict_proba(frame), classifier.predict_proba(frame))
