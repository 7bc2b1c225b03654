"""What is taken of a backbone's maps, and how it is weighed, before a learner puts photos in order.

Averages of all blocks at two sizes are where every row begins; each changes one thing: statistics
beside the averages, how photos are made square, transforms, weights of the blocks, what learns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments import data
from experiments.figures import draw_intervals, group_rows, new_figure
from experiments.frame import Experiment, option
from experiments.judging import add_differences, figures_of
from experiments.pages import Page, Row, interval, table

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

BATCH_SIZE = 32
GRID = 3
# Fewer than the training photos of a fold of the smallest set.
N_QUANTILES = 30
METRICS = ("srcc", "auc")
TEXT = """\
Every row but the first changes one thing of it: averages of all blocks of {backbone} at {sizes}
pixels, photos squashed to a square, the signed logarithm of standardised activations, all of them
alike, a Gaussian process with an RBF kernel that learns the scores. *SRCC* is Spearman's rank
correlation with people's scores, *AUC* tells the classes of the midpoint; each is the mean of the
folds. Brackets hold 95 % bootstrap intervals; differences to the first row are resampled in pairs.
The best of many rows looks a little better than it is."""


@dataclass(frozen=True)
class Way:
    """What is taken of the maps, and what learns on it.

    Attributes
    ----------
    statistics : tuple of {"mean", "deviation", "grid"}
    sizes : tuple of int, optional
        The experiment's by default.
    resize : {"squash", "pad", "crop"}
    transform : {"logarithm", "none", "root", "rank"}
        Of standardised activations.
    alike : float
        Each block counts by so many-th a power of its channels less: at 0 all channels alike, at 1
        all blocks.
    n_blocks : int, optional
        The last ones are left out.
    learner : {"gaussian-process", "ridge"}
    """

    statistics: tuple[str, ...] = ("mean",)
    sizes: tuple[int, ...] = ()
    resize: str = "squash"
    transform: str = "logarithm"
    alike: float = 0.0
    n_blocks: int | None = None
    learner: str = "gaussian-process"


def ways(sizes: tuple[int, ...], n_blocks: int) -> dict[str, Way]:
    """What is compared, the first with all others."""
    first = Way(sizes=sizes)
    each = {f"{size} pixels alone": replace(first, sizes=(size,)) for size in sizes}
    return {
        "where all begin": first,
        **each,
        "padded, not squashed": replace(first, resize="pad"),
        "cropped, not squashed": replace(first, resize="crop"),
        "standard deviations beside": replace(first, statistics=("mean", "deviation")),
        f"{GRID}×{GRID} averages of the last block beside": replace(
            first, statistics=("mean", "grid")
        ),
        "without a transform": replace(first, transform="none"),
        "signed root": replace(first, transform="root"),
        "ranks": replace(first, transform="rank"),
        "blocks half alike": replace(first, alike=0.5),
        "blocks alike": replace(first, alike=1.0),
        "without the last block": replace(first, n_blocks=n_blocks - 1),
        "without the last two": replace(first, n_blocks=n_blocks - 2),
        "blocks half alike, with deviations": replace(
            first, alike=0.5, statistics=("mean", "deviation")
        ),
        "ridge": replace(first, learner="ridge"),
        "ridge, without a transform": replace(first, learner="ridge", transform="none"),
    }


def maps(args) -> Page:
    """Judge every way in the same folds."""
    from tqdm import tqdm

    from classifiers.evaluation.evaluation import FeatureSet, evaluate
    from classifiers.evaluation.kept import KeptFits
    from decaf.networks.backbones import get_backbone

    rated = data.read_rated(args, "score", "its ratings have no scores, by which order is judged")
    sizes = data.parse_sizes(args.size) or (get_backbone(args.backbone).input_size,)
    training = data.training_photos(rated, args.backbone, sizes, args)
    photos = data.divide(training.rated, args)
    n_blocks = args.blocks or get_backbone(args.backbone).n_blocks
    compared = ways(sizes, n_blocks)
    kept = KeptFits(args.folder / "fits")
    seen: dict[tuple[int, str], dict[str, np.ndarray]] = {}
    rows: list[Row] = []
    for name, way in tqdm(compared.items(), "ways", unit="way"):
        for size in way.sizes:
            if (size, way.resize) not in seen:
                seen[size, way.resize] = _see(photos.rated.paths, size, way.resize, args)
        views = [seen[size, way.resize] for size in way.sizes]
        X, block = _take(views, way)
        learner = _make_learner(way, block, args.seed)
        evaluation = evaluate(
            [FeatureSet(name, X)],
            photos.folds,
            {name: learner},
            n_jobs=1,
            seed=args.seed,
            kept=kept,
        )
        row = {"way": name, "n_activations": X.shape[1]}
        rows.append(row | figures_of(evaluation.best, METRICS))
    add_differences(rows, rows[:1], "first", metrics=METRICS)
    columns = {
        "way": "{way}",
        "activations": "{n_activations:,}",
        **{metric.upper(): interval(metric) for metric in METRICS},
        **{f"{m.upper()} less the first's": interval(f"{m}_minus_first") for m in METRICS},
    }
    return Page(
        title=f"What is taken of the maps, on {args.data.resolve().name}",
        text=TEXT.format(backbone=args.backbone, sizes=args.size),
        tables={"Ways": table(rows, columns)},
        rows=rows,
        figure=_draw(rows),
        facts=photos.facts,
    )


def _see(paths, size: int, resize: str, args) -> dict[str, np.ndarray]:
    """All statistics of the maps, (n_photos, n_channels of all blocks); kept in a file."""
    from decaf.networks.convolutions import build_convolutions

    kept = args.folder / "cells" / f"{args.backbone}-{size}-{resize}.npz"
    if kept.exists():
        with np.load(kept) as found:
            return dict(found)
    convolutions = build_convolutions(args.backbone, args.blocks, sizes=(size,))
    found: list[dict[str, Any]] = []
    for start in range(0, len(paths), BATCH_SIZE):
        square = data.read_square(paths[start : start + BATCH_SIZE], size, resize)
        blocks = [np.asarray(block) for block in convolutions.predict(square, verbose=0)]
        found.append(
            {
                "mean": np.concatenate([block.mean((1, 2)) for block in blocks], axis=1),
                "deviation": np.concatenate([block.std((1, 2)) for block in blocks], axis=1),
                "grid": _grid(blocks[-1]),
                "block": np.repeat(np.arange(len(blocks)), [b.shape[-1] for b in blocks])[None],
            }
        )
    joined = {name: np.concatenate([each[name] for each in found]) for name in found[0]}
    joined["block"] = joined["block"][0]
    kept.parent.mkdir(parents=True, exist_ok=True)
    (kept.parent / ".gitignore").write_text("*\n")
    np.savez(kept, **joined)
    return joined


def _grid(block: np.ndarray) -> np.ndarray:
    """Averages of the cells of a grid, side by side."""
    rows = [np.array_split(band, GRID, axis=2) for band in np.array_split(block, GRID, axis=1)]
    return np.concatenate([cell.mean((1, 2)) for row in rows for cell in row], axis=1)


def _take(views: list[dict[str, np.ndarray]], way: Way) -> tuple[np.ndarray, np.ndarray]:
    """The activations of a way, and the block of each."""
    X, blocks = [], []
    for view in views:
        of_channels = view["block"]
        last = int(of_channels.max())
        for statistic in way.statistics:
            taken = view[statistic]
            block = np.full(taken.shape[1], last) if statistic == "grid" else of_channels
            within = block < (way.n_blocks or last + 1)
            X.append(taken[:, within])
            blocks.append(block[within])
    return np.concatenate(X, axis=1), np.concatenate(blocks)


def _make_learner(way: Way, block: np.ndarray, seed: int) -> BaseEstimator:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, QuantileTransformer, StandardScaler

    from classifiers import SignedLogarithm
    from classifiers.catalogue import make_classifier

    transforms: Mapping[str, list[BaseEstimator]] = {
        "logarithm": [StandardScaler(), SignedLogarithm()],
        "none": [StandardScaler()],
        "root": [StandardScaler(), FunctionTransformer(_signed_root)],
        "rank": [QuantileTransformer(n_quantiles=N_QUANTILES, output_distribution="normal")],
    }
    _, counts = np.unique(block, return_counts=True)
    weights = np.repeat(counts, counts)[np.argsort(np.argsort(block, kind="stable"))]
    weights = weights ** (-way.alike / 2.0)
    weigh = FunctionTransformer(_weigh, kw_args={"weights": weights / np.sqrt((weights**2).mean())})
    return make_pipeline(*transforms[way.transform], weigh, make_classifier(way.learner, seed)[-1])


def _signed_root(X: np.ndarray) -> np.ndarray:
    return np.copysign(np.sqrt(np.abs(X)), X)


def _weigh(X: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return X * weights.astype(X.dtype)


def _draw(rows):
    figure, (axes,) = new_figure((8, 5))
    draw_intervals(axes, group_rows(rows[1:], "SRCC less the first's", "{way}"), "srcc_minus_first")
    axes.axvline(0, color="0.5", lw=0.8)
    axes.set_xlabel("SRCC less the first's")
    return figure


EXPERIMENT = Experiment(
    __doc__,
    maps,
    (data.data_options, option("--backbone", "", "efficientnet-lite0"), data.SIZE, data.BLOCKS),
)
