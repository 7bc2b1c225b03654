"""The paper's future work: networks that predict how people vote, beside those of two classes.

NIMA (Talebi and Milanfar 2018): a softmax over the rating scale, trained with the earth mover's
distance. Both kinds of network of each width are finetuned on the same photos and judged on the
same others.
"""

from __future__ import annotations

from dataclasses import asdict
from itertools import product
from operator import itemgetter

import numpy as np

from experiments import data
from experiments.figures import draw_widths
from experiments.frame import Experiment, option
from experiments.judging import add_differences, compute_once, given, judge
from experiments.pages import Page, interval, number, table
from experiments.recipes import Recipe

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

    settings = Recipe(args.recipe).settings(args.seed)
    rated = data.read_rated(args, "votes", "the ratings hold no votes (columns count1 … countK)")
    view = data.View(args.backbone, args.pooling, args.blocks)
    photos, seen = data.see(rated, [view], args)
    what = data.network_settings(args) | {"pooling": args.pooling, "training": asdict(settings)}
    cells, measures = [], {}
    networks = list(product(sorted(args.width, reverse=True), OUTPUTS))
    for width, outputs in tqdm(networks, "finetuning", unit="network"):
        recipe = Recipe(args.recipe, on_votes=outputs == "votes")
        columns = {"backbone": args.backbone, "width": width, "outputs": outputs}
        found = compute_once(
            args,
            f"{width}-{outputs}-predicted",
            what | columns | {"photos": photos.identity},
            lambda work=(recipe, width): judge_unseen(seen[view], photos, *work, args.seed),
        )
        threshold = 0.5 if outputs == "label" else photos.rated.midpoint
        name = f"{width}-{outputs}"
        cells.append(given(name, found["score"], what | columns, columns, threshold=threshold))
        measures[width, outputs] = found["measures"]
    rows = judge(cells, photos, args)
    for row in rows:
        row |= measures[row["width"], row["outputs"]]
    of_labels, of_votes = ([row for row in rows if row["outputs"] == each] for each in OUTPUTS)
    add_differences(of_votes, of_labels, "label", itemgetter("width"))
    network = {"network": "{backbone} {width} {outputs}"}
    binary = {name.replace("_", " "): interval(name) for name in METRICS}
    binary["AUC less the label's"] = interval("auc_minus_label")
    found = {header: number(name, ".3f", "–") for header, name in VOTE_METRICS.items()}
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
        figure=draw_widths(rows, METRICS, "trained on {outputs}"),
        facts=photos.facts | facts | data.training_facts(settings),
    )


def judge_unseen(activations, photos: data.Photos, recipe: Recipe, width: int, seed: int) -> dict:
    """Finetune a head on each fold's training photos and predict its test photos.

    Gives their ``score``, as the recipe predicts it; and ``measures``, on the folds' average what
    `decaf.networks.votes.judge_votes` says, of labels ``srcc_mean`` only, that of the probability
    with the mean of the votes; of votes also ``emd_constant``.
    """
    from scipy.stats import spearmanr

    from decaf.networks.votes import judge_votes, mean_and_spread, mean_distance, vote_shares
    from decaf.training.batches import predict

    votes, shares, measures = photos.rated.votes, vote_shares(photos.rated.votes), []

    def score(fold):
        head = recipe.finetune(activations, photos.rated, width, fold.train, seed)
        output = predict(head, activations, fold.test)
        if not recipe.on_votes:
            mean, _ = mean_and_spread(votes[fold.test])
            measures.append({"srcc_mean": float(spearmanr(mean, output[:, 1]).statistic)})
            return {"score": output[:, 1]}
        constant = np.broadcast_to(shares[fold.train].mean(axis=0), output.shape)
        of_constant = {"emd_constant": mean_distance(shares[fold.test], constant)}
        measures.append(judge_votes(votes[fold.test], output) | of_constant)
        return {"score": mean_and_spread(output)[0]}

    found = data.predict_unseen(photos, score)
    means = {name: np.mean([fold[name] for fold in measures]) for name in measures[0]}
    return found | {"measures": means}


EXPERIMENT = Experiment(
    __doc__,
    votes,
    (
        data.data_options,
        option("--backbone", "", "vgg16"),
        data.BLOCKS,
        option("--pooling", "", "flatten", choices=("flatten", "multilevel", "average")),
        data.WIDTHS,
        option("--recipe", "", "decaf", choices=("paper", "decaf")),
    ),
)
