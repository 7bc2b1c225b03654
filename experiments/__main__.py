"""`python -m experiments` lists the experiments; `python -m experiments NAME …` runs one."""

import importlib
import sys

# Name: module with `main(argv)`, and what it shows.
EXPERIMENTS = {
    "table1": (
        "experiments.paper.table1",
        "the paper's table I: parameters and file sizes",
    ),
    "table2": (
        "experiments.paper.table2",
        "the paper's table II: networks of four widths",
    ),
    "delta": (
        "experiments.paper.delta",
        "the paper's figures 4 and 5: accuracy and AUC by the margin δ",
    ),
    "baseline": (
        "experiments.paper.baseline",
        "the paper's figure 6: classifiers on generic descriptors",
    ),
    "convnet": (
        "experiments.paper.convnet",
        "the paper's figure 7: classifiers on plain features, and fc7",
    ),
    "votes": (
        "experiments.paper.votes",
        "the paper's future work: predicting how people vote (NIMA)",
    ),
    "recipe": (
        "experiments.choices.recipe",
        "which recipe gives the best reduced heads for their size",
    ),
    "exported": (
        "experiments.choices.exported",
        "what files for small devices lose in AUC",
    ),
    "devices": (
        "experiments.choices.devices",
        "size and latency of every network on small devices",
    ),
    "near-duplicates": (
        "experiments.choices.near_duplicates",
        "from which cosine on two photos are one burst",
    ),
    "deviation": (
        "experiments.choices.deviation",
        "what reduced decoding and bfloat16 change",
    ),
    "bench-bayes": (
        "experiments.benchmarks.bench_bayes",
        "the Bayesian-network classifiers beside pgmpy and pyAgrum",
    ),
    "bench-extraction": (
        "experiments.benchmarks.bench_extraction",
        "extraction beside plain loops and what the machine allows",
    ),
    "bench-finetuning": (
        "experiments.benchmarks.bench_finetuning",
        "finetuning from activations beside the whole network's",
    ),
    "bench-memory": (
        "experiments.benchmarks.bench_memory",
        "peak memory of extract-features by the number of photos",
    ),
    "report": (
        "experiments.report",
        "one HTML page of all results",
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
    listing = "\n".join(f"  {name:<18}{shows}" for name, (_, shows) in EXPERIMENTS.items())
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
