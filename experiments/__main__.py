"""`python -m experiments` lists the experiments; `python -m experiments NAME …` runs one."""

import importlib
import sys
from collections.abc import Sequence

from experiments.frame import run_experiment

# Room: its modules, each with an `EXPERIMENT`, and what they show.
ROOMS = {
    "paper": {
        "table1": "the paper's table I: parameters and file sizes",
        "table2": "the paper's table II: networks of four widths",
        "delta": "the paper's figures 4 and 5: accuracy and AUC by the margin δ",
        "baseline": "the paper's figure 6: classifiers on generic descriptors",
        "convnet": "the paper's figure 7: classifiers on plain features, and fc7",
        "votes": "the paper's future work: predicting how people vote (NIMA)",
        "rehearsal": "all of these on AVA's folder: speed, memory, disk, and hours for all of AVA",
    },
    "choices": {
        "order": "how sizes and scores order photos, by what learns them",
        "maps": "what is taken of a backbone's maps, and how it is weighed",
        "widths": "whether cutting heads costs order, of those that learn labels and scores",
        "edits": "whether scores fall when photos are damaged, and what is suggested for them",
        "few-ratings": "how well 10 to 160 ratings teach an order, by what learns them",
        "taste": "how soon a person's taste is known, by which photo they rate next",
        "aode": "how AODE's estimators are best averaged, by photos and widths",
        "recipe": "which recipe gives the best reduced heads for their size",
        "training-sizes": "whether the recipe holds, by the number of photos",
        "exported": "what files for small devices lose in AUC",
        "exported-sizes": "what they lose and take at the sizes of the photo",
        "devices": "size and latency of every network on small devices",
        "near-duplicates": "from which cosine on two photos are one burst",
        "bursts": "which measures order the frames of one burst",
        "deviation": "what reduced decoding and bfloat16 change",
    },
    "benchmarks": {
        "bench-bayes": "the Bayesian-network classifiers beside pgmpy and pyAgrum",
        "bench-extraction": "extraction beside plain loops and what the machine allows",
        "bench-finetuning": "finetuning from activations beside the whole network's",
        "bench-memory": "peak memory of extract-features by the number of photos",
        "gpu-check": "what a GPU does for decaf: agreement, speeds, finetuning, tests",
        "bench-taste": "a refit and the choice of the next photo, by ratings and photos",
        "bench-rating": "the page of rate-photos in a browser: a person's order, and key times",
        "bench-growth": "bookkeeping (cache, resume, merge, leak guard) at millions of photos",
        "bench-camera": "the camera page: runtimes in a browser, and frames a second by size",
        "bench-page": "the ranking's page opened, scrolled and searched, by the number of photos",
    },
}
SHOWS = {name: shows for room in ROOMS.values() for name, shows in room.items()}
SHOWS["report"] = "one HTML page of all results"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the experiment that the first argument names, or list all; give the exit status."""
    name, *arguments = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if name == "report":
        return importlib.import_module("experiments.report").main(arguments)
    for room, names in ROOMS.items():
        if name in names:
            module = importlib.import_module(f"experiments.{room}.{name.replace('-', '_')}")
            return run_experiment(name, module.EXPERIMENT, arguments)
    listing = "\n".join(f"  {name:<18}{shows}" for name, shows in SHOWS.items())
    if name in ("-h", "--help"):
        print(f"usage: python -m experiments NAME [options]\n\n{listing}")
        return 0
    print(
        f"experiments: error: no experiment is named {name!r}; there are\n{listing}",
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    sys.exit(main())
