from experiments.__main__ import main
from experiments.benchmarks import bench_growth


def test_every_step_is_measured_at_every_number_of_rows(tmp_path, monkeypatch):
    """Here; `in_child` is what starts a process for each."""
    import pandas

    monkeypatch.setattr(bench_growth, "in_child", lambda function, *given: function(*given))
    assert main(["bench-growth", "--rows", "700", "300", "--out", str(tmp_path)]) == 0
    table = pandas.read_csv(tmp_path / "results.csv").set_index(["rows", "step"])
    for rows in (300, 700):
        assert list(table.loc[rows].index) == list(bench_growth.STEPS)
    written = table["disk_mb"].unstack()
    assert (written[["cache", "shards", "merge"]] > 0.01).all(axis=None)
    assert (written[["index", "read", "resume", "ratings"]] == 0).all(axis=None)
    assert (written["leak guard"] * 1e6).tolist() == [8 * 300, 8 * 700]
    assert "**leak guard**" in (tmp_path / "README.md").read_text(encoding="utf-8")
