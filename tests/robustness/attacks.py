"""The attacks by name, and the line of the table that each gives."""

from __future__ import annotations

import time
from dataclasses import replace
from importlib import import_module
from typing import Any

from experiments.frame import run_experiment
from experiments.pages import Page

# Modules, and their pages in experiments/results.
ATTACKS = {
    "interruptions": "interruptions",
    "kills": "kills",
    "rating_kills": "rating-kills",
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


def attack(name: str) -> dict[str, Any]:
    """Run one attack, and give its line of the table."""
    module, page_name = f"tests.robustness.{name}", ATTACKS[name]
    experiment, began = import_module(module).EXPERIMENT, time.monotonic()
    pages: list[Page] = []

    def run(args):
        pages.append(experiment.run(args))
        return pages[0]

    failed = run_experiment(page_name, replace(experiment, run=run), ["--force"], module)
    counts = count(pages[0]) if pages else {}
    seconds = round(time.monotonic() - began)
    return {"attack": page_name} | counts | {"seconds": seconds, "failed": failed}


def count(page: Page) -> dict[str, int]:
    """Sum what an attack's first table counts."""
    first = next(iter(page.tables.values()))
    columns = dict(zip(first.header, zip(*first.lines)))
    return {
        kind: sum(int(cell.replace(",", "")) for name in names for cell in columns.get(name, ()))
        for kind, names in COUNTS.items()
    }
