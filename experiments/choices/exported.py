"""What a file for a small device loses: AUC of exported scorers beside the network's they are of.

The network is `alexnet-owt` with a head of width 250 on the averages of all blocks, finetuned on
the training photos of each fold; its file in every format and precision judges the others.
"""

import argparse
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

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
    training_facts,
)

BACKBONE, POOLING, WIDTH, RECIPE = "alexnet-owt", "multilevel", 250, "decaf"
# What issue 6 asks of the int8 file.
TARGET_BYTES, TARGET_AUC = 3.5e6, 0.005
NETWORK = "the network itself"
TEXT = """\
`alexnet-owt` with a head of width 250 on the averages of all blocks (recipe `decaf`), finetuned on
the training photos; the network in float32, and its exported files as ONNX Runtime and LiteRT run
them, judge the others. int8 is of the weights only in ONNX; LiteRT also rounds the activations, by
each photo's own range; int8-full computes in int8, by ranges seen in {n} training photos. Brackets
hold 95 % bootstrap intervals; differences are resampled in pairs. MB are 10**6 bytes. The target is
at most {size:.1f} MB and an AUC within {auc:g} in int8."""


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
    parser = argparse.ArgumentParser("python -m experiments exported", description=__doc__)
    add_data_options(parser)
    add_out_options(parser)
    pages.remember_command(parser, "exported", argv)
    return run_command(exported, parser, argv)


def exported(args):
    """Finetune, export, judge every file, write the results.

    Parameters
    ----------
    args : argparse.Namespace
    """
    folder = pages.results_folder(args)
    import_keras()

    from classifiers.evaluation.evaluation import FeatureSet
    from decaf.backend import choose_precision
    from decaf.models.formats import CALIBRATION_PHOTOS
    from decaf.training.finetune import RECIPES
    from experiments.judging import (
        Cell,
        GivenScores,
        add_differences,
        cells_folder,
        compute_once,
        judge_cells,
    )

    settings = replace(RECIPES[RECIPE], validation_fraction=0.0, seed=args.seed)
    rated = read_data(args)
    activations = compute_activations(rated, BACKBONE, (POOLING,), args)[POOLING]
    photos = divide(take_readable(rated, [activations]), args)
    kept = cells_folder(folder)
    what = {
        "network": [BACKBONE, POOLING, WIDTH],
        "precision": choose_precision(args.precision),
        "training": asdict(settings),
    }
    found = compute_once(
        kept / "scores.json",
        what | {"photos": photos.identity},
        lambda: score_unseen(activations, photos, settings),
        force=args.force,
    )
    cells = [
        Cell(
            name,
            FeatureSet(name, np.array(scored["score"])[:, None]),
            {"softmax": GivenScores(0.5)},
            what,
        )
        for name, scored in found.items()
    ]
    judged = judge_cells(cells, photos, folder, seed=args.seed, force=args.force)
    rows = []
    for (name, scored), (row,) in zip(found.items(), judged):
        add_differences(row, judged[0][0], "network")
        difference = np.nanmax(np.abs(np.subtract(scored["score"], found[NETWORK]["score"])))
        rows.append(
            {"file": name, "bytes": scored["bytes"], "largest_difference": difference} | row
        )
    pages.write_page(
        folder,
        title="Exported scorers: what they lose",
        text=TEXT.format(n=CALIBRATION_PHOTOS, size=TARGET_BYTES / 1e6, auc=TARGET_AUC),
        command=args.command,
        facts=photos.facts | training_facts(settings),
        tables={
            f"Scorers on {args.data.name}": (
                ["file", "MB", "largest difference of a probability", "AUC", "less the network's"],
                [
                    [
                        row["file"],
                        f"{row['bytes'] / 1e6:.2f}" if row["bytes"] else "",
                        f"{row['largest_difference']:.4f}",
                        pages.figure_text(row, "auc"),
                        "{:+.4f} ({:+.4f} to {:+.4f})".format(
                            *(row[f"auc_minus_network{end}"] for end in ("", "_low", "_high"))
                        ),
                    ]
                    for row in rows
                ],
            )
        },
        rows=rows,
        figure=_draw(rows),
    )
    print(folder / pages.PAGE)


def score_unseen(activations, photos, settings):
    """Finetune a head on each fold's training photos, export it, score the test photos.

    Parameters
    ----------
    activations : decaf.extraction.activations.Activations
    photos : experiments.data.Photos
    settings : decaf.training.finetune.TrainingSettings

    Returns
    -------
    dict of str to dict
        The network itself, and its files: ``score``, a list of n_photos probabilities, NaN where
        a photo is in no fold's test photos; ``bytes``, the file's size, 0 for the network.
    """
    from tqdm import tqdm

    from decaf.models.formats import FORMATS, PRECISIONS, representative_rows, write_scorer
    from decaf.models.runtime import open_scorer
    from decaf.models.scorer import softmax_probability
    from decaf.networks.network import attach_head
    from decaf.networks.record import NetworkRecord
    from decaf.training.finetune import finetune

    rated = photos.rated
    files = [(suffix, precision) for suffix in FORMATS for precision in PRECISIONS]
    names = [NETWORK, *(f"{suffix[1:]} {precision}" for suffix, precision in files)]
    found = {name: {"score": np.full(len(rated), np.nan), "bytes": 0} for name in names}
    bar = tqdm(desc="scoring", total=len(photos.folds) * len(files), unit="file")
    with bar, tempfile.TemporaryDirectory() as folder:
        for fold in photos.folds:
            head, _ = finetune(
                activations,
                rated.label,
                WIDTH,
                settings,
                above_midpoint=rated.above_midpoint,
                photos=fold.train,
            )
            record = NetworkRecord("label", BACKBONE, POOLING, WIDTH)
            network = softmax_probability(attach_head(head, record))
            size = network.input_shape[1]
            test = _read(rated.paths[fold.test], size)
            some = fold.train[representative_rows(len(fold.train))]
            seen = _read(rated.paths[some], size)
            found[NETWORK]["score"][fold.test] = network.predict(test, verbose=0)[:, 0]
            for (suffix, precision), name in zip(files, names[1:]):
                path = Path(folder) / f"scorer{suffix}"
                write_scorer(network, path, precision, seen)
                score = open_scorer(path)
                found[name]["score"][fold.test] = [score(rgb) for rgb in test]
                found[name]["bytes"] = path.stat().st_size
                bar.update()
    return {name: scored | {"score": scored["score"].tolist()} for name, scored in found.items()}


def _read(paths, size):
    from features.photos import read_photo, resize_photo

    return np.array([resize_photo(read_photo(path, min_side=size)[0], size) for path in paths])


def _draw(rows):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    pages.draw_intervals(
        axes, {"less the network's": [(row["file"], row) for row in rows[1:]]}, "auc_minus_network"
    )
    axes.axvline(0, color="0.5", lw=0.8)
    axes.axvspan(-TARGET_AUC, TARGET_AUC, color="0.9", zorder=0)
    axes.set_xlabel("AUC less the network's; the band is the target")
    return figure
