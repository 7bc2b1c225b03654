import numpy as np
import pandas
import pytest

from classifiers.evaluation import Fold
from experiments import recipe


@pytest.fixture(scope="module")
def results(ava, tmp_path_factory):
    out = tmp_path_factory.mktemp("recipe")
    command = ["--data", str(ava), "--out", str(out), "--skip-missing"]
    with pytest.MonkeyPatch.context() as patch:
        networks = {
            "vgg16": recipe.Network("alexnet-owt", "average", 1, 4, ("paper", "decaf")),
            recipe.PAPERS: recipe.Network("alexnet-owt", "flatten", 2, 8, ("paper",)),
        }
        patch.setattr(recipe, "NETWORKS", networks)
        assert recipe.main(command) == 0
        # What is finished is not finetuned again.
        patch.setattr(recipe, "predict_unseen", None)
        assert recipe.main([*command, "--force"]) == 0
    return pandas.read_csv(out / "results.csv"), (out / "README.md").read_text("utf-8")


def test_every_recipe_and_the_chosen_one_are_judged_by_every_classifier(results):
    table, page = results
    kinds = table.groupby(["network", "recipe"])["classifier"].agg(list).to_dict()
    every = list(recipe.CLASSIFIERS)
    assert kinds == {
        ("vgg16", "paper"): every,
        ("vgg16", "decaf"): every,
        **{("vgg16", changed): every for changed in recipe.WITHOUT},
        ("vgg16", recipe.CHOSEN): every,
        ("vgg16", recipe.PLAIN): every[1:],
        (recipe.PAPERS, "paper"): every,
    }
    assert (table["n_test"] == 20).all()
    assert "less the paper's" in page and "less VGG16 plain" in page


def test_sizes_are_those_of_backbone_and_head(results):
    table = results[0].drop_duplicates(["network", "recipe"]).set_index(["network", "recipe"])
    convolution = 11 * 11 * 3 * 64 + 64  # torchvision's AlexNet, its first block
    head = (64 * 4 + 4) + (4 * 4 + 4) + (4 * 2 + 2)
    assert table["parameters"]["vgg16", "decaf"] == convolution + head
    assert table["parameters"]["vgg16", recipe.PLAIN] == convolution


def test_the_chosen_recipe_is_one_of_both_in_the_only_fold(results):
    table = results[0][results[0]["network"] == "vgg16"].set_index(["recipe", "classifier"])["auc"]
    for classifier in recipe.CLASSIFIERS:
        assert table[recipe.CHOSEN, classifier] in (
            table["paper", classifier],
            table["decaf", classifier],
        )


def test_each_fold_takes_the_recipe_that_was_best_inside_it():
    folds = [Fold(np.array([2, 3]), np.array([0, 1])), Fold(np.array([0, 1]), np.array([2, 3]))]
    found = {
        "a": {"score": {"softmax": [1, 2, 3, 4]}, "inner": [0.6, 0.7]},
        "b": {"score": {"softmax": [5, 6, 7, 8]}, "inner": [0.9, 0.5]},
    }
    chosen = recipe.choose_recipes(found, folds)
    assert chosen == {"score": {"softmax": [5, 6, 3, 4]}, "chosen": ["b", "a"]}
