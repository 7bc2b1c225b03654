"""Chromium for tests, which are skipped where it is not installed."""

import pytest

from experiments import browser
from features.errors import InputError


def Browser(profile):
    """A browser whose profile is a new folder."""
    try:
        return browser.Browser(profile)
    except InputError as error:
        pytest.skip(str(error))
