"""Which recipe gives the best reduced heads for their size: AUC against the size of the network.

Recipes are chosen by nested, grouped cross-validation: within each fold's training photos, the one
with the best AUC in inner folds; the others are shown beside it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.data import Photos, View, data_options, predict_unseen, read_rated, see
from experiments.figures import Line, Panel, draw_lines
from experiments.frame import Experiment, several
from experiments.pages import Page, interval, table

if TYPE_CHECKING:
    from classifiers.evaluation.folds import Fold
    from decaf.extraction.activations import Activations
    from decaf.training.settings import TrainingSettings
    from experiments.choices.starts import AveragedActivations

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
pairs: to the paper's VGG16 of width 4096 by the best of its three classifiers; to the best of the
classifiers on the averages of all of VGG16's blocks, without a head; and to the same network by the
recipe *decaf* and the same classifier."""
DIFFERENCES = {
    "paper": "less the paper's",
    "plain": "less VGG16 plain",
    "decaf": "less decaf's",
}


@dataclass(frozen=True)
class Recipe:
    """How a head is finetuned.

    Attributes
    ----------
    base : {"paper", "decaf", ""}
        Whose settings it has, or the defaults.
    changes : dict
        Of these settings.
    on_votes : bool
        Trained on the votes instead of labels; judged by the predicted mean.
    directions : {"principal", "discriminant", ""}
        What fc6 starts from, as in `experiments.choices.starts.first_kernel`.
    mirrored : bool
        Activations are averaged with those of the mirrored photo.
    """

    base: str = "decaf"
    changes: Mapping[str, Any] = field(default_factory=dict)
    on_votes: bool = False
    directions: str = ""
    mirrored: bool = False

    def settings(self, seed: int) -> TrainingSettings:
        """All training photos are trained on."""
        from decaf.training.settings import RECIPES, TrainingSettings

        base = RECIPES[self.base] if self.base else TrainingSettings()
        return replace(base, **self.changes, validation_fraction=0.0, seed=seed)


CANDIDATES = {
    # Without a momentum it hardly learns on so few photos.
    "paper": Recipe("paper", {"momentum": 0.9}),
    "standardised": Recipe("", {"standardize": True, "optimizer": "adam"}),
    "decaf": Recipe(),
}
SGD = {"optimizer": "sgd", "weight_decay": 0.0}
# What each part of the recipe `decaf` is worth, and what else might be; never chosen.
VARIANTS = {
    "decaf, labels not softened": Recipe(changes={"softness": 0.0}),
    "decaf, softened twice as much": Recipe(changes={"softness": 0.1}),
    "decaf, no weight decay": Recipe(changes={"weight_decay": 0.0}),
    "decaf, a third of the weight decay": Recipe(changes={"weight_decay": 3.0}),
    "decaf, not standardised": Recipe(changes={"standardize": False}),
    "decaf, 10 epochs": Recipe(changes={"epochs": 10}),
    "decaf, SGD": Recipe(changes=SGD | {"learning_rate": 0.01, "momentum": 0.9}),
    "decaf, SGD without momentum": Recipe(changes=SGD | {"learning_rate": 0.1}),
    "decaf, trained on votes": Recipe(on_votes=True),
    "decaf, fc6 from principal directions": Recipe(directions="principal"),
    "decaf, fc6 from discriminant directions": Recipe(directions="discriminant"),
    "decaf, mirrored photos averaged in": Recipe(mirrored=True),
}


@dataclass(frozen=True)
class Network:
    """A backbone's activations, and the width of the heads on them by some of `CANDIDATES`."""

    view: View
    width: int = 250
    recipes: tuple[str, ...] = tuple(CANDIDATES)


NETWORKS = {
    "efficientnet-lite0-blocks7": Network(View("efficientnet-lite0", "multilevel", 7)),
    "efficientnet-lite0-blocks6": Network(View("efficientnet-lite0", "multilevel", 6)),
    "alexnet-owt": Network(View("alexnet-owt", "multilevel")),
    "vgg16": Network(View("vgg16", "multilevel")),
    "vgg16-blocks4": Network(View("vgg16", "multilevel", 4)),
    "vgg16-flatten": Network(View("vgg16", "flatten")),
    "vgg16-flatten-4096": Network(View("vgg16", "flatten"), 4096, ("paper",)),
}
PAPERS = "vgg16-flatten-4096"
# For which the variants are tried.
EXPLORED = ("efficientnet-lite0-blocks6", "vgg16")


