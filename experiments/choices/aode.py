"""How one-dependence estimators are best averaged on fc7: AODE's kinds beside other Bayesian nets.

By the number of training photos and by the head's width, since the published average, a sum of
joint probabilities, fails as features become many.
"""

from __future__ import annotations

import time
from functools import partial
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
discretising, fitting, and predicting the test photos. AODE's kinds: *sum*, of joint probabilities,
as published; *posteriors* and *log-odds*, what is averaged; *MI*, weighted by the parents' mutual
information with the class. AODE (log-odds, MI) and HAODE (posteriors, MI) are the defaults."""


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
        "HAODE, sum, MI": ours.HybridAODEClassifier("joint"),
        "HAODE, posteriors, MI": ours.HybridAODEClassifier("posteriors"),
        "HAODE, log-odds, MI": ours.HybridAODEClassifier("log-odds"),
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
        what |= {"classifiers": {name: repr(each) for name, each in contenders().items()}}
        judge = partial(_judge, training, photos, width, size, args.seed)
        rows += compute_once(args, f"{width}-{size}", what, judge)
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


def _judge(training, photos, width, size, seed) -> list[Row]:
    """The folds' mean figures of every contender, all on the same heads."""
    from dataclasses import replace

    from decaf.training.heads import FinetunedHead
    from decaf.training.settings import RECIPES

    found: dict[str, list[list[float]]] = {}
    settings = replace(RECIPES["decaf"], seed=seed)
    for fold in photos.folds:
        train = np.random.default_rng(seed).permutation(fold.train)[:size]
        head = FinetunedHead(
            training.activations, width, settings, training.rated.above_midpoint
        ).fit(photos.positions[train], photos.rated.label[train])
        X, unseen = (head.transform(photos.positions[rows]) for rows in (train, fold.test))
        label, of_unseen = photos.rated.label[train], photos.rated.label[fold.test]
        for name, classifier in contenders().items():
            figures = _figures(classifier, X, label, unseen, of_unseen)
            found.setdefault(name, []).append(figures)
    return [
        {"classifier": name, "width": width, "photos": size}
        | dict(zip(METRICS, np.mean(figures, axis=0).tolist()))
        for name, figures in found.items()
    ]


def _figures(classifier, X, label, unseen, of_unseen) -> list[float]:
    """What `METRICS` names."""
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    from classifiers.evaluation.calibration import decision_score
    from classifiers.evaluation.uncertainty import expected_calibration_error

    start = time.perf_counter()
    score = decision_score(classifier.fit(X, label), unseen)
    seconds = time.perf_counter() - start
    probability = classifier.predict_proba(unseen)[:, 1]
    return [
        float(roc_auc_score(of_unseen, score)),
        float(balanced_accuracy_score(of_unseen, probability > 0.5)),
        expected_calibration_error(of_unseen, probability),
        seconds,
    ]


def _draw(rows, widths):
    shown = [row for row in rows if "HAODE" not in row["classifier"] and "MI" in row["classifier"]]
    shown += [row for row in rows if row["classifier"] in ("naive Bayes", "TAN", "AODE, sum")]
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
        at_once("--photos", "that are trained on; no more than there are", (400, 1_600)),
    ),
)
