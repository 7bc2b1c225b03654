"""An album in order: ranked, stacked, written, given stars, and no photo touched."""

import csv
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
from hostile_album import make_album
from PIL import Image, ImageFilter
from ranked import ranked, ranking_of
from scipy.special import expit
from tiny_model import save_tiny_model

from decaf.models.model import ScoredPhotos, load_model
from decaf.ranking.ranking import order_photos, rank_photos
from features.errors import AlreadyThere, InputError
from features.photos import file_digest
from features.xmp import read_rating


@pytest.fixture(scope="module")
def album(samples, tmp_path_factory):
    return make_album(samples, tmp_path_factory.mktemp("album"))


@pytest.fixture(scope="module")
def model(samples, tmp_path_factory):
    """A model that was trained on two of the album's photos."""
    folder = tmp_path_factory.mktemp("models") / "model"
    trained_on = [file_digest(path) for path in sorted(samples.glob("*.jpg"))[:2]]
    save_tiny_model(folder, n_votes=7, trained_on=trained_on)
    return load_model(folder)


@pytest.fixture(scope="module")
def ranking(album, model):
    return rank_photos(album, model, progress=False)


def table(folder):
    path = folder / "ranking.csv"
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def test_an_album_is_ranked_with_few_of_its_activations_in_memory(monkeypatch):
    monkeypatch.setattr("decaf.ranking.stacks._BLOCK", 2)
    reads = []

    def read(photos):
        reads.append(len(photos))
        return np.eye(5, dtype=np.float16)[photos // 2]

    order = np.arange(5)
    scored = ScoredPhotos(
        SimpleNamespace(positions=order, storage_order=order, read=read),
        features=np.zeros((5, 1), np.float32),
        score=np.array([0.0, 4.0, 1.0, 2.0, 2.0]),
        probability=np.full(5, 0.5),
        votes=None,
    )
    names = ["e.jpg", "a.jpg", "d.jpg", "c.jpg", "b.jpg"]
    ranking = order_photos(names, names, scored, near=0.9, progress=False)
    assert [photo.name for photo in ranking] == ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"]
    assert [photo.stack for photo in ranking] == [1, None, 2, 2, 1]
    assert [photo.is_top for photo in ranking] == [True, True, True, False, False]
    assert max(reads) == 2


def burst_of(folder, photo, score):
    """The ranking of a photo by itself and three frames: blurred, sharp, much blurred."""
    for name, radius in {"a.jpg": 1, "b.jpg": 0, "c.jpg": 4, "single.jpg": 2}.items():
        photo.filter(ImageFilter.GaussianBlur(radius)).save(folder / name)
    names = ["a.jpg", "b.jpg", "c.jpg", "single.jpg"]
    order = np.arange(4)
    values = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32)
    scored = ScoredPhotos(
        SimpleNamespace(positions=order, storage_order=order, read=lambda photos: values[photos]),
        features=np.zeros((4, 1), np.float32),
        score=np.array(score),
        probability=expit(np.array(score)),
        votes=None,
    )
    paths = [str(folder / name) for name in names]
    return ranking_of(*order_photos(names, paths, scored, near=0.9, progress=False))


def test_the_sharp_frame_of_a_burst_lies_on_top_and_is_the_one_that_is_copied(samples, tmp_path):
    (tmp_path / "album").mkdir()
    photo = Image.open(min(samples.glob("*.jpg"))).convert("RGB")
    ranking = burst_of(tmp_path / "album", photo, [0.31, 0.3, 0.29, 0.305])
    # The frames' places among all are those of their scores, which they share out anew.
    assert [photo.name for photo in ranking] == ["b.jpg", "single.jpg", "a.jpg", "c.jpg"]
    assert [photo.stack for photo in ranking] == [1, None, 1, 1]
    assert [photo.name for photo in ranking.tops] == ["b.jpg", "single.jpg"]
    assert [photo.rank for photo in ranking] == [1, 2, 3, 4]
    ranking.copy_best(1, tmp_path / "best")
    assert [path.name for path in (tmp_path / "best").iterdir()] == ["1 b.jpg"]


def test_a_frame_that_is_much_better_lies_on_top_though_others_are_sharper(samples, tmp_path):
    photo = Image.open(min(samples.glob("*.jpg"))).convert("RGB")
    ranking = burst_of(tmp_path, photo, [6.0, -2.0, 0.0, 1.0])
    assert ranking.tops[0].name == "a.jpg"


def test_every_photo_stands_once_in_its_order(ranking, album, model):
    assert [photo.rank for photo in ranking] == [1, 2, 3, 4, 5, 6]
    assert [photo.percentile for photo in ranking] == [100, 80, 60, 40, 20, 0]
    score = [photo.score for photo in ranking]
    assert score == sorted(score, reverse=True)
    found = {str(path.relative_to(album)) for path in album.rglob("*.jpg")}
    assert {photo.name for photo in ranking} == found - {"broken.jpg"}
    ((name, reason),) = ranking.failed
    assert name == "broken.jpg" and reason.startswith("no photo in a known format")
    given = model.predict_proba([photo.path for photo in ranking])[:, 1]
    np.testing.assert_allclose(given, [photo.probability for photo in ranking], atol=1e-3)
    assert all(1 <= photo.mean <= 7 and len(photo.votes) == 7 for photo in ranking)


