"""`python -m experiments` lists the experiments; `python -m experiments NAME …` runs one."""

import importlib
import sys
from collections.abc import Sequence

from experiments.frame import run_experiment

# Name: module with its `EXPERIMENT`, and what it shows.
EXPERIMENTS = {
    "table1": ("paper.table1", "the paper's table I: parameters and file sizes"),
    "table2": ("paper.table2", "the paper's table II: networks of four widths"),
    "delta": ("paper.delta", "the paper's figures 4 and 5: accuracy and AUC by the margin δ"),
    "baseline": ("paper.baseline", "the paper's figure 6: classifiers on generic descriptors"),
    "convnet": ("paper.convnet", "the paper's figure 7: classifiers on plain features, and fc7"),
    "votes": ("paper.votes", "the paper's future work: predicting how people vote (NIMA)"),
    "recipe": ("choices.recipe", "which recipe gives the best reduced heads for their size"),
    "exported": ("choices.exported", "what files for small devices lose in AUC"),
    "devices": ("choices.devices", "size and latency of every network on small devices"),
    "near-duplicates": (
        "choices.near_duplicates",
        "from which cosine on two photos are one burst",
    ),
    "deviation": ("choices.deviation", "what reduced decoding and bfloat16 change"),
    "bench-bayes": (
        "benchmarks.bench_bayes",
        "the Bayesian-network classifiers beside pgmpy and pyAgrum",
    ),
    "bench-extraction": (
        "benchmarks.bench_extraction",
        "extraction beside plain loops and what the machine allows",
    ),
    "bench-finetuning": (
        "benchmarks.bench_finetuning",
        "finetuning from activations beside the whole network's",
    ),
    "bench-memory": (
        "benchmarks.bench_memory",
        "peak memory of extract-features by the number of photos",
    ),
    "report": ("report", "one HTML page of all results"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the experiment that the first argument names, or list all; give the exit status."""
    name, *arguments = (sys.argv[1:] if argv is None else argv) or [None]
    if name in EXPERIMENTS:
        module = importlib.import_module(f"experiments.{EXPERIMENTS[name][0]}")
        if name == "report":  # it collects results, and has none of its own
            return module.main(arguments)
        return run_experiment(name, module.EXPERIMENT, arguments)
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
