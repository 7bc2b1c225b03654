"""All attacks, one after another, and one table of what became of them."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from importlib import import_module

from experiments.frame import run_experiment
from experiments.pages import Page

# Modules, and their pages in experiments/results.
ATTACKS = {
    "interruptions": "interruptions",
    "kills": "kills",
    "signals": "signals",
    "full_disks": "full-disks",
    "sidecars": "sidecars",
    "huge_photos": "huge-photos",
    "classifiers": "hostile-classifiers",
    "networks": "hostile-networks",
    "fuzz": "fuzz",
    "clicks": "clicks",
}
# What columns of the attacks' first tables count.
COUNTS = {
    "tried": ("tried", "files"),
    "refused": ("refused",),
    "survived": ("survived", "read"),
    "lost": ("lost", "left"),
    "crashed": (
        *("crashed", "hung", "traceback", "not one line", "not finite", "wrote outside"),
        "findings",
    ),
}


def main() -> int:
    """Run the attacks, and print the table; give 1 where one has found something."""
    lines = []
    for name, page_name in ATTACKS.items():
        module = f"tests.robustness.{name}"
        experiment, pages, began = import_module(module).EXPERIMENT, [], time.monotonic()

        def run(args, experiment=experiment, pages=pages):
            pages.append(experiment.run(args))
            return pages[0]

        failed = run_experiment(page_name, replace(experiment, run=run), ["--force"], module)
        counts = count(pages[0]) if pages else {}
        seconds = round(time.monotonic() - began)
        lines.append({"attack": page_name} | counts | {"seconds": seconds, "failed": failed})
    header = ["attack", *COUNTS, "seconds", "failed"]
    for line in [dict(zip(header, header)), *lines]:
        print(f"{line['attack']:21}" + "".join(f"{line.get(name, '–'):>9}" for name in header[1:]))
    return int(any(line["failed"] for line in lines))


def count(page: Page) -> dict[str, int]:
    """Sum what an attack's first table counts."""
    first = next(iter(page.tables.values()))
    columns = dict(zip(first.header, zip(*first.lines)))
    return {
        kind: sum(int(cell.replace(",", "")) for name in names for cell in columns.get(name, ()))
        for kind, names in COUNTS.items()
    }


if __name__ == "__main__":
    sys.exit(main())
