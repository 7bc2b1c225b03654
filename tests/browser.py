"""Chromium for tests, which are skipped where it is not installed."""

import pytest

from experiments import browser
from features.errors import InputError


def Browser(profile, *more):
    """A browser whose profile is a new folder, with more switches of Chromium's."""
    try:
        return browser.Browser(profile, *more)
    except InputError as error:
        pytest.skip(str(error))
