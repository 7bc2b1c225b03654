"""Which recipe gives the best reduced heads for their size: AUC against the size of the network.

Recipes are chosen by nested, grouped cross-validation: within each fold's training photos, the one
with the best AUC in inner folds; the others are shown beside it.
"""

import argparse
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

import numpy as np

from decaf.commands.common import import_keras, run_command
from experiments import pages
from experiments.data import (
    add_data_options,
    add_out_options,
    compute_activations,
    divide,
    read_data,
    take_readable,
)
from experiments.votes import GivenScores
from features.errors import InputError

N_INNER_FOLDS = 3
CLASSIFIERS = ("softmax", "logistic-regression", "rbf-svm")
CHOSEN = "chosen in inner folds"
PLAIN = "no head"
TEXT = """\
Each network is the backbone with a head finetuned on the training photos of each fold, judged on
the others: by its own softmax, and by two classifiers on its features fc7. *{chosen}* takes in each
fold the recipe whose softmax had the best AUC in {n} inner folds of the training photos; *{plain}*
are classifiers on the standardised activations of the backbone, without any head. Those named
*decaf, …* differ from *decaf* in that one thing, are never chosen and not drawn. MB are 10**6
bytes of float32 parameters. Brackets hold 95 % bootstrap intervals; differences are resampled in
pairs: to the paper's VGG16 of width 4096 by the best of its three classifiers, and to the best of
the classifiers on the activations of the whole VGG16 without a head, of all poolings here."""


@dataclass(frozen=True)
class Network:
    """A network to be measured.

    Attributes
    ----------
    backbone, pooling : str
    blocks : int or None
    width : int
    recipes : tuple of str
        Of `make_recipes`; () is the backbone without a head.
    """

    backbone: str
    pooling: str
    blocks: int | None
    width: int
    recipes: tuple


RECIPES = ("paper", "standardised", "decaf")
NETWORKS = {
    "efficientnet-lite0-blocks7": Network("efficientnet-lite0", "multilevel", 7, 250, RECIPES),
    "efficientnet-lite0-blocks6": Network("efficientnet-lite0", "multilevel", 6, 250, RECIPES),
    "alexnet-owt": Network("alexnet-owt", "multilevel", None, 250, RECIPES),
    "vgg16": Network("vgg16", "multilevel", None, 250, RECIPES),
    "vgg16-blocks4": Network("vgg16", "multilevel", 4, 250, RECIPES),
    "vgg16-flatten": Network("vgg16", "flatten", None, 250, RECIPES),
    "vgg16-flatten-4096": Network("vgg16", "flatten", None, 4096, ("paper",)),
}
PAPERS = "vgg16-flatten-4096"
# What each part of the recipe `decaf` is worth, on one small network and on VGG16; never chosen.
EXPLORED = ("efficientnet-lite0-blocks6", "vgg16")
WITHOUT = {
    "decaf, labels not softened": {"softness": 0.0},
    "decaf, softened twice as much": {"softness": 0.1},
    "decaf, no weight decay": {"weight_decay": 0.0},
    "decaf, a third of the weight decay": {"weight_decay": 3.0},
    "decaf, not standardised": {"standardize": False},
    "decaf, 10 epochs": {"epochs": 10},
    "decaf, SGD": {
        "optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 0.0
    },
}  # fmt: skip


def make_recipes(seed):
    """The recipes that are compared.

    Parameters
    ----------
    seed : int

    Returns
    -------
    dict of str to decaf.finetune.TrainingSettings
        ``paper`` has a momentum of 0.9, without which it hardly learns on so few photos.
    """
    from decaf.finetune import RECIPES, TrainingSettings

    recipes = {
        "paper": replace(RECIPES["paper"], momentum=0.9),
        "standardised": TrainingSettings(standardize=True, optimizer="adam"),
        "decaf": RECIPES["decaf"],
        **{name: replace(RECIPES["decaf"], **changes) for name, changes in WITHOUT.items()},
    }
    return {
        name: replace(settings, validation_fraction=0.0, seed=seed)
        for name, settings in recipes.items()
    }


def main(argv=None):
    """Run the experiment.

    Parameters
    ----------
    argv : list of str, optional

    Returns
    -------
    int
        Exit status.
    """
    parser = argparse.ArgumentParser("python -m experiments recipe", description=__doc__)
    add_data_options(parser)
    parser.add_argument(
        "--network",
        action="append",
        choices=tuple(NETWORKS),
        metavar="NAME",
        help=f"{', '.join(NETWORKS)} (all)",
    )
    add_out_options(parser)
    pages.remember_command(parser, "recipe", argv)
    return run_command(recipe, parser, argv)


