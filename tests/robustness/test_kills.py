from features.samples import make_samples
from tests.robustness.kills import kill


def test_an_extraction_that_was_killed_gives_what_an_undisturbed_one_does(tmp_path):
    make_samples(tmp_path / "album", 20)
    argv = ("extract-features", "album", "--backbone", "alexnet-owt", "-o", "features.h5")
    row = kill(tmp_path, argv, n_kills=2, in_a_row=2)
    assert row["survived"] == row["tried"] >= 2
    assert (row["lost"], row["left"]) == (0, 0)
