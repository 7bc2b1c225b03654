import os

import numpy as np

from experiments.measuring import choose_photos, cosines, in_child, peak_megabytes


def test_a_child_is_a_process_of_its_own():
    assert in_child(os.getpid) != os.getpid()


def test_photos_come_from_all_over_the_folder(samples):
    assert len(set(choose_photos(samples, 1000))) == 60
    first, second = choose_photos(samples, 2)
    every = choose_photos(samples, 60)
    assert [every.index(first), every.index(second)] == [0, 30]


def test_the_cosine_is_one_along_a_row_and_none_across():
    a = np.array([[1.0, 0.0], [3.0, 4.0]], np.float32)
    b = np.array([[0.0, 2.0], [6.0, 8.0]], np.float32)
    np.testing.assert_allclose(cosines(a, b), [0.0, 1.0])


def test_a_childs_peak_memory_is_its_own():
    held = bytearray(200_000_000)
    assert in_child(peak_megabytes) < peak_megabytes() - 150
    assert held is not None
