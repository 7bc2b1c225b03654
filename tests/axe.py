"""axe-core, which looks for what keeps people out of a page."""

import importlib.util
from pathlib import Path

import pytest

_FOUND = """axe.run().then((found) => found.violations.map((violation) => violation.id + ': '
+ violation.nodes.map((node) => node.html).join(' ').slice(0, 300)))"""


def violations(browser):
    """What axe-core finds in the page that a browser shows."""
    if not browser.run("'axe' in window"):
        browser.call("Runtime.evaluate", expression=_source())
    return browser.run(_FOUND)


def _source():
    """A package for Playwright brings it along."""
    package = importlib.util.find_spec("axe_playwright_python")
    if package is None:
        pytest.skip("needs axe-core: pip install --no-deps axe-playwright-python")
    return Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8")
