"""AVA's folder as it is, by every command that reads ratings: its test list, unusable photos."""

import pytest

import decaf.models.comparison
from decaf.commands import extract_features, finetune_network, fit_classifier
from decaf.models.model import load_model
from decaf.networks.network_file import read_record
from features.store import FeatureStore

BACKBONE = ["--backbone", "alexnet-owt", "--blocks", "2", "--precision", "float32"]
QUICK = ["--classifier", "logistic-regression", "--jobs", "1"]
TEST_LIST = ["--test-list", "generic_test.jpgl"]


@pytest.fixture(autouse=True)
def _without_a_learning_curve(monkeypatch):
    """Fifteen more heads would be finetuned for it."""
    monkeypatch.setattr(decaf.models.comparison, "LEARNING_CURVE_PHOTOS", 0)


def ratings_of(ava, *options):
    return [str(ava), "--ratings", str(ava / "AVA.txt"), "--skip-missing", *options]


@pytest.fixture(scope="module")
def features(ava, tmp_path_factory):
    """Features of a plain backbone, with the official split, and without."""
    folder = tmp_path_factory.mktemp("features")
    files = {"split": TEST_LIST, "plain": []}
    for name, test_list in files.items():
        argv = ratings_of(ava, *test_list, *BACKBONE, "-o", str(folder / f"{name}.h5"))
        assert extract_features.main(argv) == 0
    return folder


def test_a_feature_file_carries_the_split_of_a_test_list_and_names_unusable_photos(ava, features):
    listed = (ava / "aesthetics_image_lists/generic_test.jpgl").read_text().split()
    with FeatureStore(features / "split.h5") as store:
        tested = store.paths[store.split == "test"]
        assert sorted(tested) == sorted(f"images/{image}.jpg" for image in listed)
        assert len(store) == 59 and [name for name, _ in store.failed] == ["images/95001.jpg"]
    with FeatureStore(features / "plain.h5") as store:
        assert store.split is None


@pytest.mark.parametrize(("name", "options"), [("split", []), ("plain", TEST_LIST)])
def test_plain_features_are_judged_on_the_official_test_photos(
    ava, features, tmp_path, name, options
):
    list_file = ava / "aesthetics_image_lists/generic_test.jpgl"
    options = [str(list_file) if each == TEST_LIST[1] else each for each in options]
    argv = [str(features / f"{name}.h5"), *options, *QUICK, "-o", str(tmp_path / "model")]
    assert fit_classifier.main(argv) == 0
    judged = load_model(tmp_path / "model").record.judged
    assert (judged.design, judged.photos) == ("the given split", 20)


def test_photos_are_judged_on_a_test_list_and_unusable_ones_are_counted(ava, tmp_path, capsys):
    options = [*TEST_LIST, *BACKBONE, *QUICK, "--width", "8", "--epochs", "2"]
    assert fit_classifier.main(ratings_of(ava, *options, "-o", str(tmp_path / "model"))) == 0
    err = capsys.readouterr().err
    assert "1 rated photos are not there, and left out" in err
    assert "1 photos could not be read:" in err and "'images/95001.jpg'" in err
    judged = load_model(tmp_path / "model").record.judged
    assert (judged.design, judged.photos) == ("the given split", 20)


def test_networks_are_finetuned_on_what_is_not_listed(ava, tmp_path):
    options = [*TEST_LIST, *BACKBONE, "--pooling", "average", "--width", "4", "--epochs", "1"]
    assert finetune_network.main(ratings_of(ava, *options, "-o", str(tmp_path))) == 0
    (network,) = tmp_path.iterdir()
    record = read_record(network)
    assert (record.finetuned_on, record.test["photos"]) == (39, 20)
