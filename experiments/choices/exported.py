"""What a file for a small device loses: AUC of exported scorers beside the network's they are of.

The network is `alexnet-owt` with a head of width 250 on the averages of all blocks, finetuned on
the training photos of each fold; its file in every format and precision judges the others.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.data import (
    Photos,
    View,
    data_options,
    predict_unseen,
    read_rated,
    see,
    training_facts,
)
from experiments.figures import draw_intervals, new_figure
from experiments.frame import Experiment
from experiments.pages import Page, interval, table

if TYPE_CHECKING:
    from decaf.extraction.activations import Activations
    from decaf.training.settings import TrainingSettings

VIEW, WIDTH, RECIPE = View("alexnet-owt", "multilevel"), 250, "decaf"
# Small enough for any device, and a loss that no one would see in an album's order.
TARGET_BYTES, TARGET_AUC = 3.5e6, 0.005
NETWORK = "the network itself"
TEXT = """\
`alexnet-owt` with a head of width 250 on the averages of all blocks (recipe `decaf`), finetuned on
the training photos; the network in float32, and its exported files as ONNX Runtime and LiteRT run
them, judge the others. int8 is of the weights only in ONNX; LiteRT also rounds the activations, by
each photo's own range; int8-full computes in int8, by ranges seen in {n} training photos. Brackets
hold 95 % bootstrap intervals; differences are resampled in pairs. MB are 10**6 bytes. The target is
at most {size:.1f} MB and an AUC within {auc:g} in int8."""


def exported(args) -> Page:
    """Finetune, export, judge every file."""
    from classifiers.evaluation.evaluation import FeatureSet
    from decaf.backend import choose_precision
    from decaf.models.formats import CALIBRATION_PHOTOS
    from decaf.training.settings import RECIPES
    from experiments.judging import Cell, GivenScores, add_differences, compute_once, judge

    settings = replace(RECIPES[RECIPE], validation_fraction=0.0, seed=args.seed)
    photos, seen = see(read_rated(args), [VIEW], args)
    what = {
        "network": [asdict(VIEW), WIDTH],
        "precision": choose_precision(args.precision),
        "training": asdict(settings),
    }
    found = compute_once(
        args,
        "scores",
        what | {"photos": photos.identity},
        lambda: score_unseen(seen[VIEW], photos, settings),
    )
    cells = []
    for name, score in found["score"].items():
        difference = np.nanmax(np.abs(np.subtract(score, found["score"][NETWORK])))
        columns = {"file": name, "bytes": found["bytes"][name], "largest_difference": difference}
        feature_set = FeatureSet(name, np.array(score)[:, None])
        cells.append(Cell(name, feature_set, {"softmax": GivenScores(0.5)}, what, columns))
    rows = judge(cells, photos, args)
    add_differences(rows, rows[:1], "network")
    columns = {
        "file": "{file}",
        "MB": lambda row: f"{row['bytes'] / 1e6:.2f}" if row["bytes"] else "",
        "largest difference of a probability": "{largest_difference:.4f}",
        "AUC": interval("auc"),
        "less the network's": interval("auc_minus_network", digits=4),
    }
    return Page(
        title="Exported scorers: what they lose",
        text=TEXT.format(n=CALIBRATION_PHOTOS, size=TARGET_BYTES / 1e6, auc=TARGET_AUC),
        tables={f"Scorers on {args.data.name}": table(rows, columns)},
        rows=rows,
        figure=_draw(rows),
        facts=photos.facts | training_facts(settings),
    )


def score_unseen(activations: Activations, photos: Photos, settings: TrainingSettings) -> dict:
    """Finetune a head on each fold's training photos, export it, score the test photos.

    Returns
    -------
    dict
        By the names of the network itself and of its files: ``score``, a list of n_photos
        probabilities, NaN where a photo is in no fold's test photos; ``bytes``, the file's size, 0
        for the network.
    """
    from tqdm import tqdm

    from decaf.models.formats import FORMATS, PRECISIONS, representative_rows, write_scorer
    from decaf.models.runtime import open_scorer
    from decaf.models.scorer import softmax_probability
    from decaf.networks.network import attach_head
    from decaf.networks.record import NetworkRecord
    from decaf.training.finetune import finetune
    from decaf.training.targets import Targets

    rated, sizes = photos.rated, {NETWORK: 0}
    files = [(suffix, precision) for suffix in FORMATS for precision in PRECISIONS]
    bar = tqdm(desc="scoring", total=len(photos.folds) * len(files), unit="file")

    def score(fold):
        head, _ = finetune(
            activations,
            Targets.of(rated),
            WIDTH,
            settings,
            rows=fold.train,
        )
        record = NetworkRecord("label", VIEW.backbone, VIEW.pooling, WIDTH)
        network = softmax_probability(attach_head(head, record))
        size = network.input_shape[1]
        test = _read(rated.paths[fold.test], size)
        some = fold.train[representative_rows(len(fold.train))]
        representative = _read(rated.paths[some], size)
        found = {NETWORK: network.predict(test, verbose=0)[:, 0]}
        for suffix, precision in files:
            name, path = f"{suffix[1:]} {precision}", Path(folder) / f"scorer{suffix}"
            write_scorer(network, path, precision, representative)
            score_photo = open_scorer(path)
            found[name] = np.array([score_photo(rgb) for rgb in test])
            sizes[name] = path.stat().st_size
            bar.update()
        return found

    with bar, tempfile.TemporaryDirectory() as folder:
        return {"score": predict_unseen(photos, score), "bytes": sizes}


def _read(paths, size):
    from features.photos import read_photo, resize_photo

    return np.array([resize_photo(read_photo(path, min_side=size)[0], size) for path in paths])


def _draw(rows):
    figure = new_figure((8, 3.2))
    axes = figure.subplots()
    named = [(row["file"], row) for row in rows[1:]]
    draw_intervals(axes, {"less the network's": named}, "auc_minus_network")
    axes.axvline(0, color="0.5", lw=0.8)
    axes.axvspan(-TARGET_AUC, TARGET_AUC, color="0.9", zorder=0)
    axes.set_xlabel("AUC less the network's; the band is the target")
    return figure


EXPERIMENT = Experiment(__doc__, exported, (data_options,))
