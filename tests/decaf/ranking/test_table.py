"""ranking.csv: every photo once, and names as they are."""

import csv
import os

import pytest
from ranked import ranked, ranking_of

from decaf.ranking.table import write_table
from features.errors import InputError


def test_the_table_keeps_names_that_are_not_utf_8_and_tells_failures_last(tmp_path):
    name = os.fsdecode(b'caf\xe9, "a"\nb.jpg')
    photo = ranked(name, 1, percentile=100.0, probability=0.75, mean=5.5, spread=1.25, votes=(1.0,))
    failed_name = os.fsdecode(b"\xff.jpg")
    ranking = ranking_of(photo, failed=[(failed_name, "damaged, it is")])
    write_table(tmp_path / "ranking.csv", ranking)
    with open(tmp_path / "ranking.csv", newline="", errors="surrogateescape") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "file": name,
        "rank": "1",
        "percentile": "100.0",
        "probability": "0.7500",
        "predicted_mean": "5.500",
        "predicted_spread": "1.250",
        "stack": "",
        "reason": "",
    }
    assert rows[1:] == [
        dict.fromkeys(rows[0], "") | {"file": failed_name, "reason": "damaged, it is"}
    ]


def test_the_table_of_a_network_of_labels_has_no_votes(tmp_path):
    write_table(tmp_path / "ranking.csv", ranking_of(ranked("a.jpg", 1, stack=3)))
    assert (tmp_path / "ranking.csv").read_text() == (
        "file,rank,percentile,probability,stack,reason\na.jpg,1,50.0,0.5000,3,\n"
    )


@pytest.mark.parametrize(
    "error",
    [OSError(28, os.strerror(28)), OSError("No space left on device")],
    ids=["errno", "text"],
)
def test_a_full_disk_is_told_in_one_line_and_leaves_no_part(tmp_path, monkeypatch, error):
    def full(*_, **__):
        raise error

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(InputError, match=r"ranking\.csv: cannot be written: No space left"):
        write_table(tmp_path / "ranking.csv", ranking_of(ranked("a.jpg")))
    assert list(tmp_path.iterdir()) == []