def recipe(args):
    """Finetune and judge every network by every recipe, write the results.

    Parameters
    ----------
    args : argparse.Namespace
    """
    folder = pages.results_folder(args)
    import_keras()
    from tqdm import tqdm

    from classifiers.evaluation import FeatureSet
    from decaf.pipeline import choose_precision
    from experiments.judging import Cell, cells_folder, compute_once, judge_cells

    rated = read_data(args)
    if rated.score is None:
        raise InputError(f"{args.data}: the ratings hold labels only; recipes need scores")
    networks = {name: NETWORKS[name] for name in args.network or NETWORKS}
    activations = {
        name: compute_activations(
            rated, network.backbone, (network.pooling,), args, blocks=network.blocks
        )[network.pooling]
        for name, network in networks.items()
    }
    photos = divide(*take_readable(rated, list(activations.values())), args)
    recipes = make_recipes(args.seed)
    kept = cells_folder(folder)
    what = {"photos": photos.identity, "precision": choose_precision(args.precision)}
    found = {}
    pairs = [(name, each) for name in networks for each in networks[name].recipes]
    pairs += [(name, each) for name in networks if name in EXPLORED for each in WITHOUT]
    for name, each in tqdm(pairs, "finetuning", unit="recipe"):
        found[name, each] = compute_once(
            kept / f"{name}-{each}.json".replace(",", "").replace(" ", "-"),
            what | asdict(networks[name]) | {"training": asdict(recipes[each])},
            lambda name=name, each=each: predict_unseen(
                activations[name],
                photos,
                recipes[each],
                networks[name].width,
                choose=len(networks[name].recipes) > 1 and each not in WITHOUT,
            ),
            force=args.force,
        )
    for name, network in networks.items():
        if len(network.recipes) > 1:
            found[name, CHOSEN] = choose_recipes(
                {each: found[name, each] for each in network.recipes}, photos.folds.folds
            )
    cells = [
        Cell(
            f"judged-{name}-{each}-{classifier}".replace(",", "").replace(" ", "-"),
            FeatureSet(f"{name} {each}", np.array(scores["score"][classifier])[:, None]),
            {classifier: GivenScores(0.5 if classifier == "softmax" else 0.0)},
            what | {"training": {key: asdict(value) for key, value in recipes.items()}},
        )
        for (name, each), scores in found.items()
        for classifier in CLASSIFIERS
    ]
    plain = [name for name, network in networks.items() if network.pooling != "flatten"]
    cells += [
        Cell(
            f"judged-{name}-plain",
            FeatureSet(name, activations[name].read(np.arange(len(photos.ratings)))),
            list(CLASSIFIERS[1:]),
            what,
        )
        for name in plain
    ]
    judged = [row for rows in judge_cells(cells, photos, folder, force=args.force) for row in rows]
    keys = [(*key, classifier) for key in found for classifier in CLASSIFIERS]
    keys += [(name, PLAIN, classifier) for name in plain for classifier in CLASSIFIERS[1:]]
    rows = [
        {"network": name, "recipe": each, "parameters": _count(networks[name], each != PLAIN)} | row
        for (name, each, _), row in zip(keys, judged)
    ]
    _compare(rows)
    _write(args, folder, photos, rows, recipes)
    print(folder / pages.PAGE)


