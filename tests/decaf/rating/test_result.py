"""What is left of a session, from photos to a model that ranks them, with a tiny network."""

import csv
import shutil

import numpy as np
import pytest
from scipy.stats import spearmanr
from starred import star_album
from tiny_model import save_tiny_model

from decaf.models.model import load_model
from decaf.ranking.ranking import rank_photos
from decaf.rating.measuring import Measuring
from decaf.rating.ratings_file import RatingsFile
from decaf.rating.session import Session
from features.errors import InputError
from features.photos import find_photos
from features.ratings import read_ratings


@pytest.fixture(scope="module")
def folder(samples, tmp_path_factory):
    """An album of 24 photos, one of which is none, and a model whose taste is the prior."""
    folder = tmp_path_factory.mktemp("result")
    star_album(samples, folder / "album", n=24)
    shutil.copy(folder / "album" / "0.jpg", folder / "album" / "a copy.jpg")
    (folder / "album" / "broken.jpg").write_bytes(b"\xff\xd8\xffno photo")
    save_tiny_model(folder / "prior")
    return folder


def begin(folder, output):
    names = find_photos(folder / "album")
    paths = [str(folder / "album" / name) for name in names]
    (folder / output).mkdir(exist_ok=True)
    file = RatingsFile(folder / output / "ratings.sqlite", (1, 2, 3, 4, 5))
    return Session(names, paths, file, Measuring(paths, load_model(folder / "prior")))


def bright(path):
    from PIL import Image

    return np.asarray(Image.open(path).convert("L")).mean() > 110


def test_a_session_leaves_a_model_that_ranks_the_album_and_ratings_that_are_read(folder):
    session = begin(folder, "taste")
    session.start()
    session._measurer.join()
    assert session.progress().problem is None
    told = session.progress()
    assert (told.n_photos, told.n_measured, told.n_failed) == (26, 25, 1)
    while session.answers.n_asked < 16:
        question = session.questions()[0]
        grade = 5 if bright(session.paths[question.photos[0]]) else 1
        session.answer(question.number, "rated", grade)
    session.write(folder / "taste", 3.4, "rate-photos album")
    expected = {place.photo: place.score for place in session.order()}
    names = session.names
    session.close()
    model = load_model(folder / "taste")
    units = model.record.predicted_scores
    assert (units.scale, units.midpoint) == ((1, 5), 3.4)
    assert model.record.command == "rate-photos album"
    assert len(model.trained_on | model.network.finetuned_on) >= 16
    ranked = rank_photos(folder / "album", model, progress=False)
    of_ranking = {photo.name: photo.mean for photo in ranked}
    # The prior is told by the features, as far as they tell it.
    figures = [(score, of_ranking[names[photo]]) for photo, score in expected.items()]
    assert spearmanr(figures).statistic > 0.9
    assert of_ranking["a copy.jpg"] == pytest.approx(of_ranking["0.jpg"])
    rated = read_ratings(folder / "taste" / "ratings.csv", folder / "album", scale=(1, 5))
    assert len(rated) == 16 and set(rated.score) == {1, 5}


def test_stars_of_before_are_taken_in_once_and_first(folder):
    session = begin(folder, "taken")
    rated = read_ratings("xmp", folder / "album")
    assert session.take_in(rated) == 24
    assert session.take_in(rated) == 0
    assert sorted({rating.grade for rating in session.answers.ratings}) == [1, 5]
    assert session.answers.n_asked == 0 and not session.undo()
    first = [session.names[photo] for photo in session._order[:24]]
    assert set(first) == set(rated.names)
    session.close()


def test_where_all_ratings_are_alike_no_model_is_made_but_the_table_is(folder):
    session = begin(folder, "alike")
    session.start()
    session._measurer.join()
    for _ in range(5):
        session.answer(session.questions()[0].number, "rated", 5)
    with pytest.raises(InputError, match="no good photos and others"):
        session.write(folder / "alike")
    with open(folder / "alike" / "ratings.csv", newline="") as file:
        assert [row["score"] for row in csv.DictReader(file)] == 5 * ["5"]
    assert not (folder / "alike" / "model.json").exists()
    session.close()
