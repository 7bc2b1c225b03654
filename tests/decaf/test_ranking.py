"""Stacks, tables, copies: an album in order, and no photo touched."""

import csv
import os

import numpy as np
import pytest
from PIL import Image

from decaf.ranking import RankedPhoto, capture_time, copy_best, find_stacks, write_tables
from features.errors import InputError


def ranked(path, rank, **values):
    values = {"percentile": 50.0, "probability": 0.5, "stack": None, "is_top": True} | values
    return RankedPhoto(name=os.path.basename(path), path=str(path), rank=rank, **values)


def save_photo(path, taken=None, subsecond=None):
    exif = Image.Exif()
    tags = exif.get_ifd(0x8769)
    if taken is not None:
        tags[0x9003] = taken
    if subsecond is not None:
        tags[0x9291] = subsecond
    Image.new("RGB", (16, 12)).save(path, exif=exif)
    return str(path)


def directions(*degrees):
    """Activations whose cosines are those of the angles between them."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_photos_of_one_moment_are_stacked_under_the_best():
    times = np.array([0.0, 3.0, 6.0, 0.0])
    tops = find_stacks(directions(0, 5, 10, 80), times, [2, 3, 0, 1], near=0.9)
    assert tops.tolist() == [2, 2, 2, 3]


def test_the_same_subject_at_another_time_is_another_photo():
    times = np.array([0.0, 11.0, np.nan])
    assert find_stacks(directions(0, 5, 10), times, [0, 1, 2], near=0.9).tolist() == [0, 1, 2]


def test_copies_of_a_picture_are_stacked_whenever_they_were_made():
    times = np.array([np.nan, 0.0, 9e9])
    assert find_stacks(directions(0, 1, 2), times, [1, 0, 2], near=0.9).tolist() == [1, 1, 1]


def test_a_stack_does_not_grow_from_neighbour_to_neighbour():
    times = np.arange(5) * 6.0
    tops = find_stacks(directions(0, 0, 0, 0, 0) * [[1, 0.3]], times * 0, [0, 1, 2, 3, 4], 0.9)
    assert tops.tolist() == [0, 0, 0, 0, 0]
    tops = find_stacks(directions(0, 8, 16, 24, 32), times, [0, 1, 2, 3, 4], near=0.9)
    assert tops.tolist() == [0, 0, 2, 2, 4]


def test_black_photos_without_activations_are_no_copies_of_everything():
    activations = np.zeros((2, 3), np.float32)
    assert find_stacks(activations, np.zeros(2), [0, 1], near=0.9).tolist() == [0, 1]


def test_the_time_of_a_photo_has_its_fraction_of_a_second(tmp_path):
    first = capture_time(save_photo(tmp_path / "1.jpg", "2024:02:29 23:59:59", "75"))
    second = capture_time(save_photo(tmp_path / "2.jpg", "2024:03:01 00:00:00", "250"))
    assert second - first == pytest.approx(0.5)


def test_a_photo_without_a_time_has_none(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe1\x00\x20Exif\0\0MM\0*")
    for path in (
        save_photo(tmp_path / "none.jpg"),
        save_photo(tmp_path / "zero.jpg", "0000:00:00 00:00:00"),
        tmp_path / "broken.jpg",
        tmp_path / "missing.jpg",
    ):
        assert np.isnan(capture_time(str(path)))


def test_the_table_keeps_names_that_are_not_utf_8_and_tells_failures(tmp_path):
    name = os.fsdecode(b'caf\xe9, "a"\nb.jpg')
    photo = ranked(name, 1, percentile=100.0, probability=0.75, mean=5.5, spread=1.25, votes=(1.0,))
    write_tables(tmp_path, [photo], [("x.jpg", "an empty file")])
    with open(tmp_path / "ranking.csv", newline="", errors="surrogateescape") as file:
        assert list(csv.DictReader(file)) == [
            {
                "file": name,
                "rank": "1",
                "percentile": "100.0",
                "probability": "0.7500",
                "predicted_mean": "5.500",
                "predicted_spread": "1.250",
                "stack": "",
            }
        ]
    assert (tmp_path / "failed.csv").read_text() == "file,reason\nx.jpg,an empty file\n"


def test_a_full_disk_is_told_in_one_line_and_leaves_no_part(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(InputError, match=r"ranking\.csv: cannot be written: No space left"):
        write_tables(tmp_path, [ranked("a.jpg", 1)], [])
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
