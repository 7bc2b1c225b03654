"""What files for small devices lose and take at the sizes of the photo: one, and two side by side.

Ridge regression on the plain averages of all blocks, fitted on the training photos, is exported in
every format; its files score the others.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from experiments import data
from experiments.figures import Line, Panel, draw_lines
from experiments.frame import Experiment, option, several
from experiments.pages import Page, Row, number, table
from features.errors import InputError

CLASSIFIER = "ridge"
PRECISIONS = ("float32", "int8", "int8-full")
MODEL = "the model itself"
SIZES = ("224", "224+448")
N_RUNS = 20
TEXT = """\
{classifier} regression on the averages of all blocks of {backbone}, fitted on the training photos;
the model in float32, and its exported files as ONNX Runtime and LiteRT run them, score the others.
int8 is of the weights only in ONNX; LiteRT also rounds the activations, by each photo's own range;
int8-full computes in int8, by ranges seen in {n} training photos. *ms* is the median of {runs}
photos, one at a time on one thread. *SRCC* is Spearman's rank correlation with people's scores,
*AUC* tells the classes of the midpoint."""


def exported_sizes(args) -> Page:
    """Fit, export and score at every size."""
    from decaf.models.formats import CALIBRATION_PHOTOS

    if args.folds is not None:
        raise InputError("exported-sizes judges on one split: leave --folds out")
    rated = data.read_rated(args, "score", "its ratings have no scores, by which order is judged")
    rows: list[Row] = []
    for size in args.size:
        training = data.training_photos(rated, args.backbone, data.parse_sizes(size), args)
        photos = data.divide(training.rated, args)
        rows += [{"pixels": size} | row for row in _score_files(training, photos, args.seed)]
    columns = {
        "pixels": "{pixels}",
        "file": "{file}",
        "MB": number("mb", ".2f"),
        "ms": number("ms", ".1f"),
        "largest difference of a probability": number("difference", ".4f"),
        "AUC": number("auc", ".4f"),
        "SRCC": number("srcc", ".4f"),
    }
    return Page(
        title=f"Exported scorers by the size of the photo, on {args.data.resolve().name}",
        text=TEXT.format(
            classifier=CLASSIFIER, backbone=args.backbone, n=CALIBRATION_PHOTOS, runs=N_RUNS
        ),
        tables={"Scorers": table(rows, columns)},
        rows=rows,
        figure=_draw(rows),
        facts=photos.facts,
    )


def _score_files(training, photos: data.Photos, seed: int) -> list[Row]:
    """The model, and its file in every format and precision, on the test photos."""
    from sklearn.metrics import roc_auc_score
    from tqdm import tqdm

    from classifiers.evaluation.ordering import rank_correlation
    from decaf.models.formats import FORMATS, representative_rows, write_scorer
    from decaf.models.runtime import measure_latency, open_scorer
    from decaf.models.scorer import predict_photos, probability_network

    rated, ((train, test),) = photos.rated, [(fold.train, fold.test) for fold in photos.folds]
    model = fit_model(training, photos.folds, seed)
    network = probability_network(model)
    size = network.input_shape[1]
    seen = data.read_square(rated.paths[train[representative_rows(len(train))]], size)
    unseen = data.read_square(rated.paths[test], size)
    scores = {MODEL: predict_photos(model, "classifier", unseen)}
    rows: dict[str, Row] = {MODEL: {}}
    files = [(suffix, precision) for suffix in FORMATS for precision in PRECISIONS]
    with tempfile.TemporaryDirectory() as folder:
        for suffix, precision in tqdm(files, "exporting", unit="file"):
            name, path = f"{suffix[1:]} {precision}", Path(folder) / f"scorer{suffix}"
            write_scorer(network, path, precision, seen)
            score_photo = open_scorer(path)
            scores[name] = np.array([score_photo(rgb) for rgb in unseen])
            seconds = measure_latency(score_photo, unseen[0], N_RUNS)
            rows[name] = {"mb": path.stat().st_size / 1e6, "ms": 1000 * seconds}
    return [
        {"file": name}
        | row
        | {
            "difference": float(np.abs(scores[name] - scores[MODEL]).max()),
            "auc": float(roc_auc_score(rated.label[test], scores[name])),
            "srcc": rank_correlation(rated.score[test], scores[name]),
        }
        for name, row in rows.items()
    ]


def fit_model(training, folds, seed: int):
    """The model that is fitted on the training photos, in float32."""
    from decaf.models.comparison import compare_classifiers, make_classifiers
    from decaf.models.plain import PlainSource
    from decaf.models.sources import Sources
    from decaf.networks.convolutions import set_precision

    source = PlainSource(training)
    sources = Sources(training.rated, {source.name: source})
    classifiers = make_classifiers([CLASSIFIER], seed)
    model = compare_classifiers(sources, folds, classifiers, n_jobs=1, progress=False).fit_best()
    set_precision(model.network.keras_model, "float32")
    return model


def _draw(rows):
    sizes = dict.fromkeys(row["pixels"] for row in rows)
    lines = []
    for colour, size in enumerate(sizes):
        of_size = [row for row in rows if row["pixels"] == size and "ms" in row]
        x, y = ([row[name] for row in of_size] for name in ("ms", "srcc"))
        lines.append(Line(x, y, "o", f"{size} pixels", colour))
    axes = {"xlabel": "ms a photo, on one thread", "ylabel": "SRCC"}
    return draw_lines(Panel(lines, axes), size=(6, 3.5), legend="outside lower center", ncols=2)


EXPERIMENT = Experiment(
    __doc__,
    exported_sizes,
    (
        data.data_options,
        option("--backbone", "", "efficientnet-lite0"),
        several("--size", "of the photo, or two with a plus between;", SIZES),
        data.BLOCKS,
    ),
)
