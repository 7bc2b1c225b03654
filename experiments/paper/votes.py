"""The paper's future work: networks that predict how people vote, beside those of two classes.

NIMA (Talebi and Milanfar 2018): a softmax over the rating scale, trained with the earth mover's
distance. Both kinds of network of each width are finetuned on the same photos and judged on the
same others.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import product
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from experiments.data import (
    BLOCKS,
    Photos,
    View,
    data_options,
    network_settings,
    predict_unseen,
    read_rated,
    see,
    training_facts,
)
from experiments.figures import draw_widths
from experiments.frame import Experiment, option, several
from experiments.pages import Page, interval, table

if TYPE_CHECKING:
    from decaf.extraction.activations import Activations
    from decaf.training.settings import TrainingSettings

WIDTHS = (4096, 1000, 500, 250)
OUTPUTS = ("label", "votes")
METRICS = ("accuracy", "balanced_accuracy", "auc")
VOTE_METRICS = {
    "EMD": "emd",
    "SRCC of mean": "srcc_mean",
    "LCC of mean": "lcc_mean",
    "SRCC of spread": "srcc_spread",
    "LCC of spread": "lcc_spread",
}
TEXT = """\
Heads that learn the shares of the votes with the squared earth mover's distance (r = 2), and heads
that learn the label, finetuned on the same training photos and judged on the same others. A head of
votes calls a photo professional whose predicted mean lies above the midpoint, {midpoint:g}; a head
of labels one whose probability is above 0.5. Brackets hold 95 % bootstrap intervals; differences
are resampled in pairs. EMD (r = 1, as NIMA reports it), Spearman's and Pearson's correlations
(SRCC, LCC) are means over the folds. *Constant* predicts for every photo the mean shares of the
training photos: what is known without looking."""


def votes(args) -> Page:
    """Finetune and judge every network."""
    from tqdm import tqdm

    from classifiers.evaluation.evaluation import FeatureSet
    from decaf.training.settings import RECIPES
    from experiments.judging import Cell, GivenScores, add_differences, compute_once, judge

    settings = replace(RECIPES[args.recipe], validation_fraction=0.0, seed=args.seed)
    rated = read_rated(args, "votes", "the ratings hold no votes (columns count1 … countK)")
    view = View(args.backbone, args.pooling, args.blocks)
    photos, seen = see(rated, [view], args)
    what = {"backbone": args.backbone, "pooling": args.pooling, "training": asdict(settings)}
    what |= network_settings(args)
    cells, measures = [], {}
    networks = list(product(sorted(args.width, reverse=True), OUTPUTS))
    for width, outputs in tqdm(networks, "finetuning", unit="network"):
        columns = {"backbone": args.backbone, "width": width, "outputs": outputs}
        found = compute_once(
            args,
            f"{width}-{outputs}-predicted",
            what | columns | {"photos": photos.identity},
            lambda width=width, outputs=outputs: judge_unseen(
                seen[view], photos, settings, width, outputs
            ),
        )
        threshold = 0.5 if outputs == "label" else photos.rated.midpoint
        feature_set = FeatureSet(f"{width}-{outputs}", np.array(found["score"])[:, None])
        classifier = {"softmax": GivenScores(threshold)}
        cells.append(Cell(feature_set.name, feature_set, classifier, what | columns, columns))
        measures[width, outputs] = found["measures"]
    rows = judge(cells, photos, args)
    for row in rows:
        row |= measures[row["width"], row["outputs"]]
    of_labels, of_votes = ([row for row in rows if row["outputs"] == each] for each in OUTPUTS)
    add_differences(of_votes, of_labels, "label", itemgetter("width"))
    network = {"network": "{backbone} {width} {outputs}"}
    binary = {name.replace("_", " "): interval(name) for name in METRICS}
    binary["AUC less the label's"] = interval("auc_minus_label")
    found = {header: _number(name) for header, name in VOTE_METRICS.items()}
    of_the_votes = table(rows, network | found)
    constant = ["constant", f"{of_votes[0]['emd_constant']:.3f}", "–", "–", "–", "–"]
    facts = {"activations": args.pooling, "blocks": str(args.blocks or "all")}
    return Page(
        title="Votes: networks that predict how people vote",
        text=TEXT.format(midpoint=photos.rated.midpoint),
        tables={
            "Professional or snapshot": table(rows, network | binary),
            "The votes": of_the_votes._replace(lines=[*of_the_votes.lines, constant]),
        },
        rows=rows,
        figure=draw_widths(rows, METRICS, "outputs", "trained on {}"),
        facts=photos.facts | facts | training_facts(settings),
    )


def judge_unseen(
    activations: Activations, photos: Photos, settings: TrainingSettings, width: int, outputs: str
) -> dict:
    """Finetune a head on each fold's training photos and predict its test photos.

    Gives their ``score``, the predicted mean of the votes or the probability of the positive class;
    and ``measures``, on the folds' average what `decaf.networks.votes.judge_votes` says, of labels
    ``srcc_mean`` only, that of the probability with the mean of the votes; of votes also
    ``emd_constant``.
    """
    from scipy.stats import spearmanr

    from decaf.networks.votes import judge_votes, mean_and_spread, mean_distance, vote_shares
    from decaf.training.batches import predict
    from decaf.training.finetune import finetune
    from decaf.training.targets import Targets

    rated, measures = photos.rated, []

    def score(fold):
        head, _ = finetune(
            activations,
            Targets.of(rated, outputs),
            width,
            settings,
            rows=fold.train,
        )
        output = predict(head, activations, fold.test)
        if outputs == "label":
            mean, _ = mean_and_spread(rated.votes[fold.test])
            measures.append({"srcc_mean": float(spearmanr(mean, output[:, 1]).statistic)})
            return {"score": output[:, 1]}
        shares = vote_shares(rated.votes)
        constant = np.broadcast_to(shares[fold.train].mean(axis=0), output.shape)
        of_constant = {"emd_constant": mean_distance(shares[fold.test], constant)}
        measures.append(judge_votes(rated.votes[fold.test], output) | of_constant)
        return {"score": mean_and_spread(output)[0]}

    found = predict_unseen(photos, score)
    means = {name: np.mean([fold[name] for fold in measures]) for name in measures[0]}
    return found | {"measures": means}


def _number(name):
    return lambda row: f"{row[name]:.3f}" if name in row else "–"


EXPERIMENT = Experiment(
    __doc__,
    votes,
    (
        data_options,
        option("--backbone", "", "vgg16", metavar="NAME"),
        BLOCKS,
        option("--pooling", "", "flatten", choices=("flatten", "multilevel", "average")),
        several("--width", "", WIDTHS, metavar="UNITS"),
        option("--recipe", "", "decaf", choices=("paper", "decaf")),
    ),
)
