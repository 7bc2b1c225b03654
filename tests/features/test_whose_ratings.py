"""Where programs and cameras keep the ratings that people give, and what becomes of decaf's own."""

import shutil
import subprocess
import unicodedata

import pyexiv2
import pytest
from PIL import Image
from xmp_packets import packet, sidecar_of

from features.stars import rate_photos, read_stars
from features.xmp import find_rating, read_rating, write_rating

DIGIKAM = 'xmlns:digiKam="http://www.digikam.org/ns/1.0/"'
LIGHTROOM = 'xmlns:xmpDM="http://ns.adobe.com/xmp/1.0/DynamicMedia/"'
# What darktable 4.2 writes for a photo that nobody has looked at, but for times and history.
DARKTABLE = (
    'xmlns:darktable="http://darktable.sf.net/"',
    'xmp:Rating="{}" darktable:xmp_version="5" darktable:change_timestamp="-1"',
)


def of_darktable(stars):
    return packet(DARKTABLE[1].format(stars), DARKTABLE[0])


def of_lightroom(stars, suffix):
    namespace = 'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"'
    return packet(f'xmp:Rating="{stars}" photoshop:SidecarForExtension="{suffix}"', namespace)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (16, 16)).save(path)
    return path


def outcome(photo, **options):
    (given,) = rate_photos([photo], [95.0], **options)
    return given.outcome


def save_with_exiv2(sidecar):
    with pyexiv2.Image(str(sidecar)) as image:
        image.modify_xmp({"Xmp.dc.title": "hello"})


def save_with_exiftool(sidecar):
    command = ["exiftool", "-q", "-overwrite_original", "-XMP-dc:Title=hello", sidecar]
    subprocess.run(command, check=True)


@pytest.mark.parametrize("save", [save_with_exiv2, save_with_exiftool])
def test_decafs_stars_stay_decafs_when_another_program_has_saved_the_sidecar(photo, save):
    if save is save_with_exiftool and not shutil.which("exiftool"):
        pytest.skip("needs exiftool (Debian: libimage-exiftool-perl)")
    sidecar = sidecar_of(photo)
    write_rating(sidecar, 4)
    for stars in (4, 2):
        save(sidecar)
        assert b"hello" in sidecar.read_bytes()
        assert read_rating(photo) is None
        write_rating(sidecar, stars)
    assert outcome(photo) == "written"


def test_stars_that_a_person_changes_after_decaf_are_the_persons(photo):
    sidecar = sidecar_of(photo)
    write_rating(sidecar, 4)
    with pyexiv2.Image(str(sidecar)) as image:
        image.modify_xmp({"Xmp.xmp.Rating": "3"})
    assert read_rating(photo) == 3
    assert outcome(photo) == "kept"


@pytest.mark.parametrize(
    ("properties", "namespace", "rating"),
    [
        ('digiKam:PickLabel="1"', DIGIKAM, -1),
        ('xmp:Rating="0" digiKam:PickLabel="1"', DIGIKAM, -1),
        ('xmp:Rating="4" digiKam:PickLabel="1"', DIGIKAM, -1),
        ('xmp:Rating="2" digiKam:PickLabel="3"', DIGIKAM, 2),
        ('xmp:Rating="0" digiKam:PickLabel="3"', DIGIKAM, 4),
        ('xmp:Rating="0" digiKam:PickLabel="2"', DIGIKAM, 0),
        ('digiKam:ColorLabel="1"', DIGIKAM, None),
        ('xmpDM:pick="-1"', LIGHTROOM, -1),
        ('xmp:Rating="0" xmpDM:pick="1"', LIGHTROOM, 4),
        ('xmp:Rating="5" xmpDM:pick="0"', LIGHTROOM, 5),
    ],
)
def test_flags_are_ratings_where_there_are_no_stars_and_rejection_always(
    photo, properties, namespace, rating
):
    sidecar_of(photo, packet(properties, namespace))
    assert read_rating(photo) == rating


def test_a_flag_as_an_element_counts_as_well(photo):
    sidecar_of(photo, packet("", DIGIKAM, "<digiKam:PickLabel>1</digiKam:PickLabel>"))
    assert read_rating(photo) == -1


