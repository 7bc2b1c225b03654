import argparse
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas

from experiments.__main__ import main
from experiments.paper import rehearsal

SHORT = ("activations", "table2", "finetune-network", "extract-features", "fit-classifier")


def parser_of(command):
    """What reads the command line of a stage."""
    if "-" in command:
        return import_module(f"decaf.commands.{command.replace('-', '_')}").build_parser()
    parser = argparse.ArgumentParser(command, exit_on_error=False)
    for add in import_module(f"experiments.paper.{command}").EXPERIMENT.options:
        add(parser)
    parser.add_argument("--out")
    parser.add_argument("--force", action="store_true")
    return parser


def test_every_stage_is_a_command_line_that_its_command_takes(tmp_path):
    (tmp_path / "a-head").mkdir()
    (tmp_path / "a-head" / "network.keras").touch()
    for stage in rehearsal.stages(rehearsal.BACKBONES):
        for quick in ((), stage.quick):
            words = [*stage.arguments, *quick]
            given = rehearsal._arguments(stage.command, words, tmp_path, tmp_path, Path("out"))
            if stage.command != "activations":
                args = parser_of(stage.command).parse_args(given)
                assert args.force, stage.name


def test_the_way_is_gone_to_its_end_and_a_finished_stage_not_again(ava, tmp_path, monkeypatch):
    """Here, where Keras is loaded already; `in_child` is what starts a process for each."""
    monkeypatch.setattr(rehearsal, "in_child", lambda function, *arguments: function(*arguments))
    stages = [s for s in rehearsal.stages(["alexnet-owt"]) if s.command in SHORT]
    monkeypatch.setattr(rehearsal, "stages", lambda backbones: stages)
    options = ["rehearsal", "--data", str(ava), "--backbone", "alexnet-owt", "--subset", "60"]
    options += ["--quick", "--out", str(tmp_path)]
    assert main(options) == 0
    found = pandas.read_csv(tmp_path / "results.csv")
    assert list(found["stage"]) == [stage.name for stage in stages]
    n_lines = len((ava / "AVA.txt").read_text().splitlines())
    n_photos = [n_lines if stage.whole else 60 for stage in stages]
    np.testing.assert_array_equal(found["photos"], n_photos)
    assert (found["peak_mb"] > 100).all() and not found["was_begun"].any()
    assert (found["cache_mb"][found["stage"].str.contains("flattened")] > 1).all()
    assert list((tmp_path / "cells" / "classifiers-on-fc7").glob("*.skops"))
    monkeypatch.setattr(rehearsal, "_measured", lambda *of: 1 / 0)
    assert main([*options, "--force"]) == 0
    assert pandas.read_csv(tmp_path / "results.csv").equals(found)
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "`table2 --backbone alexnet-owt`" in page and "an estimate of" in page


def test_a_subset_is_some_of_the_photos_with_the_same_test_photos(ava, tmp_path):
    subset = rehearsal.make_subset(ava, tmp_path / "subset", 30)
    lines = (subset / "AVA.txt").read_text().splitlines()
    assert len(lines) == 30 and set(lines) <= set((ava / "AVA.txt").read_text().splitlines())
    ids = {line.split()[1] for line in lines}
    test = set((ava / "aesthetics_image_lists/generic_test.jpgl").read_text().split())
    assert set((subset / "generic_test.jpgl").read_text().split()) == ids & test
    assert {f"{name}.jpg" for name in ids - {"1234"}} <= {
        photo.name for photo in (subset / "images").iterdir()
    }
