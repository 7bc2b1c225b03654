import os
import shutil

import pytest

from decaf.extraction import digests as digests_module
from decaf.extraction.digests import digest_files, file_key
from features import photos as photos_module
from features.photos import file_digest


@pytest.fixture
def photos(samples, tmp_path):
    return [shutil.copy(path, tmp_path) for path in sorted(samples.glob("*.jpg"))[:6]]


@pytest.fixture
def read(monkeypatch):
    """Paths of the files that were read."""
    read = []
    read_bytes = photos_module._read_bytes
    monkeypatch.setattr(
        photos_module, "_read_bytes", lambda path: read.append(path) or read_bytes(path)
    )
    return read


def test_each_file_is_read_once_until_it_changes(photos, read):
    for _ in range(2):
        digests, failed = digest_files(photos, progress=False)
    assert sorted(read) == photos and failed == {}
    shutil.copy(photos[1], photos[0])
    os.utime(photos[2], (1, 1))
    read.clear()
    again, _ = digest_files(photos, progress=False)
    assert sorted(read) == [photos[0], photos[2]]
    assert again == [digests[1], *digests[1:]] == [file_digest(photo) for photo in photos]


def test_files_that_cannot_be_read_have_their_reasons_and_are_tried_again(photos):
    gone = photos[3]
    os.rename(gone, gone + "~")
    digests, failed = digest_files([*photos, "nul\0.jpg"], progress=False)
    assert digests[3] == digests[6] == ""
    assert failed.keys() == {3, 6} and failed[3] == "No such file or directory"
    assert file_key("nul\0.jpg") == ("nul\0.jpg",)
    os.rename(gone + "~", gone)
    assert digest_files([gone], progress=False) == ([file_digest(gone)], {})


def test_digests_are_forgotten_before_they_fill_the_memory(photos, monkeypatch):
    monkeypatch.setattr(digests_module, "REMEMBERED", 4)
    for _ in range(2):
        digests, _ = digest_files(photos, progress=False)
        assert len(set(digests)) == 6
    assert len(digests_module._remembered) <= 4
