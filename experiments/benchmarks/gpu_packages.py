"""Whether all packages that `gpu-check` needs are installed, told in one line; imports none.

A machine with a GPU may have no network, so that nothing is installed for the check.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

SETUP = Path(__file__).parents[2] / "setup.cfg"
# Beside what decaf itself needs: for the page, and for the tests.
MORE = ("matplotlib", "scikit-image", "pytest", "hypothesis")


def missing_packages(back_end: str) -> list[str]:
    """The packages that are not installed, decaf itself among them."""
    setup = ConfigParser()
    setup.read(SETUP, encoding="utf-8")
    required = setup["options"]["install_requires"].split()
    names = [re.match(r"[\w-]+", each)[0] for each in required]
    return [name for name in ("decaf", back_end, *names, *MORE) if not _is_installed(name)]


def main(argv: Sequence[str]) -> int:
    """Command line: the back end; give the exit status."""
    missing = missing_packages(*argv)
    if missing:
        print(f"gpu-check: not installed here: {', '.join(missing)}", file=sys.stderr)
    return 2 if missing else 0


def _is_installed(name):
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
