import numpy as np
import pandas
import pytest
from scipy.stats import wasserstein_distance

from experiments.__main__ import main
from experiments.paper import votes


@pytest.fixture(scope="module")
def results(ava, tmp_path_factory):
    out = tmp_path_factory.mktemp("votes")
    options = ["--backbone", "alexnet-owt", "--pooling", "average", "--width", "4", "--blocks", "2"]
    command = ["--data", str(ava), "--out", str(out), "--skip-missing", *options]
    assert main(["votes", *command]) == 0
    return command, pandas.read_csv(out / "results.csv"), (out / "README.md").read_text("utf-8")


def test_both_kinds_of_network_are_judged_on_the_same_photos(results):
    _, table, page = results
    label, learnt = table.to_dict("records")
    assert (label["outputs"], learnt["outputs"]) == ("label", "votes")
    assert label["n_test"] == learnt["n_test"] == 20
    assert learnt["auc_minus_label"] == pytest.approx(learnt["auc"] - label["auc"], abs=1e-4)
    assert np.isnan(label["emd"]) and 0 < learnt["emd"] < 1
    assert f"| alexnet-owt 4 votes | {learnt['emd']:.3f} |" in page
    assert "the midpoint, 5;" in page


def test_the_constant_guess_is_as_far_off_as_scipy_says(results, ava):
    rows = np.loadtxt(ava / "AVA.txt", dtype=int)[1:60]  # the first is truncated, the last missing
    shares = rows[:, 2:12] / rows[:, 2:12].sum(axis=1, keepdims=True)
    test = np.isin(
        rows[:, 1], np.loadtxt(ava / "aesthetics_image_lists/generic_test.jpgl", dtype=int)
    )
    # A copy of a training photo among the test photos would be left out; these have none.
    steps, guess = np.arange(10), shares[~test].mean(axis=0)
    off = [wasserstein_distance(steps, steps, true, guess) / 10 for true in shares[test]]
    assert results[1]["emd_constant"][1] == pytest.approx(np.mean(off), rel=1e-3)


def test_a_finished_experiment_is_read_back_and_not_run_again(results, monkeypatch):
    monkeypatch.setattr(votes, "judge_unseen", None)
    assert main(["votes", *results[0], "--force"]) == 0


def test_ratings_without_votes_are_refused_in_one_line(samples, tmp_path, capsys):
    names = sorted(path.name for path in samples.glob("*.jpg"))
    lines = [f"{name},{number % 2}\n" for number, name in enumerate(names)]
    (tmp_path / "ratings.csv").write_text("file,label\n" + "".join(lines))
    command = ["--data", str(samples), "--ratings", str(tmp_path / "ratings.csv")]
    assert main(["votes", *command, "--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "the ratings hold no votes (columns count1 … countK)" in line