def recipe(args) -> Page:
    """Finetune and judge every network by every recipe."""
    from decaf.backend import choose_precision
    from experiments.judging import judge

    rated = read_rated(args, "score", "the ratings hold labels only; recipes need scores")
    networks = {name: NETWORKS[name] for name in args.network}
    views = [network.view for network in networks.values()]
    views += [replace(networks[name].view, mirrored=True) for name in EXPLORED if name in networks]
    photos, seen = see(rated, views, args)
    what = {"photos": photos.identity, "precision": choose_precision(args.precision)}
    recipes = CANDIDATES | {
        name: variant
        for name, variant in VARIANTS.items()
        if rated.votes is not None or not variant.on_votes
    }
    found = _finetune(args, networks, recipes, photos, seen, what)
    chosen = {}
    for name, network in networks.items():
        if len(network.recipes) > 1:
            of_network = {each: found[name, each] for each in network.recipes}
            found[name, CHOSEN], chosen[name] = choose_recipes(of_network, photos.folds)
    rows = judge(_cells(args, networks, recipes, found, photos, seen, what), photos, args)
    _compare(rows)
    columns = {
        "network": "{network}",
        "recipe": "{recipe}",
        "classifier": "{classifier}",
        "MB": lambda row: f"{_megabytes(row):.1f}",
        "AUC": interval("auc"),
    }
    for name, header in DIFFERENCES.items():
        if any(f"auc_minus_{name}" in row for row in rows):
            columns[header] = interval(f"auc_minus_{name}")
    facts = {f"chosen for {name}, a fold each": ", ".join(each) for name, each in chosen.items()}
    for name, each in (CANDIDATES | VARIANTS).items():
        settings = asdict(each.settings(args.seed))
        facts[f"recipe {name}"] = ", ".join(f"{key} {value}" for key, value in settings.items())
    return Page(
        title="Recipe: AUC against size",
        text=TEXT.format(chosen=CHOSEN, n=N_INNER_FOLDS, plain=PLAIN),
        tables={f"Networks on {args.data.name}": table(rows, columns)},
        rows=rows,
        figure=_draw(rows),
        facts=photos.facts | facts,
    )


def _finetune(args, networks, recipes, photos, seen, what):
    """What `judge_unseen` gives for each network and recipe."""
    from tqdm import tqdm

    from experiments.choices.starts import AveragedActivations
    from experiments.judging import compute_once

    pairs = [(name, each) for name in networks for each in networks[name].recipes]
    variants = [each for each in recipes if each in VARIANTS]
    pairs += [(name, each) for name in networks if name in EXPLORED for each in variants]
    found = {}
    for name, each in tqdm(pairs, "finetuning", unit="recipe"):
        network, tried = networks[name], recipes[each]
        activations = seen[network.view]
        if tried.mirrored:
            mirrored = seen[replace(network.view, mirrored=True)]
            activations = AveragedActivations((activations, mirrored))
        choose = len(network.recipes) > 1 and each in CANDIDATES
        settings = {"network": asdict(network), "recipe": asdict(tried), "choose": choose}
        found[name, each] = compute_once(
            args,
            f"{name}-{each}",
            what | settings | {"training": asdict(tried.settings(args.seed))},
            lambda seen=(activations, photos, tried, network.width), choose=choose: judge_unseen(
                *seen, args.seed, choose=choose
            ),
        )
    return found


def _cells(args, networks, recipes, found, photos, seen, what):
    from classifiers.evaluation.evaluation import FeatureSet
    from experiments.judging import Cell, GivenScores

    def columns(name, each):
        parameters = _count(networks[name], each != PLAIN)
        return {"network": name, "recipe": each, "parameters": parameters}

    training = {name: asdict(each.settings(args.seed)) for name, each in recipes.items()}
    cells = []
    for (name, each), scores in found.items():
        on_votes = each != CHOSEN and recipes[each].on_votes
        for classifier in CLASSIFIERS:
            threshold = photos.rated.midpoint if on_votes else 0.5
            judged = GivenScores(threshold if classifier == "softmax" else 0.0)
            given = np.array(scores["score"][classifier])[:, None]
            cells.append(
                Cell(
                    f"judged-{name}-{each}-{classifier}",
                    FeatureSet(f"{name} {each}", given),
                    {classifier: judged},
                    what | {"training": training},
                    columns(name, each),
                )
            )
    for name, network in networks.items():
        if network.view.pooling != "flatten":
            X = seen[network.view].read(photos.positions[:, 0])
            feature_set = FeatureSet(name, X)
            names = list(CLASSIFIERS[1:])
            plain = Cell(f"judged-{name}-plain", feature_set, names, what, columns(name, PLAIN))
            cells.append(plain)
    return cells


