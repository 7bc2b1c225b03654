"""Whether cutting heads costs order: classifiers on fc7 of heads that learn labels, and scores.

The paper's widths again. Heads are finetuned anew in each fold, and ridge regression learns the
scores on their features; the plain backbone, without a head, stands beside them.
"""

from __future__ import annotations

from itertools import product
from operator import itemgetter

from experiments import data
from experiments.figures import draw_widths
from experiments.frame import Experiment, option
from experiments.judging import add_differences, figures_of
from experiments.pages import Page, Row, interval, table

KINDS = ("label", "score")
CLASSIFIER = "ridge"
PLAIN = "no head"
METRICS = ("srcc", "auc")
TEXT = """\
Heads on the averages of all blocks of {backbone} ({size} pixels) that learn the labels, softened
near the midpoint, or the scores, spread over levels; {classifier} regression learns the scores on
their features fc7. Heads and classifiers are fitted anew in each fold. *SRCC* is Spearman's rank
correlation with people's scores, *AUC* tells the classes of the midpoint; each is the mean of the
folds. Brackets hold 95 % bootstrap intervals; differences are resampled in pairs, to the widest
head that learns the same, and to the head of that width that learns labels."""


def widths(args) -> Page:
    """Judge the classifier on heads of all widths, of both kinds."""
    from classifiers.evaluation.kept import KeptFits
    from decaf.models.heads import head_sources
    from decaf.models.plain import PlainSource
    from decaf.training.settings import RECIPES

    rated = data.read_rated(args, "score", "its ratings have no scores, by which order is judged")
    training = data.training_photos(rated, args.backbone, data.parse_sizes(args.size), args)
    photos = data.divide(training.rated, args)
    kept = KeptFits(args.folder / "fits")
    widest = max(args.width)
    rows = [_row(PLAIN, PLAIN, PlainSource(training), photos, kept, args.seed)]
    for width, kind in product(sorted(args.width, reverse=True), KINDS):
        sources = head_sources(training, [width], RECIPES["decaf"], kind=kind, progress=False)
        (source,) = sources.by_name.values()
        rows.append(_row(kind, str(width), source, photos, kept, args.seed))
    of_widest = [row for row in rows if row["width"] == str(widest)]
    of_labels = [row for row in rows if row["learnt"] == "label"]
    add_differences(rows, of_widest, str(widest), itemgetter("learnt"), METRICS)
    of_scores = [row for row in rows if row["learnt"] == "score"]
    add_differences(of_scores, of_labels, "label", itemgetter("width"), METRICS)
    columns = {
        "width": "{width}",
        "learnt": "{learnt}",
        **{name.upper(): interval(name) for name in METRICS},
        **{
            f"{name.upper()} less {widest}'s": interval(f"{name}_minus_{widest}")
            for name in METRICS
        },
        **{f"{name.upper()} less labels'": interval(f"{name}_minus_label") for name in METRICS},
    }
    return Page(
        title=f"Widths of heads that learn labels, and scores, on {args.data.resolve().name}",
        text=TEXT.format(backbone=args.backbone, size=args.size, classifier=CLASSIFIER),
        tables={f"{CLASSIFIER} on fc7": table(rows, columns)},
        rows=rows,
        figure=draw_widths(rows, METRICS, "learnt: {learnt}"),
        facts=photos.facts | data.training_facts(RECIPES["decaf"]),
    )


def _row(learnt, width, source, photos, kept, seed) -> Row:
    from classifiers.evaluation.evaluation import evaluate
    from decaf.models.comparison import make_classifiers

    classifiers = make_classifiers([CLASSIFIER], seed)
    evaluation = evaluate(
        [source.feature_set], photos.folds, classifiers, n_jobs=1, seed=seed, kept=kept
    )
    result = evaluation.best
    row: Row = {"learnt": learnt, "width": width, "features": result.features}
    return row | figures_of(result, METRICS)


EXPERIMENT = Experiment(
    __doc__,
    widths,
    (
        data.data_options,
        option("--backbone", "", "efficientnet-lite0"),
        data.SIZE,
        data.BLOCKS,
        data.WIDTHS,
    ),
)
