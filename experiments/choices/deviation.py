"""What reduced JPEG decoding and bfloat16 change: the activations' cosines and a classifier's AUC.

JPEGs far larger than the network's input are decoded at a fraction of their scale. The measuring
photos are too small for that, so larger ones are made of them: each photo enlarged, which is smooth
for its size, and mosaics of photos, which are rich in detail for theirs. Real photos lie between.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments import data
from experiments.figures import Line, Panel, draw_lines
from experiments.frame import Experiment, option, several
from experiments.judging import Cell, judge
from experiments.measuring import cosines
from experiments.pages import Page, Row, number, table

BACKBONES = ("alexnet-owt", "vgg16", "efficientnet-lite0")
POOLINGS = ("average", "multilevel", "flatten")
# On flattened maps a logistic regression takes long, and tells nothing more.
JUDGED = ("average", "multilevel")
CLASSIFIER = "logistic-regression"
# Eight times the input of these backbones: such a JPEG is decoded at a quarter of its scale.
LARGE_SIDE = 8 * 224
QUALITY = 92
REDUCED, BFLOAT16 = 0.99, 0.999
LEAST_COSINE = {"reduced decoding": REDUCED, "bfloat16": BFLOAT16}
MOST_AUC_CHANGE = 0.003
# What a change has no figures of.
OTHERS = {
    "reduced decoding": ("AUC in float32", "change of the AUC"),
    "bfloat16": ("decoding, times as fast",),
}
TEXT = f"""\
Cosine of each photo's activations with those of a full decode, and with those in float32: the
median and the quantile that 5 % of the photos lie below. *Reduced decoding* is measured on
{{n}} photos, enlarged by a whole factor to at least {LARGE_SIDE:,} pixels a side (Lanczos), and
on {{n}} mosaics of that size of photos as they are, JPEGs of quality {QUALITY}; *bfloat16* on
all photos as they are. The AUC is that of {CLASSIFIER} on pooled activations, fitted and judged in
the same folds in both precisions. Wanted are medians of at least {REDUCED} and {BFLOAT16}, and
AUCs that differ by less than {MOST_AUC_CHANGE}."""


def deviation(args) -> Page:
    """Compare the activations of each backbone."""
    from tqdm import tqdm

    rated = data.read_rated(args)
    rows, facts = [], {}
    with tempfile.TemporaryDirectory() as made:
        large = make_large_photos(rated.paths, args.n_large, args.seed, Path(made))
        for backbone in tqdm(args.backbone, unit="backbone"):
            rows += compare_decoding(backbone, large, args.blocks)
            compared, facts = compare_precision(backbone, rated, args)
            rows += compared
    for row in rows:
        row["reached"] = (
            1 - row["deviation"] >= LEAST_COSINE[row["change"]]
            and abs(row.get("auc_change", 0)) < MOST_AUC_CHANGE
        )
    return Page(
        title=f"Reduced decoding and bfloat16, on {args.data.resolve().name}",
        text=TEXT.format(n=args.n_large),
        tables={change: _table(rows, change) for change in LEAST_COSINE},
        rows=rows,
        figure=_draw(rows),
        facts=facts,
    )


def make_large_photos(paths: Sequence[str], n_photos: int, seed: int, folder: Path) -> dict:
    """Make large JPEGs of photos drawn at random: n that are ``enlarged``, and n ``mosaics``."""
    from PIL import Image

    from features.photos import read_photo

    random = np.random.default_rng(seed)
    large = {"enlarged": [], "mosaics": []}
    for count, chosen in enumerate(
        random.choice(len(paths), n_photos, replace=n_photos > len(paths))
    ):
        photo = Image.fromarray(read_photo(paths[chosen])[0])
        width, height = photo.size
        factor = -(-LARGE_SIDE // min(photo.size))
        enlarged = photo.resize((factor * width, factor * height), Image.Resampling.LANCZOS)
        mosaic = Image.new("RGB", enlarged.size)
        for place, other in enumerate(random.choice(len(paths), factor**2)):
            tile = Image.fromarray(read_photo(paths[other])[0]).resize(photo.size)
            mosaic.paste(tile, (place % factor * width, place // factor * height))
        for kind, image in (("enlarged", enlarged), ("mosaics", mosaic)):
            large[kind].append(str(folder / f"{kind}-{count}.jpg"))
            image.save(large[kind][-1], quality=QUALITY)
    return large


def compare_decoding(backbone: str, large: Mapping, blocks: int | None = None) -> list[Row]:
    """Compare the activations of photos decoded at reduced scale with those of whole ones.

    A row has a kind of `large` photos and a pooling: ``deviation`` (1 - median of the cosines),
    ``deviation_95`` (1 - their 5 % quantile), and ``times_as_fast`` of decoding.
    """
    from decaf.networks.convolutions import build_activations
    from features.photos import read_photo, resize_photo

    network = build_activations(backbone, POOLINGS, blocks)
    size = network.input_shape[1]
    rows = []
    for kind, paths in large.items():
        seconds, activations = [], []
        for min_side in (None, size):
            start = time.perf_counter()
            photos = np.stack(
                [resize_photo(read_photo(path, min_side=min_side)[0], size) for path in paths]
            )
            seconds.append(time.perf_counter() - start)
            activations.append(network.predict(photos, batch_size=16, verbose=0))
        whole, reduced = activations
        for pooling in POOLINGS:
            row = {"change": "reduced decoding", "backbone": backbone, "pooling": pooling}
            row |= {"photos": kind, "times_as_fast": seconds[0] / seconds[1]}
            rows.append(row | _quantiles(cosines(whole[pooling], reduced[pooling])))
    return rows


def compare_precision(backbone: str, rated, args) -> tuple[list[Row], dict[str, str]]:
    """Compare activations, and classifiers on them, in bfloat16 and in float32.

    A row has a pooling: ``deviation``, ``deviation_95`` and, of the pooled activations, ``auc`` in
    float32 and ``auc_change``. The other facts are what the photos are.
    """
    views = {pooling: data.View(backbone, pooling, args.blocks) for pooling in POOLINGS}
    seen = {}
    for precision in ("float32", "bfloat16"):
        named = argparse.Namespace(**vars(args) | {"precision": precision})
        seen[precision] = data.activations_of(rated, views.values(), named)
    kept = [of_precision[views["average"]] for of_precision in seen.values()]
    photos = data.divide(data.take_readable(rated, kept), args)
    rows = []
    for pooling, view in views.items():
        exact, fast = (of_precision[view] for of_precision in seen.values())
        parts = np.array_split(np.arange(len(photos.rated)), len(photos.rated) // 256 + 1)
        found = np.concatenate([cosines(exact.read(part), fast.read(part)) for part in parts])
        row = {"change": "bfloat16", "backbone": backbone, "pooling": pooling, "photos": "all"}
        row |= _quantiles(found)
        if pooling in JUDGED:
            cells = []
            for precision, of_precision in seen.items():
                X = of_precision[view].read(photos.positions[:, 0]).astype(np.float32)
                cells.append(Cell(f"{backbone} {pooling} {precision}", X, [CLASSIFIER], {}))
            auc, auc_fast = (of_cell["auc"] for of_cell in judge(cells, photos, args))
            row |= {"auc": auc, "auc_change": auc_fast - auc}
        rows.append(row)
    return rows, photos.facts


def _quantiles(found):
    median, low = np.quantile(found, [0.5, 0.05])
    return {"deviation": 1 - float(median), "deviation_95": 1 - float(low)}


def _table(rows, change):
    columns = {
        "backbone": "{backbone}",
        "activations": "{pooling}",
        "photos": "{photos}",
        "median": lambda row: f"{1 - row['deviation']:.5f}",
        "5 % quantile": lambda row: f"{1 - row['deviation_95']:.5f}",
        "decoding, times as fast": number("times_as_fast", ".1f"),
        "AUC in float32": number("auc", ".4f"),
        "change of the AUC": number("auc_change", "+.4f"),
        "reached": lambda row: "yes" if row["reached"] else "no",
    }
    for header in OTHERS[change]:
        del columns[header]
    return table([row for row in rows if row["change"] == change], columns)


def _draw(rows):
    names = [f"{row['backbone']} {row['pooling']}, {row['photos']}" for row in rows]
    lines = []
    for place, row in enumerate(rows):
        colour = list(LEAST_COSINE).index(row["change"])
        median, low = (max(row[name], 1e-9) for name in ("deviation", "deviation_95"))
        lines += [
            Line([median, low], [place, place], "-", "", colour, more={"alpha": 0.6}),
            Line([median], [place], "o", f"{row['change']}, median", colour),
            Line([low], [place], "|", f"{row['change']}, 5 % quantile", colour),
        ]
    axes = {"yticks": range(len(rows)), "yticklabels": names, "ylim": (len(rows) - 0.5, -0.5)}
    axes |= {"xscale": "log", "xlabel": "1 - cosine"}
    size = (8, 0.8 + 0.22 * len(rows))
    return draw_lines(Panel(lines, axes), size=size, legend="outside lower center", ncols=4)


EXPERIMENT = Experiment(
    __doc__,
    deviation,
    (
        data.data_options,
        several("--backbone", "", BACKBONES),
        data.BLOCKS,
        option("--n-large", "large photos to decode", 64),
    ),
)
