"""How one-dependence estimators are best averaged on fc7: AODE's kinds beside other Bayesian nets.

By the number of training photos and by the head's width, since the published average, a sum of
joint probabilities, fails as features become many.
"""

from __future__ import annotations

import time
from functools import cache, partial
from itertools import product
from typing import Any

import numpy as np

from experiments import data
from experiments.figures import Panel, draw_lines, lines_of
from experiments.frame import Experiment, at_once, option
from experiments.judging import compute_once
from experiments.pages import Page, Row, number, pivot

METRICS = {"auc": "AUC", "balanced_accuracy": "Balanced accuracy"}
METRICS |= {"calibration_error": "Calibration error (ECE)", "seconds": "Seconds"}
TEXT = """\
Heads on the averages of all blocks of {backbone} ({size} pixels), finetuned with the recipe `decaf`
on some of the training photos; the classifiers learn fc7 of the same photos. Figures are of the
test photos, means of the folds; the probabilities are not calibrated afterwards. *Seconds* are of
discretising, fitting, and predicting the test photos. *HAODE* has discrete parents and Gaussian
children, *GAODE* Gaussians alone. Kinds of all three: *sum*, of joint probabilities, as published;
*posteriors* and *log-odds*, what is averaged; *MI*, weighted by the parents' mutual information
with the class. Defaults are AODE (log-odds, MI), HAODE and GAODE (both posteriors, MI)."""
# AVA has 235,508.
PHOTOS = (400, 4_000, 40_000, 235_000)
# One of each kind, and the published sum.
DRAWN = (
    "naive Bayes",
    "TAN",
    "AODE, sum",
    "AODE, log-odds, MI",
    "HAODE, posteriors, MI",
    "GAODE, posteriors, MI",
)


def contenders() -> dict[str, Any]:
    """Classifiers by the names that the tables give them."""
    from sklearn.naive_bayes import GaussianNB

    import classifiers as ours

    return {
        "naive Bayes": ours.NaiveBayesClassifier(),
        "naive Bayes, Gaussian": GaussianNB(),
        "TAN": ours.TANClassifier(),
        "KDB": ours.KDBClassifier(),
        "AODE, sum": ours.AODEClassifier("joint", None),
        "AODE, sum, m = 30": ours.AODEClassifier("joint", None, m=30),
        "AODE, sum, MI": ours.AODEClassifier("joint"),
        "AODE, posteriors": ours.AODEClassifier("posteriors", None),
        "AODE, posteriors, MI": ours.AODEClassifier("posteriors"),
        "AODE, log-odds": ours.AODEClassifier("log-odds", None),
        "AODE, log-odds, MI": ours.AODEClassifier("log-odds"),
        "HAODE, sum": ours.HybridAODEClassifier("joint", None),
        "HAODE, sum, MI": ours.HybridAODEClassifier("joint"),
        "HAODE, posteriors, MI": ours.HybridAODEClassifier("posteriors"),
        "HAODE, log-odds, MI": ours.HybridAODEClassifier("log-odds"),
        "GAODE, sum": ours.GaussianAODEClassifier("joint", None),
        "GAODE, sum, MI": ours.GaussianAODEClassifier("joint"),
        "GAODE, posteriors, MI": ours.GaussianAODEClassifier("posteriors"),
        "GAODE, log-odds, MI": ours.GaussianAODEClassifier("log-odds"),
    }


