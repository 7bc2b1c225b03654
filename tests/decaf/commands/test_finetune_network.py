"""finetune-network: what it prints, its refusals, its exit statuses."""

import csv
import os
import subprocess
import sys
import textwrap
from dataclasses import asdict

import pytest

from decaf.commands import finetune_network
from decaf.networks.network_file import read_record
from decaf.training.settings import RECIPES

SMALL = ["--backbone", "alexnet-owt", "--blocks", "2", "--pooling", "multilevel"]


@pytest.fixture(scope="module")
def networks(samples, tmp_path_factory):
    """The networks of one call of finetune-network."""
    folder = tmp_path_factory.mktemp("networks")
    status = finetune(samples, folder, "--width", "8", "--width", "4")
    assert status == 0
    return folder


def finetune(samples, output, *options):
    ratings = str(samples / "ratings.csv")
    argv = [str(samples), "--ratings", ratings, *SMALL, "--epochs", "2", "-o", str(output)]
    return finetune_network.main([*argv, *options])


def test_there_is_a_network_of_every_width_with_its_record(networks):
    names = sorted(path.name for path in networks.iterdir())
    assert names == [f"alexnet-owt-multilevel-blocks2-{width}.keras" for width in (4, 8)]
    record = read_record(networks / names[1])
    assert record.kind == "label"
    assert record.width == 8
    assert record.backbone == "alexnet-owt"
    assert record.midpoint == 5
    assert record.training["learning_rate"] == 0.001
    assert len(record.history) == 2
    assert record.finetuned_on + record.test["photos"] == 60


def test_the_table_gives_every_network_with_its_size_and_quality(samples, networks, capsys):
    assert finetune(samples, networks, "--width", "8") == 0
    out, err = capsys.readouterr()
    assert "is kept" in err
    (row,) = [line for line in out.splitlines() if line.startswith("alexnet-owt")]
    record = read_record(networks / "alexnet-owt-multilevel-blocks2-8.keras")
    assert f"{record.parameters:,}" in row
    assert row.split()[-2:] == [f"{record.test[name]:.3f}" for name in ("auc", "srcc")]
    assert max(map(len, out.splitlines())) <= 80


def test_a_network_with_other_settings_is_not_overwritten(samples, networks, capsys):
    before = (networks / "alexnet-owt-multilevel-blocks2-8.keras").read_bytes()
    assert finetune(samples, networks, "--width", "8", "--seed", "1") == 2
    err = capsys.readouterr().err.strip().splitlines()[-1]
    assert "is there already, with other training" in err
    assert "--force" in err
    assert (networks / "alexnet-owt-multilevel-blocks2-8.keras").read_bytes() == before


def test_a_recipe_sets_what_no_option_does(samples, tmp_path):
    options = ["--recipe", "decaf", "--dropout", "0", "--class-weight", "none", "--width", "4"]
    assert finetune(samples, tmp_path, *options) == 0
    (path,) = tmp_path.iterdir()
    assert read_record(path).training == asdict(RECIPES["decaf"]) | {
        "dropout": 0,
        "class_weight": None,
        "epochs": 2,
        "delta": 0,
    }


@pytest.fixture(scope="module")
def votes_network(samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    assert finetune(samples, folder, "--width", "8", "--outputs", "votes") == 0
    return folder / "alexnet-owt-multilevel-blocks2-votes-8.keras"


def test_a_network_of_votes_says_its_steps_and_how_well_it_predicts_them(
    samples, votes_network, capsys
):
    record = read_record(votes_network)
    assert (record.kind, record.n_grades) == ("votes", 10)
    assert finetune(samples, votes_network.parent, "--width", "8", "--outputs", "votes") == 0
    out = capsys.readouterr().out
    binary, votes = (line for line in out.splitlines() if line.startswith("alexnet-owt"))
    measures = record.test
    assert [f"{measures[key]:.3f}" for key in ("accuracy", "balanced_accuracy", "auc")] == (
        binary.split()[3:]
    )
    keys = ("srcc_mean", "lcc_mean", "srcc_spread", "lcc_spread")
    assert votes.split()[1:] == [
        f"{measures['emd']:.4f}",
        *(f"{measures[key]:.3f}" for key in keys),
    ]
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("outputs", ["votes", "score"])
def test_scores_and_votes_cannot_be_learnt_from_labels(samples, tmp_path, capsys, outputs):
    with (samples / "ratings.csv").open() as rated, (tmp_path / "labels.csv").open("w") as labels:
        labels.write("file,label\n")
        for number, row in enumerate(csv.DictReader(rated)):
            labels.write(f"{row['file']},{number % 2}\n")
    ratings = ["--ratings", str(tmp_path / "labels.csv"), "--outputs", outputs]
    assert finetune(samples, tmp_path / "networks", *ratings) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    missing, remedy = {
        "votes": ("votes", "columns count1 … countK"),
        "score": ("scores", "a column score, or count1 … countK"),
    }[outputs]
    assert f"labels.csv: there are no {missing} to learn; add {remedy}" in line


def test_a_folder_for_networks_that_cannot_be_written_is_named_before_they_are_made(
    samples, capsys, monkeypatch
):
    monkeypatch.setattr("decaf.training.networks.finetune", None)
    assert finetune(samples, "/proc/networks") == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "finetune-network: error: /proc/networks: cannot be written: " in line


def test_a_full_disk_is_told_in_one_line_when_a_network_is_saved(samples, tmp_path):
    code = f"""
        import resource, sys
        from decaf.networks import network
        from tests.decaf.commands.test_finetune_network import finetune
        from pathlib import Path

        attach_head = network.attach_head

        def and_fill_the_disk(*arguments):
            resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
            return attach_head(*arguments)

        network.attach_head = and_fill_the_disk
        sys.exit(finetune(Path({str(samples)!r}), "networks"))
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    told = "alexnet-owt-multilevel-blocks2-250.keras: cannot be written: "
    assert told in done.stderr.splitlines()[-1]
    assert os.listdir(tmp_path / "networks") == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "0"], "epochs must be a whole number, 1 or more, not 0"),
        (["--width", "0"], "width 0: it must be a whole number, 1 or more"),
        (["--backbone", "vgg-16"], "backbone vgg-16: unknown; did you mean vgg16"),
        (["--blocks", "9"], "blocks=9; it has 1 to 5 blocks"),
        (["--group-by", "nobody"], "nobody"),
        (["--ratings", "nowhere.csv"], "nowhere.csv: cannot be read"),
    ],
)
def test_wrong_input_gives_one_line(options, message, samples, tmp_path, capsys):
    assert finetune(samples, tmp_path / "networks", *options) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("finetune-network: error: ")
    assert message in line
    assert not (tmp_path / "networks").exists()


def test_a_margin_needs_scores_not_labels_only(tmp_path, samples, capsys):
    photos = sorted(samples.glob("*.jpg"))[:20]
    for number, photo in enumerate(photos):
        folder = tmp_path / "photos" / ("good" if number % 2 else "bad")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / photo.name).write_bytes(photo.read_bytes())
    folder = str(tmp_path / "photos")
    argv = [folder, "--ratings", folder, *SMALL, "--delta", "1", "-o", str(tmp_path / "networks")]
    assert finetune_network.main(argv) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.endswith("needs ratings with scores; give others, or leave --delta out")
