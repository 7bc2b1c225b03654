"""The critic of damage: what it learns of small photos, and how it is kept beside its model."""

import json
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from small_model import make_model, noise, small_network

from classifiers.catalogue import save_classifier
from decaf.editing.damage_critic import (
    CRITIC_FILE,
    RECORD_FILE,
    load_critic,
)
from decaf.editing.damage_teaching import LEAST_PHOTOS, find_least_gains, teach_damage
from decaf.editing.damages import DAMAGES, damage
from decaf.editing.pictures import PictureScorer, read_working_copy
from decaf.editing.suggesting import N_DEVIATIONS, trusted_kinds
from decaf.models.model import NETWORK_FILE, load_model
from features.errors import InputError, NotTaught


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of a folder."""
    folder = tmp_path_factory.mktemp("models") / "model"
    make_model(noise(), network=small_network(head=False)).save(folder)
    return load_model(folder)


@pytest.fixture(scope="module")
def photos(samples):
    return [str(path) for path in sorted(samples.glob("*.jpg"))]


@pytest.fixture(scope="module")
def critic(model, photos):
    """Taught by most of the photos; the model's folder keeps it."""
    critic = teach_damage(model, photos[:45], progress=False)
    critic.save(model.folder)
    return critic


def test_it_prefers_photos_that_it_has_not_seen_to_their_damaged_copies(critic, model, photos):
    scorer = PictureScorer(model, 100)
    falls = []
    for path in photos[45:]:
        rgb = read_working_copy(path)
        scores = critic.score(
            scorer.activations([each for kind in DAMAGES for each in damage(rgb, kind)])
        )
        falls.append(scores[::2] > scores[1::2])
    shares = np.mean(falls, axis=0)
    told = list(critic.record.right.values())
    assert dict(zip(DAMAGES, shares))["blur"] > 0.7
    assert np.mean(shares) == pytest.approx(np.mean(told), abs=0.1)
    assert np.corrcoef(shares, told)[0, 1] > 0.5


def test_it_tells_how_well_it_knows_photos_that_it_was_not_taught_by(critic):
    record = critic.record
    assert record.photos == 45 and set(record.right) == set(DAMAGES)
    assert record.right["blur"] > 0.8 > min(record.right.values())
    assert record.noise > 0 and record.model_noise > 0
    assert set(record.least_gains) == set(trusted_kinds(record.right))
    assert all(gain >= N_DEVIATIONS * record.noise for gain in record.least_gains.values())


def test_four_of_five_photos_are_left_alone_nearly_always_whatever_is_usual_for_a_kind():
    """Gains that are usual by kind, some of which go together within a photo."""
    kinds, random = list(DAMAGES)[:10], np.random.default_rng(0)
    usual, together = np.linspace(-1.5, 1.5, 10), np.full((10, 10), 0.3) + 0.7 * np.eye(10)

    def draw(n_photos, can_be_edited):
        gains = random.multivariate_normal(usual, together, n_photos)
        return np.where(random.random(gains.shape) < can_be_edited, gains, -np.inf)

    for n_photos, can_be_edited in ((20, 1.0), (60, 1.0), (60, 0.5)):
        many, left = draw(20_000, can_be_edited), []
        for _ in range(200):
            possible = [dict(zip(kinds, own)) for own in draw(n_photos, can_be_edited)]
            least = find_least_gains(possible, kinds, noise=0.1)
            left.append((many <= [least[kind] for kind in kinds]).all(axis=1).mean())
        # As sure as 90 %, but for three deviations of 200 draws.
        assert np.mean(np.array(left) >= 0.8) >= 0.84
        assert np.median(left) < 0.95


