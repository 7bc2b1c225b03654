"""How well networks put photos in order: sizes of the photo, what is learnt, and by what.

Labels of two classes throw away what scores tell, and 224 pixels hide blur, noise and fine light.
Each row is a backbone at one size or two side by side, without a head or with one, and what learns
on its features, in the same folds; against the first row of all, which is what decaf did before.
"""

from __future__ import annotations

from classifiers.evaluation.bootstrap import interval
from experiments import data
from experiments.figures import Line, Panel, draw_lines
from experiments.frame import Experiment, several
from experiments.pages import Page, Row, number, table

# Backbone, sizes, width of the head, what learns.
BEFORE = ("alexnet-owt", (), 250, "logistic-regression")
LEARNERS = ("logistic-regression", "ridge", "gaussian-process", "ordinal")
SIZES = ("own", "448", "224+448", "320+640")
BACKBONES = ("efficientnet-lite0", "alexnet-owt", "vgg16")
WIDTH = 250
FLOAT_BYTES = 4
BATCH_SIZE = 8
TEXT = """\
Heads of {width} units are finetuned, and classifiers fitted, anew in each fold. *SRCC* is
Spearman's rank correlation of a result's order with people's scores, *AUC* tells the classes of the
midpoint, *first tenth* is the share of the tenth shown first that belongs to the best three tenths;
each is the mean of the folds. *MB* counts backbone, head and the axis of a linear learner in
float32; *ms* is the forward pass of one of {batch} photos in memory, by the fastest engine and
precision here. The gain is in SRCC, over {before}, which is what
`fit-classifier` did before it learnt scores; its interval resamples photos (groups, where there are
groups) in pairs. The best of many rows looks a little better than it is."""


def order(args) -> Page:
    """Judge every learner on every backbone's features."""
    from classifiers.evaluation.evaluation import evaluate
    from classifiers.evaluation.kept import KeptFits
    from decaf.models.comparison import make_classifiers

    rated = data.read_rated(args, "score", "its ratings have no scores, by which order is judged")
    kept = KeptFits(args.folder / "fits")
    rows: list[Row] = []
    facts: dict[str, str] = {}
    before = None
    for backbone, sizes in _views(args):
        sources = _sources(rated, backbone, sizes, args)
        photos = data.divide(sources.rated, args)
        facts = photos.facts
        milliseconds = _time_photo(backbone, sizes, args)
        for name, source in sources.by_name.items():
            width = source.facts["width"] if source.facts["kind"] == "label" else None
            evaluation = evaluate(
                [source.feature_set],
                photos.folds,
                make_classifiers(LEARNERS, args.seed),
                n_jobs=1,
                seed=args.seed,
                kept=kept,
            )
            for result in evaluation.results[1:]:
                is_before = (backbone, sizes, width, result.classifier) == BEFORE
                before = result if is_before else before
                row = _row(result, name, backbone, sizes, width, source)
                rows.append(row | {"ms": milliseconds})
    if before is not None:
        for row in rows:
            row["gain"] = row["srcc"] - before.metrics["srcc"]
            differences = row["resampled"] - before.resampled["srcc"]
            row["gain_low"], row["gain_high"] = interval(differences)
    return Page(
        title=f"The order of photos, on {args.data.resolve().name}",
        text=TEXT.format(
            width=WIDTH,
            batch=BATCH_SIZE,
            before=f"{BEFORE[3]} on {BEFORE[0]}'s head of {BEFORE[2]}",
        ),
        tables={"All, the best order first": _table(rows)},
        rows=rows,
        figure=_draw(rows),
        facts=facts,
    )


def _views(args) -> list[tuple[str, tuple[int, ...]]]:
    """What was before first, so that all others can be compared with it."""
    named = [(backbone, data.parse_sizes(size)) for backbone in args.backbone for size in args.size]
    return [(BEFORE[0], BEFORE[1]), *(view for view in named if view != (BEFORE[0], BEFORE[1]))]


