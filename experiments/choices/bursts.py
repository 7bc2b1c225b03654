"""Which measures order the frames of a burst better than the score, which is of whole albums, does.

Pairs of frames: photos of one group (``--group-by``, the near-duplicates) that rank-photos would
stack and that people rated differently; and frames made of one photo, with one damage more and
more. The scores are of classifiers that were fitted on other groups.
"""

from __future__ import annotations

import itertools
import tempfile
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from classifiers.evaluation import bootstrap
from experiments.data import View, activations_of, data_options, read_rated, see
from experiments.figures import draw_intervals, group_rows, new_figure
from experiments.frame import Experiment, option
from experiments.pages import Page, Row, interval, pivot
from experiments.spoilt import write_bursts
from features.photos import read_photo
from features.ratings import RatedPhotos

if TYPE_CHECKING:
    import pandas

RATED = "rated"
# What a frame's place goes by: measures times these. The score is in log-odds.
RULES = {
    "score": {"score": 1},
    "sharpness": {"sharpness": 1},
    "sharpest region": {"sharpest region": 1},
    "little clipped": {"clipped": -1},
    "exposed as the others": {"off the median": -1},
    "score + sharpness": {"score": 1, "sharpness": 1},
    "score + 2 × sharpness": {"score": 1, "sharpness": 2},
    "score + sharpest region": {"score": 1, "sharpest region": 1},
    "score + sharpness − 4 × clipped": {"score": 1, "sharpness": 1, "clipped": -4},
}
LEARNT = "all, learnt on other groups"
MEASURES = list(dict.fromkeys(measure for rule in RULES.values() for measure in rule))
SIDE = 512
SCORE = "right_minus_score"
BLACK, WHITE = 5, 250
N_RESAMPLES = 1000
TEXT = """\
Share of the pairs in which the better frame stands first. The *rated* pairs are of one group, would
be stacked by rank-photos (cosine from {near} on), and people rated them differently; the other
frames are made of {n_made:,} professional photos: shifted, noisy, saved as JPEG, and the less
damaged is the better one. The score is that of logistic regression on {backbone}'s averages, fitted
on other groups, as log-odds. *Sharpness* is `decaf.ranking.sharpness`: the logarithm of the
gradient; *sharpest region*: of the upper tenth of 8 × 8 fields; *clipped*: the share of pixels that
are black or white; *exposed as the others*: near the frames' median brightness; *learnt*: a
logistic regression on differences of pairs, to which every kind of pairs counts the same. Intervals
are of 95 %, from resampled groups; differences are paired."""


def bursts(args) -> Page:
    """Order pairs of frames by each rule."""
    import pandas

    from decaf.ranking.stacks import NEAR

    view, near = View(args.backbone, "multilevel"), NEAR["multilevel"]
    rated = read_rated(args, "group", "name the column of the near-duplicates with --group-by")
    photos, seen = see(rated, [view], args)
    rated, rows = photos.rated, photos.folds.test_rows
    worth = rated.label if rated.score is None else rated.score
    frames = [
        {"row": row, "path": rated.paths[row], "pairs": RATED, "burst": rated.group[row]}
        | {"worth": worth[row]}
        for row in rows
    ]
    chosen = np.random.default_rng(args.seed).permutation(rows[rated.label[rows] == 1])
    chosen = chosen[: args.n_photos]
    with tempfile.TemporaryDirectory() as folder:
        frames += write_bursts(rated.paths, chosen, folder, args.seed)
        paths = np.array([frame["path"] for frame in frames], object)
        of_frames = activations_of(RatedPhotos(paths, np.ones(len(paths)), paths), [view], args)
        table = pandas.DataFrame(frames).join(pandas.DataFrame(map(measure, paths)))
    X, X_frames = (
        found[view].read(np.arange(len(found[view]))).astype(np.float32)
        for found in (seen, of_frames)
    )
    table["score"] = _log_odds(photos, X, X_frames, table["row"].to_numpy(), args.seed)
    median = table.groupby(["pairs", "burst"])["brightness"].transform("median")
    table["off the median"] = (table["brightness"] - median).abs()
    better, worse = _pairs(table)
    unit = X_frames / np.linalg.norm(X_frames, axis=1, keepdims=True)
    would_stack = np.sum(unit[better] * unit[worse], axis=1) >= near
    kept = would_stack | (table["pairs"].to_numpy()[better] != RATED)
    found = compare_rules(table, better[kept], worse[kept], rated.group, args.seed)
    others = [row for row in found if row["order by"] != "score"]
    headers = {row["pairs"]: f"{row['pairs']} ({row['n_pairs']:,})" for row in found}
    cells = {"Pairs in order": (found, "right"), "More than by the score": (others, SCORE)}
    tables = {
        caption: pivot(own, "order by", "pairs", interval(column), headers)
        for caption, (own, column) in cells.items()
    }
    return Page(
        title=f"Frames of one burst in order, on {args.data.resolve().name}",
        text=TEXT.format(near=near, n_made=len(chosen), backbone=args.backbone),
        tables=tables,
        rows=found,
        figure=_draw(found),
        facts=photos.facts,
    )