def test_a_gain_is_more_than_the_noise_and_than_that_of_the_few_photos_that_can_be_edited_so():
    """More contrast clips good photos, but for two; and tilts would cut all faces."""
    possible = [{"warm cast": 0.05, "contrast × 0.6": gain} for gain in (0.0, 0.4)]
    possible += [{"warm cast": gain} for gain in np.linspace(0, 0.2, 20)]
    least = find_least_gains(possible, ["warm cast", "contrast × 0.6", "tilt of 5°"], 0.05)
    assert least["tilt of 5°"] == 0.1 < least["warm cast"] < 0.25
    assert least["contrast × 0.6"] == 0.4
    assert find_least_gains(possible, ["warm cast"], 0.5) == {"warm cast": 1.0}
    assert find_least_gains(20 * [{"warm cast": 0.2}], ["warm cast"], 0.05) == {"warm cast": 0.2}


def test_it_is_kept_beside_the_model(critic, model, photos):
    loaded = load_critic(model)
    assert loaded.record == critic.record
    activations = PictureScorer(model, 1).activations([read_working_copy(photos[0])])
    np.testing.assert_allclose(loaded.score(activations), critic.score(activations))
    load_model(model.folder)  # which is as whole as before


def test_it_stays_the_model_s_when_that_is_saved_anew(critic, model, tmp_path):
    folder = shutil.copytree(model.folder, tmp_path / "model")
    before = (folder / NETWORK_FILE).read_bytes()
    loaded = load_model(folder)
    # Keras writes the second of saving into the file.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "localtime", lambda *args: time.gmtime(1e9))
        loaded.save(folder, force=True)
    assert (folder / NETWORK_FILE).read_bytes() != before
    assert load_critic(load_model(folder)).record == critic.record


def test_the_same_photos_teach_the_same(critic, model, photos):
    again = teach_damage(model, photos[:45], progress=False)
    assert again.record == critic.record


def test_a_critic_that_is_not_the_model_s_is_refused(critic, model, tmp_path):
    folder = tmp_path / "other"
    make_model(noise(), network=small_network()).save(folder)
    other = load_model(folder)
    assert load_critic(other) is None
    critic.save(folder)
    with pytest.raises(NotTaught, match="of another network"):
        load_critic(other)
    values = json.loads((folder / RECORD_FILE).read_text())
    for wrong in ('{"photos": 1', json.dumps(values | {"noise": -1}), "[]"):
        (folder / RECORD_FILE).write_text(wrong)
        with pytest.raises(NotTaught, match=r"damage\.json: "):
            load_critic(other)
    right = critic.record.right
    for wrong, told in (
        ({"right": right | {"blur": 2.0}}, "right must be shares"),
        ({"right": right | {"blur": True}}, "right must be shares"),
        ({"right": {"blur": 1.0}}, "right must be of one stop darker, "),
        ({"least_gains": {"blur": np.inf}}, "must be finite"),
        ({"least_gains": {"blur": -0.5}}, "not negative"),
        ({"right": dict.fromkeys(right, 0.5)}, "of the kinds that right tells to be seen"),
    ):
        with pytest.raises(InputError, match=told):
            replace(critic.record, **wrong)


def test_a_critic_whose_classifier_is_gone_or_another_one_is_told(critic, model, tmp_path):
    folder = shutil.copytree(model.folder, tmp_path / "model")
    model = load_model(folder)
    (folder / CRITIC_FILE).unlink()
    with pytest.raises(NotTaught, match=rf"{CRITIC_FILE}: cannot be read"):
        load_critic(model)
    # Of the catalogue, and no critic: it has no scores.
    save_classifier(GaussianNB().fit(np.eye(4), [0, 1, 0, 1]), folder / CRITIC_FILE)
    with pytest.raises(NotTaught, match=rf"{CRITIC_FILE}: is no critic of damage"):
        load_critic(model)


def test_too_few_photos_teach_nothing(model, photos, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8")
    few = [*photos[: LEAST_PHOTOS - 1], str(broken)]
    with pytest.raises(InputError, match="19 photos can be read; 20 or more"):
        teach_damage(model, few, progress=False)
