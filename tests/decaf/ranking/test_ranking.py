"""The table and the copies: an album in order, and no photo touched."""

import csv
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from decaf.models.model import ScoredPhotos
from decaf.ranking.ranking import RankedPhoto, copy_best, rank_photos, write_table
from features.errors import InputError


def ranked(path, rank, **values):
    values = {"percentile": 50.0, "probability": 0.5, "stack": None, "is_top": True} | values
    return RankedPhoto(name=os.path.basename(path), path=str(path), rank=rank, **values)


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
    ranking = rank_photos(names, names, scored, "multilevel")
    assert [photo.name for photo in ranking] == ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"]
    assert [photo.stack for photo in ranking] == [1, None, 2, 2, 1]
    assert [photo.is_top for photo in ranking] == [True, True, True, False, False]
    assert max(reads) == 2


def test_the_table_keeps_names_that_are_not_utf_8_and_tells_failures_last(tmp_path):
    name = os.fsdecode(b'caf\xe9, "a"\nb.jpg')
    photo = ranked(name, 1, percentile=100.0, probability=0.75, mean=5.5, spread=1.25, votes=(1.0,))
    failed_name = os.fsdecode(b"\xff.jpg")
    write_table(tmp_path / "ranking.csv", [photo], [(failed_name, "damaged, it is")])
    with open(tmp_path / "ranking.csv", newline="", errors="surrogateescape") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "file": name,
        "rank": "1",
        "percentile": "100.0",
        "probability": "0.7500",
        "predicted_mean": "5.500",
        "predicted_spread": "1.250",
        "stack": "",
        "reason": "",
    }
    assert rows[1:] == [
        dict.fromkeys(rows[0], "") | {"file": failed_name, "reason": "damaged, it is"}
    ]


def test_the_table_of_a_network_of_labels_has_no_votes(tmp_path):
    write_table(tmp_path / "ranking.csv", [ranked("a.jpg", 1, stack=3)], [])
    assert (tmp_path / "ranking.csv").read_text() == (
        "file,rank,percentile,probability,stack,reason\na.jpg,1,50.0,0.5000,3,\n"
    )


@pytest.mark.parametrize(
    "error",
    [OSError(28, os.strerror(28)), OSError("No space left on device")],
    ids=["errno", "text"],
)
def test_a_full_disk_is_told_in_one_line_and_leaves_no_part(tmp_path, monkeypatch, error):
    def full(*_, **__):
        raise error

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(InputError, match=r"ranking\.csv: cannot be written: No space left"):
        write_table(tmp_path / "ranking.csv", [ranked("a.jpg", 1)], [])
    assert list(tmp_path.iterdir()) == []


def test_the_best_of_each_stack_is_copied_under_a_name_with_its_rank(tmp_path):
    ranking = []
    for rank in range(1, 12):
        (tmp_path / f"in {rank}").mkdir()
        path = tmp_path / f"in {rank}" / "photo.jpg"
        path.write_bytes(b"%d" % rank)
        os.utime(path, (rank, rank))
        ranking.append(ranked(path, rank, is_top=rank != 2))
    assert copy_best(ranking, 2, tmp_path / "best") == 2
    copies = {path.name: path.read_bytes() for path in (tmp_path / "best").iterdir()}
    assert copies == {"01 photo.jpg": b"1", "03 photo.jpg": b"3"}
    assert (tmp_path / "best" / "03 photo.jpg").stat().st_mtime == 3
    assert all(path.exists() for path in (tmp_path / f"in {i}" / "photo.jpg" for i in range(1, 12)))


def test_copying_overwrites_nothing_and_then_copies_nothing(tmp_path):
    ranking = [ranked(tmp_path / name, rank) for rank, name in enumerate(("a.jpg", "b.jpg"), 1)]
    for photo in ranking:
        (tmp_path / photo.name).write_text("new")
    best = tmp_path / "best"
    best.mkdir()
    (best / "2 b.jpg").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"2 b\.jpg: is there already; copy to another folder"):
        copy_best(ranking, 2, best)
    assert [path.name for path in best.iterdir()] == ["2 b.jpg"]
    assert not (tmp_path / "nowhere").exists()


def test_a_photo_that_cannot_be_copied_leaves_no_empty_file(tmp_path):
    ranking = [ranked(tmp_path / "gone.jpg", 1)]
    with pytest.raises(InputError, match=r"1 gone\.jpg: cannot be copied: No such file"):
        copy_best(ranking, 5, tmp_path / "best")
    assert list((tmp_path / "best").iterdir()) == []


def test_a_photo_that_became_a_pipe_is_told_of_in_words(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"1 a\.jpg: cannot be copied: .* is a named pipe"):
        copy_best([ranked(tmp_path / "a.jpg", 1)], 1, tmp_path / "best")


def test_what_an_interrupted_command_has_copied_is_no_obstacle(tmp_path):
    ranking = [ranked(tmp_path / name, rank) for rank, name in enumerate(("a.jpg", "b.jpg"), 1)]
    for photo in ranking:
        (tmp_path / photo.name).write_text(photo.name)
    best = tmp_path / "best"
    assert copy_best(ranking, 1, best) == 1
    os.utime(best / "1 a.jpg", (1, 1))
    assert copy_best(ranking, 2, best) == 2
    assert sorted(path.name for path in best.iterdir()) == ["1 a.jpg", "2 b.jpg"]
    assert (best / "1 a.jpg").stat().st_mtime == 1


def test_a_file_of_the_same_size_or_a_link_is_no_copy(tmp_path):
    (tmp_path / "a.jpg").write_text("new")
    ranking = [ranked(tmp_path / "a.jpg", 1)]
    for take in (
        lambda target: target.write_text("old"),
        lambda target: target.symlink_to(tmp_path / "a.jpg"),
    ):
        best = tmp_path / "best"
        best.mkdir()
        take(best / "1 a.jpg")
        with pytest.raises(InputError, match=r"1 a\.jpg: is there already; copy to another"):
            copy_best(ranking, 1, best)
        shutil.rmtree(best)
