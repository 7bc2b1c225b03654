import numpy as np
import pytest

from features.descriptors import composition as measures
from features.descriptors.composition import MEASURES


def photo(grey):
    """Return an RGB photo of grey levels (height, width)."""
    return np.repeat(np.asarray(grey, dtype=np.uint8)[..., None], 3, axis=-1)


def halves(left, right, side=20):
    rgb = np.empty((side, side, 3), dtype=np.uint8)
    rgb[:, : side // 2], rgb[:, side // 2 :] = left, right
    return rgb


def checkerboard(side):
    return photo(255 * (np.add.outer(np.arange(side), np.arange(side)) % 2))


UNIFORM = photo(np.full((24, 30), 100))
BLACK, WHITE, RED, BLUE = (0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 0, 255)


def test_the_hsv_histogram_of_a_half_red_half_black_photo_has_two_bins():
    histogram = measures.hsv_histogram(halves(RED, BLACK)).reshape(18, 3, 3)
    assert histogram[0, 2, 2] == 0.5 and histogram[0, 0, 0] == 0.5


def test_the_hsv_histogram_of_dark_greyish_blue_fills_the_bin_of_two_thirds():
    histogram = measures.hsv_histogram(halves((60, 60, 120), (60, 60, 120))).reshape(18, 3, 3)
    assert histogram[12, 1, 1] == 1


def test_the_colour_moments_of_a_quarter_white_photo_are_those_of_a_coin():
    rgb = photo(np.zeros((20, 20)))
    rgb[:10, :10] = WHITE
    mean, deviation, skewness = measures.colour_moments(rgb).reshape(3, 3)
    np.testing.assert_allclose(mean, [0, 0, 0.25])
    np.testing.assert_allclose(deviation, [0, 0, np.sqrt(0.25 * 0.75)])
    np.testing.assert_allclose(skewness, [0, 0, np.cbrt(0.25 * 0.75 * 0.5)])


def test_colourfulness_follows_its_equation():
    assert measures.colourfulness(UNIFORM) == 0
    # red: red - green 255, yellow - blue 127.5; blue: 0 and -255
    expected = np.hypot(127.5, 191.25) + 0.3 * np.hypot(127.5, -63.75)
    assert measures.colourfulness(halves(RED, BLUE)) == pytest.approx(expected)


def test_a_uniform_photo_has_one_local_binary_pattern_in_the_middle_and_at_the_border():
    patterns = measures.local_binary_patterns(UNIFORM)
    assert patterns[8] == 1 and patterns[10 + 16] == 1 and patterns.sum() == 2


def test_a_bright_pixel_is_the_pattern_without_brighter_neighbours():
    grey = np.zeros((9, 9))
    grey[4, 4] = 255
    patterns = measures.local_binary_patterns(photo(grey))
    assert patterns[0] == patterns[10] == pytest.approx(1 / 81)


def test_the_cooccurrence_of_a_checkerboard_is_contrast_along_the_sides_and_none_across():
    mean, spread = measures.cooccurrence(checkerboard(65)).reshape(2, 6)
    asm, contrast, correlation, entropy, homogeneity, variance = mean
    assert asm == pytest.approx(0.5)
    assert contrast == pytest.approx(31**2 / 2) and spread[1] == pytest.approx(31**2)
    assert correlation == pytest.approx(0) and spread[2] == pytest.approx(2)
    assert entropy == pytest.approx(np.log(2))
    assert homogeneity == pytest.approx((1 + 1 / (1 + 31**2)) / 2)
    assert variance == pytest.approx(15.5**2)


def test_a_neighbour_on_the_left_counts_as_one_on_the_right():
    mean, _ = measures.cooccurrence(photo([[0, 255]])).reshape(2, 6)
    assert mean[0] == pytest.approx(0.5 / 4), "one of four directions has neighbours at all"


def test_the_aspect_ratio_is_width_over_height():
    assert measures.aspect_ratio(UNIFORM) == 30 / 24


def test_the_rule_of_thirds_sees_the_middle_third_only():
    rgb = halves(BLUE, WHITE, side=9)
    rgb[3:6, 3:6] = (51, 0, 0)
    np.testing.assert_allclose(measures.rule_of_thirds(rgb), [0, 1, 0.2])


def test_detail_in_the_middle_is_told_from_detail_at_the_border():
    grey = np.zeros((40, 40))
    grey[15:25, 15:25] = 255
    assert measures.central_detail(photo(grey)) == 1
    grey = np.zeros((40, 40))
    grey[2:5, 2:5] = 255
    assert measures.central_detail(photo(grey)) == 0
    assert measures.central_detail(UNIFORM) == 0


def test_even_detail_gives_the_middle_its_quarter():
    assert measures.central_detail(checkerboard(400)) == pytest.approx(0.25, abs=0.01)


def test_the_edge_box_is_that_of_the_subject():
    grey = np.zeros((100, 100))
    grey[40:60, 30:40] = 200  # edges in rows 39 to 60 and columns 29 to 40
    assert measures.edge_box_area(photo(grey)) == pytest.approx(0.22 * 0.12)
    assert measures.edge_box_area(checkerboard(100)) == pytest.approx(0.98**2, abs=0.01)
    assert measures.edge_box_area(UNIFORM) == 0


def test_each_hue_that_matters_lowers_the_hue_count():
    assert measures.hue_count(UNIFORM) == 20
    assert measures.hue_count(halves((200, 0, 0), (0, 0, 200))) == 18
    assert measures.hue_count(halves((200, 0, 0), (20, 20, 0))) == 19, "too dark for a hue"
    assert measures.hue_count(halves((200, 0, 0), (0, 255, 0))) == 19, "too bright for a hue"
    assert measures.hue_count(halves((200, 0, 0), (180, 200, 180))) == 19, "too grey for a hue"


def test_a_hue_of_few_pixels_does_not_count():
    rgb = halves((200, 0, 0), (200, 0, 0))
    rgb[:4, :4] = (0, 0, 200)  # 4 %
    assert measures.hue_count(rgb) == 19


def test_a_wave_has_three_frequencies():
    wave = 127.5 + 100 * np.cos(2 * np.pi * 8 * np.arange(64) / 64)
    assert measures.sharp_frequencies(photo(np.tile(wave, (64, 1)))) == 3 / 64**2


@pytest.mark.parametrize("amplitude, frequencies", [(2, 1), (4, 3)])
def test_a_faint_wave_does_not_count_as_a_frequency(amplitude, frequencies):
    # amplitude / 255 × 32² / 2 is 4.0 or 8.0 in the Fourier transform, against the threshold of 5
    wave = np.round(127 + amplitude * np.cos(2 * np.pi * 8 * np.arange(32) / 32))
    assert measures.sharp_frequencies(photo(np.tile(wave, (32, 1)))) == frequencies / 32**2


def test_contrast_is_the_width_of_the_middle_98_percent():
    assert measures.contrast(UNIFORM) == 1 / 256
    assert measures.contrast(halves(BLACK, WHITE)) == 1
    assert measures.contrast(photo(np.arange(256)[None])) == 252 / 256


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 500), (500, 1)])
def test_photos_of_any_shape_give_as_many_finite_numbers(measure, shape):
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for rgb in (noise, np.zeros_like(noise), np.full_like(noise, 255)):
        values = measure(rgb)
        assert np.isfinite(values).all() and np.shape(values) == np.shape(measure(UNIFORM))
