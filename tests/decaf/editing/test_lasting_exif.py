"""What copies keep of EXIF data, as exiftool reads it."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image
from raw_files import make_dng, make_scene

from decaf.editing.copies import write_copy
from decaf.editing.edits import Edit
from decaf.editing.lasting_exif import read_lasting_exif
from features.photos import capture_time

DARKER = Edit("exposure", (-1.0,))
BASE, IFD = ExifTags.Base, ExifTags.IFD


def told():
    """What a camera tells, in the terms of Pillow."""
    exif = Image.Exif()
    exif[BASE.Make], exif[BASE.Copyright] = "Maker", "Ann Onym"
    exif[BASE.Orientation] = 6
    of_shot = exif.get_ifd(IFD.Exif)
    of_shot[BASE.DateTimeOriginal], of_shot[BASE.SubsecTimeOriginal] = "2024:05:06 07:08:09", "25"
    of_shot[BASE.FNumber], of_shot[BASE.ISOSpeedRatings] = 2.8, 400
    of_shot[BASE.ExifImageWidth], of_shot[BASE.ColorSpace] = 60, 2
    of_shot[BASE.MakerNote] = b"secret"
    place = exif.get_ifd(IFD.GPSInfo)
    place[ExifTags.GPS.GPSLatitudeRef], place[ExifTags.GPS.GPSLatitude] = "N", (48.0, 30.0, 36.0)
    return exif


def read(path):
    """EXIF data by exiftool, as numbers."""
    command = ["exiftool", "-json", "-n", "-EXIF:all", path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)[0]


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_a_copy_tells_who_took_the_photo_when_where_and_how(name, tmp_path):
    if not shutil.which("exiftool"):
        pytest.skip("needs exiftool (Debian: libimage-exiftool-perl)")
    Image.fromarray(make_scene(40, 60)).save(tmp_path / name, exif=told())
    write_copy(tmp_path / name, (DARKER,), tmp_path / "copy.jpg")
    found = read(tmp_path / "copy.jpg")
    expected = {"Make": "Maker", "Copyright": "Ann Onym", "FNumber": 2.8, "ISO": 400}
    expected |= {"DateTimeOriginal": "2024:05:06 07:08:09", "SubSecTimeOriginal": 25}
    expected |= {"GPSLatitudeRef": "N", "GPSLatitude": pytest.approx(48.51)}
    assert {key: found.get(key) for key in expected} == expected
    # Of the pixels of the photo alone.
    assert not {"Orientation", "ColorSpace", "ExifImageWidth", "MakerNote"} & set(found)


def test_a_copy_of_a_raw_file_tells_what_that_tells(tmp_path):
    make_dng(tmp_path / "a.dng", make_scene())
    write_copy(tmp_path / "a.dng", (DARKER,), tmp_path / "copy.jpg")
    with Image.open(tmp_path / "copy.jpg") as copy:
        assert copy.getexif()[BASE.Make] == "Test"


@pytest.mark.parametrize("text", ["Jörg".encode(), "Jörg".encode("latin-1"), "撮影者".encode()])
def test_texts_of_any_language_are_kept_byte_by_byte(text, tmp_path):
    exif = told()
    exif[BASE.Artist] = text
    Image.fromarray(make_scene(40, 60)).save(tmp_path / "a.jpg", exif=exif)
    assert b"\0" + text + b"\0" in read_lasting_exif(tmp_path / "a.jpg")


def test_what_is_laid_out_in_the_other_byte_order_is_read_too(tmp_path):
    """tifffile writes the processor's order, Pillow the big end first."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, make_scene(40, 60), extratags=[(BASE.Artist, "s", 0, "Ann", True)])
    assert path.read_bytes()[:2] == b"II"
    found = Image.Exif()
    found.load(read_lasting_exif(path))
    assert found[BASE.Artist] == "Ann"


def test_what_is_too_long_is_left_out_and_the_rest_kept(tmp_path):
    exif = told()
    exif[BASE.ImageDescription] = "x" * 50_000
    Image.fromarray(make_scene(40, 60)).save(tmp_path / "a.jpg", exif=exif)
    found = Image.Exif()
    found.load(read_lasting_exif(tmp_path / "a.jpg"))
    assert found[BASE.Make] == "Maker" and BASE.ImageDescription not in found
    assert found.get_ifd(IFD.Exif)[BASE.ISOSpeedRatings] == 400


def test_damaged_data_are_nothing_or_a_part_and_never_an_error(tmp_path):
    Image.fromarray(make_scene(40, 60)).save(tmp_path / "a.jpg", exif=told())
    whole, random = (tmp_path / "a.jpg").read_bytes(), np.random.default_rng(0)
    begin = whole.index(b"Exif")
    for _ in range(200):
        damaged = bytearray(whole)
        for place in random.integers(begin, begin + 300, 5):
            damaged[place] = random.integers(256)
        (tmp_path / "damaged.jpg").write_bytes(damaged)
        assert len(read_lasting_exif(tmp_path / "damaged.jpg")) < 65_000
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8")
    assert read_lasting_exif(tmp_path / "broken.jpg") == b""
    assert read_lasting_exif(tmp_path / "missing.jpg") == b""


def test_a_copy_sorts_by_time_beside_its_photo(tmp_path):
    Image.fromarray(make_scene(40, 60)).save(tmp_path / "a.jpg", exif=told())
    write_copy(tmp_path / "a.jpg", (DARKER,), tmp_path / "copy.jpg")
    assert capture_time(tmp_path / "copy.jpg") == capture_time(tmp_path / "a.jpg") > 0
