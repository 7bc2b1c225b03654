"""What reduced JPEG decoding and bfloat16 change: the activations' cosines and a classifier's AUC.

JPEGs far larger than the network's input are decoded at a fraction of their scale. The measuring
photos are too small for that, so larger ones are made of them: each photo enlarged, which is smooth
for its size, and mosaics of photos, which are rich in detail for theirs. Real photos lie between.
"""

import argparse
import tempfile
import time
from pathlib import Path

from decaf.backend import import_keras
from decaf.commands.common import run_command
from experiments import pages
from experiments.data import add_data_options, add_out_options, divide, read_data, take_readable

BACKBONES = ("alexnet-owt", "vgg16", "efficientnet-lite0")
POOLINGS = ("average", "multilevel", "flatten")
# On flattened maps a logistic regression takes long, and tells nothing more.
JUDGED = ("average", "multilevel")
CLASSIFIER = "logistic-regression"
# Eight times the input of these backbones: such a JPEG is decoded at a quarter of its scale.
LARGE_SIDE = 8 * 224
QUALITY = 92
LEAST_COSINE = {"reduced decoding": 0.99, "bfloat16": 0.999}
MOST_AUC_CHANGE = 0.003
TEXT = """\
Cosine of each photo's activations with those of a full decode, and with those in float32: the
median and the quantile that 5 % of the photos lie below. *Reduced decoding* is measured on
{n_large} photos, enlarged by a whole factor to at least {large_side:,} pixels a side (Lanczos), and
on {n_large} mosaics of that size of photos as they are, JPEGs of quality {quality}; *bfloat16* on
all photos as they are. The AUC is that of {classifier} on pooled activations, fitted and judged in
the same folds in both precisions. Wanted are medians of at least {decoding} and {bfloat16}, and
AUCs that differ by less than {change}."""


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
    parser = argparse.ArgumentParser(
        "python -m experiments deviation",
        description=__doc__,
    )
    add_data_options(parser)
    parser.add_argument(
        "--backbone", action="append", metavar="NAME", help=f"({', '.join(BACKBONES)})"
    )
    parser.add_argument("--blocks", type=int, metavar="N", help="cut the backbones after N (all)")
    parser.add_argument(
        "--n-large", type=int, default=64, metavar="N", help="large photos to decode (64)"
    )
    add_out_options(parser)
    pages.remember_command(parser, "deviation", argv)
    return run_command(deviation, parser, argv)


def deviation(args):
    """Compare, write the results.

    Parameters
    ----------
    args : argparse.Namespace
    """
    folder = pages.results_folder(args)
    import_keras()
    from tqdm import tqdm

    rated = read_data(args)
    backbones = args.backbone or list(BACKBONES)
    rows, facts = [], {}
    with tempfile.TemporaryDirectory() as made:
        large = make_large_photos(rated.paths, args.n_large, args.seed, Path(made))
        for backbone in tqdm(backbones, unit="backbone"):
            rows += compare_decoding(backbone, large, args.blocks)
            compared, facts = compare_precision(backbone, rated, args)
            rows += compared
    for row in rows:
        wanted = LEAST_COSINE[row["change"]]
        row["reached"] = (
            1 - row["deviation"] >= wanted and abs(row.get("auc_change", 0)) < MOST_AUC_CHANGE
        )
    pages.write_page(
        folder,
        title=f"Reduced decoding and bfloat16, on {args.data.resolve().name}",
        text=TEXT.format(
            n_large=args.n_large,
            large_side=LARGE_SIDE,
            quality=QUALITY,
            classifier=CLASSIFIER,
            decoding=LEAST_COSINE["reduced decoding"],
            bfloat16=LEAST_COSINE["bfloat16"],
            change=MOST_AUC_CHANGE,
        ),
        command=args.command,
        facts=facts,
        tables={
            change: _table([row for row in rows if row["change"] == change])
            for change in LEAST_COSINE
        },
        rows=rows,
        figure=_draw(rows),
    )
    print(folder / pages.PAGE)


