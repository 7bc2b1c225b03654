import pytest

from experiments.many_photos import main, measure_sizes, plan


def test_a_plan_multiplies_what_was_measured():
    # 3,600,000 photos at 100 a second are 10 hours, which cost 20; a million of them 20 / 3.6.
    assert plan(3_600_000, speed=100, price=2) == {
        "machine_days": pytest.approx(10 / 24),
        "cost": pytest.approx(20 / 3.6),
    }


def test_a_shard_is_little_more_than_its_features_and_the_index_holds_none_of_them():
    sizes = measure_sizes(rows=2048, width=250)
    assert 1 < sizes["shard"] / (2048 * 250 * 4) < 1.3
    assert sizes["index"] < sizes["shard"] / 3


def test_the_page_has_the_measured_speeds_and_asks_for_them(tmp_path, capsys):
    assert main(["--out", str(tmp_path / "none")]) == 2
    assert "give --cpu-speed or --gpu-speed" in capsys.readouterr().err
    assert main(["--cpu-speed", "50", "--gpu-speed", "2000", "--out", str(tmp_path)]) == 0
    page = (tmp_path / "README.md").read_text()
    assert "| CPU | 50 | 82 | 10 | 23.1 | 4 | 0.56 |" in page
    assert "24,415 shards" in page
