"""fit-classifier, from the command line to the files in its folder."""

import subprocess
import sys

import numpy as np
import pandas
import pytest

from classifiers.catalogue import load_classifier
from decaf.commands.fit_classifier import build_parser, main
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


def test_several_feature_files_are_compared_on_the_photos_they_share(tmp_path, capsys):
    one = write_store(tmp_path / "one.h5", rows=slice(0, 50))
    two = write_store(tmp_path / "two.h5", rows=np.arange(N)[::-1], n_features=3)
    assert main([one, two, *QUICK, "-o", str(tmp_path / "model")]) == 0
    assert "10 photos are left out: not in every feature file" in capsys.readouterr().err
    table = pandas.read_csv(tmp_path / "model" / "results.csv")
    assert table.features.tolist()[1:] == ["one", "one", "two", "two"]
    assert set(table.n_test) == {50}
    assert table.n_features.tolist() == [0, 6, 6, 3, 3]


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


def test_photos_are_judged_with_a_head_finetuned_in_each_fold(samples, tmp_path, capsys):
    from decaf.network_file import read_record
    from decaf.transformer import ConvNetFeatures

    output = tmp_path / "model"
    ratings = samples / "ratings.csv"
    options = ["--backbone", "alexnet-owt", "--blocks", "2", "--pooling", "multilevel"]
    options += ["--width", "8", "--epochs", "2", "--folds", "3", "--precision", "float32"]
    arguments = [str(samples), "--ratings", str(ratings), *options, "-o", str(output)]
    assert main([*arguments, "--classifier", "logistic-regression", "--jobs", "1"]) == 0
    out = capsys.readouterr().out
    assert "best AUC: logistic-regression on alexnet-owt-multilevel-blocks2-8" in out
    assert "…level-blocks2-8 " in out
    record = read_record(output / "network.keras")
    assert (record["backbone"], record["width"], record["pooling"]) == (
        "alexnet-owt",
        8,
        "multilevel",
    )
    assert len(record["finetuned_on"]) == 60
    photos = sorted(str(photo) for photo in samples.rglob("*.jpg"))[:3]
    network = ConvNetFeatures(network=output / "network.keras", precision="float32").fit(photos)
    X = network.transform(photos)
    assert X.shape == (3, 8)
    assert set(load_classifier(output / "classifier.skops").predict(X)) <= {0, 1}
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
        ({"score": None}, ["--delta", "1"], "--delta needs ratings with scores and a midpoint"),
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
    assert "features.h5: is a file; choose another folder with -o" in refuse(
        capsys, store, "-o", store
    )


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
