"""Stars read of an album, and given by percentile, as another XMP library reads them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from xmp_packets import packet, properties_in, sidecar_of

from features import stars
from features.errors import InputError
from features.stars import AlbumStars, rate_photos, read_stars, stars_of, write_ratings
from features.xmp import write_rating


def test_the_stars_of_an_album_are_read_and_others_counted(album, tmp_path):
    found = read_stars(tmp_path)
    assert list(found.stars.values()) == [5, 1, 3, -1]
    assert list(found.stars) == [photo.name for photo in album[:4]]
    assert found.unrated == 5
    ((name, reason),) = found.failed
    assert name == album[6].name and "its XMP is damaged" in reason


def test_a_photo_that_is_listed_twice_counts_once(album, tmp_path):
    listed = tmp_path / "some.txt"
    listed.write_text(f"{album[0].name}\n./{album[0].name}\n{album[4].name}\n")
    assert read_stars(listed) == AlbumStars({album[0].name: 5}, 1, (), 0)


def test_an_album_without_stars_is_refused(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="none of its 1 photos has stars that can be read"):
        read_stars(tmp_path)


@pytest.fixture
def album(tmp_path):
    """Ten photos: unrated, rated in all places, rejected, by decaf, damaged."""
    photos = [tmp_path / f"{number} ä'.jpg" for number in range(10)]
    for photo in photos:
        Image.new("RGB", (8, 8)).save(photo)
    sidecar_of(photos[0], packet('xmp:Rating="5"'))
    photos[1].with_suffix(".xmp").write_text(packet('xmp:Rating="1"'))
    Image.new("RGB", (8, 8)).save(photos[2], xmp=packet('xmp:Rating="3"').encode())
    sidecar_of(photos[3], packet('xmp:Rating="-1"'))
    sidecar_of(photos[4], packet('xmp:Rating="0"'))
    write_rating(sidecar_of(photos[5]), 2)
    sidecar_of(photos[6], "damaged")
    write_rating(sidecar_of(photos[7]), stars_of(70))
    return photos


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_persons_ratings_are_kept_and_all_others_written(album, tmp_path):
    before = contents(tmp_path)
    planned = rate_photos(album, np.arange(0, 100, 10), dry_run=True)
    assert contents(tmp_path) == before
    given = rate_photos(album, np.arange(0, 100, 10))
    assert given == planned
    assert [each.outcome for each in given] == [
        *["kept"] * 4,
        *["written"] * 2,
        "refused",
        "unchanged",
        *["written"] * 2,
    ]
    assert [each.reason for each in given[:4]] == [
        "rated 5 by a person",
        "rated 1 by a person",
        "rated 3 by a person",
        "rejected by a person",
    ]
    assert given[6].reason.startswith(f"{album[6]}.xmp: its XMP is damaged")
    after = contents(tmp_path)
    for each in given:
        if each.outcome == "written":
            assert properties_in(each.sidecar)["Xmp.xmp.Rating"] == str(each.stars)
        else:
            name = Path(each.sidecar).name
            assert after.get(name) == before.get(name)
    assert all(after[photo.name] == before[photo.name] for photo in album)


def test_a_persons_ratings_give_way_when_told_so(album):
    given = rate_photos(album, np.arange(0, 100, 10), overwrite=True)
    assert [each.outcome for each in given if each.outcome != "written"] == ["refused", "unchanged"]
    assert properties_in(given[0].sidecar)["Xmp.xmp.Rating"] == "1"


def test_the_short_name_is_refused_where_two_photos_share_it(tmp_path):
    photos = [tmp_path / name for name in ("a.jpg", "a.png", "b.jpg")]
    given = rate_photos(photos, [5, 50, 95], naming="photo.xmp")
    assert [each.outcome for each in given] == ["refused", "refused", "written"]
    assert given[0].reason == (
        f"{tmp_path / 'a.xmp'}: is the sidecar of several photos; use photo.jpg.xmp"
    )
    assert properties_in(tmp_path / "b.xmp")["Xmp.xmp.Rating"] == "5"


def test_stars_are_few_at_both_ends():
    stars = [stars_of(100 * number / 1000) for number in range(1000)]
    assert [stars.count(number) for number in (1, 2, 3, 4, 5)] == [100, 200, 400, 200, 100]
    assert stars == sorted(stars)
    assert stars_of(100) == 5


def test_sidecars_that_cannot_be_written_are_refused_one_by_one(tmp_path):
    names = ["good.jpg", "missing/a.jpg", f"{'n' * 251}.jpg", "photo\0.jpg"]
    given = rate_photos([tmp_path / name for name in names], [50, 50, 50, 50])
    assert [each.outcome for each in given] == ["written", "refused", "refused", "refused"]
    assert given[1].reason.endswith("a.jpg.xmp: cannot be written: No such file or directory")
    assert given[2].reason.endswith(".xmp: cannot be written: File name too long")
    assert given[3].reason.endswith(".xmp: cannot be written: embedded null byte")


def test_a_rating_that_a_person_gives_while_stars_are_written_is_kept(tmp_path, monkeypatch):
    photo, read = tmp_path / "a.jpg", stars.find_rating
    Image.new("RGB", (8, 8)).save(photo)
    write_rating(sidecar_of(photo), 2)

    def read_before_the_person_rates(path):
        rating = read(path)
        sidecar_of(photo, packet('xmp:Rating="3"'))
        return rating

    monkeypatch.setattr(stars, "find_rating", read_before_the_person_rates)
    (given,) = rate_photos([photo], [95])
    assert (given.outcome, given.reason) == ("kept", "rated 3 by a person")
    assert sidecar_of(photo).read_text() == packet('xmp:Rating="3"')


def test_a_sidecar_that_is_written_again_and_again_is_left_to_who_writes_it(tmp_path, monkeypatch):
    photo, read = tmp_path / "a.jpg", stars.read_sidecar
    edits = iter(range(1_000))

    def read_before_an_edit(sidecar):
        found = read(sidecar)
        sidecar_of(photo, packet(f'xmp:Label="{next(edits)}"'))
        return found

    monkeypatch.setattr(stars, "read_sidecar", read_before_an_edit)
    (given,) = rate_photos([photo], [95])
    assert (given.outcome, next(edits)) == ("refused", 10)
    assert given.reason == f"{photo}.xmp: another program is writing it; try again later"
    assert sidecar_of(photo).read_text() == packet('xmp:Label="9"')


def test_what_a_killed_run_has_left_in_the_album_is_removed_by_the_next(tmp_path):
    photo, left = tmp_path / "a.jpg", tmp_path / f".decaf-{'0' * 32}.partial"
    for path in (photo, left):
        path.touch()
    rate_photos([photo], [95], dry_run=True)
    assert left.exists()
    rate_photos([photo], [95])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "a.jpg.xmp"]


def test_darktables_one_star_gives_way_when_told_so(tmp_path):
    photos = [tmp_path / f"{number}.jpg" for number in range(3)]
    for photo, given in zip(photos, (1, 1, 4)):
        Image.new("RGB", (8, 8)).save(photo)
        of_darktable = f'darktable:xmp_version="5" xmp:Rating="{given}"'
        sidecar_of(photo, packet(of_darktable, 'xmlns:darktable="http://darktable.sf.net/"'))
    kept = rate_photos(photos, [95, 50, 5])
    assert [(each.outcome, each.initial) for each in kept] == [("kept", True)] * 2 + [
        ("kept", False)
    ]
    given = rate_photos(photos, [95, 50, 5], ignore_stars=[1])
    assert [each.outcome for each in given] == ["written", "written", "kept"]
    ratings = [properties_in(sidecar_of(photo))["Xmp.xmp.Rating"] for photo in photos]
    assert ratings == ["5", "3", "4"]


def test_what_a_person_said_is_written_as_theirs_and_over_nothing_that_they_said_before(
    album, tmp_path
):
    given = write_ratings(album, [5, 5, 3, -1, 4, -1, 2, 4, -1, 1])
    outcomes = [each.outcome for each in given]
    assert outcomes == [
        *("unchanged", "kept", "unchanged", "unchanged", "written"),
        *("written", "refused", "written", "written", "written"),
    ]
    found = read_stars(tmp_path).stars
    assert [found.get(photo.name) for photo in album] == [5, 1, 3, -1, 4, -1, None, 4, -1, 1]
    # Stars of decaf's never go over them again.
    assert rate_photos(album[7:], [95, 95, 95])[0].outcome == "kept"
    again = write_ratings(album, [5, 1, 3, -1, 4, -1, 2, 4, -1, 1])
    assert {each.outcome for each in again} == {"unchanged", "refused"}
    assert write_ratings(album[:1], [2], overwrite=True)[0].outcome == "written"
    assert read_stars(tmp_path).stars[album[0].name] == 2
