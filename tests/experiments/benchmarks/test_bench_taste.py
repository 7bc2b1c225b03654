"""The benchmark of the learner at a tiny size."""

import pandas

from experiments.__main__ import main


def test_each_number_of_photos_and_ratings_is_timed(tmp_path):
    sizes = ["--photos", "60", "90", "--ratings", "5", "20", "--runs", "2"]
    assert main(["bench-taste", *sizes, "--out", str(tmp_path)]) == 0
    table = pandas.read_csv(tmp_path / "results.csv")
    assert list(zip(table["photos"], table["ratings"])) == [(60, 5), (60, 20), (90, 5), (90, 20)]
    assert (table[["album", "refit", "choice"]] > 0).all(axis=None)
    assert "20 ratings" in (tmp_path / "README.md").read_text("utf-8")
