import io
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hostile_photos import PHOTO, jpeg_of_scans, make_hostile_photos, saved
from PIL import Image, ImageCms

from features import decoding
from features.memory import SharedMemory
from features.photos import PhotoError, find_photos, read_photo


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    return folder, *make_hostile_photos(folder)


@pytest.fixture(scope="module")
def outcomes(corpus):
    """RGB or the reason, for every file."""
    folder = corpus[0]
    found = {}

    def read_all():
        for name in os.listdir(folder):
            try:
                found[name], _ = read_photo(folder / name, max_pixels=10**8, min_side=32)
            except PhotoError as error:
                found[name] = str(error)

    # In a thread, so that an opened FIFO or terminal fails the test instead of hanging it.
    thread = threading.Thread(target=read_all, daemon=True)
    thread.start()
    thread.join(timeout=120)
    assert not thread.is_alive(), f"stuck after {len(found)} files"
    assert len(found) == len(os.listdir(folder))  # No exception but PhotoError.
    return found


def test_every_hostile_photo_is_decoded_or_has_its_reason_in_one_line(outcomes):
    for outcome in outcomes.values():
        if isinstance(outcome, str):
            assert outcome.isprintable() and 3 < len(outcome) <= 120
        else:
            assert outcome.dtype == np.uint8 and outcome.ndim == 3 and outcome.shape[2] == 3


def test_what_is_only_unusual_is_decoded(corpus, outcomes):
    assert {name: outcomes[name] for name in corpus[1] if isinstance(outcomes[name], str)} == {}


def test_what_is_no_photo_says_why(corpus, outcomes):
    for name, reason in corpus[2].items():
        assert reason in outcomes[name], name


def test_photos_cut_off_early_fail(corpus, outcomes):
    for name in corpus[3]:
        if int(name.split()[1]) <= 20:
            assert isinstance(outcomes[name], str), name


def test_a_folder_of_them_is_listed(corpus):
    names = find_photos(corpus[0])
    assert {"two\nlines.jpg", os.fsdecode(b"caf\xe9.jpg"), "fifo.jpg"} <= set(names)
    assert "folder.jpg" not in names


def test_libraries_write_nothing_about_them(corpus):
    script = (
        "import sys, os\n"
        "from features.photos import PhotoError, read_photo\n"
        "for entry in os.scandir(sys.argv[1]):\n"
        "    try:\n"
        "        read_photo(entry.path, max_pixels=10**8)\n"
        "    except PhotoError:\n"
        "        pass\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, corpus[0]], capture_output=True, timeout=120, check=True
    )
    assert result.stdout + result.stderr == b""


def test_a_photo_that_may_not_be_read_says_so(tmp_path):
    (tmp_path / "locked.jpg").write_bytes(saved(PHOTO, "JPEG"))
    (tmp_path / "locked.jpg").chmod(0)
    tmp_path.chmod(0o755)
    script = (
        "import os, sys\n"
        "from features.photos import PhotoError, read_photo\n"
        "folder = os.open(sys.argv[1], os.O_RDONLY)\n"
        "if os.geteuid() == 0:\n"  # Permissions do not hold for root.
        "    os.setuid(65534)\n"
        "os.fchdir(folder)\n"
        "try:\n"
        "    read_photo('locked.jpg')\n"
        "except PhotoError as error:\n"
        "    print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, timeout=60
    )
    assert result.stdout == "Permission denied\n", result.stderr


# Profiles


