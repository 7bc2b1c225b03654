"""fit-classifier, from the command line to the files in its folder."""

import contextlib
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pandas
import pytest

from classifiers.catalogue import load_classifier
from decaf.commands import fit_classifier
from decaf.commands.fit_classifier import build_parser, main
from decaf.networks.record import NetworkRecord
from features.store import FeatureStore, StoreWriter

QUICK = ["--classifier", "logistic-regression", "--classifier", "naive-bayes", "--jobs", "1"]
N = 60


def write_store(path, *, n_features=6, rows=slice(None), attributes=None, **changed):
    """A feature file of photos that a classifier can tell apart."""
    random = np.random.default_rng(0)
    label = np.tile([0, 1], N // 2).astype(np.int8)
    columns = {
        "label": label,
        "score": 5 + (label - 0.5) * random.uniform(0, 4, N),
        "group": np.repeat(np.arange(N // 2), 2).astype(str),
    } | changed
    X = np.maximum(random.normal(size=(N, n_features)) + label[:, None], 0)
    paths = np.array([f"photo {i}.jpg" for i in range(N)])
    digests = np.array([f"{i:032x}" for i in range(N)])
    with StoreWriter(path, n_features, attributes=attributes or {"midpoint": 5.0}) as store:
        columns = {name: column[rows] for name, column in columns.items() if column is not None}
        store.append(X[rows], paths[rows], digests[rows], **columns)
    return str(path)


def refuse(capsys, *arguments):
    """Run the command, expect a refusal, return its one line."""
    assert main([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert "Traceback" not in error
    lines = error.splitlines()
    assert sum(line.startswith("fit-classifier: error: ") for line in lines) == 1
    return lines[-1]


def test_a_feature_file_gives_a_model_a_table_and_a_report(tmp_path, capsys):
    store = write_store(tmp_path / "features.h5")
    output = tmp_path / "model"
    assert main([store, *QUICK, "-o", str(output)]) == 0
    assert {file.name for file in output.iterdir()} == {
        "classifier.skops",
        "results.csv",
        "report.html",
    }
    page = (output / "report.html").read_text(encoding="utf-8")
    assert f"fit-classifier {store} --classifier logistic-regression" in page
    printed = capsys.readouterr().out
    assert all(len(line) <= 80 for line in printed.splitlines()[:-1])
    table = pandas.read_csv(output / "results.csv")
    assert table.classifier.tolist() == ["majority class", "logistic-regression", "naive-bayes"]
    assert f"{table.auc[1]:.3f}  ({table.auc_low[1]:.3f}–{table.auc_high[1]:.3f})" in printed
    best = table.loc[table.auc.idxmax(), "classifier"]
    assert f"best AUC: {best} on features; 60 photos" in printed
    with FeatureStore(store) as opened:
        predicted = load_classifier(output / "classifier.skops").predict(opened.features[:])
        assert np.mean(predicted == opened.label) > 0.8


RECORD = NetworkRecord(
    "label",
    "alexnet-owt",
    "multilevel",
    width=8,
    blocks=1,
    training={"epochs": 10},
    history=({"epoch": 1, "loss": 0.5},),
)
# What extract-features writes of it.
NETWORK = RECORD.to_json()


def write_network(path, **changed):
    """A network of one block and its feature file, as extract-features would write it."""
    from decaf.networks.network import build_network

    network = build_network("alexnet-owt", 8, pooling="multilevel", blocks=1, weights=None)
    record = replace(RECORD, **{"midpoint": 5.0, "versions": {"keras": "3"}} | changed)
    replace(network, record=record).save(path)
    return str(path)


def test_a_feature_file_and_its_network_give_a_whole_model(tmp_path, samples):
    from decaf.models.model import load_model

    attributes = NETWORK | {"network": "net.keras", "midpoint": 5.0, "versions": {"keras": "4"}}
    store = write_store(tmp_path / "features.h5", n_features=8, attributes=attributes)
    other = write_store(tmp_path / "other.h5", n_features=3)
    network = write_network(tmp_path / "net.keras")
    output = tmp_path / "model"
    assert main([store, other, *QUICK, "--network", network, "-o", str(output)]) == 0
    model = load_model(output)
    assert model.record["features"] == "features"
    assert model.record["trained_on"]["photos"] == model.record["judged"]["photos"] == N
    table = pandas.read_csv(output / "results.csv")
    assert model.record["judged"]["auc"]["value"] == pytest.approx(table.auc.max())
    assert model.calibration.error_after is not None
    photos = sorted(str(photo) for photo in samples.rglob("*.jpg"))[:2]
    assert model.predict_proba(photos).shape == (2, 2)


def test_a_network_that_did_not_give_the_features_is_refused(tmp_path, capsys):
    attributes = NETWORK | {"network": "net.keras"}
    store = write_store(tmp_path / "features.h5", n_features=8, attributes=attributes)
    network = write_network(tmp_path / "net.keras", history=({"epoch": 1, "loss": 0.4},))
    line = refuse(capsys, store, *QUICK, "--network", network, "-o", tmp_path / "model")
    assert "net.keras: did not give the features features, whose network has other history" in line
    photos = [tmp_path, "--ratings", "r.csv", "--backbone", "vgg16", "--network", network]
    assert "--network needs feature files" in refuse(capsys, *photos, "-o", tmp_path / "model")


def test_without_the_network_only_a_classifier_is_kept_and_an_old_model_goes(tmp_path, capsys):
    from decaf.models.model import load_model
    from features.errors import InputError

    attributes = NETWORK | {"network": "net.keras"}
    store = write_store(tmp_path / "features.h5", n_features=8, attributes=attributes)
    output = tmp_path / "model"
    network = write_network(tmp_path / "net.keras")
    assert main([store, *QUICK, "--network", network, "-o", str(output)]) == 0
    assert main([store, *QUICK, "-o", str(output), "--force"]) == 0
    assert "for a whole model add --network with the file net.keras" in capsys.readouterr().err
    assert {file.name for file in output.iterdir()} == {
        "classifier.skops",
        "results.csv",
        "report.html",
    }
    with pytest.raises(InputError, match="holds a classifier without its network"):
        load_model(output)


def test_features_of_a_plain_backbone_give_a_whole_model(tmp_path, samples, capsys):
    from decaf.commands.extract_features import main as extract
    from decaf.models.model import load_model
    from features.photos import find_photos

    store = tmp_path / "plain.h5"
    ratings = ["--ratings", str(samples / "ratings.csv")]
    backbone = ["--backbone", "alexnet-owt", "--blocks", "2", "--precision", "float32"]
    assert extract([str(samples), *ratings, *backbone, "-o", str(store)]) == 0
    output = tmp_path / "model"
    logistic = ["--classifier", "logistic-regression", "--jobs", "1", "--folds", "3"]
    assert main([str(store), *logistic, "-o", str(output)]) == 0
    model = load_model(output, "float32")
    names = find_photos(samples)[:5]
    scored = model.score_photos([str(samples / name) for name in names], progress=False)
    with FeatureStore(store) as opened:
        rows = [opened.paths.tolist().index(name) for name in names]
        np.testing.assert_allclose(scored.features, opened.features[:][rows], rtol=0.01, atol=0.01)
    with h5py.File(store, "r+") as file:
        file.attrs["weights"] = "own.npy"
    assert main([str(store), *logistic, "--force", "-o", str(output)]) == 0
    assert "for a whole model add --weights own.npy" in capsys.readouterr().err
    assert not (output / "model.json").exists()


def test_several_feature_files_are_compared_on_the_photos_they_share(tmp_path, capsys):
    one = write_store(tmp_path / "one.h5", rows=slice(0, 50))
    two = write_store(tmp_path / "two.h5", rows=np.arange(N)[::-1], n_features=3)
    assert main([one, two, *QUICK, "-o", str(tmp_path / "model")]) == 0
    assert "10 photos are left out: not in every feature file" in capsys.readouterr().err
    table = pandas.read_csv(tmp_path / "model" / "results.csv")
    assert table.features.tolist()[1:] == ["one", "one", "two", "two"]
    assert set(table.n_test) == {50}
    assert table.n_features.tolist() == [0, 6, 6, 3, 3]


def test_a_large_set_gets_no_learning_curve(tmp_path, capsys, monkeypatch):
    store = write_store(tmp_path / "features.h5")
    outputs = []
    for n_photos in (N, N - 1):
        monkeypatch.setattr("decaf.commands.fit_classifier.LEARNING_CURVE_PHOTOS", n_photos)
        assert main([store, *QUICK, "-o", str(tmp_path / str(n_photos))]) == 0
        outputs.append(capsys.readouterr().out)
    assert "training photos the AUC" in outputs[0]
    assert "training photos the AUC" not in outputs[1]


def test_finetuned_photos_train_and_only_unseen_ones_are_judged(tmp_path, capsys):
    finetuned = np.arange(N) < 41  # cuts a group in two
    store = write_store(tmp_path / "features.h5", finetuned=finetuned)
    assert main([store, *QUICK, "-o", str(tmp_path / "model")]) == 0
    captured = capsys.readouterr()
    assert "1 photos are not judged: of a group that was trained on" in captured.err
    assert "41 photos train it" in captured.out
    assert set(pandas.read_csv(tmp_path / "model" / "results.csv").n_test) == {18}


def test_delta_takes_photos_near_the_midpoint_out_of_training(tmp_path, capsys):
    store = write_store(tmp_path / "features.h5")
    with FeatureStore(store) as opened:
        n_outside = np.sum(np.abs(opened.score - 5) > 0.3)
    assert main([store, *QUICK, "--delta", "0.3", "-o", str(tmp_path / "model")]) == 0
    assert f"{n_outside} photos train it" in capsys.readouterr().out
    assert set(pandas.read_csv(tmp_path / "model" / "results.csv").n_test) == {N}


def test_results_are_replaced_only_with_force_and_other_files_stay(tmp_path, capsys):
    store = write_store(tmp_path / "features.h5")
    output = tmp_path / "model"
    output.mkdir()
    (output / "diary.txt").write_text("mine")
    (output / "results.csv").write_text("old")
    assert "model: is not empty; choose another folder, or add --force" in refuse(
        capsys, store, *QUICK, "-o", output
    )
    assert (output / "results.csv").read_text() == "old"
    assert main([store, *QUICK, "-o", str(output), "--force"]) == 0
    assert (output / "diary.txt").read_text() == "mine"
    assert (output / "results.csv").read_text() != "old"


@pytest.mark.parametrize(
    "step", ["_learning_curve", "_print_table", "network_of_features", "_keep"]
)
def test_an_interrupted_run_is_begun_again_by_the_same_command(tmp_path, capsys, monkeypatch, step):
    def interrupted(*_):
        raise KeyboardInterrupt

    store = write_store(tmp_path / "features.h5")
    output = tmp_path / "model"
    arguments = [store, *QUICK, "-o", str(output)]
    with monkeypatch.context() as patch:
        patch.setattr(f"decaf.commands.fit_classifier.{step}", interrupted)
        assert main(arguments) == 130
    assert (output / "results.csv").exists()
    assert not (output / "classifier.skops").exists()
    assert main(arguments) == 0
    assert sorted(file.name for file in output.iterdir()) == [
        "classifier.skops",
        "report.html",
        "results.csv",
    ]
    assert "model: is not empty" in refuse(capsys, *arguments)


def test_an_output_that_cannot_be_written_is_refused_before_the_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("decaf.commands.fit_classifier._compare_and_keep", None)
    store = write_store(tmp_path / "features.h5")
    for folder in ("/proc/model", f"{store}/model"):
        assert f"{folder}: cannot be written: " in refuse(capsys, store, "-o", folder)


@pytest.mark.parametrize("name", ["results.csv", "report.html", "classifier.skops"])
def test_a_file_that_cannot_be_written_is_named(tmp_path, capsys, monkeypatch, name):
    filling = fit_classifier.filling_folder

    @contextlib.contextmanager
    def with_a_folder_in_the_way(output, *arguments):
        with filling(output, *arguments):
            (output / name).mkdir()
            yield

    monkeypatch.setattr(fit_classifier, "filling_folder", with_a_folder_in_the_way)
    store = write_store(tmp_path / "features.h5")
    line = refuse(capsys, store, *QUICK, "-o", tmp_path / "model")
    assert f"{name}: cannot be written: Is a directory" in line


def test_photos_are_judged_with_a_head_finetuned_in_each_fold(samples, tmp_path, capsys):
    from decaf.models.model import load_model
    from decaf.networks.network_file import read_record
    from decaf.training.transformer import ConvNetFeatures

    output = tmp_path / "model"
    ratings = samples / "ratings.csv"
    options = ["--backbone", "alexnet-owt", "--blocks", "2", "--pooling", "multilevel"]
    options += ["--width", "8", "--epochs", "2", "--folds", "3", "--precision", "float32"]
    options += ["--recipe", "decaf"]
    arguments = [str(samples), "--ratings", str(ratings), *options, "-o", str(output)]
    assert main([*arguments, "--classifier", "logistic-regression", "--jobs", "1"]) == 0
    out = capsys.readouterr().out
    assert "best AUC: logistic-regression on alexnet-owt-multilevel-blocks2-8" in out
    assert "…level-blocks2-8 " in out
    record = read_record(output / "network.keras")
    assert (record.backbone, record.width, record.pooling) == ("alexnet-owt", 8, "multilevel")
    assert len(record.finetuned_on) == 60
    training = record.training
    assert (training["optimizer"], training["epochs"], training["softness"]) == ("adamw", 2, 0.05)
    photos = sorted(str(photo) for photo in samples.rglob("*.jpg"))[:3]
    network = ConvNetFeatures(network=output / "network.keras", precision="float32").fit(photos)
    X = network.transform(photos)
    assert X.shape == (3, 8)
    assert set(load_classifier(output / "classifier.skops").predict(X)) <= {0, 1}
    probability = load_model(output, "float32").predict_proba(photos)
    assert probability.shape == (3, 2)
    assert "alexnet-owt-multilevel-blocks2-8" in (output / "report.html").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(
    "changed, arguments, message",
    [
        ({"label": None}, [], "features.h5: holds no ratings; extract the features with --ratings"),
        (
            {"finetuned": np.ones(N, bool)},
            [],
            "no photo is left on the test side: the network was finetuned on all 60: extract",
        ),
        ({"label": np.ones(N, np.int8)}, [], "0 hold a snapshot: use fewer folds or rate more"),
        (
            {"score": None},
            ["--delta", "1"],
            "needs ratings with scores; give others, or leave --delta out",
        ),
        ({}, ["--delta", "9"], "the margin leaves training photos of one class only: use a"),
        ({}, ["--delta", "-1"], "--delta -1.0: must not be negative"),
        ({}, ["--folds", "1"], "--folds 1: at least 2 are needed"),
        ({}, ["--folds", "31"], "31 folds need at least 31 groups of each class"),
        ({}, ["--classifier", "tam"], "no classifier is called 'tam'; try tan"),
        ({}, ["--width", "250"], "--width needs photos and --ratings FILE"),
        ({}, ["--backbone", "vgg16"], "--backbone needs photos and --ratings FILE"),
    ],
)
def test_a_wrong_input_is_refused_in_one_line(tmp_path, capsys, changed, arguments, message):
    store = write_store(tmp_path / "features.h5", **changed)
    output = tmp_path / "model"
    assert message in refuse(capsys, store, *QUICK, *arguments, "-o", output)
    assert not output.exists()


def test_files_of_different_photos_are_refused(tmp_path, capsys):
    one = write_store(tmp_path / "one.h5", rows=slice(0, 30))
    two = write_store(tmp_path / "two.h5", rows=slice(30, 60))
    assert "two.h5: no photo is in all of them; compare" in refuse(capsys, one, two, "-o", "m")


def test_files_of_the_same_photos_rated_otherwise_are_refused(tmp_path, capsys):
    one = write_store(tmp_path / "one.h5")
    two = write_store(tmp_path / "two.h5", label=np.repeat([0, 1], N // 2).astype(np.int8))
    line = refuse(capsys, one, two, "-o", tmp_path / "model")
    assert "two.h5: rates photos otherwise than" in line


def test_the_same_file_twice_is_refused(tmp_path, capsys):
    store = write_store(tmp_path / "one.h5")
    assert "one.h5: give each feature file once" in refuse(capsys, store, store, "-o", "m")


def test_features_that_are_no_numbers_are_refused_with_their_row(tmp_path, capsys):
    import h5py

    store = write_store(tmp_path / "features.h5")
    with h5py.File(store, "r+") as file:
        file["features"][7, 2] = np.nan
    assert "features.h5: row 7 (photo 7.jpg) holds features that are no finite numbers" in refuse(
        capsys, store, "-o", tmp_path / "model"
    )


def test_wrong_sources_are_refused(tmp_path, capsys):
    (tmp_path / "foreign.h5").write_bytes(b"no HDF5")
    for arguments, message in (
        ([tmp_path / "missing.h5"], "missing.h5: there is no such file"),
        ([tmp_path / "foreign.h5"], "foreign.h5: "),
        ([tmp_path], "is a folder; give feature files, or photos with --ratings FILE"),
        ([tmp_path, "--ratings", "r.csv"], "photos need --backbone NAME"),
        ([tmp_path, tmp_path, "--ratings", "r.csv"], "with --ratings give one folder"),
    ):
        assert message in refuse(capsys, *arguments, "-o", tmp_path / "model")


def test_an_output_that_is_a_file_is_refused(tmp_path, capsys):
    store = write_store(tmp_path / "features.h5")
    assert "features.h5: is a file; choose another folder" in refuse(capsys, store, "-o", store)


def test_the_help_loads_nothing_heavy_and_names_every_classifier():
    from classifiers.catalogue import list_classifiers

    code = (
        "import sys; from decaf.commands.fit_classifier import build_parser; build_parser(); "
        "print([m for m in ('numpy', 'sklearn', 'keras', 'h5py', 'pandas') if m in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"
    text = build_parser().format_help()
    assert "examples:" in text
    assert all(name in text for name in list_classifiers())