def measure(path: str) -> Row:
    """What differs between frames, of one photo."""
    from decaf.ranking.sharpness import sharpness

    rgb, _ = read_photo(path)
    grey = np.asarray(Image.fromarray(rgb).convert("L").resize((SIDE, SIDE)), np.float32)
    steep = np.diff(grey, axis=0)[:, 1:] ** 2 + np.diff(grey, axis=1)[1:] ** 2
    fields = [part.mean() for row in np.array_split(steep, 8) for part in np.array_split(row, 8, 1)]
    return {
        "sharpness": sharpness(rgb),
        "sharpest region": np.log1p(np.percentile(fields, 90)) / 2,
        "clipped": np.mean((grey <= BLACK) | (grey >= WHITE)),
        "brightness": grey.mean(),
    }


def compare_rules(
    frames: pandas.DataFrame, better: np.ndarray, worse: np.ndarray, group: np.ndarray, seed: int
) -> list[Row]:
    """How often each rule puts the better frame of a pair first; a row a rule and kind of pairs."""
    measures = frames[MEASURES].to_numpy()
    difference = measures[better] - measures[worse]
    kind, group = frames["pairs"].to_numpy()[better], group[frames["row"].to_numpy()[better]]
    gains = {
        name: difference @ [rule.get(measure, 0) for measure in MEASURES]
        for name, rule in RULES.items()
    }
    gains[LEARNT] = _learn(difference, kind, group)
    rows = []
    for pairs in dict.fromkeys(kind):
        own = kind == pairs
        right = {name: (np.sign(gain[own]) + 1) / 2 for name, gain in gains.items()}
        units, unit = np.unique(group[own], return_inverse=True)
        n = len(units)
        drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), N_RESAMPLES)
        weight = drawn[:, unit] / drawn[:, unit].sum(axis=1, keepdims=True)
        for name in gains:
            row = {"order by": name, "pairs": pairs, "n_pairs": own.sum(), "n_groups": n}
            for column, value in (
                ("right", right[name]),
                (SCORE, right[name] - right["score"]),
            ):
                ends = map(float, bootstrap.interval(weight @ value))
                row |= dict(zip((column, f"{column}_low", f"{column}_high"), (value.mean(), *ends)))
            rows.append(row)
    return rows


def _log_odds(photos, X, X_frames, rows, seed):
    """Of frames, by the classifiers of the folds that did not see their photos."""
    from classifiers.catalogue import make_classifier
    from classifiers.evaluation.calibration import Calibration, decision_score

    label, log_odds = photos.rated.label, np.full(len(rows), np.nan)
    for fold in photos.folds:
        classifier = make_classifier("logistic-regression", seed).fit(
            X[fold.train], label[fold.train]
        )
        own = np.isin(rows, fold.test)
        log_odds[own] = decision_score(classifier, X_frames[own])
    n = len(photos.folds.test_rows)
    return log_odds * Calibration.fit(log_odds[:n], label[rows[:n]]).slope


def _pairs(frames):
    """Frames of one burst of which people or the damage say that the first is better; (2, n)."""
    pairs = [
        pair if first > second else pair[::-1]
        for _, burst in frames.groupby(["pairs", "burst"])["worth"]
        for pair in itertools.combinations(burst.index, 2)
        if (first := burst[pair[0]]) != (second := burst[pair[1]])
    ]
    return np.array(pairs).T


def _learn(difference, kind, group):
    """Gains by a logistic regression on the pairs of other groups."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold

    deviation = difference.std(axis=0)
    scaled = difference / np.where(deviation > 0, deviation, 1)
    _, of_kind, n_of_kind = np.unique(kind, return_inverse=True, return_counts=True)
    weight = 1 / n_of_kind[of_kind]
    gain = np.empty(len(kind))
    n_groups = len(np.unique(group))
    for train, test in GroupKFold(min(5, n_groups)).split(scaled, groups=group):
        both = np.concatenate([scaled[train], -scaled[train]])
        regression = LogisticRegression(fit_intercept=False)
        regression.fit(both, np.repeat([1, 0], len(train)), len(kind) * np.tile(weight[train], 2))
        gain[test] = scaled[test] @ regression.coef_[0]
    return gain


def _draw(rows):
    figure, (axes,) = new_figure((8, 6))
    draw_intervals(axes, group_rows(rows, "{pairs}", "{order by}"), "right")
    axes.set_xlabel("share of the pairs in order")
    figure.legend(loc="outside right upper", fontsize=8)
    return figure


EXPERIMENT = Experiment(
    __doc__,
    bursts,
    (
        data_options,
        option("--backbone", "", "efficientnet-lite0"),
        option("--n-photos", "of which bursts are made", 100),
    ),
)
