import numpy as np

from decaf.extraction.index import Index


def test_photos_are_found_where_a_dictionary_would_have_them():
    random = np.random.default_rng(0)
    known = [random.bytes(16).hex() for _ in range(50)]
    shards = [[known[i] for i in random.integers(50, size=n)] for n in (20, 0, 1, 30)]
    places = {
        digest: (number, row)
        for number, shard in enumerate(shards)
        for row, digest in enumerate(shard)
    }
    index = Index(shards)
    assert len(index) == len(places) < 50
    asked = [*known, "", known[0][:31], "f" * 32, "0" * 32]
    expected = [places.get(digest, (-1, -1)) for digest in asked]
    np.testing.assert_array_equal(index.places(asked), expected)
    assert [digest in index for digest in asked] == [digest in places for digest in asked]


def test_an_empty_cache_holds_nothing():
    for index in (Index(), Index([[], []])):
        assert len(index) == 0
        assert index.places(["0" * 32]).tolist() == [[-1, -1]]
        assert index.places([]).shape == (0, 2)
