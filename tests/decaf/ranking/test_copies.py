"""Copies of the best: no photo touched, nothing overwritten."""

import os
import shutil

import pytest
from ranked import ranked, ranking_of

from decaf.ranking.copies import copy_best
from features.errors import InputError
from features.xmp import write_rating


def test_the_best_of_each_stack_is_copied_under_a_name_with_its_rank(tmp_path):
    ranking = []
    for rank in range(1, 12):
        (tmp_path / f"in {rank}").mkdir()
        path = tmp_path / f"in {rank}" / "photo.jpg"
        path.write_bytes(b"%d" % rank)
        os.utime(path, (rank, rank))
        ranking.append(ranked(path, rank, is_top=rank != 2))
    assert copy_best(ranking_of(*ranking), 2, tmp_path / "best") == 2
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
        copy_best(ranking_of(*ranking), 2, best)
    assert [path.name for path in best.iterdir()] == ["2 b.jpg"]
    assert not (tmp_path / "nowhere").exists()


def test_a_photo_that_cannot_be_copied_leaves_no_empty_file(tmp_path):
    ranking = [ranked(tmp_path / "gone.jpg", 1)]
    with pytest.raises(InputError, match=r"1 gone\.jpg: cannot be copied: No such file"):
        copy_best(ranking_of(*ranking), 5, tmp_path / "best")
    assert list((tmp_path / "best").iterdir()) == []


def test_a_photo_that_became_a_pipe_is_told_of_in_words(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"1 a\.jpg: cannot be copied: .* is a named pipe"):
        copy_best(ranking_of(ranked(tmp_path / "a.jpg")), 1, tmp_path / "best")


def test_what_an_interrupted_command_has_copied_is_no_obstacle(tmp_path):
    ranking = [ranked(tmp_path / name, rank) for rank, name in enumerate(("a.jpg", "b.jpg"), 1)]
    for photo in ranking:
        (tmp_path / photo.name).write_text(photo.name)
    best = tmp_path / "best"
    assert copy_best(ranking_of(*ranking), 1, best) == 1
    os.utime(best / "1 a.jpg", (1, 1))
    assert copy_best(ranking_of(*ranking), 2, best) == 2
    assert sorted(path.name for path in best.iterdir()) == ["1 a.jpg", "2 b.jpg"]
    assert (best / "1 a.jpg").stat().st_mtime == 1


def test_what_a_killed_command_was_copying_is_no_obstacle_and_goes(tmp_path):
    (tmp_path / "a.jpg").write_text("whole")
    best = tmp_path / "best"
    best.mkdir()
    (best / ".1 a.0123abcd.part.jpg").write_text("wh")
    assert copy_best(ranking_of(ranked(tmp_path / "a.jpg", 1)), 1, best) == 1
    assert [path.name for path in best.iterdir()] == ["1 a.jpg"]


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
            copy_best(ranking_of(*ranking), 1, best)
        shutil.rmtree(best)


def test_a_raw_file_and_all_sidecars_are_copied_with_their_photo(tmp_path):
    (tmp_path / "album").mkdir()
    names = ["a.jpg", "a.CR2", "a.jpg.xmp", "a.xmp", "a.CR2.xmp", "b.jpg", "b.txt"]
    for name in names:
        (tmp_path / "album" / name).write_text(name)
    ranking = ranking_of(
        *(ranked(tmp_path / "album" / n, r) for r, n in ((1, "a.jpg"), (2, "b.jpg")))
    )
    assert copy_best(ranking, 2, tmp_path / "best") == 2
    copies = {path.name: path.read_text() for path in (tmp_path / "best").iterdir()}
    assert copies == {f"1 {name}": name for name in names[:5]} | {"2 b.jpg": "b.jpg"}


def test_sidecars_that_hold_stars_of_decafs_alone_stay_with_the_album(tmp_path):
    album = tmp_path / "album"
    album.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (album / name).write_text(name)
    write_rating(album / "a.jpg.xmp", 5)
    edits = (album / "a.jpg.xmp").read_bytes().replace(b"</rdf:RDF>", b"<!-- mine --></rdf:RDF>")
    (album / "b.jpg.xmp").write_bytes(edits)
    ranking = ranking_of(*(ranked(album / n, r) for r, n in ((1, "a.jpg"), (2, "b.jpg"))))
    copy_best(ranking, 2, tmp_path / "best")
    copies = sorted(path.name for path in (tmp_path / "best").iterdir())
    assert copies == ["1 a.jpg", "2 b.jpg", "2 b.jpg.xmp"]


def test_two_selections_are_not_mixed(tmp_path):
    (tmp_path / "a.jpg").write_text("new")
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "1 other.jpg").write_text("earlier")
    with pytest.raises(InputError, match=r"holds '1 other\.jpg', perhaps of an earlier selection"):
        copy_best(ranking_of(ranked(tmp_path / "a.jpg")), 1, tmp_path / "best")
    assert [path.name for path in (tmp_path / "best").iterdir()] == ["1 other.jpg"]


def test_nothing_is_copied_into_the_album(tmp_path):
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "a.jpg").write_text("new")
    (tmp_path / "link").symlink_to(tmp_path / "album")
    for folder in ("album", "link"):
        with pytest.raises(InputError, match="is the photos' own folder"):
            copy_best(ranking_of(ranked(tmp_path / "album" / "a.jpg")), 1, tmp_path / folder)
    assert [path.name for path in (tmp_path / "album").iterdir()] == ["a.jpg"]


def test_nothing_is_copied_beside_photos_that_are_not_among_the_best(tmp_path):
    for name in ("good/a.jpg", "bad/b.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    photos = [ranked(tmp_path / "good/a.jpg", 1), ranked(tmp_path / "bad/b.jpg", 2)]
    with pytest.raises(InputError, match="is the photos' own folder"):
        copy_best(ranking_of(*photos), 1, tmp_path / "bad")
    assert [path.name for path in (tmp_path / "bad").iterdir()] == ["b.jpg"]


def test_a_name_that_would_be_too_long_is_told_before_the_first_copy(tmp_path):
    ranking = []
    for rank, name in enumerate(("a.jpg", "b" * 251 + ".jpg"), 1):
        (tmp_path / name).write_text(name)
        ranking.append(ranked(tmp_path / name, rank))
    with pytest.raises(InputError, match="its name is too long"):
        copy_best(ranking_of(*ranking), 2, tmp_path / "best")
    assert not (tmp_path / "best").exists()
