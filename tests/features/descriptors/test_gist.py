import numpy as np
import pytest

from features.descriptors.gist import N_BLOCKS, N_ORIENTATIONS, N_SCALES, SIDE, gist


def wave(scale, orientation, amplitude=100):
    """Return a photo of the wave that a filter is made for."""
    frequency = 0.3 / 1.85**scale
    angle = np.pi * orientation / N_ORIENTATIONS
    y, x = np.mgrid[:SIDE, :SIDE]
    phase = 2 * np.pi * frequency * (x * np.cos(angle) + y * np.sin(angle))
    return np.repeat(np.uint8(127.5 + amplitude * np.cos(phase))[..., None], 3, axis=-1)


def responses(rgb):
    return gist(rgb).reshape(N_SCALES, N_ORIENTATIONS, N_BLOCKS, N_BLOCKS)


@pytest.mark.parametrize("scale, orientation", [(0, 0), (1, 0), (1, 2), (2, 4), (2, 7), (3, 5)])
def test_a_wave_excites_its_own_filter_most_in_every_block(scale, orientation):
    strongest = responses(wave(scale, orientation)).reshape(-1, N_BLOCKS, N_BLOCKS).argmax(axis=0)
    assert (strongest == scale * N_ORIENTATIONS + orientation).all()


def test_the_filters_fall_off_as_gaussians_of_scale_and_angle():
    # A faint wave, since the logarithm gives a strong one harmonics.
    middle = responses(wave(3, 2, amplitude=20))[:, :, 1:3, 1:3].mean(axis=(2, 3))
    finer, turned = middle[2, 2] / middle[3, 2], middle[3, 3] / middle[3, 2]
    assert finer == pytest.approx(np.exp(-3.5 * (1 / 1.85 - 1) ** 2), rel=0.05)
    assert turned == pytest.approx(np.exp(-2 * np.pi * (np.pi / 8) ** 2), rel=0.05)


def test_the_filters_go_round_the_circle():
    middle = responses(wave(1, 0.5))[1, :, 1:3, 1:3].mean(axis=(1, 2))
    assert middle[7] == pytest.approx(middle[2], rel=0.05)
    assert middle[0] == pytest.approx(middle[1], rel=0.05)


def test_a_dark_half_responds_as_a_bright_one_does():
    rgb = wave(1, 0)
    rgb[:, SIDE // 2 :] //= 3
    rows = responses(rgb)[1, 0]
    assert rows[:, 3] == pytest.approx(rows[:, 0], rel=0.1)


def test_a_uniform_photo_excites_no_filter():
    assert gist(np.full((50, 80, 3), 90, dtype=np.uint8)) == pytest.approx(0, abs=1e-4)


def test_the_blocks_tell_where_the_wave_is():
    rgb = np.full((SIDE, SIDE, 3), 127, dtype=np.uint8)
    rgb[:64, 192:] = wave(1, 0)[:64, 192:]
    assert responses(rgb)[1, 0].argmax() == 3
    assert responses(rgb)[1, 0].ravel()[3] > 10 * responses(rgb)[1, 0, 2:].max()


def test_photos_of_any_size_give_512_finite_numbers():
    for shape in [(1, 1, 3), (3, 900, 3), (400, 300, 3)]:
        rgb = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        assert gist(rgb).shape == (512,) and np.isfinite(gist(rgb)).all()
