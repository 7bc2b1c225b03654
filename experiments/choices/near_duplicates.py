"""From which cosine on rank-photos takes two photos for one burst: pairs of near-duplicates.

The photos' groups (``--group-by``) are the near-duplicates. Of all pairs of photos, those of one
group should be found, and those of two groups should not.
"""

import argparse

from decaf.backend import import_keras
from decaf.commands.common import run_command
from experiments import pages
from experiments.data import add_data_options, add_out_options, read_data, take_readable
from features.errors import InputError

BACKBONES = ("alexnet-owt", "vgg16", "efficientnet-lite0")
COSINES = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.998)
TEXT = """\
Share of the {n_near:,} pairs of one group that have at least this cosine between their activations,
and how many of the {n_others:,} other pairs have it. In bold: from where on `decaf.ranking.stacks`
stacks photos that were taken within {seconds:g} seconds of each other. The groups hold pairs that
are chained by others and look little alike, and many of the other pairs, seen with the eye, are of
one subject or nearly black; time tells these apart. From {same} on two photos are taken for the
same picture, whenever they were made."""


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
    parser = argparse.ArgumentParser("python -m experiments near-duplicates", description=__doc__)
    add_data_options(parser)
    parser.add_argument(
        "--backbone", action="append", metavar="NAME", help=f"({', '.join(BACKBONES)})"
    )
    add_out_options(parser)
    pages.remember_command(parser, "near-duplicates", argv)
    return run_command(near_duplicates, parser, argv)


def near_duplicates(args):
    """Compare all pairs of photos, write the results.

    Parameters
    ----------
    args : argparse.Namespace
    """
    folder = pages.results_folder(args)
    import_keras()
    from decaf.backend import choose_precision
    from decaf.extraction.activations import cached_activations
    from decaf.networks.backbones import POOLINGS, build_activations
    from decaf.ranking.stacks import BURST_SECONDS, NEAR, SAME

    rated = read_data(args)
    if rated.group is None:
        raise InputError(f"{args.data}: name the column of the near-duplicates with --group-by")
    precision = choose_precision(args.precision)
    rows = []
    for backbone in args.backbone or BACKBONES:
        model = build_activations(backbone, POOLINGS, dtype=precision)
        for pooling, activations in cached_activations(
            list(rated.paths), model, cache=args.cache
        ).items():
            readable = take_readable(rated, [activations])
            rows += count_pairs(activations, readable.group, COSINES, backbone, pooling)
    pages.write_page(
        folder,
        title=f"Near-duplicates by the cosine of activations, on {args.data.resolve().name}",
        text=TEXT.format(
            n_near=rows[0]["near_pairs"],
            n_others=rows[0]["other_pairs"],
            seconds=BURST_SECONDS,
            same=SAME,
        ),
        command=args.command,
        facts={"photos": f"{len(readable):,}", "precision": precision},
        tables=_tables(rows, NEAR),
        rows=rows,
        figure=_draw(rows),
    )
    print(folder / pages.PAGE)


def count_pairs(activations, group, cosines, backbone, pooling):
    """Count the pairs of photos that have at least these cosines.

    Parameters
    ----------
    activations : decaf.extraction.activations.Activations
    group : ndarray, shape (n_photos,)
    cosines : sequence of float
    backbone, pooling : str

    Returns
    -------
    list of dict
        One a cosine: ``found`` pairs of one group, of ``near_pairs``, and ``others`` of
        ``other_pairs``.
    """
    import numpy as np
    from sklearn.preprocessing import normalize

    directions = normalize(activations.read(np.arange(len(activations))).astype(np.float32))
    first, second = np.triu_indices(len(directions), 1)
    cosine = (directions @ directions.T)[first, second]
    is_near = group[first] == group[second]
    return [
        {
            "backbone": backbone,
            "pooling": pooling,
            "cosine": wanted,
            "found": int(np.sum(is_near & (cosine >= wanted))),
            "near_pairs": int(is_near.sum()),
            "others": int(np.sum(~is_near & (cosine >= wanted))),
            "other_pairs": int((~is_near).sum()),
        }
        for wanted in cosines
    ]


def _tables(rows, chosen):
    tables = {}
    for backbone in dict.fromkeys(row["backbone"] for row in rows):
        lines = []
        for pooling in chosen:
            line = [pooling]
            for row in rows:
                if (row["backbone"], row["pooling"]) == (backbone, pooling):
                    text = f"{row['found'] / row['near_pairs']:.0%}, {row['others']:,}"
                    line.append(f"**{text}**" if row["cosine"] == chosen[pooling] else text)
            lines.append(line)
        tables[f"{backbone}: pairs of one group found, and others"] = (
            ["pooling", *map(str, COSINES)],
            lines,
        )
    return tables


def _draw(rows):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    styles = {"multilevel": "-", "average": "--", "flatten": ":"}
    backbones = list(dict.fromkeys(row["backbone"] for row in rows))
    for number, backbone in enumerate(backbones):
        for pooling, style in styles.items():
            own = [row for row in rows if (row["backbone"], row["pooling"]) == (backbone, pooling)]
            axes.plot(
                [max(row["others"], 0.5) / row["other_pairs"] for row in own],
                [row["found"] / row["near_pairs"] for row in own],
                style,
                marker="o",
                ms=3,
                color=f"C{number}",
                label=f"{backbone}, {pooling}",
            )
    axes.set_xscale("log")
    axes.set_xlabel("share of the other pairs")
    axes.set_ylabel("share of the pairs of one group")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=8)
    return figure
