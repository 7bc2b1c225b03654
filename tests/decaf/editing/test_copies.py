"""Edited copies, and what other programs read of their sidecars."""

import json
import os
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from raw_files import make_dng, make_scene

from decaf.editing.copies import SIDECAR_FOLDER, copy_names, write_copies, write_copy, write_sidecar
from decaf.editing.edits import Edit
from decaf.editing.suggestions import Step, Suggestion
from features.decoding import ORIENTATION_TAG
from features.errors import InputError
from features.photos import PhotoError, read_photo

CROP = Edit("crop", (0.25, 0.0, 0.75, 0.5))
DARKER = Edit("exposure", (-1.0,))


def suggested(path, name, *edits):
    steps = tuple(Step(edit, 0.9, 0.8, 0.95) for edit in edits)
    return Suggestion(str(path), name, steps, 0.4, 0.6)


def save(path, scene, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(scene).save(path, **options)
    return path


@pytest.fixture
def photo(tmp_path):
    return save(tmp_path / "album" / "a.jpg", make_scene(), quality=95)


def rotated():
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    return exif


def test_a_copy_is_the_photo_at_full_size_with_its_edits_in_their_order(photo, tmp_path):
    before = photo.read_bytes()
    write_copy(photo, (CROP, DARKER), tmp_path / "copies" / "b" / "a.jpg")
    copy, _ = read_photo(tmp_path / "copies" / "b" / "a.jpg")
    expected = DARKER.apply(CROP.apply(read_photo(photo)[0]))
    assert copy.shape == (200, 300, 3)
    assert np.abs(copy.astype(int) - expected).mean() < 1
    assert photo.read_bytes() == before


def test_a_copy_is_upright_and_tells_nothing_that_is_true_of_the_photo_alone(tmp_path):
    photo = save(tmp_path / "a.jpg", make_scene(40, 60), exif=rotated())
    write_copy(photo, (DARKER,), tmp_path / "copies" / "a.jpg")
    with Image.open(tmp_path / "copies" / "a.jpg") as copy:
        assert copy.size == (40, 60) and not copy.getexif()


@pytest.mark.parametrize("pixels", [(1, 1), (3000, 40)])
def test_photos_of_odd_shapes_and_without_colours_have_copies(tmp_path, pixels):
    Image.new("L", pixels, 128).save(tmp_path / "grey.png")
    write_copy(tmp_path / "grey.png", (CROP, DARKER), tmp_path / "copy.jpg")
    with Image.open(tmp_path / "copy.jpg") as copy:
        assert copy.size == (max(pixels[0] // 2, 1), max(pixels[1] // 2, 1))


def test_no_file_is_replaced_by_a_copy(photo, tmp_path):
    before = photo.read_bytes()
    with pytest.raises(InputError, match="is there already"):
        write_copy(photo, (DARKER,), photo)
    other, link = tmp_path / "other.jpg", tmp_path / "link.jpg"
    other.write_text("mine")
    link.symlink_to(tmp_path / "nowhere.jpg")
    for path in (other, link):
        with pytest.raises(InputError, match="is there already"):
            write_copy(photo, (DARKER,), path)
    assert (photo.read_bytes(), other.read_text()) == (before, "mine")
    assert not (tmp_path / "nowhere.jpg").exists()


def test_copies_keep_their_folders_and_an_interrupted_call_goes_on(photo, tmp_path):
    album, copies = photo.parent, tmp_path / "copies"
    save(album / "trip" / "a.jpg", make_scene(40, 60))
    save(album / "a.jpg.png", make_scene(40, 60))
    (album / "broken.jpg").write_bytes(b"no photo")
    suggestions = [
        suggested(album / name, name, *edits)
        for name, edits in (
            ("a.jpg", [CROP]),
            ("a.jpg.png", [DARKER]),
            ("left/alone.jpg", []),
            ("trip/a.jpg", [DARKER, CROP]),
            ("broken.jpg", [CROP]),
        )
    ]
    for _ in range(2):
        copied = write_copies(suggestions, copies, progress=False)
        assert (copied.photos, copied.sidecars) == (3, 2)
        assert [name for name, _ in copied.failed] == ["broken.jpg"]
    files = {path.relative_to(copies).as_posix() for path in copies.rglob("*") if path.is_file()}
    sidecars = {f"{SIDECAR_FOLDER}/{name}" for name in ("a.xmp", "trip/a.xmp")}
    assert files == {"a.jpg", "a.jpg.png.jpg", "trip/a.jpg"} | sidecars


def test_copies_of_one_name_are_told_apart():
    names = ["a.png", "a.png.jpg", "A.PNG.jpg", "b/a.png"]
    assert copy_names(names) == ["a.png.jpg", "a.png 2.jpg", "A.PNG 3.jpg", "b/a.png.jpg"]


def test_copies_among_the_photos_are_refused_before_one_is_written(photo, tmp_path):
    album = photo.parent
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "trip").symlink_to(album)
    suggestions = [suggested(photo, "a.jpg", CROP), suggested(photo, "trip/b.jpg", CROP)]
    for folder in (album, tmp_path / "link"):
        with pytest.raises(InputError, match="is the photos' own folder"):
            write_copies(suggestions, folder, progress=False)
    assert os.listdir(album) == ["a.jpg"] and os.listdir(tmp_path / "link") == ["trip"]


def test_other_programs_read_the_crop_of_a_sidecar(photo, tmp_path):
    if not shutil.which("exiftool"):
        pytest.skip("needs exiftool (Debian: libimage-exiftool-perl)")
    half = Edit("crop", (0.5, 0.0, 1.0, 1.0))
    assert write_sidecar(photo, (CROP, DARKER, half), tmp_path / "a.xmp")
    command = ["exiftool", "-json", "-n", "-XMP:all", "-validate", tmp_path / "a.xmp"]
    (told,) = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    sides = [told[f"Crop{side}"] for side in ("Left", "Top", "Right", "Bottom")]
    assert sides == [0.5, 0, 0.75, 0.5]
    assert told["HasCrop"] in (True, "True") and told["CropAngle"] == 0
    assert told["SidecarForExtension"] == "JPG" and not any("Exposure" in name for name in told)


def test_a_sidecar_is_written_only_where_the_crop_means_the_same(photo, tmp_path):
    straight = Edit("straighten", (2.0,))
    scene = make_scene()
    sideways = save(tmp_path / "sideways.jpg", scene, exif=rotated())
    make_dng(tmp_path / "a.dng", scene)
    make_dng(tmp_path / "turned.dng", scene, orientation=3)
    gif = save(tmp_path / "a.gif", scene)
    for path, edits in (
        (photo, (DARKER,)),
        (photo, (CROP, straight)),
        (sideways, (CROP,)),
        (tmp_path / "turned.dng", (CROP,)),
        (gif, (CROP,)),
    ):
        assert not write_sidecar(path, edits, tmp_path / "a.xmp")
    assert not (tmp_path / "a.xmp").exists()
    assert write_sidecar(tmp_path / "a.dng", (CROP,), tmp_path / "a.xmp")
    with pytest.raises(InputError, match="is there already"):
        write_sidecar(photo, (CROP,), tmp_path / "a.xmp")


def test_a_photo_that_cannot_be_read_has_no_copy(tmp_path):
    with pytest.raises(PhotoError):
        write_copy(tmp_path / "missing.jpg", (CROP,), tmp_path / "copies" / "a.jpg")
    assert not (tmp_path / "copies").exists()
