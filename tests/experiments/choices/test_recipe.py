from argparse import Namespace

import numpy as np
import pandas
import pytest
from PIL import Image, ImageOps

from classifiers.evaluation.folds import Fold
from experiments.__main__ import main
from experiments.choices import recipe
from experiments.data import View, activations_of
from experiments.recipes import first_kernel

# One of each kind: another target, another kernel to begin with, more activations.
VARIANTS = {
    name: recipe.VARIANTS[f"decaf, {name}"]
    for name in ("trained on votes", "fc6 from principal directions", "mirrored photos averaged in")
}


@pytest.fixture(scope="module")
def results(ava, tmp_path_factory):
    out = tmp_path_factory.mktemp("recipe")
    command = ["--data", str(ava), "--out", str(out), "--skip-missing"]
    command += ["--network", "vgg16", "--network", recipe.PAPERS]
    with pytest.MonkeyPatch.context() as patch:
        networks = {
            "vgg16": recipe.Network(View("alexnet-owt", "average", 1), 4, ("paper", "decaf")),
            recipe.PAPERS: recipe.Network(View("alexnet-owt", "flatten", 2), 8, ("paper",)),
        }
        patch.setattr(recipe, "NETWORKS", networks)
        patch.setattr(recipe, "VARIANTS", VARIANTS)
        assert main(["recipe", *command]) == 0
        # What is finished is not finetuned again.
        patch.setattr(recipe, "judge_unseen", None)
        assert main(["recipe", *command, "--force"]) == 0
    return pandas.read_csv(out / "results.csv"), (out / "README.md").read_text("utf-8")


def test_every_recipe_and_the_chosen_one_are_judged_by_every_classifier(results):
    table, page = results
    kinds = table.groupby(["network", "recipe"])["classifier"].agg(list).to_dict()
    every = list(recipe.CLASSIFIERS)
    assert kinds == {
        ("vgg16", "paper"): every,
        ("vgg16", "decaf"): every,
        **{("vgg16", changed): every for changed in VARIANTS},
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
    assert recipe.choose_recipes(found, folds) == (
        {"score": {"softmax": [5, 6, 3, 4]}},
        ["b", "a"],
    )


@pytest.fixture
def scored():
    """Activations of 300 photos, whose score depends on the fourth of 12."""
    random = np.random.default_rng(0)
    activations = random.standard_normal((300, 12)) * np.arange(1, 13) + 5
    return activations, activations[:, 3] + 0.1 * random.standard_normal(300)


@pytest.mark.parametrize("directions", ["principal", "discriminant"])
def test_fc6_starts_from_directions_of_unit_variance_and_their_opposites(scored, directions):
    kernel = first_kernel(*scored, width=9, directions=directions, seed=0)
    scaled = (scored[0] - scored[0].mean(axis=0)) / scored[0].std(axis=0)
    assert kernel.shape == (12, 9)
    np.testing.assert_allclose(kernel[:, :4], -kernel[:, 4:8])
    np.testing.assert_allclose((scaled @ kernel[:, :8]).std(axis=0), 1, rtol=1e-4)
    assert kernel[:, 8].any()


def test_principal_directions_do_not_overlap(scored):
    kernel = first_kernel(*scored, width=8, directions="principal", seed=0)
    scaled = (scored[0] - scored[0].mean(axis=0)) / scored[0].std(axis=0)
    correlations = np.corrcoef((scaled @ kernel[:, :4]).T)
    np.testing.assert_allclose(correlations, np.eye(4), atol=1e-4)


def test_the_first_discriminant_direction_is_that_of_the_score(scored):
    kernel = first_kernel(*scored, width=8, directions="discriminant", seed=0)
    scaled = (scored[0] - scored[0].mean(axis=0)) / scored[0].std(axis=0)
    assert abs(np.corrcoef(scaled @ kernel[:, 0], scored[1])[0, 1]) > 0.95


def test_mirrored_activations_are_those_of_mirrored_files(samples, tmp_path):
    original = min(samples.glob("*.jpg"))
    with Image.open(original) as photo:
        for name, shown in (("original", photo), ("mirrored", ImageOps.mirror(photo))):
            shown.resize((224, 224)).save(tmp_path / f"{name}.png")
    args = Namespace(precision="float32", engine="keras", cache=tmp_path / "cache")

    def activations(name, **options):
        rated = Namespace(paths=[str(tmp_path / f"{name}.png")])
        view = View("alexnet-owt", "average", 1, **options)
        return activations_of(rated, [view], args)[view].read(np.arange(1)).astype(float)

    plain, mirrored = activations("original"), activations("original", mirrored=True)
    np.testing.assert_allclose(mirrored, activations("mirrored"), rtol=2e-3)
    assert np.abs(plain - mirrored).max() > 0.01 * plain.max()
