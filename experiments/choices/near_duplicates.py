"""From which cosine on rank-photos takes two photos for one burst: pairs of near-duplicates.

The photos' groups (``--group-by``) are the near-duplicates. Of all pairs of photos, those of one
group should be found, and those of two groups should not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.data import View, activations_of, data_options, read_rated, take_readable
from experiments.figures import Panel, draw_lines, lines_of
from experiments.frame import Experiment, several
from experiments.pages import Page, Row, pivot

BACKBONES = ("alexnet-owt", "vgg16", "efficientnet-lite0")
COSINES = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.998)
STYLES = {"multilevel": "o-", "average": "o--", "flatten": "o:"}
TEXT = """\
Share of the {n_near:,} pairs of one group that have at least this cosine between their activations,
and how many of the {n_others:,} other pairs have it. In bold: from where on `decaf.ranking.stacks`
stacks photos that were taken within {seconds:g} seconds of each other. The groups hold pairs that
are chained by others and look little alike, and many of the other pairs, seen with the eye, are of
one subject or nearly black; time tells these apart. From {same} on two photos are taken for the
same picture, whenever they were made."""


def near_duplicates(args) -> Page:
    """Compare all pairs of photos."""
    from decaf.backend import choose_precision
    from decaf.networks.record import POOLINGS
    from decaf.ranking.stacks import BURST_SECONDS, NEAR, SAME

    rated = read_rated(args, "group", "name the column of the near-duplicates with --group-by")
    views = [View(backbone, pooling) for backbone in args.backbone for pooling in POOLINGS]
    seen = activations_of(rated, views, args)
    rows = []
    for view, activations in seen.items():
        readable = take_readable(rated, [activations])
        rows += count_pairs(activations, readable.group, COSINES, view)

    def found(row):
        text = f"{row['found'] / row['near_pairs']:.0%}, {row['others']:,}"
        return f"**{text}**" if row["cosine"] == NEAR[row["pooling"]] else text

    tables = {}
    for backbone in dict.fromkeys(view.backbone for view in views):
        own = [row for row in rows if row["backbone"] == backbone]
        own.sort(key=lambda row: list(NEAR).index(row["pooling"]))
        headers = {cosine: str(cosine) for cosine in COSINES}
        caption = f"{backbone}: pairs of one group found, and others"
        tables[caption] = pivot(own, "pooling", "cosine", found, headers)
    return Page(
        title=f"Near-duplicates by the cosine of activations, on {args.data.resolve().name}",
        text=TEXT.format(
            n_near=rows[0]["near_pairs"],
            n_others=rows[0]["other_pairs"],
            seconds=BURST_SECONDS,
            same=SAME,
        ),
        tables=tables,
        rows=rows,
        figure=_draw(rows),
        facts={"photos": f"{len(readable):,}", "precision": choose_precision(args.precision)},
    )


def count_pairs(activations, group: np.ndarray, cosines: Sequence[float], view: View) -> list[Row]:
    """Count the pairs of photos that have at least these cosines; a row a cosine.

    There are ``found`` pairs of one group, of ``near_pairs``, and ``others`` of ``other_pairs``.
    """
    from sklearn.preprocessing import normalize

    directions = normalize(activations.read(np.arange(len(activations))).astype(np.float32))
    first, second = np.triu_indices(len(directions), 1)
    cosine = (directions @ directions.T)[first, second]
    is_near = group[first] == group[second]
    return [
        {
            "backbone": view.backbone,
            "pooling": view.pooling,
            "cosine": wanted,
            "found": int(np.sum(is_near & (cosine >= wanted))),
            "near_pairs": int(is_near.sum()),
            "others": int(np.sum(~is_near & (cosine >= wanted))),
            "other_pairs": int((~is_near).sum()),
        }
        for wanted in cosines
    ]


def _draw(rows):
    def others(row):
        return max(row["others"], 0.5) / row["other_pairs"]

    by = ("backbone", "pooling")
    lines = lines_of(rows, others, lambda row: row["found"] / row["near_pairs"], by, STYLES)
    axes = {"xscale": "log", "xlabel": "share of the other pairs"}
    axes["ylabel"] = "share of the pairs of one group"
    return draw_lines(Panel(lines, axes), legend="outside right upper")


EXPERIMENT = Experiment(
    __doc__, near_duplicates, (data_options, several("--backbone", "", BACKBONES))
)