def display_p3():
    """Make a profile with Display P3's primaries (SMPTE EG 432-1) of Pillow's sRGB profile."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # The XYZ of the primaries in D50, as Apple's profile has them.
    columns = {b"rXYZ": (0.51512, 0.24120, -0.00105), b"gXYZ": (0.29198, 0.69225, 0.04189)}
    columns[b"bXYZ"] = (0.15710, 0.06657, 0.78407)
    for tag, numbers in columns.items():
        entry = profile.index(tag, 128)
        offset = int.from_bytes(profile[entry + 4 : entry + 8], "big") + 8
        for place, number in enumerate(numbers):
            fixed = round(number * 65536).to_bytes(4, "big", signed=True)
            profile[offset + 4 * place : offset + 4 * place + 4] = fixed
    # Another name: decaf does not convert what says that it is sRGB.
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "P3P3".encode("utf-16-be"))


def decode(folder, content, **options):
    (folder / "photo").write_bytes(content)
    return read_photo(folder / "photo", **options)[0]


def test_the_colours_of_a_wide_gamut_become_those_of_srgb(tmp_path):
    # CSS Color 4: color(display-p3 0.5 0.25 0.75) is rgb(134, 59, 198) in sRGB, to a level or two.
    colour = Image.new("RGB", (4, 4), (128, 64, 191))
    rgb = decode(tmp_path, saved(colour, "PNG", icc_profile=display_p3()))
    np.testing.assert_allclose(rgb[0, 0], srgb_of_display_p3(128, 64, 191), atol=2)
    assert abs(int(rgb[0, 0, 1]) - 64) > 3


def srgb_of_display_p3(*levels):
    """By the matrices of CSS Color 4, section 17: both share D65 and the transfer curve."""
    encoded = np.array(levels) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    to_xyz = [
        [0.4865709, 0.2656677, 0.1982173],
        [0.2289746, 0.6917385, 0.0792869],
        [0.0, 0.0451134, 1.0439444],
    ]
    from_xyz = [
        [3.2409699, -1.5373832, -0.4986108],
        [-0.9692436, 1.8759675, 0.0415551],
        [0.0556301, -0.2039770, 1.0569715],
    ]
    linear = np.clip(np.array(from_xyz) @ to_xyz @ linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def test_alpha_stays_with_converted_colours(tmp_path):
    clear = Image.new("RGBA", (2, 2), (128, 64, 191, 0))
    rgb = decode(tmp_path, saved(clear, "PNG", icc_profile=display_p3()))
    assert (rgb == 255).all()


@pytest.mark.parametrize("profile", [b"", b"x", b"\xff" * 300, "lab", "sRGB"])
def test_a_profile_that_cannot_be_used_or_is_srgb_changes_nothing(tmp_path, profile):
    if isinstance(profile, str):
        made = ImageCms.createProfile("LAB" if profile == "lab" else profile)
        profile = ImageCms.ImageCmsProfile(made).tobytes()
    rgb = decode(tmp_path, saved(PHOTO, "PNG", icc_profile=profile))
    np.testing.assert_array_equal(rgb, np.asarray(PHOTO))


# Scans


FILM = b"\0\0" + b"\xff\xda\0\2" * 200


@pytest.mark.parametrize("options", [{}, {"restart_marker_blocks": 1}])
@pytest.mark.parametrize("end", [b"", FILM])
@pytest.mark.parametrize("filling", [b"", b"\xff\xff"])
def test_the_scans_that_count_are_those_of_the_first_image(tmp_path, options, end, filling):
    few, many = (
        jpeg_of_scans(n, **options).replace(b"\xff\xda", filling + b"\xff\xda") + end
        for n in (100, 101)
    )
    assert decode(tmp_path, few).shape == (16, 16, 3)
    with pytest.raises(PhotoError, match="a JPEG of more than 100 scans"):
        decode(tmp_path, many)


def test_a_jpeg_of_many_scans_that_is_cut_off_anywhere_is_refused(tmp_path):
    content = jpeg_of_scans(150)
    for length in range(2, len(content), 7):
        with pytest.raises(PhotoError):
            decode(tmp_path, content[:length])


@pytest.mark.parametrize("end", [b"", b"\xff", b"\xff\xe0", b"\xff\xe0\xff", b"\xff\xe0\0\0"])
def test_scans_are_counted_to_the_end_of_a_file_that_breaks_off_in_a_segment(end):
    few, many = (jpeg_of_scans(n)[:-2] for n in (100, 101))
    comment = b"\xff\xfe\0\xca" + b"\xff\xda" * 100
    assert not decoding._has_too_many_scans(few[:2] + comment + few[2:] + end)
    assert decoding._has_too_many_scans(many[:2] + comment + many[2:] + end)


# Large photos, HEIC


def test_of_large_photos_one_is_decoded_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "_MEMORY", SharedMemory(1000))
    at_once, most = [], []
    flatten = decoding._flatten

    def watch(image):
        at_once.append(image)
        most.append(len(at_once))
        threading.Event().wait(0.01)
        at_once.pop()
        return flatten(image)

    monkeypatch.setattr(decoding, "_flatten", watch)
    (tmp_path / "photo").write_bytes(saved(PHOTO, "PNG"))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(read_photo, [tmp_path / "photo"] * 16))
    assert len(most) == 16 and max(most) == 1


@pytest.fixture
def heic():
    pytest.importorskip("pillow_heif").register_heif_opener()

    def encode(orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        file = io.BytesIO()
        # As bytes, or pillow-heif writes no rotation that HEIC's readers heed.
        PHOTO.save(file, "HEIF", exif=exif.tobytes(), quality=90, thumbnails=[40])
        return file.getvalue()

    return encode


UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_turned_heic_is_set_upright_once_and_is_not_its_thumbnail(tmp_path, heic, orientation):
    rgb = decode(tmp_path, heic(orientation), min_side=8)
    expected = UPRIGHT[orientation](np.asarray(PHOTO))
    assert rgb.shape == expected.shape
    assert np.abs(rgb.astype(int) - expected).mean() < 8
