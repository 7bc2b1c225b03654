import numpy as np
import pytest
from PIL import Image

from decaf.editing.edits import Edit, crop, upright_part


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("kind", "amounts"),
    [
        ("crop", (0.0, 0.0, 1.0, 1.0)),
        ("straighten", (0.0,)),
        ("exposure", (0.0,)),
        ("warmth", (0.0,)),
        ("contrast", (1.0,)),
        ("saturation", (1.0,)),
    ],
)
def test_an_edit_by_nothing_changes_nothing(photo, kind, amounts):
    np.testing.assert_array_equal(Edit(kind, amounts).apply(photo), photo)


def test_a_stop_is_twice_the_light():
    # IEC 61966-2-1: 188 of 255 is half the light of white.
    half, white = (np.full((1, 1, 3), level, np.uint8) for level in (188, 255))
    np.testing.assert_array_equal(Edit("exposure", (1.0,)).apply(half), white)
    np.testing.assert_array_equal(Edit("exposure", (-1.0,)).apply(white), half)


def test_warmth_moves_red_against_blue_and_keeps_the_brightness_of_grey():
    grey = np.full((1, 1, 3), 128, np.uint8)
    warm, cold = (Edit("warmth", (stops,)).apply(grey)[0, 0].astype(int) for stops in (1.0, -1.0))
    assert warm[0] > 128 > warm[2] and cold[2] > 128 > cold[0]
    for colour in (warm, cold):
        light = ((colour / 255 + 0.055) / 1.055) ** 2.4
        assert light @ [0.2126, 0.7152, 0.0722] == pytest.approx(0.2159, abs=0.003)


def test_a_crop_is_that_part_and_never_empty(photo):
    np.testing.assert_array_equal(crop(photo, 0.5, 0.25, 1.0, 0.75), photo[10:30, 30:])
    assert crop(photo, 0.5, 0.5, 0.5, 0.5).shape == (1, 1, 3)


@pytest.mark.parametrize("shape", [(300, 400), (400, 300), (90, 900)])
@pytest.mark.parametrize("degrees", [-8, -0.5, 3, 20])
def test_a_straightened_photo_has_its_shape_and_no_empty_corner(shape, degrees):
    white = np.full((*shape, 3), 255, np.uint8)
    turned = Edit("straighten", (degrees,)).apply(white)
    # Half a pixel at an edge may be mixed with what lies beyond it.
    assert turned[1:-1, 1:-1].min() == 255
    height, width = turned.shape[:2]
    assert width / height == pytest.approx(shape[1] / shape[0], rel=0.06)
    # No larger part would do: a fiftieth more has empty corners.
    left, top, right, bottom = upright_part(shape[1], shape[0], degrees)
    whole = np.asarray(Image.fromarray(white).rotate(-degrees, Image.Resampling.BICUBIC))
    more = 0.01
    beyond = crop(whole, left - more, top - more, right + more, bottom + more)
    assert left < more or beyond.min() == 0


def test_straightening_turns_clockwise():
    line = np.zeros((101, 101, 3), np.uint8)
    line[50, 50:] = 255  # to the right of the centre
    turned = Edit("straighten", (10.0,)).apply(line)
    middle = turned.shape[0] // 2
    assert turned[:middle].sum() < turned[middle:].sum()


def test_without_saturation_a_photo_has_no_colour(photo):
    grey = Edit("saturation", (0.0,)).apply(photo)
    assert (grey == grey[..., :1]).all()