def judge_unseen(
    activations: Activations | AveragedActivations,
    photos: Photos,
    recipe: Recipe,
    width: int,
    seed: int,
    *,
    choose: bool,
) -> dict:
    """Finetune a head on each fold's training photos and judge its test photos by it.

    Returns
    -------
    dict
        ``score``: classifier → list of n_photos, NaN where a photo is in no fold's test photos.
        ``inner``: if it is among those to `choose` from, the AUC of the softmax in inner folds of
        each fold's training photos.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold

    from classifiers.catalogue import make_classifier
    from decaf.networks.network import features_model
    from decaf.networks.votes import mean_and_spread
    from decaf.training.batches import predict
    from decaf.training.finetune import finetune
    from decaf.training.targets import Targets
    from experiments.choices.starts import first_kernel

    rated, settings = photos.rated, recipe.settings(seed)
    label = rated.label
    group = np.arange(len(rated)) if rated.group is None else rated.group
    inner = []

    def train(rows):
        kernel = None
        if recipe.directions:
            score = rated.score[rows]
            kernel = first_kernel(activations.read(rows), score, width, recipe.directions, seed)
        return finetune(
            activations,
            Targets.of(rated, "votes" if recipe.on_votes else "label"),
            width,
            settings,
            rows=rows,
            fc6_kernel=kernel,
        )[0]

    def softmax(head, rows):
        output = predict(head, activations, rows)
        return mean_and_spread(output)[0] if recipe.on_votes else output[:, 1]

    def score(fold):
        head = train(fold.train)
        fc7 = features_model(head)
        known, unknown = (predict(fc7, activations, rows) for rows in fold)
        found = {"softmax": softmax(head, fold.test)}
        for name in CLASSIFIERS[1:]:
            classifier = make_classifier(name).fit(known, label[fold.train])
            found[name] = classifier.decision_function(unknown)
        if choose:
            splitter = StratifiedGroupKFold(N_INNER_FOLDS, shuffle=True, random_state=seed)
            aucs = []
            for sides in splitter.split(fold.train, label[fold.train], group[fold.train]):
                kept, held_out = (fold.train[side] for side in sides)
                aucs.append(roc_auc_score(label[held_out], softmax(train(kept), held_out)))
            inner.append(float(np.mean(aucs)))
        return found

    return {"score": predict_unseen(photos, score), "inner": inner}


def choose_recipes(found: dict[str, dict], folds: Sequence[Fold]) -> tuple[dict, list[str]]:
    """Take in each fold the scores of the recipe that was best in the inner folds.

    Gives what `judge_unseen` gives, made of that for each recipe; and the recipe of each fold.
    """
    chosen = [max(found, key=lambda name: found[name]["inner"][n]) for n in range(len(folds))]
    score = {name: np.array(values) for name, values in found[chosen[0]]["score"].items()}
    for fold, best in zip(folds, chosen):
        for name in score:
            score[name][fold.test] = np.array(found[best]["score"][name])[fold.test]
    return {"score": {name: values.tolist() for name, values in score.items()}}, chosen


@functools.lru_cache
def _count(network, with_head):
    """Parameters of the backbone, and of the head if there is one."""
    from decaf.networks.convolutions import build_activations
    from decaf.networks.network import build_head

    view = network.view
    model = build_activations(view.backbone, (view.pooling,), view.blocks, weights=None)
    if not with_head:
        return model.count_params()
    head = build_head(model.output[view.pooling].shape[1], network.width)
    return model.count_params() + head.count_params()


def _compare(rows):
    """Add the differences to the paper's widest network, VGG16 without a head, and `decaf`."""
    from experiments.judging import add_differences

    papers = [row for row in rows if row["network"] == PAPERS]
    plain = [row for row in rows if (row["network"], row["recipe"]) == ("vgg16", PLAIN)]
    for name, others in (("paper", papers), ("plain", plain)):
        best = [max(others, key=itemgetter("auc"))] if others else []
        add_differences(rows, best, name)
    others = [row for row in rows if row["recipe"] != "decaf"]
    decaf = [row for row in rows if row["recipe"] == "decaf"]
    add_differences(others, decaf, "decaf", itemgetter("network", "classifier"))


def _megabytes(row):
    return 4 * row["parameters"] / 1e6


def _draw(rows):
    rows = [row for row in rows if row["recipe"] not in VARIANTS]
    lines = []
    for number, each in enumerate(dict.fromkeys(row["recipe"] for row in rows)):
        for classifier, marker in zip(CLASSIFIERS, "os^"):
            own = [row for row in rows if (row["recipe"], row["classifier"]) == (each, classifier)]
            x, y = map(_megabytes, own), [row["auc"] for row in own]
            lines.append(
                Line(list(x), y, marker, f"{each}, {classifier}", number, more={"alpha": 0.8})
            )
    axes = {"xlabel": "MB of float32 parameters", "ylabel": "AUC", "xscale": "log"}
    figure = draw_lines(Panel(lines, axes), size=(9, 5))
    for name in dict.fromkeys(row["network"] for row in rows):
        best = max((row for row in rows if row["network"] == name), key=itemgetter("auc"))
        place = {"xytext": (0, 6), "textcoords": "offset points", "ha": "center"}
        figure.axes[0].annotate(name, (_megabytes(best), best["auc"]), fontsize=7, **place)
    return figure


EXPERIMENT = Experiment(
    __doc__,
    recipe,
    (
        data_options,
        several("--network", "", tuple(NETWORKS), choices=tuple(NETWORKS), metavar="NAME"),
    ),
)
