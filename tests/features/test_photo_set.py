"""Sets of photos: what they hold, how many bytes that takes, and which bytes are none."""

import numpy as np
import pytest

from features.errors import InputError
from features.photo_set import PhotoSet
from features.photos import photo_digest

DIGESTS = [photo_digest(bytes([number])) for number in range(200)]


def test_a_set_holds_its_photos_and_no_others():
    photos = PhotoSet.of([*DIGESTS[:100], *DIGESTS[:5]])
    assert len(photos) == 100
    assert photos.holds(DIGESTS).tolist() == [True] * 100 + [False] * 100
    assert photos.holds(np.array(DIGESTS[50:150])).sum() == 50
    assert len(photos.holds([])) == 0 and not PhotoSet().holds(DIGESTS).any()


def test_a_set_comes_back_from_its_bytes_eight_of_each_digest_in_their_order():
    photos = PhotoSet.of(DIGESTS)
    content = photos.to_bytes()
    assert content == b"".join(sorted(bytes.fromhex(digest)[:8] for digest in DIGESTS))
    assert PhotoSet.from_bytes(content) == photos != PhotoSet.of(DIGESTS[1:])
    assert PhotoSet.from_bytes(b"") == PhotoSet()


def test_sets_are_united_and_taken_from_each_other():
    one, two = PhotoSet.of(DIGESTS[:120]), PhotoSet.of(DIGESTS[80:])
    assert one | two == PhotoSet.of(DIGESTS)
    assert one - two == PhotoSet.of(DIGESTS[:80])
    assert one - one == PhotoSet()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bytes(9), "is cut off"),
        (bytes(16), "holds no photos' digests in their order"),
        (bytes([1] * 8 + [0] * 8), "holds no photos' digests in their order"),
    ],
)
def test_bytes_of_no_set_are_refused(content, message):
    with pytest.raises(InputError, match=message):
        PhotoSet.from_bytes(content)


@pytest.mark.parametrize("digest", ["", "00ff", "x" * 32, " 0ff" * 8, "é" * 32])
def test_what_is_no_digest_is_in_no_set(digest):
    with pytest.raises(InputError, match="digest must be hex digits"):
        PhotoSet.of([DIGESTS[0], digest])
