"""fit-classifier: what it prints, its refusals, what an interruption leaves, its exit statuses."""

import contextlib
import re
import shlex

import numpy as np
import pandas
import pytest
from feature_stores import NETWORK, N, write_network, write_store

from classifiers.catalogue import load_classifier
from decaf.commands import fit_classifier
from decaf.commands.fit_classifier import main
from decaf.models.model import load_model
from decaf.networks.network_file import read_record
from features.errors import InputError
from features.store import FeatureStore

QUICK = ["--classifier", "logistic-regression", "--classifier", "naive-bayes", "--jobs", "1"]
WITHOUT_A_NETWORK = ["classifier.skops", "report.html", "results.csv"]


def refuse(capsys, *arguments):
    """Run the command, expect a refusal, return its one line."""
    assert main([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert "Traceback" not in error
    lines = error.splitlines()
    assert sum(line.startswith("fit-classifier: error: ") for line in lines) == 1
    return lines[-1]


def load_table(folder):
    return pandas.read_csv(folder / "results.csv")


def files(folder):
    """Names of what a folder holds beside its record."""
    return sorted(file.name for file in folder.iterdir() if file.name != ".decaf.json")


def test_a_feature_file_gives_a_classifier_a_table_and_a_report(tmp_path, capsys):
    store = write_store(tmp_path / "features.h5")
    output = tmp_path / "model"
    assert main([store, *QUICK, "-o", str(output)]) == 0
    assert files(output) == WITHOUT_A_NETWORK
    page = (output / "report.html").read_text(encoding="utf-8")
    assert f"fit-classifier {store} --classifier logistic-regression" in page
    printed = capsys.readouterr().out
    assert all(len(line) <= 80 for line in printed.splitlines()[:-1])
    table = load_table(output)
    assert table.classifier.tolist() == ["majority class", "logistic-regression", "naive-bayes"]
    best = table.loc[table.auc.idxmax()]
    figures = f"{best.auc:.3f}  ({best.auc_low:.3f}–{best.auc_high:.3f})".replace("0.", ".")
    assert figures in printed
    assert f"best by AUC: {best.classifier} on features; 60 photos" in printed
    told = " ".join(printed.split())
    sentence = re.search(r"From \d+ to \d+ training photos the AUC .*?\)\.", told)[0]
    assert sentence in page
    with FeatureStore(store) as opened:
        predicted = load_classifier(output / "classifier.skops").predict(opened.features[:])
        assert np.mean(predicted == opened.label) > 0.8


def test_with_its_network_it_gives_a_model_and_without_it_says_what_to_give(tmp_path, capsys):
    store = write_store(tmp_path / "features.h5", n_features=8, attributes=NETWORK)
    output = tmp_path / "model"
    network = write_network(tmp_path / "net.keras")
    assert main([store, *QUICK, "--network", network, "-o", str(output)]) == 0
    assert load_model(output).record.command.startswith(f"fit-classifier {store} --classifier ")
    assert main([store, *QUICK, "-o", str(output), "--force"]) == 0
    (told,) = [line for line in capsys.readouterr().err.splitlines() if "scores no photos" in line]
    assert told.startswith(f"{output}: holds a classifier only, and scores no photos: ")
    assert "of the network net.keras; for a whole model give" in told and "--network" in told
    assert files(output) == WITHOUT_A_NETWORK
    with pytest.raises(InputError, match="holds a classifier without its network"):
        load_model(output)


def test_photos_that_are_left_out_are_told(tmp_path, capsys):
    finetuned = np.arange(N) < 41  # cuts a group in two
    one = write_store(tmp_path / "one.h5", rows=slice(0, 50), finetuned=finetuned)
    two = write_store(tmp_path / "two.h5", n_features=3)
    assert main([one, two, *QUICK, "-o", str(tmp_path / "model")]) == 0
    out, err = capsys.readouterr()
    assert "10 photos are left out: not in every feature file" in err
    assert "1 photos are not judged: of a group that was trained on" in err
    assert "41 photos train it" in out


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


def test_tables_to_paste_are_written_by_option_and_leave_with_the_results(tmp_path, capsys):
    store = write_store(tmp_path / "features.h5")
    output = tmp_path / "model"
    arguments = [store, *QUICK, "-o", str(output)]
    assert main([*arguments, "--table", "md", "--table", "tex"]) == 0
    assert files(output) == sorted([*WITHOUT_A_NETWORK, "results.md", "results.tex"])
    assert "results.md, results.tex" in capsys.readouterr().out
    best = load_table(output).sort_values("auc").classifier.iloc[-1]
    assert (output / "results.md").read_text("utf-8").splitlines()[2].startswith(f"| {best} |")
    assert main([*arguments, "--force"]) == 0
    assert files(output) == WITHOUT_A_NETWORK


@pytest.mark.parametrize(
    "step",
    [
        "decaf.models.comparison.learning_curve",
        "decaf.commands.fit_classifier._print_table",
        "decaf.models.comparison.Comparison.fit_best",
        "classifiers.catalogue.save_classifier",
    ],
)
def test_an_interrupted_run_is_begun_again_by_the_same_command(tmp_path, capsys, monkeypatch, step):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    store = write_store(tmp_path / "features.h5")
    output = tmp_path / "model"
    arguments = [store, *QUICK, "-o", str(output)]
    with monkeypatch.context() as patch:
        patch.setattr(step, interrupted)
        assert main(arguments) == 130
    assert capsys.readouterr().err.endswith(
        "fit-classifier: interrupted; the same command goes on from here\n"
    )
    assert (output / "results.csv").exists()
    assert not (output / "classifier.skops").exists()
    kept = tmp_path / "model.parts"
    assert len(files(kept)) >= 10
    assert main(arguments) == 0
    assert files(output) == WITHOUT_A_NETWORK
    assert not kept.exists()


def test_results_that_nobody_has_touched_are_replaced_by_the_same_command_alone(tmp_path, capsys):
    store = write_store(tmp_path / "features.h5")
    output = tmp_path / "model"
    arguments = [store, *QUICK, "-o", str(output)]
    assert main([*arguments, "--force"]) == 0
    assert main(arguments) == 0
    assert refuse(capsys, *arguments, "--seed", "1").endswith(
        f"model: was made by another command: fit-classifier {shlex.join(arguments)}; choose "
        "another folder, or add --force"
    )
    (output / "report.html").write_text("mine")
    assert "model: 'report.html' in it was changed since" in refuse(capsys, *arguments)
    assert (output / "report.html").read_text() == "mine"


def test_an_output_that_cannot_be_written_is_refused_before_the_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("decaf.commands.fit_classifier._compare", None)
    store = write_store(tmp_path / "features.h5")
    for folder in ("/proc/model", f"{store}/model"):
        assert f"{folder}: cannot be written: " in refuse(capsys, store, "-o", folder)
    assert "features.h5: is a file; choose another folder" in refuse(capsys, store, "-o", store)


@pytest.mark.parametrize("name", ["results.csv", "report.html", "classifier.skops"])
def test_a_file_that_cannot_be_written_is_named(tmp_path, capsys, monkeypatch, name):
    filling = fit_classifier.filling_folder

    @contextlib.contextmanager
    def with_a_folder_in_the_way(output, *arguments, **options):
        with filling(output, *arguments, **options):
            (output / name).mkdir()
            yield

    monkeypatch.setattr(fit_classifier, "filling_folder", with_a_folder_in_the_way)
    store = write_store(tmp_path / "features.h5")
    line = refuse(capsys, store, *QUICK, "-o", tmp_path / "model")
    assert f"{name}: cannot be written: Is a directory" in line


def test_photos_are_judged_with_a_head_finetuned_in_each_fold(samples, tmp_path, capsys):
    output = tmp_path / "model"
    options = ["--backbone", "alexnet-owt", "--blocks", "2", "--pooling", "multilevel"]
    options += ["--width", "8", "--epochs", "2", "--folds", "3", "--precision", "float32"]
    options += ["--recipe", "decaf", "--classifier", "logistic-regression", "--jobs", "1"]
    ratings = str(samples / "ratings.csv")
    assert main([str(samples), "--ratings", ratings, *options, "-o", str(output)]) == 0
    out = capsys.readouterr().out
    assert "best by SRCC: logistic-regression on alexnet-owt-multilevel-blocks2-8" in out
    assert "…level-blocks2-8 " in out
    record = read_record(output / "network.keras")
    assert record.name == "alexnet-owt-multilevel-blocks2-8"
    assert record.finetuned_on == 60
    training = record.training
    assert (training["optimizer"], training["epochs"], training["softness"]) == ("adamw", 2, 0.05)
    page = (output / "report.html").read_text(encoding="utf-8")
    assert f"60 of {samples}, 72% professional" in page and ratings in page
    photos = sorted(str(photo) for photo in samples.rglob("*.jpg"))[:3]
    assert load_model(output, "float32").predict_proba(photos).shape == (3, 2)


@pytest.mark.parametrize(
    "changed, arguments, message",
    [
        ({"label": None}, [], "features.h5: holds no ratings; extract the features with --ratings"),
        ({"finetuned": np.ones(N, bool)}, [], "finetuned on all 60: extract features of photos"),
        ({"finetuned": np.ones(N, bool)}, [], "or say --allow-leak"),
        ({"score": None}, ["--delta", "1"], "or leave --delta out"),
        ({}, ["--delta", "-1"], "--delta -1.0: must not be negative"),
        ({}, ["--folds", "1"], "--folds 1: at least 2 are needed"),
        ({}, ["--classifier", "tam"], "no classifier is called 'tam'; try tan"),
        ({}, ["--width", "250"], "--width needs photos and --ratings FILE"),
        ({}, ["--outputs", "score"], "--outputs needs photos and --ratings FILE"),
        ({}, ["--size", "448"], "--size needs photos and --ratings FILE"),
        ({}, ["--backbone", "vgg16"], "--backbone needs photos and --ratings FILE"),
    ],
)
def test_a_wrong_input_is_refused_in_one_line(tmp_path, capsys, changed, arguments, message):
    store = write_store(tmp_path / "features.h5", **changed)
    output = tmp_path / "model"
    assert message in refuse(capsys, store, *QUICK, *arguments, "-o", output)
    assert not output.exists()


def test_wrong_sources_are_refused(tmp_path, capsys):
    photos = [tmp_path, "--ratings", "r.csv"]
    for arguments, message in (
        ([tmp_path / "missing.h5"], "missing.h5: there is no such file"),
        ([tmp_path], "is a folder; give feature files, or photos with --ratings FILE"),
        ([*photos, "--recipe", "paper"], "the paper's recipe needs a backbone"),
        ([tmp_path, *photos], "with --ratings give one folder"),
        ([*photos, "--backbone", "vgg16", "--network", "n.keras"], "--network needs feature files"),
    ):
        assert message in refuse(capsys, *arguments, "-o", tmp_path / "model")
