"""Which recipe gives the best reduced heads for their size: AUC against the size of the network.

Recipes are chosen by nested, grouped cross-validation: within each fold's training photos, the one
with the best AUC in inner folds; the others are shown beside it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from operator import itemgetter

import numpy as np

from experiments import data
from experiments.data import View
from experiments.figures import Panel, draw_lines, lines_of
from experiments.frame import Experiment, several
from experiments.judging import Cell, add_differences, compute_once, given, judge
from experiments.pages import Page, interval, table
from experiments.recipes import Recipe

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
    "decaf, a third of the weight decay": Recipe(changes={"weight_decay": 0.27}),
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

    rated = data.read_rated(args, "score", "the ratings hold labels only; recipes need scores")
    networks = {name: NETWORKS[name] for name in args.network}
    views = [network.view for network in networks.values()]
    views += [replace(networks[name].view, mirrored=True) for name in EXPLORED if name in networks]
    photos, seen = data.see(rated, views, args)
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
        settings["training"] = asdict(tried.settings(args.seed))
        work = activations, photos, tried, network.width, args.seed, choose
        found[name, each] = compute_once(
            args, f"{name}-{each}", what | settings, lambda work=work: judge_unseen(*work)
        )
    return found


def _cells(args, networks, recipes, found, photos, seen, what):
    def columns(name, each):
        parameters = _count(networks[name], each != PLAIN)
        return {"network": name, "recipe": each, "parameters": parameters}

    training = {name: asdict(each.settings(args.seed)) for name, each in recipes.items()}
    cells = []
    for (name, each), scores in found.items():
        on_votes = each != CHOSEN and recipes[each].on_votes
        thresholds = {"softmax": photos.rated.midpoint if on_votes else 0.5}
        cells += [
            given(
                f"{name} {each}",
                scores["score"][classifier],
                what | {"training": training},
                columns(name, each),
                threshold=thresholds.get(classifier, 0.0),
                classifier=classifier,
                file=f"judged-{name}-{each}-{classifier}",
            )
            for classifier in CLASSIFIERS
        ]
    for name, network in networks.items():
        if network.view.pooling != "flatten":
            X, file = seen[network.view].read(photos.positions[:, 0]), f"judged-{name}-plain"
            cells.append(Cell(name, X, CLASSIFIERS[1:], what, columns(name, PLAIN), file=file))
    return cells


def judge_unseen(
    activations, photos: data.Photos, recipe: Recipe, width: int, seed: int, choose: bool
) -> dict:
    """Finetune a head on each fold's training photos and judge its test photos by it.

    Gives for each classifier their ``score``; and where the recipe may be chosen, ``inner``, the
    AUC of the softmax in inner folds of each fold's training photos.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold

    from classifiers.catalogue import make_classifier
    from decaf.networks.head import features_model
    from decaf.training.batches import predict

    rated, label, inner = photos.rated, photos.rated.label, []
    group = np.arange(len(rated)) if rated.group is None else rated.group

    def score(fold):
        head = recipe.finetune(activations, rated, width, fold.train, seed)
        fc7 = features_model(head)
        known, unknown = (predict(fc7, activations, rows) for rows in fold)
        found = {"softmax": recipe.predict(head, activations, fold.test)}
        for name in CLASSIFIERS[1:]:
            classifier = make_classifier(name).fit(known, label[fold.train])
            found[name] = classifier.decision_function(unknown)
        if choose:
            splitter = StratifiedGroupKFold(N_INNER_FOLDS, shuffle=True, random_state=seed)
            aucs = []
            for sides in splitter.split(fold.train, label[fold.train], group[fold.train]):
                kept, held_out = (fold.train[side] for side in sides)
                head = recipe.finetune(activations, rated, width, kept, seed)
                probability = recipe.predict(head, activations, held_out)
                aucs.append(roc_auc_score(label[held_out], probability))
            inner.append(float(np.mean(aucs)))
        return found

    return {"score": data.predict_unseen(photos, score), "inner": inner}


class AveragedActivations:
    """Activations of the same photos, seen in several ways, averaged."""

    def __init__(self, views: Sequence):
        self.views = views
        self.shape, self.storage_order = views[0].shape, views[0].storage_order

    def __len__(self):
        return self.shape[0]

    def read(self, photos: np.ndarray) -> np.ndarray:
        """As `decaf.extraction.activations.Activations.read`."""
        return np.mean([view.read(photos) for view in self.views], axis=0, dtype=np.float32)


def choose_recipes(found: dict[str, dict], folds: Sequence) -> tuple[dict, list[str]]:
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
    from decaf.networks.head import build_head

    view = network.view
    backbone = build_activations(view.backbone, (view.pooling,), view.blocks, weights=None)
    if not with_head:
        return backbone.count_params()
    head = build_head(backbone.output[view.pooling].shape[1], network.width)
    return backbone.count_params() + head.count_params()


def _compare(rows):
    """Add the differences to the paper's widest network, VGG16 without a head, and `decaf`."""
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
    markers = dict(zip(CLASSIFIERS, "os^"))
    lines = lines_of(rows, _megabytes, "auc", ("recipe", "classifier"), markers)
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
    (data.data_options, several("--network", "", tuple(NETWORKS), choices=tuple(NETWORKS))),
)
