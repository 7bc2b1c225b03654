"""Every experiment on a folder in AVA's shape, from the command line to the page."""

import json
import os

import numpy as np
import pandas
import pytest
from sklearn.metrics import roc_auc_score

from experiments.paper import baseline, convnet, delta, table2
from experiments.paper.described import describe
from features.ratings import read_ratings


def run(experiment, data, out, *options):
    """Run an experiment; give its table and its page."""
    command = ["--data", str(data), "--out", str(out), "--skip-missing", *options]
    assert experiment.main(command) == 0
    return pandas.read_csv(out / "results.csv"), (out / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def table2_results(ava, quick, tmp_path_factory):
    out = tmp_path_factory.mktemp("table2")
    options = ["--backbone", "alexnet-owt", "--width", "6", "--width", "3", *quick]
    return out, options, *run(table2, ava, out, *options)


def test_table2_judges_on_the_official_test_list_and_reports_unusable_photos(table2_results):
    _, _, table, page = table2_results
    assert list(table["width"]) == [6, 3]
    assert (table["n_test"] == 20).all() and (table["n_train"] == 39).all()
    assert "1 missing, 1 that could not be read" in page
    assert "the split that the ratings or the test list give; 20 photos judged" in page


def test_table2_compares_in_pairs_with_the_widest_network(table2_results):
    _, _, table, _ = table2_results
    widest, narrow = table.to_dict("records")
    assert [widest[f"auc_minus_6{end}"] for end in ("", "_low", "_high")] == [0, 0, 0]
    assert narrow["auc_minus_6"] == pytest.approx(narrow["auc"] - widest["auc"], abs=1e-4)
    assert narrow["auc_minus_6_low"] <= narrow["auc_minus_6"] <= narrow["auc_minus_6_high"]


def test_table2_figures_are_those_of_a_head_trained_by_hand(table2_results, ava):
    from decaf.backend import choose_precision
    from decaf.extraction.activations import cached_activations
    from decaf.networks.backbones import build_activations
    from decaf.training.batches import predict
    from decaf.training.finetune import finetune
    from decaf.training.settings import TrainingSettings
    from decaf.training.targets import Targets

    _, _, table, _ = table2_results
    model = build_activations("alexnet-owt", ("flatten",), 2, dtype=choose_precision("auto"))
    ids = [line.split()[1] for line in (ava / "AVA.txt").read_text().splitlines()[1:60]]
    paths = [str(ava / "images" / f"{image}.jpg") for image in ids]
    activations = cached_activations(paths, model)["flatten"]
    votes = np.loadtxt(ava / "AVA.txt", dtype=int)[1:60, 2:12]
    label = (votes @ np.arange(1, 11) / votes.sum(axis=1) > 5).astype(int)
    test = np.isin(ids, (ava / "generic_test.jpgl").read_text().split())
    settings = TrainingSettings(learning_rate=0.01, momentum=0.9, epochs=2, validation_fraction=0.0)
    head, _ = finetune(activations, Targets(label), 3, settings, rows=np.flatnonzero(~test))
    probability = predict(head, activations, np.flatnonzero(test))[:, 1]
    assert table["auc"][1] == pytest.approx(roc_auc_score(label[test], probability), abs=1e-4)
    accuracy = ((probability > 0.5) == label[test]).mean()
    assert table["accuracy"][1] == pytest.approx(accuracy, abs=1e-4)


def test_finished_networks_are_not_finetuned_again(table2_results, ava, monkeypatch):
    out, options, _, page = table2_results
    (out / "README.md").unlink()
    monkeypatch.setattr("decaf.training.heads.finetune", None)
    _, again = run(table2, ava, out, *options)
    assert again == page


def test_finished_networks_of_other_settings_are_refused(table2_results, ava, tmp_path, capsys):
    out, options, *_ = table2_results
    (tmp_path / "cells").symlink_to(out / "cells")
    command = ["--data", str(ava), "--out", str(tmp_path), "--skip-missing", *options]
    assert table2.main([*command, "--epochs", "3"]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "alexnet-owt-6.json: is of other settings (training)" in error
    assert table2.main([*command, "--seed", "1", "--folds", "3"]) == 2
    assert "(training, photos, seed)" in capsys.readouterr().err


def test_results_begin_with_the_remarks_that_are_there(table2_results, ava):
    out, options, *_ = table2_results
    (out / "remarks.md").write_text("It holds.\n", encoding="utf-8")
    _, page = run(table2, ava, out, *options, "--force")
    assert page.startswith("# Table II: networks of four widths\n\nIt holds.\n\n")
    (out / "remarks.md").unlink()


def test_delta_takes_photos_from_training_only(ava, quick, tmp_path):
    options = ["--delta", "0.3", "--delta", "4", "--width", "4", "--jobs", "1", *quick]
    table, page = run(delta, ava, tmp_path, *options, "--classifier", "gaussian-naive-bayes")
    assert list(table["features"]) == ["descriptors"] * 2 + ["alexnet-owt fc7"] * 2
    assert list(table["delta"]) == [0, 0.3] * 2
    assert (table["n_test"] == 20).all()
    votes = np.loadtxt(ava / "AVA.txt", dtype=int)[1:60]
    test = np.isin(votes[:, 1], np.loadtxt(ava / "generic_test.jpgl", dtype=int))
    score = votes[:, 2:12] @ np.arange(1, 11) / votes[:, 2:12].sum(axis=1)
    left = (np.abs(score - 5) >= 0.3) & ~test
    assert list(table["n_train"]) == [39, left.sum()] * 2
    assert "not judged: δ of 4: leaves training photos of one class only" in page


def test_delta_is_scaled_to_other_scales(ava, tmp_path):
    """Scores from 0 to 1: a ninth of AVA's."""
    votes = np.loadtxt(ava / "AVA.txt", dtype=int)[:60]
    score = (votes[:, 2:12] @ np.arange(1, 11) / votes[:, 2:12].sum(axis=1) - 1) / 9
    files = [f"images/{image}.jpg" for image in votes[:, 1]]
    ratings = tmp_path / "ratings.csv"
    pandas.DataFrame({"file": files, "score": score}).to_csv(ratings, index=False)
    options = ["--blocks", "2", "--epochs", "1", "--delta", "0.3", "--jobs", "1", "--width", "8"]
    options += ["--ratings", str(ratings), "--midpoint", str(4 / 9)]
    table, page = run(delta, ava, tmp_path / "out", *options)
    assert sorted(set(table["delta_in_scale"])) == pytest.approx([0, 0.3 / 9], rel=1e-3)
    assert "here, from 0 to 1, it is multiplied by 0.111" in page


def test_baseline_judges_every_family_and_all_together(ava, tmp_path):
    options = ["--words", "8", "--gaussians", "2", "--jobs", "1", "--folds", "2"]
    classifiers = ["--classifier", "gaussian-naive-bayes", "--classifier", "logistic-regression"]
    table, page = run(baseline, ava, tmp_path, *options, *classifiers, "--group-by", "challenge")
    n_features = table.groupby("features", sort=False)["n_features"].first()
    assert list(n_features.index) == list(baseline.FAMILIES)
    assert n_features["sift words"] == 8
    assert n_features["sift fisher"] == 2 * (2 * 64 + 1)
    assert n_features["all"] == n_features[:-1].sum()
    assert (table["n_test"] == 59).all()
    assert "2 stratified folds, groups kept together; 59 photos judged" in page
    assert len(list((tmp_path / "cells").glob("*.json"))) == len(baseline.FAMILIES)


def test_descriptors_are_measured_once(ava, tmp_path, monkeypatch):
    rated = read_ratings(ava / "AVA.txt", skip_missing=True).take(slice(0, 3))
    found, measured = describe(rated, cache=tmp_path)
    assert [name for name, _ in found.failed] == ["images/95001.jpg"]
    assert "95001" not in found.failed[0][1]
    assert list(found.names) == ["images/95002.jpg", "images/95003.jpg"]
    monkeypatch.setattr("experiments.paper.described._measure", None)
    again, measured_again = describe(rated, cache=tmp_path)
    assert again.failed == found.failed
    for family, values in measured.items():
        np.testing.assert_array_equal(measured_again[family], values)


def test_convnet_compares_fc7_with_the_averages_of_the_same_backbone(ava, quick, tmp_path):
    options = ["--backbone", "alexnet-owt", "--width", "4", "--multilevel", "--jobs", "1", *quick]
    classifiers = ["--classifier", "gaussian-naive-bayes", "--classifier", "tan"]
    table, page = run(convnet, ava, tmp_path, *options, *classifiers)
    names = ["alexnet-owt average", "alexnet-owt multilevel", "alexnet-owt fc7"]
    assert list(table["features"]) == [name for name in names for _ in range(2)]
    assert list(table["n_features"]) == [192, 192, 256, 256, 4, 4]
    auc = table.set_index(["features", "classifier"])["auc"]
    gain = table.set_index(["features", "classifier"])["auc_minus_average"].dropna()
    assert list(gain.index) == [
        ("alexnet-owt fc7", "gaussian-naive-bayes"),
        ("alexnet-owt fc7", "tan"),
    ]
    for features, classifier in gain.index:
        difference = auc[features, classifier] - auc["alexnet-owt average", classifier]
        assert gain[features, classifier] == pytest.approx(difference, abs=1e-4)
    assert "AUC on fc7 less AUC on averages" in page


def test_a_damaged_cell_is_named(table2_results, ava, tmp_path, capsys):
    _, options, *_ = table2_results
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "alexnet-owt-6.json").write_text('{"settings": ')
    command = ["--data", str(ava), "--out", str(tmp_path), "--skip-missing", *options]
    assert table2.main(command) == 2
    assert "alexnet-owt-6.json: damaged; remove it" in capsys.readouterr().err


def test_the_papers_alexnet_is_not_judged_with_random_weights(ava, tmp_path, capsys):
    command = ["--data", str(ava), "--out", str(tmp_path), "--skip-missing"]
    assert table2.main([*command, "--backbone", "alexnet"]) == 2
    assert "alexnet: no package ships its weights" in capsys.readouterr().err


def test_a_folder_without_ratings_is_refused_in_one_line(tmp_path, capsys):
    for experiment in (table2, delta, baseline, convnet):
        assert experiment.main(["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert "holds neither AVA.txt nor ratings.csv; name the ratings with --ratings" in error


def test_cells_hold_everything_that_resuming_needs(table2_results):
    out, *_ = table2_results
    with open(out / "cells" / "alexnet-owt-3.json", encoding="utf-8") as file:
        cell = json.load(file)
    assert set(cell["settings"]) == {
        *("photos", "features", "classifiers", "seed"),
        *("training", "weights", "blocks", "precision"),
    }
    assert len(cell["outcome"][0]["resampled"]["auc"]) == 1000
    assert not [name for name in os.listdir(out / "cells") if ".part" in name]
