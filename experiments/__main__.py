"""`python -m experiments` lists the experiments; `python -m experiments NAME …` runs one."""

import importlib
import sys

# Name: module with `main(argv)`, and what it shows.
EXPERIMENTS = {
    "table1": (
        "experiments.table1",
        "parameters and file size of every network, beside the paper's table I",
    ),
    "table2": (
        "experiments.table2",
        "how well networks of four widths tell the classes: the paper's table II",
    ),
    "delta": (
        "experiments.delta",
        "accuracy and AUC as the margin δ grows: the paper's figures 4 and 5",
    ),
    "baseline": (
        "experiments.baseline",
        "five classifiers on generic image descriptors: the paper's figure 6",
    ),
    "convnet": (
        "experiments.convnet",
        "classifiers on plain ConvNet features and on fc7: the paper's figure 7",
    ),
    "votes": (
        "experiments.votes",
        "networks that predict how people vote (NIMA): the paper's future work",
    ),
    "recipe": (
        "experiments.recipe",
        "which recipe gives the best reduced heads for their size",
    ),
    "report": (
        "experiments.report",
        "one HTML page of all results",
    ),
    "bench-bayes": (
        "experiments.bench_bayes",
        "speed and accuracy of the Bayesian-network classifiers beside pgmpy and pyAgrum",
    ),
}


def main(argv=None):
    """Run the experiment that the first argument names, or list all.

    Parameters
    ----------
    argv : list of str, optional
        ``sys.argv[1:]`` by default.

    Returns
    -------
    int
        Exit status.
    """
    name, *arguments = (sys.argv[1:] if argv is None else argv) or [None]
    if name in EXPERIMENTS:
        return importlib.import_module(EXPERIMENTS[name][0]).main(arguments)
    listing = "\n".join(f"  {name:<16}{shows}" for name, (_, shows) in EXPERIMENTS.items())
    if name in (None, "-h", "--help"):
        print(f"usage: python -m experiments NAME [options]\n\n{listing}")
        return 0
    print(
        f"experiments: error: no experiment is named {name!r}; there are\n{listing}",
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    sys.exit(main())
