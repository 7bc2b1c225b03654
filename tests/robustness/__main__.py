"""All attacks, one after another, and one table of what became of them."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

from tests.robustness.attacks import ATTACKS, COUNTS, attack


def main() -> int:
    """Run the attacks, and print the table; give 1 where one has found something."""
    parser = argparse.ArgumentParser("python -m tests.robustness", description=__doc__)
    parser.add_argument(
        "attacks", nargs="*", metavar="ATTACK", help=f"of {', '.join(ATTACKS)} (all)"
    )
    names = parser.parse_args().attacks or list(ATTACKS)
    for name in names:
        if name not in ATTACKS:
            parser.error(f"no attack is called {name}; there are {', '.join(ATTACKS)}")
    # A process each: multiprocessing remembers its folder of temporary files, which the end of a
    # command removes.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as process:
        lines = list(process.map(attack, names))
    header = ["attack", *COUNTS, "seconds", "failed"]
    for line in [dict(zip(header, header)), *lines]:
        print(f"{line['attack']:21}" + "".join(f"{line.get(name, '–'):>9}" for name in header[1:]))
    return int(any(line["failed"] for line in lines))


if __name__ == "__main__":
    sys.exit(main())
