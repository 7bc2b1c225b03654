import joblib
import numpy as np
import pytest
from rated_photos import rated_photos

from classifiers import memory
from classifiers.catalogue import list_classifiers, make_classifier
from classifiers.evaluation import judging
from classifiers.evaluation.evaluation import FeatureSet, evaluate
from classifiers.evaluation.folds import make_folds
from classifiers.memory import bytes_of_fit, machine_bytes
from features.errors import InputError


@pytest.fixture
def machine_of(monkeypatch):
    """Let the machine have so many bytes."""

    def have(n_bytes):
        monkeypatch.setattr(memory, "machine_bytes", lambda: n_bytes)
        monkeypatch.setattr(judging, "machine_bytes", lambda: n_bytes)

    return have


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    label = np.arange(60) % 2
    return rng.normal(size=(60, 40)) + label[:, None], label


def test_what_a_fit_is_said_to_take_is_what_its_numbers_take(rows):
    classifier = make_classifier("aode").fit(*rows)
    assert bytes_of_fit(classifier, 60, 40) == classifier.child_counts_.nbytes == 2 * 200 * 200
    hybrid = make_classifier("haode").fit(*rows)
    assert bytes_of_fit(hybrid, 60, 40) == hybrid.means_.nbytes + hybrid.variances_.nbytes
    gaussian = make_classifier("gaode").fit(*rows)
    assert bytes_of_fit(gaussian, 60, 40) == gaussian.correlations_.nbytes * 3 / 2
    weighted = make_classifier("aode").set_params(n_parents=3).fit(*rows, np.full(60, 2.0))
    assert weighted.bytes_needed(60, weighted.n_states_, weighted=True) == (
        weighted.child_counts_.nbytes
    )


# Two classes of 200 states squared, or 50 for 40 features squared; three numbers for these.
@pytest.mark.parametrize(
    "name, n_bytes", [("aode", 80_000), ("tan", 80_000), ("kdb", 80_000), ("gaode", 38_400)]
)
def test_a_fit_that_the_machine_cannot_hold_is_refused_before_it_is_begun(
    rows, machine_of, name, n_bytes
):
    machine_of(n_bytes - 1)
    with pytest.raises(InputError, match=r"Classifier on 40 features takes 0\.0 GB of memory, and"):
        make_classifier(name).fit(*rows)
    machine_of(n_bytes)
    make_classifier(name).fit(*rows)


def test_a_comparison_says_so_before_it_fits_anything(rows, machine_of, monkeypatch):
    X, label = rows
    machine_of(1_000)
    monkeypatch.setattr("classifiers.evaluation.evaluation.judge_on_folds", lambda *args: 1 / 0)
    folds = make_folds(rated_photos(label), n_folds=2)
    with pytest.raises(InputError, match=r"^aode on 40 features takes 0\.0 GB .*another"):
        evaluate([FeatureSet("fc7", X)], folds, ["naive-bayes", "aode"])


def test_as_many_fits_at_once_as_the_memory_holds(machine_of):
    machine_of(1_000)
    assert [judging._jobs_in_memory(4, n_bytes) for n_bytes in (0, 250, 400, 1_000)] == [4, 4, 2, 1]
    assert judging._jobs_in_memory(-1, 0) == joblib.effective_n_jobs(-1)


def test_the_catalogue_fits_fc7_of_the_paper_on_any_machine():
    names = list_classifiers()
    assert max(bytes_of_fit(make_classifier(name), 250_000, 500) for name in names) < 60e6


def test_this_machine_has_some_memory():
    assert machine_bytes() > 1e8
