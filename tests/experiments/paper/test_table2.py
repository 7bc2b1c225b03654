import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from experiments.__main__ import main


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
    from decaf.networks.convolutions import build_activations
    from decaf.training.batches import predict
    from decaf.training.finetune import finetune
    from decaf.training.settings import TrainingSettings
    from decaf.training.targets import Targets

    _, _, table, _ = table2_results
    model = build_activations("alexnet-owt", ("flatten",), 2, precision=choose_precision("auto"))
    ids = [line.split()[1] for line in (ava / "AVA.txt").read_text().splitlines()[1:60]]
    paths = [str(ava / "images" / f"{image}.jpg") for image in ids]
    activations = cached_activations(paths, model)["flatten"]
    votes = np.loadtxt(ava / "AVA.txt", dtype=int)[1:60, 2:12]
    label = (votes @ np.arange(1, 11) / votes.sum(axis=1) > 5).astype(int)
    test = np.isin(ids, (ava / "aesthetics_image_lists/generic_test.jpgl").read_text().split())
    settings = TrainingSettings(learning_rate=0.01, momentum=0.9, epochs=2, validation_fraction=0.0)
    head, _ = finetune(activations, Targets(label), 3, settings, rows=np.flatnonzero(~test))
    probability = predict(head, activations, np.flatnonzero(test))[:, 1]
    assert table["auc"][1] == pytest.approx(roc_auc_score(label[test], probability), abs=1e-4)
    accuracy = ((probability > 0.5) == label[test]).mean()
    assert table["accuracy"][1] == pytest.approx(accuracy, abs=1e-4)


def test_the_papers_alexnet_is_not_judged_with_random_weights(ava, tmp_path, capsys):
    command = ["--data", str(ava), "--out", str(tmp_path), "--skip-missing"]
    assert main(["table2", *command, "--backbone", "alexnet"]) == 2
    assert "alexnet: no package ships its weights" in capsys.readouterr().err
