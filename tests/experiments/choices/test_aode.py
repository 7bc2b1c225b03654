from experiments.choices.aode import contenders


def test_every_kind_is_judged_at_every_size_that_there_is_and_once(run, ava, tmp_path, monkeypatch):
    options = ["--backbone", "alexnet-owt", "--size", "own", "--blocks", "2", "--width", "6"]
    table, page = run("aode", ava, tmp_path, *options, "--photos", "12", "100000")
    assert len(set(table["photos"])) == 2 and table["photos"].max() < 100_000
    for _, own in table.groupby("photos"):
        assert list(own["classifier"]) == list(contenders())
    assert table["auc"].between(0, 1).all() and table["calibration_error"].between(0, 1).all()
    rows = table.set_index(["classifier", "photos"])["calibration_error"]
    assert rows["AODE, sum", 12] != rows["AODE, log-odds, MI", 12]
    assert "Calibration error (ECE), fc7-6" in page
    monkeypatch.setattr("experiments.choices.aode._features", lambda *of: 1 / 0)
    (tmp_path / "results.csv").unlink()
    again, _ = run("aode", ava, tmp_path, *options, "--photos", "12", "100000", "--force")
    assert again.equals(table)