def _sources(rated, backbone, sizes, args):
    from decaf.models.heads import head_sources

    photos = data.training_photos(rated, backbone, sizes, args)
    return head_sources(photos, [WIDTH], plain=True, progress=False)


def _time_photo(backbone, sizes, args) -> float:
    """Milliseconds of the forward pass, a photo of a batch."""
    import numpy as np

    from decaf.extraction.choosing import settle
    from decaf.extraction.engines import forward_pass, time_batches
    from decaf.networks.convolutions import build_activations

    # With the weights of the extraction, whose measurement is kept, and not made once more.
    convolutions = build_activations(backbone, ("multilevel",), args.blocks, sizes=sizes)
    many = 10**6  # enough for any engine's preparation to pay
    settle(
        convolutions,
        many,
        precision=args.precision,
        engine=args.engine,
        batch_size=BATCH_SIZE,
        cache=args.cache,
    )
    shape = (BATCH_SIZE, *convolutions.input_shape[1:])
    noise = np.random.default_rng(args.seed).integers(0, 256, shape, np.uint8)
    return 1000 * time_batches(forward_pass(convolutions, BATCH_SIZE, many), noise) / BATCH_SIZE


def _row(result, name, backbone, sizes, width, source) -> Row:
    n_weights = _count_weights(backbone, sizes, width, source)
    low, high = result.interval("srcc")
    return {
        "features": name,
        "backbone": backbone,
        "sizes": "+".join(map(str, sizes)) or "own",
        "head": "none" if width is None else str(width),
        "learner": result.classifier,
        "mb": FLOAT_BYTES * n_weights / 1e6,
        "srcc": result.metrics["srcc"],
        "srcc_low": low,
        "srcc_high": high,
        "auc": result.metrics["auc"],
        "best_first": result.metrics["best_first"],
        "fit_seconds": result.fit_seconds,
        "resampled": result.resampled["srcc"],
    }


def _count_weights(backbone, sizes, width, source) -> int:
    """Of backbone, head and the learner's own axis."""
    from decaf.networks.convolutions import build_activations
    from decaf.networks.head import build_head

    convolutions = build_activations(
        backbone, ("multilevel",), source.facts["blocks"], weights=None, sizes=sizes
    )
    n = convolutions.output["multilevel"].shape[1]
    learnt = n + 1 if width is None else build_head(n, width, n_outputs=1).count_params()
    return convolutions.count_params() + learnt


def _table(rows):
    columns = {
        "backbone": "{backbone}",
        "pixels": "{sizes}",
        "head": "{head}",
        "learner": "{learner}",
        "MB": number("mb", ".1f"),
        "ms": number("ms", ".1f"),
        "SRCC": lambda row: f"{row['srcc']:.3f} ({row['srcc_low']:.3f}–{row['srcc_high']:.3f})",
        "AUC": number("auc", ".3f"),
        "first tenth": number("best_first", ".2f"),
        "gain": lambda row: (
            f"{row['gain']:+.3f} ({row['gain_low']:+.3f} to {row['gain_high']:+.3f})"
        ),
    }
    return table(sorted(rows, key=lambda row: -row["srcc"]), columns)


def _draw(rows):
    lines = []
    for colour, learner in enumerate(LEARNERS):
        of_learner = [row for row in rows if row["learner"] == learner]
        x, y = ([row[name] for row in of_learner] for name in ("mb", "srcc"))
        lines.append(Line(x, y, "o", learner, colour))
    axes = {"xscale": "log", "xlabel": "MB in float32", "ylabel": "SRCC"}
    return draw_lines(Panel(lines, axes), size=(7, 4), legend="outside lower center", ncols=4)


EXPERIMENT = Experiment(
    __doc__,
    order,
    (
        data.data_options,
        several("--backbone", "", BACKBONES),
        several("--size", "of the photo, or two with a plus between;", SIZES),
        data.BLOCKS,
    ),
)
