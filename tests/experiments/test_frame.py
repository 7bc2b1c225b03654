"""What every experiment does: it refuses, keeps what is finished, and goes on from there."""

import json
import os
import subprocess
import sys

from experiments.__main__ import SHOWS, main
from experiments.figures import new_figure
from experiments.frame import Experiment, option, run_experiment, several
from experiments.pages import Page, Table
from features.errors import InputError


def test_all_experiments_are_listed(capsys):
    assert main([]) == 0
    listing = capsys.readouterr().out
    for name, shows in SHOWS.items():
        assert name in listing
        assert shows in listing


def test_an_unknown_experiment_is_refused(capsys):
    assert main(["bench-bays"]) == 2
    assert "'bench-bays'" in capsys.readouterr().err


def test_help_needs_nothing_that_takes_long_to_import():
    script = f"""
import contextlib, sys
from experiments.__main__ import main
for name in {list(SHOWS)}:
    with contextlib.suppress(SystemExit):
        main([name, "--help"])
print({{"keras", "sklearn", "pandas", "matplotlib.figure"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "set()", done.stderr


def test_what_should_not_be_found_is_told_by_the_exit_status_and_on_the_page(tmp_path):
    table = Table(["what"], [["crashes"]])

    def run(args):
        figure, _ = new_figure((2, 2))
        return Page("Findings", "Tried.", {"Found": table}, [{"n": 1}], figure, failed=args.fail)

    tried = Experiment("", run, (option("--fail", "", action="store_true"),))
    assert run_experiment("tried", tried, ["--out", str(tmp_path / "good")]) == 0
    assert run_experiment("tried", tried, ["--out", str(tmp_path / "bad"), "--fail"]) == 1
    assert "| crashes |" in (tmp_path / "bad" / "README.md").read_text(encoding="utf-8")


def test_what_is_given_takes_the_place_of_all_defaults(tmp_path):
    seen = []

    def run(args):
        seen.append((args.width, args.rate))
        raise InputError("seen")

    options = (several("--width", "", (3, 2)), option("--rate", "of learning", 0.5))
    for given in ([], ["--width", "7", "--width", "8", "--rate", "2"]):
        command = [*given, "--out", str(tmp_path)]
        assert run_experiment("tried", Experiment("", run, options), command) == 2
    assert seen == [((3, 2), 0.5), ([7, 8], 2.0)]


def test_finished_networks_are_not_finetuned_again(run, table2_results, ava, monkeypatch):
    out, options, _, page = table2_results
    (out / "README.md").unlink()
    monkeypatch.setattr("decaf.training.heads.finetune", None)
    _, again = run("table2", ava, out, *options)
    assert again == page


def test_finished_networks_of_other_settings_are_refused(table2_results, ava, tmp_path, capsys):
    out, options, *_ = table2_results
    (tmp_path / "cells").symlink_to(out / "cells")
    command = ["--data", str(ava), "--out", str(tmp_path), "--skip-missing", *options]
    assert main(["table2", *command, "--epochs", "3"]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "alexnet-owt-6.json: is of other settings (training)" in error
    assert main(["table2", *command, "--seed", "1", "--folds", "3"]) == 2
    assert "(training, photos, seed)" in capsys.readouterr().err


def test_results_begin_with_the_remarks_that_are_there(run, table2_results, ava):
    out, options, *_ = table2_results
    (out / "remarks.md").write_text("It holds.\n", encoding="utf-8")
    _, page = run("table2", ava, out, *options, "--force")
    assert page.startswith("# Table II: networks of four widths\n\nIt holds.\n\n")
    (out / "remarks.md").unlink()


def test_a_damaged_cell_is_named(table2_results, ava, tmp_path, capsys):
    _, options, *_ = table2_results
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "alexnet-owt-6.json").write_text('{"settings": ')
    command = ["--data", str(ava), "--out", str(tmp_path), "--skip-missing", *options]
    assert main(["table2", *command]) == 2
    assert "alexnet-owt-6.json: damaged; remove it" in capsys.readouterr().err


def test_a_folder_without_ratings_is_refused_in_one_line(tmp_path, capsys):
    for name in ("table2", "delta", "baseline", "convnet", "votes", "recipe", "exported"):
        assert main([name, "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert "holds neither AVA.txt nor ratings.csv; name the ratings with --ratings" in error


def test_cells_hold_everything_that_resuming_needs(table2_results):
    out, *_ = table2_results
    with open(out / "cells" / "alexnet-owt-3.json", encoding="utf-8") as file:
        cell = json.load(file)
    assert set(cell["settings"]) == {
        *("photos", "features", "classifiers", "seed"),
        *("training", "weights", "blocks", "precision"),
    }
    assert len(cell["outcome"][0]["resampled"]["auc"]) == 1000
    assert not [name for name in os.listdir(out / "cells") if ".part" in name]
