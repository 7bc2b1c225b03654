"""Which recipe gives the best reduced heads for their size: AUC against the size of the network.

Recipes are chosen by nested, grouped cross-validation: within each fold's training photos, the one
with the best AUC in inner folds; the others are shown beside it.
"""

import argparse
import functools
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from decaf.backend import import_keras
from decaf.commands.common import run_command
from experiments import pages
from experiments.data import (
    add_data_options,
    add_out_options,
    compute_activations,
    divide,
    read_data,
    take_readable,
)
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
pairs: to the paper's VGG16 of width 4096 by the best of its three classifiers; to the best of the
classifiers on the averages of all of VGG16's blocks, without a head; and to the same network by the
recipe *decaf* and the same classifier."""


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
# What each part of the recipe `decaf` is worth, and what else might be; never chosen.
EXPLORED = ("efficientnet-lite0-blocks6", "vgg16")


@dataclass(frozen=True)
class Variant:
    """What is done otherwise than by the recipe `decaf`.

    Attributes
    ----------
    changes : dict
        Of its settings.
    on_votes : bool
        Trained on the votes instead of labels; judged by the predicted mean.
    directions : {"principal", "discriminant", None}
        What fc6 starts from, as in `first_kernel`.
    mirrored : bool
        Activations are averaged with those of the mirrored photo.
    """

    changes: dict = field(default_factory=dict)
    on_votes: bool = False
    directions: str | None = None
    mirrored: bool = False


VARIANTS = {
    "decaf, labels not softened": Variant({"softness": 0.0}),
    "decaf, softened twice as much": Variant({"softness": 0.1}),
    "decaf, no weight decay": Variant({"weight_decay": 0.0}),
    "decaf, a third of the weight decay": Variant({"weight_decay": 3.0}),
    "decaf, not standardised": Variant({"standardize": False}),
    "decaf, 10 epochs": Variant({"epochs": 10}),
    "decaf, SGD": Variant(
        {"optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 0.0}
    ),
    "decaf, SGD without momentum": Variant(
        {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.0}
    ),
    "decaf, trained on votes": Variant(on_votes=True),
    "decaf, fc6 from principal directions": Variant(directions="principal"),
    "decaf, fc6 from discriminant directions": Variant(directions="discriminant"),
    "decaf, mirrored photos averaged in": Variant(mirrored=True),
}


def make_recipes(seed):
    """The recipes that are compared.

    Parameters
    ----------
    seed : int

    Returns
    -------
    dict of str to decaf.training.finetune.TrainingSettings
        ``paper`` has a momentum of 0.9, without which it hardly learns on so few photos.
    """
    from decaf.training.finetune import RECIPES, TrainingSettings

    recipes = {
        "paper": replace(RECIPES["paper"], momentum=0.9),
        "standardised": TrainingSettings(standardize=True, optimizer="adam"),
        "decaf": RECIPES["decaf"],
        **{name: replace(RECIPES["decaf"], **each.changes) for name, each in VARIANTS.items()},
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

    from classifiers.evaluation.evaluation import FeatureSet
    from decaf.backend import choose_precision
    from experiments.judging import Cell, GivenScores, cells_folder, compute_once, judge_cells

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
    mirrored = {
        name: compute_activations(
            rated,
            network.backbone,
            (network.pooling,),
            args,
            mirrored=True,
            blocks=network.blocks,
        )[network.pooling]
        for name, network in networks.items()
        if name in EXPLORED
    }
    photos = divide(take_readable(rated, [*activations.values(), *mirrored.values()]), args)
    recipes = make_recipes(args.seed)
    variants = {
        name: variant
        for name, variant in VARIANTS.items()
        if rated.votes is not None or not variant.on_votes
    }
    kept = cells_folder(folder)
    what = {"photos": photos.identity, "precision": choose_precision(args.precision)}
    found = {}
    pairs = [(name, each) for name in networks for each in networks[name].recipes]
    pairs += [(name, each) for name in networks if name in EXPLORED for each in variants]
    for name, each in tqdm(pairs, "finetuning", unit="recipe"):
        network, variant = networks[name], variants.get(each, Variant())
        seen = activations[name]
        if variant.mirrored:
            seen = AveragedActivations((seen, mirrored[name]))
        found[name, each] = compute_once(
            kept / f"{name}-{each}.json".replace(",", "").replace(" ", "-"),
            what
            | asdict(network)
            | {"training": asdict(recipes[each]), "variant": asdict(variant)},
            lambda name=name, each=each, seen=seen, variant=variant: predict_unseen(
                seen,
                photos,
                recipes[each],
                networks[name].width,
                choose=len(networks[name].recipes) > 1 and each not in variants,
                on_votes=variant.on_votes,
                directions=variant.directions,
            ),
            force=args.force,
        )
    for name, network in networks.items():
        if len(network.recipes) > 1:
            found[name, CHOSEN] = choose_recipes(
                {each: found[name, each] for each in network.recipes}, photos.folds
            )
    cells = [
        Cell(
            f"judged-{name}-{each}-{classifier}".replace(",", "").replace(" ", "-"),
            FeatureSet(f"{name} {each}", np.array(scores["score"][classifier])[:, None]),
            {classifier: GivenScores(_threshold(classifier, each, rated.midpoint))},
            what | {"training": {key: asdict(value) for key, value in recipes.items()}},
        )
        for (name, each), scores in found.items()
        for classifier in CLASSIFIERS
    ]
    plain = [name for name, network in networks.items() if network.pooling != "flatten"]
    cells += [
        Cell(
            f"judged-{name}-plain",
            FeatureSet(name, activations[name].read(np.arange(len(photos.rated)))),
            list(CLASSIFIERS[1:]),
            what,
        )
        for name in plain
    ]
    judged = judge_cells(cells, photos, folder, seed=args.seed, force=args.force)
    keys = [(*key, classifier) for key in found for classifier in CLASSIFIERS]
    keys += [(name, PLAIN, classifier) for name in plain for classifier in CLASSIFIERS[1:]]
    rows = [
        {"network": name, "recipe": each, "parameters": _count(networks[name], each != PLAIN)} | row
        for (name, each, _), row in zip(keys, (row for rows in judged for row in rows))
    ]
    _compare(rows)
    chosen = {name: found[name, CHOSEN]["chosen"] for name, each in found if each == CHOSEN}
    _write(args, folder, photos, rows, recipes, chosen)
    print(folder / pages.PAGE)


def predict_unseen(
    activations, photos, settings, width, *, choose, on_votes=False, directions=None
):
    """Finetune a head on each fold's training photos and judge its test photos by it.

    Parameters
    ----------
    activations : decaf.extraction.activations.Activations or AveragedActivations
    photos : experiments.data.Photos
    settings : decaf.training.finetune.TrainingSettings
    width : int
    choose : bool
        Judge the recipe in inner folds too.
    on_votes : bool
        Train on the votes; the softmax's score is then the predicted mean.
    directions : {"principal", "discriminant", None}
        What fc6 starts from, as in `first_kernel`.

    Returns
    -------
    dict
        ``score``: classifier → list of n_photos, NaN where a photo is in no fold's test photos.
        ``inner``: the AUC of the softmax in inner folds of each fold's training photos.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold

    from classifiers.catalogue import make_classifier
    from decaf.networks.network import features_model
    from decaf.networks.votes import mean_and_spread
    from decaf.training.finetune import finetune, predict

    rated = photos.rated
    group = np.arange(len(rated)) if rated.group is None else rated.group

    def train(rows):
        kernel = None
        if directions is not None:
            score = rated.score[rows]
            kernel = first_kernel(activations.read(rows), score, width, directions, settings.seed)
        return finetune(
            activations,
            rated.label,
            width,
            settings,
            votes=rated.votes if on_votes else None,
            above_midpoint=rated.above_midpoint,
            photos=rows,
            fc6_kernel=kernel,
        )[0]

    def judge(head, rows):
        output = predict(head, activations, rows)
        return mean_and_spread(output)[0] if on_votes else output[:, 1]

    score = {name: np.full(len(rated), np.nan) for name in CLASSIFIERS}
    inner = []
    for fold in photos.folds:
        head = train(fold.train)
        score["softmax"][fold.test] = judge(head, fold.test)
        fc7 = features_model(head)
        known, unknown = (predict(fc7, activations, rows) for rows in fold)
        for name in CLASSIFIERS[1:]:
            classifier = make_classifier(name).fit(known, rated.label[fold.train])
            score[name][fold.test] = classifier.decision_function(unknown)
        if choose:
            splitter = StratifiedGroupKFold(N_INNER_FOLDS, shuffle=True, random_state=settings.seed)
            aucs = []
            for kept, held_out in splitter.split(
                fold.train, rated.label[fold.train], group[fold.train]
            ):
                kept, held_out = fold.train[kept], fold.train[held_out]
                aucs.append(roc_auc_score(rated.label[held_out], judge(train(kept), held_out)))
            inner.append(float(np.mean(aucs)))
    return {"score": {name: values.tolist() for name, values in score.items()}, "inner": inner}


