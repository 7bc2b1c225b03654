"""Faces and tilts: of a known photo, and of drawn lines."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from skimage.data import astronaut, brick, gravel

from decaf.editing.edits import Edit
from decaf.editing.frames import cuts_any, find_faces, find_tilts


def test_a_face_is_found_where_it_is_and_nothing_elsewhere():
    (face,) = find_faces(astronaut())
    left, top, right, bottom = face
    # The astronaut's eyes and mouth.
    assert left < 0.40 and right > 0.47 and top < 0.18 and bottom > 0.29
    assert right - left < 0.3
    assert find_faces(np.repeat(gravel()[..., None], 3, axis=-1)) == []
    assert find_faces(np.zeros((20, 300, 3), np.uint8)) == []


def test_a_frame_cuts_what_is_not_wholly_inside():
    face = (0.3, 0.2, 0.5, 0.4)
    assert not cuts_any((0.3, 0.1, 0.9, 0.9), [face])
    assert cuts_any((0.31, 0.1, 0.9, 0.9), [face])
    assert cuts_any((0.6, 0.5, 0.9, 0.9), [face])
    assert not cuts_any((0.6, 0.5, 0.9, 0.9), [])


@pytest.mark.parametrize("degrees", [-6.0, -2.0, 1.5, 4.0])
def test_a_photo_is_turned_back_by_its_lines(degrees):
    image = Image.new("RGB", (600, 400), "white")
    draw = ImageDraw.Draw(image)
    for at in range(60, 400, 60):
        draw.line([(0, at), (600, at)], "black", 5)
    for at in range(90, 600, 120):
        draw.line([(at, 0), (at, 400)], "navy", 5)
    tilted = Edit("straighten", (degrees,)).apply(np.asarray(image))
    (found,) = find_tilts(tilted)
    assert found == pytest.approx(-degrees, abs=0.6)


def test_where_nothing_is_level_or_upright_no_tilt_is_found():
    assert find_tilts(np.repeat(gravel()[..., None], 3, axis=-1)) == []
    assert find_tilts(np.repeat(brick()[..., None], 3, axis=-1)) == []  # it is straight
    assert find_tilts(np.zeros((3, 400, 3), np.uint8)) == []