def predict_unseen(activations, photos, settings, width, *, choose):
    """Finetune a head on each fold's training photos and judge its test photos by it.

    Parameters
    ----------
    activations : decaf.activations.Activations
    photos : experiments.data.Photos
    settings : decaf.finetune.TrainingSettings
    width : int
    choose : bool
        Judge the recipe in inner folds too.

    Returns
    -------
    dict
        ``score``: classifier → list of n_photos, NaN where a photo is in no fold's test photos.
        ``inner``: the AUC of the softmax in inner folds of each fold's training photos.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold

    from classifiers.catalogue import make_classifier
    from decaf.finetune import finetune, predict
    from decaf.network import features_model

    ratings = photos.ratings
    group = np.arange(len(ratings)) if ratings.group is None else ratings.group

    def train(rows):
        return finetune(
            activations, ratings.label, width, settings, distance=ratings.distance, photos=rows
        )[0]

    score = {name: np.full(len(ratings), np.nan) for name in CLASSIFIERS}
    inner = []
    for fold in photos.folds.folds:
        head = train(fold.train)
        score["softmax"][fold.test] = predict(head, activations, fold.test)[:, 1]
        fc7 = features_model(head)
        known, unknown = (predict(fc7, activations, rows) for rows in fold)
        for name in CLASSIFIERS[1:]:
            classifier = make_classifier(name).fit(known, ratings.label[fold.train])
            score[name][fold.test] = classifier.decision_function(unknown)
        if choose:
            splitter = StratifiedGroupKFold(N_INNER_FOLDS, shuffle=True, random_state=settings.seed)
            aucs = []
            for kept, held_out in splitter.split(
                fold.train, ratings.label[fold.train], group[fold.train]
            ):
                kept, held_out = fold.train[kept], fold.train[held_out]
                probability = predict(train(kept), activations, held_out)[:, 1]
                aucs.append(roc_auc_score(ratings.label[held_out], probability))
            inner.append(float(np.mean(aucs)))
    return {"score": {name: values.tolist() for name, values in score.items()}, "inner": inner}


def choose_recipes(found, folds):
    """Take in each fold the scores of the recipe that was best in the inner folds.

    Parameters
    ----------
    found : dict of str to dict
        Recipe → what `predict_unseen` gives.
    folds : list of classifiers.evaluation.Fold

    Returns
    -------
    dict
        ``score`` as there; ``chosen``, the recipe of each fold.
    """
    chosen = [
        max(found, key=lambda name: found[name]["inner"][number]) for number in range(len(folds))
    ]
    score = {name: np.array(values) for name, values in found[chosen[0]]["score"].items()}
    for fold, recipe_name in zip(folds, chosen):
        for name in score:
            score[name][fold.test] = np.array(found[recipe_name]["score"][name])[fold.test]
    return {"score": {name: values.tolist() for name, values in score.items()}, "chosen": chosen}


@lru_cache
def _count(network, with_head):
    """Parameters of the backbone, and of the head if there is one."""
    from decaf.backbones import build_activations
    from decaf.network import build_head

    model = build_activations(network.backbone, (network.pooling,), network.blocks, weights=None)
    parameters = model.count_params()
    if with_head:
        n_activations = model.output[network.pooling].shape[1]
        parameters += build_head(n_activations, network.width).count_params()
    return parameters


def _compare(rows):
    """Add the differences to the paper's widest network, and to VGG16 without a head."""
    from experiments.judging import add_differences

    for name, others in (
        ("paper", [row for row in rows if row["network"] == PAPERS]),
        ("plain", [row for row in rows if row["network"] == "vgg16" and row["recipe"] == PLAIN]),
    ):
        if others:
            best = max(others, key=lambda row: row["auc"])
            for row in rows:
                add_differences(row, best, name)


def _write(args, folder, photos, rows, recipes):
    compared = [name for name in ("paper", "plain") if f"auc_minus_{name}" in rows[0]]
    header = ["network", "recipe", "classifier", "MB", "AUC"]
    header += [
        {"paper": "less the paper's", "plain": "less VGG16 plain"}[name] for name in compared
    ]
    lines = [
        [
            row["network"],
            row["recipe"],
            row["classifier"],
            f"{_megabytes(row):.1f}",
            pages.figure_text(row, "auc"),
            *(pages.figure_text(row, f"auc_minus_{name}") for name in compared),
        ]
        for row in rows
    ]
    pages.write_page(
        folder,
        title="Recipe: AUC against size",
        text=TEXT.format(chosen=CHOSEN, n=N_INNER_FOLDS, plain=PLAIN),
        command=args.command,
        facts=photos.facts
        | {
            f"recipe {name}": ", ".join(f"{key} {value}" for key, value in asdict(each).items())
            for name, each in recipes.items()
        },
        tables={f"Networks on {args.data.name}": (header, lines)},
        rows=rows,
        figure=_draw(rows),
    )


def _megabytes(row):
    return 4 * row["parameters"] / 1e6


def _draw(rows):
    from matplotlib.figure import Figure

    rows = [row for row in rows if row["recipe"] not in WITHOUT]
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    for number, each in enumerate(dict.fromkeys(row["recipe"] for row in rows)):
        for classifier, marker in zip(CLASSIFIERS, "os^"):
            shown = [r for r in rows if (r["recipe"], r["classifier"]) == (each, classifier)]
            axes.semilogx(
                [_megabytes(row) for row in shown],
                [row["auc"] for row in shown],
                marker,
                ms=5,
                alpha=0.8,
                color=f"C{number}",
                label=f"{each}, {classifier}",
            )
    best = {}
    for row in rows:
        name = row["network"]
        if name not in best or row["auc"] > best[name]["auc"]:
            best[name] = row
    for name, row in best.items():
        axes.annotate(
            name,
            (_megabytes(row), row["auc"]),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=7,
        )
    axes.set(xlabel="MB of float32 parameters", ylabel="AUC")
    axes.grid(alpha=0.3, which="both")
    figure.legend(loc="outside right center", fontsize=8)
    return figure
