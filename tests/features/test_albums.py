import contextlib
import os
import shutil
from pathlib import Path

import pytest

from features.albums import passed_over, raw_companions, walk_album
from features.photos import find_photos

COMMON = ("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "webp", "tif", "tiff", "bmp", "gif")
COMMON += ("heic", "heif", "hif", "avif", "jxl")
RAW = ("cr2", "cr3", "nef", "arw", "raf", "orf", "rw2", "pef", "dng")


@pytest.fixture
def folder(tmp_path):
    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


@pytest.mark.parametrize(
    "kept",
    [
        "@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg",
        "@__thumb/a.jpg",
        "@Recently-Snapshot/monday/a.jpg",
        "#recycle/a.jpg",
        "@Recycle/a.jpg",
        "$RECYCLE.BIN/S-1-5/a.jpg",
        "$Recycle.Bin/a.jpg",
        "Catalog Previews.lrdata/0/a.jpg",
        "Catalog Smart Previews.lrdata/0/a.dng",
        "Catalog.lrcat-data/0/a.jpg",
        "Photos Library.photoslibrary/resources/derivatives/1/a.jpg",
        "trip/CaptureOne/Cache/Thumbnails/a.jpg",
        "__MACOSX/trip/a.jpg",
        "best/ranking_files/preview-1.jpg",
        ".dtrash/files/a.jpg",
    ],
)
def test_folders_that_programs_keep_are_no_album(folder, kept):
    root = folder("b.jpg", kept)
    assert list(walk_album(root)) == ["b.jpg"]


def test_a_folder_of_a_program_that_is_asked_for_is_searched(folder):
    root = folder("Photos Library.photoslibrary/originals/0/a.heic")
    assert find_photos(root / "Photos Library.photoslibrary") == ["originals/0/a.heic"]


@pytest.mark.parametrize(
    "suffix",
    [*COMMON, *RAW],
)
def test_all_formats_that_are_read_are_photos_in_either_case(folder, suffix):
    root = folder(f"a.{suffix}", f"b.{suffix.upper()}")
    assert find_photos(root) == [f"a.{suffix}", f"b.{suffix.upper()}"]


def test_a_raw_file_and_its_jpeg_are_one_photo(folder):
    root = folder("a.CR2", "a.JPG", "b.nef", "c.heic", "c.ARW", "d/a.dng", "e.dng", "e.tif")
    assert sorted(walk_album(root)) == ["a.JPG", "b.nef", "c.heic", "d/a.dng", "e.dng", "e.tif"]
    assert raw_companions(root / "a.JPG") == [str(root / "a.CR2")]
    assert raw_companions(root / "e.tif") == raw_companions(root / "b.nef") == []


def test_what_is_not_read_is_counted_by_kind(folder):
    root = folder(
        *("a.jpg", "a.jpg.xmp", "ratings.csv", ".hidden.mov", "README", "a.aae"),
        *("1.mp4", "2.MOV", "d/3.m2ts", "x.psd", "y.PSD", "z.xcf"),
        *("@eaDir/a.jpg", "d/#recycle/b.mp4"),
    )
    assert passed_over(root) == {"videos": 3, "folders of programs": 2, "PSD": 2, "XCF": 1}
    assert passed_over(folder("e/a.jpg") / "e") == {}


def test_folders_may_be_nested_very_deeply(tmp_path):
    with contextlib.chdir(tmp_path):
        try:
            for _ in range(1_500):
                os.mkdir("d")
                os.chdir("d")
            Path("a.jpg").touch()
            assert find_photos(tmp_path) == ["d/" * 1_500 + "a.jpg"]
            assert passed_over(tmp_path) == {}
        finally:  # which pytest could not
            Path("a.jpg").unlink()
            while not tmp_path.samefile("."):
                os.chdir("..")
                os.rmdir("d")


def test_what_is_removed_while_a_folder_is_read_was_never_there(folder, monkeypatch):
    root, scandir = folder("a/1.jpg", "b/2.jpg", "c/3.jpg", "d.jpg"), os.scandir

    def list_and_change(path):
        entries = scandir(path)
        if os.path.samefile(path, root):
            return entries
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for name in ("b/2.jpg", "c/3.jpg"):
                (root / name).unlink()
                (root / name).parent.rmdir()
            (root / "c").touch()
        return entries

    monkeypatch.setattr(os, "scandir", list_and_change)
    assert sorted(walk_album(root)) == ["a/1.jpg", "d.jpg"]
    assert passed_over(root) == {}
    monkeypatch.undo()
    shutil.rmtree(root)
    with pytest.raises(FileNotFoundError):
        list(walk_album(root))


def test_a_link_to_itself_is_no_folder(folder):
    root = folder("a.jpg")
    (root / "loop").symlink_to("loop")
    assert list(walk_album(root)) == ["a.jpg"]
