"""What a file for a small device loses: AUC of exported scorers beside the network's they are of.

The network is `alexnet-owt` with a head of width 250 on the averages of all blocks, finetuned on
the training photos of each fold; its file in every format and precision judges the others.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from experiments import data
from experiments.figures import draw_intervals, group_rows, new_figure
from experiments.frame import Experiment
from experiments.judging import add_differences, compute_once, given, judge
from experiments.pages import Page, interval, table
from experiments.recipes import Recipe

VIEW, WIDTH, RECIPE = data.View("alexnet-owt", "multilevel"), 250, Recipe("decaf")
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
    from decaf.backend import choose_precision
    from decaf.models.formats import CALIBRATION_PHOTOS

    settings = RECIPE.settings(args.seed)
    photos, seen = data.see(data.read_rated(args), [VIEW], args)
    what = {"network": [asdict(VIEW), WIDTH], "training": asdict(settings)}
    what |= {"precision": choose_precision(args.precision)}
    found = compute_once(
        args,
        "scores",
        what | {"photos": photos.identity},
        lambda: score_unseen(seen[VIEW], photos, args.seed),
    )
    cells = []
    for name, score in found["score"].items():
        difference = np.nanmax(np.abs(np.subtract(score, found["score"][NETWORK])))
        columns = {"file": name, "bytes": found["bytes"][name], "largest_difference": difference}
        cells.append(given(name, score, what, columns))
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
        facts=photos.facts | data.training_facts(settings),
    )


def score_unseen(activations, photos: data.Photos, seed: int) -> dict:
    """Finetune a head on each fold's training photos, export it, score the test photos.

    Gives by the names of the network itself and of its files ``score``, a list of n_photos
    probabilities, and the files' ``bytes``, 0 for the network.
    """
    from tqdm import tqdm

    from decaf.models.formats import FORMATS, PRECISIONS, representative_rows, write_scorer
    from decaf.models.runtime import open_scorer
    from decaf.models.scorer import softmax_probability
    from decaf.networks.network import attach_head
    from decaf.networks.record import NetworkRecord

    rated, sizes = photos.rated, {NETWORK: 0}
    files = [(suffix, precision) for suffix in FORMATS for precision in PRECISIONS]
    bar = tqdm(desc="scoring", total=len(photos.folds) * len(files), unit="file")

    def score(fold):
        head = RECIPE.finetune(activations, rated, WIDTH, fold.train, seed)
        record = NetworkRecord("label", VIEW.backbone, VIEW.pooling, WIDTH)
        network = softmax_probability(attach_head(head, record))
        size = network.input_shape[1]
        test = data.read_square(rated.paths[fold.test], size)
        some = fold.train[representative_rows(len(fold.train))]
        representative = data.read_square(rated.paths[some], size)
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
        return {"score": data.predict_unseen(photos, score), "bytes": sizes}


def _draw(rows):
    figure, (axes,) = new_figure((8, 3.2))
    draw_intervals(axes, group_rows(rows[1:], "less the network's", "{file}"), "auc_minus_network")
    axes.axvline(0, color="0.5", lw=0.8)
    axes.axvspan(-TARGET_AUC, TARGET_AUC, color="0.9", zorder=0)
    axes.set_xlabel("AUC less the network's; the band is the target")
    return figure


EXPERIMENT = Experiment(__doc__, exported, (data.data_options,))
