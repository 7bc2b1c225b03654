import numpy as np
import pandas

from experiments.__main__ import main
from experiments.choices import near_duplicates
from experiments.data import View


def test_pairs_of_one_group_and_others_are_counted(samples, tmp_path):
    command = ["--data", str(samples), "--out", str(tmp_path), "--backbone", "alexnet-owt"]
    assert main(["near-duplicates", *command]) == 0
    table = pandas.read_csv(tmp_path / "results.csv")
    groups = pandas.read_csv(samples / "ratings.csv")["group"].value_counts()
    n_near = (groups * (groups - 1) // 2).sum()
    assert set(table["near_pairs"]) == {n_near}
    assert set(table["other_pairs"]) == {60 * 59 // 2 - n_near}
    assert set(table["pooling"]) == {"multilevel", "average", "flatten"}
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert f"Share of the {n_near:,} pairs of one group" in page


def test_pairs_are_those_whose_cosine_is_large_enough():
    class Activations:
        def __len__(self):
            return 3

        def read(self, rows):
            return np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float16)[rows]

    group = np.array(["a", "a", "b"])
    rows = near_duplicates.count_pairs(Activations(), group, (0.7, 0.5, -1), View("net", "average"))
    assert [row["found"] for row in rows] == [1, 1, 1]
    assert [row["others"] for row in rows] == [0, 1, 2]
    assert all((row["near_pairs"], row["other_pairs"]) == (1, 2) for row in rows)


def test_photos_without_groups_are_refused_in_one_line(samples, tmp_path, capsys):
    names = sorted(path.name for path in samples.glob("*.jpg"))
    lines = [f"{name},{number % 2}\n" for number, name in enumerate(names)]
    (tmp_path / "ratings.csv").write_text("file,label\n" + "".join(lines))
    command = ["--data", str(samples), "--ratings", str(tmp_path / "ratings.csv")]
    assert main(["near-duplicates", *command, "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "name the column of the near-duplicates with --group-by" in line