@pytest.mark.parametrize(("label", "rating"), [("1", -1), ("3", 4)])
def test_a_flag_that_is_put_on_decafs_stars_is_a_persons(photo, label, rating):
    sidecar = sidecar_of(photo)
    write_rating(sidecar, 2)
    with pyexiv2.Image(str(sidecar)) as image:
        image.modify_xmp({"Xmp.digiKam.PickLabel": label})
    assert read_rating(photo) == rating
    assert outcome(photo) == "kept"


def test_stars_in_exif_are_kept_like_those_in_xmp(photo):
    exif = Image.Exif()
    exif[0x4746] = 4
    Image.new("RGB", (16, 16)).save(photo, exif=exif)
    assert read_rating(photo) == 4
    assert outcome(photo) == "kept"
    sidecar_of(photo, packet('xmp:Rating="2"'))
    assert read_rating(photo) == 2


@pytest.mark.parametrize("name", ["photo.jpg.XMP", "photo.XMP"])
def test_a_sidecar_in_upper_case_is_read_and_written(photo, name):
    sidecar = photo.with_name(name)
    sidecar.write_text(packet('xmp:Rating="0"'))
    assert read_rating(photo) == 0
    naming = "photo.jpg.xmp" if name.startswith("photo.jpg") else "photo.xmp"
    assert outcome(photo, naming=naming) == "written"
    assert sorted(path.name for path in photo.parent.iterdir()) == sorted([photo.name, name])
    sidecar.write_text(packet('xmp:Rating="3"'))
    assert outcome(photo, naming=naming) == "kept"


@pytest.mark.parametrize(("of_photo", "of_sidecar"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_sidecar_may_be_spelt_in_another_normal_form(tmp_path, of_photo, of_sidecar):
    photo = tmp_path / unicodedata.normalize(of_photo, "Köln.jpg")
    Image.new("RGB", (16, 16)).save(photo)
    sidecar_of(tmp_path / unicodedata.normalize(of_sidecar, "Köln.jpg"), packet('xmp:Rating="3"'))
    assert read_rating(photo) == 3


def test_a_sidecar_that_says_whose_it_is_is_that_files_only(photo):
    photo.with_suffix(".NEF").write_bytes(b"raw")
    sidecar = photo.with_suffix(".xmp")
    sidecar.write_text(of_lightroom(5, "NEF"))
    Image.new("RGB", (16, 16)).save(photo, xmp=packet('xmp:Rating="2"').encode())
    assert read_rating(photo) == 2
    assert read_rating(photo.with_suffix(".NEF")) == 5
    sidecar.write_text(of_lightroom(0, "NEF"))
    Image.new("RGB", (16, 16)).save(photo)
    before = sidecar.read_bytes()
    (given,) = rate_photos([photo], [95.0], naming="photo.xmp")
    assert (given.outcome, sidecar.read_bytes()) == ("refused", before)
    assert given.reason == f"{sidecar}: is the .NEF file's; use photo.jpg.xmp"
    sidecar.write_text(of_lightroom(3, "JPG"))
    assert read_rating(photo) == 3


def test_the_stars_of_a_raw_file_count_for_its_jpeg(photo):
    photo.with_suffix(".CR2").write_bytes(b"raw")
    photo.with_suffix(".xmp").write_text(of_lightroom(4, "CR2"))
    assert read_rating(photo) == 4
    # Cameras write "unrated" into every JPEG.
    Image.new("RGB", (16, 16)).save(photo, xmp=packet('xmp:Rating="0"').encode())
    assert read_rating(photo) == 4
    assert outcome(photo) == "kept"
    sidecar_of(photo.with_suffix(".CR2"), packet('xmp:Rating="1"'))
    assert read_rating(photo) == 1


def test_the_one_star_that_darktable_gives_is_counted_and_may_be_ignored(tmp_path):
    for number, stars in enumerate((1, 1, 1, 5, 2)):
        path = tmp_path / f"{number}.jpg"
        Image.new("RGB", (16, 16)).save(path)
        sidecar_of(path, of_darktable(stars) if number else packet('xmp:Rating="1"'))
    assert find_rating(tmp_path / "1.jpg").is_of_darktable
    found = read_stars(tmp_path)
    assert (len(found.stars), found.unrated, found.initial) == (5, 0, 2)
    found = read_stars(tmp_path, ignore=[1])
    assert found.stars == {"3.jpg": 5, "4.jpg": 2}
    assert (found.unrated, found.initial) == (3, 0)
