"""An album with names that no file system likes, a copy, and one file that is no photo."""

import os
import shutil

# In a folder named <.
HOSTILE = '</script><img src=x onerror=alert(1)> "it is" & more.jpg'
LATIN_1 = os.fsdecode(b"caf\xe9.jpg")
WITH_LINE_BREAK = "two\nlines.jpg"


def make_album(samples, folder):
    """Make the album `My <b> album`: five photos, one of them twice, and broken.jpg."""
    album = folder / "My <b> album"
    album.mkdir()
    (album / "<").mkdir()
    names = [HOSTILE, LATIN_1, WITH_LINE_BREAK, "plain.jpg", "fifth.jpg"]
    for name, photo in zip(names, sorted(samples.glob("*.jpg"))):
        shutil.copy(photo, album / name)
    (album / "of a trip").mkdir()
    shutil.copy(album / "plain.jpg", album / "of a trip" / "copy of plain.jpg")
    (album / "broken.jpg").write_bytes(b"no photo")
    return album
