"""Suggestions for an album: found once, kept meanwhile, and by one model alone."""

import json
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image
from seeing_model import seeing_critic, seeing_model

from decaf.editing import album
from decaf.editing.album import suggest_for_album
from decaf.editing.damage_critic import RECORD_FILE
from decaf.editing.suggesting import Adviser
from decaf.models.model import NETWORK_FILE, load_model
from features.errors import InputError


@pytest.fixture
def model(tmp_path):
    """A model of a folder, with a critic of light."""
    folder = tmp_path / "model"
    seeing_model().save(folder)
    seeing_critic((1.0, 1.0, 1.0), right={"one stop darker": 1.0}).save(folder)
    return load_model(folder)


@pytest.fixture
def photos(tmp_path):
    """Four photos, one of them light, one of them broken."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name, level in {"a.png": 40, "b.png": 60, "more/c.png": 250}.items():
        Image.fromarray(np.full((20, 30, 3), level, np.uint8)).save(folder / name)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8")
    return folder


def suggest(model, photos, cache):
    critic = seeing_critic((1.0, 1.0, 1.0), right={"one stop darker": 1.0})
    return suggest_for_album(photos, model, critic, cache=cache, progress=False)


def test_suggestions_come_in_the_album_s_order_and_what_cannot_be_read_is_told(
    model, photos, tmp_path
):
    found, failed = suggest(model, photos, tmp_path / "cache")
    assert [each.name for each in found] == ["a.png", "b.png", "more/c.png"]
    assert [bool(each.steps) for each in found] == [True, True, False]
    assert [name for name, _ in failed] == ["broken.jpg"]


def test_a_call_that_was_interrupted_goes_on(model, photos, tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    once = suggest(model, photos, tmp_path / "other")
    seen = []

    class Interrupted(Adviser):
        def suggest(self, rgb):
            seen.append(rgb)
            if len(seen) == 2:
                raise KeyboardInterrupt
            return super().suggest(rgb)

    monkeypatch.setattr(album, "Adviser", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        suggest(model, photos, folder)
    (journal,) = (folder / "edits").iterdir()
    with open(journal, "a", encoding="utf-8") as file:
        file.write('["half a li')
    assert suggest(model, photos, folder) == once
    assert len(seen) == 4
    # Nor is anything computed that is known, and a photo that was changed is known no more.
    assert suggest(model, photos, folder) == once and len(seen) == 4
    Image.new("RGB", (20, 30), "navy").save(photos / "a.png")
    suggest(model, photos, folder)
    assert len(seen) == 5


def test_what_another_model_found_is_not_taken(model, photos, tmp_path):
    folder = tmp_path / "cache"
    suggest(model, photos, folder)
    seeing_model(likes=(-0.01, -0.01, -0.01)).save(model.folder, force=True)
    other = load_model(model.folder)
    assert (other.folder / NETWORK_FILE).exists()
    found, _ = suggest(other, photos, folder)
    assert not any(each.steps for each in found)


def test_what_another_record_of_the_critic_trusted_is_not_taken(model, photos, tmp_path):
    folder = tmp_path / "cache"
    assert any(each.steps for each in suggest(model, photos, folder)[0])
    critic = seeing_critic((1.0, 1.0, 1.0))
    (model.folder / RECORD_FILE).write_text(json.dumps(critic.record.to_json()))
    found, _ = suggest_for_album(photos, model, critic, cache=folder, progress=False)
    assert not any(each.steps for each in found)


@pytest.mark.parametrize("name", ["../photos/a.png", "{photos}/a.png"])
def test_a_list_that_leads_out_of_its_folder_is_refused_before_the_work(
    model, photos, tmp_path, name, monkeypatch
):
    monkeypatch.setattr(Adviser, "suggest", None)
    (tmp_path / "lists").mkdir()
    album = tmp_path / "lists" / "album.txt"
    album.write_text(f"{name.format(photos=photos)}\n")
    with pytest.raises(InputError, match=r"album\.txt: '.*a\.png' is no name within its folder"):
        suggest(model, album, tmp_path / "cache")


def test_what_goes_wrong_with_another_file_is_not_told_as_the_journal_s(
    model, photos, tmp_path, monkeypatch
):
    monkeypatch.setattr(Adviser, "suggest", Mock(side_effect=OSError(5, "of another file")))
    with pytest.raises(OSError, match="of another file") as raised:
        suggest(model, photos, tmp_path / "cache")
    assert not isinstance(raised.value, InputError)


def test_an_album_without_a_photo_that_can_be_read_is_told(model, tmp_path):
    album = tmp_path / "album"
    album.mkdir()
    (album / "broken.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(InputError, match="none of its 1 photos can be read"):
        suggest(model, album, tmp_path / "cache")
