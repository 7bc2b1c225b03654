"""Photos that ImageNet has classes for."""

import pytest
from skimage import data
from torch_maps import square


@pytest.fixture(scope="module")
def cat():
    return square(data.chelsea(), 224)


@pytest.fixture(scope="module")
def espresso():
    return square(data.coffee(), 224)