def make_large_photos(paths, n_photos, seed, folder):
    """Make large JPEGs of small photos.

    Parameters
    ----------
    paths : sequence of str
    n_photos : int
        Of each kind.
    seed : int
        Of which photos.
    folder : Path
        Takes them.

    Returns
    -------
    dict of str to list of str
        Paths of the ``enlarged`` photos and of the ``mosaics``.
    """
    import numpy as np
    from PIL import Image

    from features.photos import read_photo

    random = np.random.default_rng(seed)
    large = {"enlarged": [], "mosaics": []}
    for number, chosen in enumerate(
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
            path = folder / f"{kind}-{number}.jpg"
            image.save(path, quality=QUALITY)
            large[kind].append(str(path))
    return large


def compare_decoding(backbone, large, blocks=None):
    """Compare the activations of photos decoded at reduced scale with those of whole ones.

    Parameters
    ----------
    backbone : str
    large : dict of str to list of str
        Kind → paths.
    blocks : int, optional

    Returns
    -------
    list of dict
        A row a kind and pooling: ``deviation`` (1 - median of the cosines), ``deviation_95`` (1 -
        their 5 % quantile), ``times_as_fast`` of decoding.
    """
    import numpy as np

    from decaf.networks.backbones import build_activations
    from experiments.benchmarks.bench_extraction import cosines
    from features.photos import read_photo, resize_photo

    model = build_activations(backbone, POOLINGS, blocks)
    size = model.input_shape[1]
    rows = []
    for kind, paths in large.items():
        seconds, activations = [], []
        for min_side in (None, size):
            start = time.perf_counter()
            photos = np.stack(
                [resize_photo(read_photo(path, min_side=min_side)[0], size) for path in paths]
            )
            seconds.append(time.perf_counter() - start)
            activations.append(model.predict(photos, batch_size=16, verbose=0))
        whole, reduced = activations
        for pooling in POOLINGS:
            row = {"change": "reduced decoding", "backbone": backbone, "pooling": pooling}
            row |= {"photos": kind, "times_as_fast": seconds[0] / seconds[1]}
            rows.append(row | _quantiles(cosines(whole[pooling], reduced[pooling])))
    return rows


def compare_precision(backbone, rated, args):
    """Compare activations, and classifiers on them, in bfloat16 and in float32.

    Parameters
    ----------
    backbone : str
    rated : features.ratings.RatedPhotos
    args : argparse.Namespace
        With the options of `experiments.data.add_data_options`, and ``blocks``.

    Returns
    -------
    rows : list of dict
        A row a pooling: ``deviation``, ``deviation_95`` and, of the pooled activations, ``auc`` in
        float32 and ``auc_change``.
    facts : dict of str to str
        What the photos are.
    """
    import numpy as np

    from decaf.extraction.activations import cached_activations
    from decaf.networks.backbones import build_activations
    from experiments.benchmarks.bench_extraction import cosines

    activations = {
        dtype: cached_activations(
            list(rated.paths),
            build_activations(backbone, POOLINGS, args.blocks, dtype=dtype),
            cache=args.cache,
        )
        for dtype in ("float32", "bfloat16")
    }
    kept = [activations[dtype][POOLINGS[0]] for dtype in activations]
    photos = divide(take_readable(rated, kept), args)
    rows = []
    for pooling in POOLINGS:
        parts = np.array_split(np.arange(len(photos.rated)), len(photos.rated) // 256 + 1)
        found = np.concatenate(
            [
                cosines(*(each[pooling].read(part) for each in activations.values()))
                for part in parts
            ]
        )
        row = {"change": "bfloat16", "backbone": backbone, "pooling": pooling, "photos": "all"}
        row |= _quantiles(found)
        if pooling in JUDGED:
            exact, fast = (judge(each[pooling], photos) for each in activations.values())
            row |= {"auc": exact, "auc_change": fast - exact}
        rows.append(row)
    return rows, photos.facts


def judge(activations, photos):
    """AUC of a classifier on activations, the mean of the folds.

    Parameters
    ----------
    activations : decaf.extraction.activations.Activations
    photos : experiments.data.Photos

    Returns
    -------
    float
    """
    import numpy as np
    from sklearn.metrics import roc_auc_score

    from classifiers.catalogue import make_classifier

    label, aucs = photos.rated.label, []
    for fold in photos.folds:
        train, test = (
            activations.read(rows).astype(np.float32) for rows in (fold.train, fold.test)
        )
        classifier = make_classifier(CLASSIFIER).fit(train, label[fold.train])
        aucs.append(roc_auc_score(label[fold.test], classifier.predict_proba(test)[:, 1]))
    return float(np.mean(aucs))


def _quantiles(cosines):
    import numpy as np

    median, low = np.quantile(cosines, [0.5, 0.05])
    return {"deviation": 1 - float(median), "deviation_95": 1 - float(low)}


def _table(rows):
    header = ["backbone", "activations", "photos", "median", "5 % quantile"]
    extras = [
        key for key in ("times_as_fast", "auc", "auc_change") if any(key in row for row in rows)
    ]
    names = {
        "times_as_fast": "decoding, times as fast",
        "auc": "AUC in float32",
        "auc_change": "change of the AUC",
    }
    forms = {"times_as_fast": "{:.1f}", "auc": "{:.4f}", "auc_change": "{:+.4f}"}
    lines = [
        [
            row["backbone"],
            row["pooling"],
            row["photos"],
            f"{1 - row['deviation']:.5f}",
            f"{1 - row['deviation_95']:.5f}",
            *(forms[key].format(row[key]) if key in row else "" for key in extras),
            "yes" if row["reached"] else "no",
        ]
        for row in rows
    ]
    return [*header, *(names[key] for key in extras), "reached"], lines


def _draw(rows):
    from matplotlib.figure import Figure

    names = [f"{row['backbone']} {row['pooling']}, {row['photos']}" for row in rows]
    figure = Figure(figsize=(8, 0.8 + 0.22 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for number, change in enumerate(LEAST_COSINE):
        places = [i for i, row in enumerate(rows) if row["change"] == change]
        median, low = (
            [max(rows[i][key], 1e-9) for i in places] for key in ("deviation", "deviation_95")
        )
        axes.hlines(places, median, low, color=f"C{number}", alpha=0.6)
        axes.plot(median, places, "o", ms=4, color=f"C{number}", label=f"{change}, median")
        axes.plot(low, places, "|", color=f"C{number}", label="5 % quantile")
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="1 - cosine")
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    return figure
