"""The paper's figure 6: five classifiers on generic image descriptors, a family each and all.

Visual words and Fisher vectors of SIFT are learnt anew in each fold, on its training photos.
"""

import argparse

from decaf.backend import import_keras
from decaf.commands.common import run_command
from experiments import pages
from experiments.data import add_data_options, add_out_options, divide, read_data

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
    parser = argparse.ArgumentParser("python -m experiments baseline", description=__doc__)
    add_data_options(parser)
    parser.add_argument(
        "--family", action="append", choices=FAMILIES, help="of descriptors (all of them)"
    )
    parser.add_argument("--classifier", action="append", metavar="NAME", help="(the paper's five)")
    parser.add_argument("--words", type=int, default=256, help="visual words (256)")
    parser.add_argument("--gaussians", type=int, default=16, help="of Fisher vectors (16)")
    parser.add_argument("--jobs", type=int, default=-1, metavar="N", help="at once (all cores)")
    add_out_options(parser)
    pages.remember_command(parser, "baseline", argv)
    return run_command(baseline, parser, argv)


def baseline(args):
    """Judge the classifiers on every family, write the results.

    Parameters
    ----------
    args : argparse.Namespace
    """
    folder = pages.results_folder(args)
    import_keras()
    from experiments.judging import Cell, judge_cells, known_classifiers
    from experiments.paper.described import describe, describe_keypoints

    classifiers = known_classifiers(args.classifier or CLASSIFIERS)
    families = list(dict.fromkeys(args.family or FAMILIES))
    rated, measured = describe(read_data(args), cache=args.cache, jobs=args.jobs)
    keypoints = None
    if set(families) - set(MEASURED):
        keypoints = describe_keypoints(rated, cache=args.cache, jobs=args.jobs)
    photos = divide(rated, args)
    settings = {"words": args.words, "gaussians": args.gaussians}
    cells = [
        Cell(family, _feature_set(family, measured, keypoints, args), classifiers, settings)
        for family in families
    ]
    judged = judge_cells(cells, photos, folder, jobs=args.jobs, seed=args.seed, force=args.force)
    rows = [row for of_family in judged for row in of_family]
    pages.write_page(
        folder,
        title="Figure 6: generic image descriptors",
        text=TEXT.format(n_words=args.words, n_gaussians=args.gaussians),
        command=args.command,
        facts=photos.facts,
        tables=pages.comparison_tables(rows, args.data.name),
        rows=rows,
        figure=pages.draw_comparison(rows),
    )
    print(folder / pages.PAGE)


def _feature_set(family, measured, keypoints, args):
    import numpy as np
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import FunctionTransformer

    from classifiers.evaluation.evaluation import FeatureSet
    from features.descriptors.keypoints import BagOfVisualWords, FisherVectors

    if family in MEASURED:
        return FeatureSet(family, measured[family])
    words = BagOfVisualWords(args.words, random_state=args.seed)
    fisher = FisherVectors(args.gaussians, random_state=args.seed)
    if family == "sift words":
        return FeatureSet(family, keypoints, words)
    if family == "sift fisher":
        return FeatureSet(family, keypoints, fisher)
    X = np.empty((len(keypoints), 2), dtype=object)
    X[:, 0] = list(np.hstack([measured[name] for name in MEASURED]))
    X[:, 1] = keypoints
    together = [
        ("measured", FunctionTransformer(np.vstack), 0),
        ("words", words, 1),
        ("fisher", fisher, 1),
    ]
    return FeatureSet(family, X, ColumnTransformer(together, sparse_threshold=0))