def aode(args) -> Page:
    """Judge all contenders at every size and width."""
    from tqdm import tqdm

    from decaf.training.settings import RECIPES

    rated = data.read_rated(args)
    training = data.training_photos(rated, args.backbone, data.parse_sizes(args.size), args)
    photos = data.divide(training.rated, args)
    most = min(len(fold.train) for fold in photos.folds)
    sizes = sorted({min(size, most) for size in args.photos})
    rows: list[Row] = []
    for width, size in tqdm(list(product(args.width, sizes)), "heads", unit="head"):
        what = {"photos": photos.identity, "activations": training.activations.identity}
        what |= {"training": RECIPES["decaf"].to_json(), "seed": args.seed}
        # Finetuned when the first classifier asks for it, and gone with the last.
        of_folds = cache(partial(_features, training, photos, width, size, args.seed))
        for name, classifier in contenders().items():
            judge = partial(_judge, classifier, of_folds)
            cell = f"{width}-{size}-{name}"
            figures = compute_once(args, cell, what | {"classifier": repr(classifier)}, judge)
            rows.append({"classifier": name, "width": width, "photos": size} | figures)
    headers = {size: f"{size:,} photos" for size in sizes}
    tables = {}
    for width, (metric, title) in product(args.width, METRICS.items()):
        own = [row for row in rows if row["width"] == width]
        form = ".1f" if metric == "seconds" else ".3f"
        tables[f"{title}, fc7-{width}"] = pivot(
            own, "classifier", "photos", number(metric, form), headers
        )
    return Page(
        title=f"How AODE averages, on {args.data.resolve().name}",
        text=TEXT.format(backbone=args.backbone, size=args.size),
        tables=tables,
        rows=rows,
        figure=_draw(rows, args.width),
        facts=photos.facts | data.training_facts(RECIPES["decaf"]),
    )


def _features(training, photos, width, size, seed) -> list[tuple[np.ndarray, ...]]:
    """Of every fold, fc7 of a head's training photos and their labels, and the test photos'."""
    from dataclasses import replace

    from decaf.training.heads import FinetunedHead
    from decaf.training.settings import RECIPES

    settings = replace(RECIPES["decaf"], seed=seed)
    of_folds = []
    for fold in photos.folds:
        # In their order, which is that of their activations on disk.
        train = np.sort(np.random.default_rng(seed).permutation(fold.train)[:size])
        head = FinetunedHead(
            training.activations, width, settings, training.rated.above_midpoint
        ).fit(photos.positions[train], photos.rated.label[train])
        fold_features = []
        for rows in (train, fold.test):
            fold_features += [head.transform(photos.positions[rows]), photos.rated.label[rows]]
        of_folds.append(tuple(fold_features))
    return of_folds


def _judge(classifier, of_folds) -> dict[str, float]:
    """What `METRICS` names, on the folds' average."""
    figures = [_figures(classifier, *fold) for fold in of_folds()]
    return dict(zip(METRICS, np.mean(figures, axis=0).tolist()))


def _figures(classifier, X, label, unseen, of_unseen) -> list[float]:
    from scipy.special import expit
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    from classifiers.evaluation.calibration import decision_score
    from classifiers.evaluation.uncertainty import expected_calibration_error

    start = time.perf_counter()
    log_odds = decision_score(classifier.fit(X, label), unseen)
    seconds = time.perf_counter() - start
    probability = expit(log_odds)
    return [
        float(roc_auc_score(of_unseen, log_odds)),
        float(balanced_accuracy_score(of_unseen, probability > 0.5)),
        expected_calibration_error(of_unseen, probability),
        seconds,
    ]


def _draw(rows, widths):
    shown = [row for row in rows if row["classifier"] in DRAWN]
    panels = [
        Panel(
            lines_of([r for r in shown if r["width"] == width], "photos", "auc", ("classifier",)),
            {"xscale": "log", "xlabel": f"training photos, fc7-{width}", "ylabel": "AUC"},
        )
        for width in widths
    ]
    return draw_lines(*panels, size=(9, 4), legend="outside lower center", ncols=3, sharey=True)


EXPERIMENT = Experiment(
    __doc__,
    aode,
    (
        data.data_options,
        option("--backbone", "", "efficientnet-lite0"),
        data.SIZE,
        data.BLOCKS,
        at_once("--width", "units of fc6 and of fc7", (250,)),
        at_once("--photos", "that are trained on; no more than there are", PHOTOS),
    ),
)