def test_a_copy_of_a_photo_is_stacked_with_it(ranking):
    stacked = [photo.name for photo in ranking if photo.stack == 1]
    assert sorted(stacked) == ["of a trip/copy of plain.jpg", "plain.jpg"]
    assert ranking.n_stacks == 1
    assert len(ranking.tops) == 5


def test_a_ranking_says_what_a_reader_must_know(ranking, model):
    assert ranking.title == "My <b> album"
    assert ranking.notes == (
        "2 of these photos trained the model; their ranks are its memory of them.",
        "1 photos could not be read; ranking.csv says why.",
    )
    assert ranking.facts["model"] == str(model.folder)
    assert ranking.facts["classifier"] == "logistic-regression on tiny"
    assert ranking.facts["weights"] == model.record.licence
    assert ranking.facts["how sure it is"].startswith("AUC 0.80 (0.70–0.90): ")
    assert ranking.facts["probability"].endswith("it was off by 0.02 on average")


def test_a_ranking_is_a_table_of_pandas(ranking):
    told = ranking.to_pandas()
    assert told["path"].tolist() == [photo.path for photo in ranking]
    assert told["rank"].tolist() == [1, 2, 3, 4, 5, 6]
    assert {"percentile", "score", "probability", "stack", "mean", "spread"} <= set(told)
    assert told["stack"].isna().sum() == 4
    of_labels = ranking_of(ranked("a.jpg")).to_pandas()
    assert not {"mean", "spread", "votes"} & set(of_labels)
    pandas.testing.assert_series_equal(
        of_labels["stack"], pandas.Series([None], dtype="Int64", name="stack")
    )


def test_a_ranking_is_written_as_a_table_and_a_page(ranking, tmp_path):
    ranking.write(tmp_path / "ranking", progress=False)
    assert sorted(path.name for path in (tmp_path / "ranking").iterdir()) == [
        ".decaf.json",
        "ranking.csv",
        "ranking.html",
    ]
    *rows, failed = table(tmp_path / "ranking")
    assert [row["file"] for row in rows] == [photo.name for photo in ranking]
    assert [row["percentile"] for row in rows] == ["100.0", "80.0", "60.0", "40.0", "20.0", "0.0"]
    assert all(1 <= float(row["predicted_mean"]) <= 7 for row in rows)
    assert (failed["file"], failed["rank"]) == ("broken.jpg", "")
    assert failed["reason"].startswith("no photo in a known format")


def test_a_ranking_is_not_replaced_unasked_and_other_files_stay(ranking, tmp_path):
    (tmp_path / "ranking.html").write_text("old")
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(AlreadyThere, match="is not empty"):
        ranking.write(tmp_path, progress=False)
    assert (tmp_path / "ranking.html").read_text() == "old"
    ranking.write(tmp_path, force=True, progress=False)
    assert (tmp_path / "ranking.html").read_text(encoding="utf-8") != "old"
    assert (tmp_path / "diary.txt").read_text() == "mine"


def test_an_interrupted_writing_is_begun_again(ranking, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("decaf.ranking.ranking.write_page", interrupt)
        ranking.write(tmp_path, progress=False)
    ranking.write(tmp_path, progress=False)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {".decaf.json", "ranking.csv", "ranking.html"}


def test_an_album_without_a_photo_that_can_be_read_is_refused(model, tmp_path):
    with pytest.raises(InputError, match="no photos found"):
        rank_photos(tmp_path, model)
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    with pytest.raises(InputError, match="none of its 1 photos can be read"):
        rank_photos(tmp_path, model, progress=False)


# Stars by percentile


@pytest.fixture
def starred(tmp_path):
    """Five photos by rank; a person has rated the second, and the last has a damaged sidecar."""
    paths = [tmp_path / f"{number}.jpg" for number in range(5)]
    (tmp_path / "1.jpg.xmp").write_text(
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="2"/></rdf:RDF>'
    )
    (tmp_path / "4.jpg.xmp").write_text("damaged")
    return ranking_of(
        *(ranked(path, n + 1, percentile=100.0 - 25 * n) for n, path in enumerate(paths))
    )


def test_stars_are_written_but_not_over_a_person_s(starred):
    given = starred.write_stars()
    assert [each.outcome for each in given] == ["written", "kept", "written", "written", "refused"]
    assert [each.stars for each in given] == [5, 4, 3, 2, 1]
    assert "its XMP is damaged" in given[4].reason
    assert [read_rating(photo.path) for photo in starred[:4]] == [None, 2, None, None]
    again = [each.outcome for each in starred.write_stars(overwrite=True)]
    assert again == ["unchanged", "written", "unchanged", "unchanged", "refused"]


def test_a_dry_run_tells_what_would_be_written_and_writes_nothing(starred, tmp_path):
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    given = starred.write_stars(dry_run=True)
    assert [each.outcome for each in given] == ["written", "kept", "written", "written", "refused"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_sidecars_are_named_as_asked(starred, tmp_path):
    starred.write_stars(sidecar="photo.xmp")
    assert (tmp_path / "0.xmp").is_file()
