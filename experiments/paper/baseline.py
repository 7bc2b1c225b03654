"""The paper's figure 6: five classifiers on generic image descriptors, a family each and all.

Visual words and Fisher vectors of SIFT are learnt anew in each fold, on its training photos.
"""

from __future__ import annotations

import numpy as np

from experiments import data
from experiments.figures import draw_comparison
from experiments.frame import Experiment, option, several
from experiments.judging import Cell, judge, known_classifiers
from experiments.pages import Page, comparison_tables

# The paper's five, as the catalogue names them.
CLASSIFIERS = (
    "gaussian-naive-bayes",
    "logistic-regression",
    "linear-svm",
    "k-nearest-neighbours",
    "random-forest",
)
MEASURED = ("colour", "texture", "composition", "gist")
FAMILIES = (*MEASURED, "sift words", "sift fisher", "all")
TEXT = """\
The paper's figure 6: classifiers on generic image descriptors. Families: colour (HSV histogram,
colour moments, colourfulness), texture (local binary patterns, co-occurrence), composition and
technique (rule of thirds, sharpness, contrast, hue count, spatial distribution of edges …), GIST,
SIFT as {n_words} visual words, SIFT as Fisher vectors of {n_gaussians} Gaussians, and all together.
Words and Gaussians are learnt on the training photos of each fold. AUC with 95 % bootstrap
intervals; the best of a table is chosen by these very figures."""


def baseline(args) -> Page:
    """Judge the classifiers on every family."""
    from experiments.paper.described import describe, describe_keypoints

    classifiers = known_classifiers(args.classifier)
    families = list(dict.fromkeys(args.family))
    rated, measured = describe(data.read_rated(args), cache=args.cache, jobs=args.jobs)
    keypoints = None
    if set(families) - set(MEASURED):
        keypoints = describe_keypoints(rated, cache=args.cache, jobs=args.jobs)
    photos = data.divide(rated, args)
    settings = {"words": args.words, "gaussians": args.gaussians}
    cells = []
    for family in families:
        X, transformer = _features(family, measured, keypoints, args)
        cells.append(Cell(family, X, classifiers, settings, transformer=transformer))
    rows = judge(cells, photos, args)
    return Page(
        title="Figure 6: generic image descriptors",
        text=TEXT.format(n_words=args.words, n_gaussians=args.gaussians),
        tables=comparison_tables(rows, args.data.name),
        rows=rows,
        figure=draw_comparison(rows),
        facts=photos.facts,
    )


def _features(family, measured, keypoints, args):
    """Numbers and None, or what a transformer makes numbers of, and it."""
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import FunctionTransformer

    from features.descriptors.keypoints import BagOfVisualWords, FisherVectors

    if family in MEASURED:
        return measured[family], None
    words = BagOfVisualWords(args.words, random_state=args.seed)
    fisher = FisherVectors(args.gaussians, random_state=args.seed)
    if family != "all":
        return keypoints, words if family == "sift words" else fisher
    X = np.empty((len(keypoints), 2), dtype=object)
    X[:, 0] = list(np.hstack([measured[name] for name in MEASURED]))
    X[:, 1] = keypoints
    together = [
        ("measured", FunctionTransformer(np.vstack), 0),
        ("words", words, 1),
        ("fisher", fisher, 1),
    ]
    return X, ColumnTransformer(together, sparse_threshold=0)


EXPERIMENT = Experiment(
    __doc__,
    baseline,
    (
        data.data_options,
        several("--family", "of descriptors", FAMILIES, choices=FAMILIES),
        several("--classifier", "", CLASSIFIERS),
        option("--words", "visual words", 256),
        option("--gaussians", "of Fisher vectors", 16),
        data.JOBS,
    ),
)