class AveragedActivations:
    """Activations of the same photos, seen in several ways, averaged.

    Parameters
    ----------
    views : sequence of decaf.extraction.activations.Activations
    """

    def __init__(self, views):
        self.views = views
        self.shape, self.storage_order = views[0].shape, views[0].storage_order

    def __len__(self):
        return self.shape[0]

    def read(self, photos):
        """As `decaf.extraction.activations.Activations.read`."""
        return np.mean([view.read(photos) for view in self.views], axis=0, dtype=np.float32)


def first_kernel(activations, score, width, directions, seed):
    """Weights for fc6 to start from, of standardised activations.

    Each direction comes with its opposite, since ReLU lets only one side through, and is scaled so
    that the training photos have a variance of 1 along it. What is left of the width is random.

    Parameters
    ----------
    activations : ndarray, shape (n_photos, n_activations)
        Of the training photos.
    score : ndarray, shape (n_photos,)
        Mean scores.
    width : int
    directions : {"principal", "discriminant"}
        Those of the most variance; or those that part the deciles of the scores, by linear
        discriminant analysis with shrinkage (Ledoit and Wolf 2004).
    seed : int
        Of the random rest.

    Returns
    -------
    ndarray, shape (n_activations, width)
    """
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.preprocessing import StandardScaler

    from decaf.networks.network import build_head

    X = StandardScaler().fit_transform(activations.astype(np.float32))
    if directions == "principal":
        # The last component of centred photos has no variance.
        found = PCA(min(width // 2, len(X) - 1, X.shape[1])).fit(X).components_.T
    else:
        deciles = np.searchsorted(np.quantile(score, np.arange(0.1, 1, 0.1)), score)
        analysis = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto").fit(X, deciles)
        n_found = min(len(analysis.classes_) - 1, X.shape[1], width // 2)
        found = analysis.scalings_[:, :n_found]
    found = found / (X @ found).std(axis=0)
    kernel = build_head(X.shape[1], width, seed=seed).get_layer("fc6").get_weights()[0]
    kernel[:, : 2 * found.shape[1]] = np.hstack([found, -found])
    return kernel


def choose_recipes(found, folds):
    """Take in each fold the scores of the recipe that was best in the inner folds.

    Parameters
    ----------
    found : dict of str to dict
        Recipe → what `predict_unseen` gives.
    folds : classifiers.evaluation.folds.Folds

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


def _threshold(classifier, recipe_name, midpoint):
    if classifier != "softmax":
        return 0.0
    return midpoint if VARIANTS.get(recipe_name, Variant()).on_votes else 0.5


@functools.lru_cache
def _count(network, with_head):
    """Parameters of the backbone, and of the head if there is one."""
    from decaf.networks.backbones import build_activations
    from decaf.networks.network import build_head

    model = build_activations(network.backbone, (network.pooling,), network.blocks, weights=None)
    parameters = model.count_params()
    if with_head:
        n_activations = model.output[network.pooling].shape[1]
        parameters += build_head(n_activations, network.width).count_params()
    return parameters


def _compare(rows):
    """Add the differences to the paper's widest network, VGG16 without a head, and `decaf`."""
    from experiments.judging import add_differences

    for name, others in (
        ("paper", [row for row in rows if row["network"] == PAPERS]),
        ("plain", [row for row in rows if row["network"] == "vgg16" and row["recipe"] == PLAIN]),
    ):
        if others:
            best = max(others, key=lambda row: row["auc"])
            for row in rows:
                add_differences(row, best, name)
    by_decaf = {(r["network"], r["classifier"]): r for r in rows if r["recipe"] == "decaf"}
    for row in rows:
        same = by_decaf.get((row["network"], row["classifier"]))
        if same is not None and row is not same:
            add_differences(row, same, "decaf")


def _write(args, folder, photos, rows, recipes, chosen):
    titles = {"paper": "less the paper's", "plain": "less VGG16 plain", "decaf": "less decaf's"}
    compared = [name for name in titles if any(f"auc_minus_{name}" in row for row in rows)]
    header = ["network", "recipe", "classifier", "MB", "AUC"]
    header += [titles[name] for name in compared]
    lines = [
        [
            row["network"],
            row["recipe"],
            row["classifier"],
            f"{_megabytes(row):.1f}",
            pages.figure_text(row, "auc"),
            *(
                pages.figure_text(row, f"auc_minus_{name}") if f"auc_minus_{name}" in row else ""
                for name in compared
            ),
        ]
        for row in rows
    ]
    pages.write_page(
        folder,
        title="Recipe: AUC against size",
        text=TEXT.format(chosen=CHOSEN, n=N_INNER_FOLDS, plain=PLAIN),
        command=args.command,
        facts=photos.facts
        | {f"chosen for {name}, a fold each": ", ".join(each) for name, each in chosen.items()}
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

    rows = [row for row in rows if row["recipe"] not in VARIANTS]
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
