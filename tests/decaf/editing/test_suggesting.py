"""Which edits are suggested: only what critic, model, clipping, faces and trust admit."""

from dataclasses import replace

import numpy as np
import pytest
from seeing_model import seeing_critic, seeing_model
from skimage.data import astronaut
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from decaf.editing import suggesting
from decaf.editing.damages import DAMAGES
from decaf.editing.edits import Edit
from decaf.editing.suggesting import MOST_PASSES, Adviser, damage_undone, list_candidates
from features.errors import NotTaught

BRIGHT = (1.0, 1.0, 1.0)
ALL = dict.fromkeys(DAMAGES, 1.0)


@pytest.fixture(scope="module")
def dark():
    """A photo two stops too dark, with a face."""
    return Edit("exposure", (-2.0,)).apply(astronaut()[:400])


def test_a_dark_photo_is_made_lighter_by_who_likes_light(dark):
    advice = Adviser(seeing_model(), seeing_critic(BRIGHT, right=ALL)).suggest(dark)
    (exposure,) = (step for step in advice.steps if step.edit.kind == "exposure")
    assert exposure.edit.amounts[0] > 0.5
    assert 0.5 < exposure.low <= exposure.probability <= exposure.high
    assert len({step.edit.kind for step in advice.steps}) == len(advice.steps) <= 3


def test_what_the_critic_does_not_see_in_other_photos_is_not_suggested(dark):
    critic = seeing_critic(BRIGHT, right={"one stop darker": 0.9, "contrast × 0.6": 0.89})
    steps = Adviser(seeing_model(), critic).suggest(dark).steps
    assert [step.edit.kind for step in steps] == ["exposure"]
    assert Adviser(seeing_model(), seeing_critic(BRIGHT)).suggest(dark).steps == ()


def test_a_gain_within_the_noise_is_left_alone(dark):
    critic = seeing_critic(BRIGHT, noise=5.0, right=ALL)
    advice = Adviser(seeing_model(), critic).suggest(dark)
    assert advice.steps == () and advice.before == advice.after


def test_a_critic_of_other_activations_is_refused():
    four = make_pipeline(StandardScaler(), LogisticRegression()).fit(np.eye(4), [0, 1, 0, 1])
    with pytest.raises(NotTaught, match="does not take the 3 activations"):
        Adviser(seeing_model(), replace(seeing_critic(BRIGHT), classifier=four))


def test_what_the_model_likes_less_is_not_suggested(dark):
    critic = seeing_critic(BRIGHT, right={"one stop darker": 1.0})
    likes_dark = seeing_model(likes=(-0.01, -0.01, -0.01))
    assert Adviser(likes_dark, critic).suggest(dark).steps == ()


def test_no_edit_clips_more_than_half_a_percent_of_the_pixels():
    rgb = np.full((60, 90, 3), 90, np.uint8)
    rgb[:, :2] = 200  # 2.2 %, which one stop more makes white
    critic = seeing_critic(BRIGHT, right={"one stop darker": 1.0})
    (step,) = Adviser(seeing_model(), critic).suggest(rgb).steps
    after = step.edit.apply(rgb)
    assert after.mean() > rgb.mean() and after.max() < 255


def test_no_crop_cuts_a_face():
    rgb = np.array(astronaut()[:400])
    rgb[200:] = 255  # the crop that a critic of light would like best
    critic = seeing_critic(BRIGHT, right={"a corner of 0.7": 1.0})
    (step,) = Adviser(seeing_model(), critic).suggest(rgb).steps
    (face,) = suggesting.find_faces(rgb)
    left, top, right, bottom = step.edit.amounts
    assert left <= face[0] and top <= face[1] and right >= face[2] and bottom >= face[3]


def test_a_photo_is_seen_by_as_many_forward_passes_as_are_allowed(dark, monkeypatch):
    monkeypatch.setattr(suggesting, "find_tilts", lambda rgb: [1.5])
    critic = seeing_critic(BRIGHT, noise=1e-9, right=ALL)
    for shape in ((400, 400), (300, 400), (225, 400), (40, 400)):
        advice = Adviser(seeing_model(), critic).suggest(np.resize(dark, (*shape, 3)))
        assert len(advice.steps) == 3
        assert advice.n_passes <= MOST_PASSES


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (333, 2), (20, 30)])
def test_small_and_narrow_pictures_are_looked_at_too(shape):
    rgb = np.full((*shape, 3), 60, np.uint8)
    advice = Adviser(seeing_model(), seeing_critic(BRIGHT, right=ALL)).suggest(rgb)
    assert all(min(step.edit.apply(rgb).shape) > 0 for step in advice.steps)


def test_every_candidate_undoes_a_damage():
    candidates = list_candidates(astronaut())
    assert {damage_undone(edit) for edit in candidates} <= set(DAMAGES)
    assert damage_undone(Edit("warmth", (0.5,))) == "cold cast"
    assert damage_undone(Edit("saturation", (0.5,))) == "saturation × 2"


def test_the_edit_comes_first_that_gains_most_beyond_what_its_kind_has_to(dark):
    critic = seeing_critic(BRIGHT, right={"one stop darker": 1.0, "a corner of 0.7": 1.0})
    first, *_ = Adviser(seeing_model(), critic).suggest(dark).steps
    assert first.edit.kind == "exposure"
    # A stop more gains .99, a crop .18.
    usual = {"one stop darker": 0.9, "a corner of 0.7": 0.02}
    critic = replace(critic, record=replace(critic.record, least_gains=usual))
    first, *_ = Adviser(seeing_model(), critic).suggest(dark).steps
    assert first.edit.kind == "crop"
