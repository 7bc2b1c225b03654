import csv
import json
import os
import subprocess
import sys
import textwrap
from dataclasses import asdict

import h5py
import numpy as np
import pytest

from decaf.commands import extract_features, finetune_network
from decaf.networks.network import build_plain_network, load_network
from decaf.networks.network_file import read_record
from decaf.training.settings import RECIPES
from features.photos import read_photo, resize_photo

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


def extract(*argv):
    return extract_features.main([str(each) for each in argv])


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
    assert len(record.finetuned_on) + record.test["photos"] == 60


def test_the_table_gives_every_network_with_its_size_and_quality(samples, networks, capsys):
    assert finetune(samples, networks, "--width", "8") == 0
    out, err = capsys.readouterr()
    assert "is kept" in err
    (row,) = [line for line in out.splitlines() if line.startswith("alexnet-owt")]
    record = read_record(networks / "alexnet-owt-multilevel-blocks2-8.keras")
    assert f"{record.parameters:,}" in row
    assert f"{record.test['auc']:.3f}" in row
    assert max(map(len, out.splitlines())) <= 80


def test_a_network_with_other_settings_is_not_overwritten(samples, networks, capsys):
    before = (networks / "alexnet-owt-multilevel-blocks2-8.keras").read_bytes()
    assert finetune(samples, networks, "--width", "8", "--seed", "1") == 2
    err = capsys.readouterr().err.strip().splitlines()[-1]
    assert "is there already, with other training" in err
    assert "--force" in err
    assert (networks / "alexnet-owt-multilevel-blocks2-8.keras").read_bytes() == before


def test_features_of_a_network_come_with_ratings_and_know_their_training_photos(
    samples, networks, tmp_path, capsys
):
    network = networks / "alexnet-owt-multilevel-blocks2-8.keras"
    ratings = samples / "ratings.csv"
    output = tmp_path / "f.h5"
    assert extract(samples, "--network", network, "--ratings", ratings, "-o", output) == 0
    assert "60 photos × 8 features" in capsys.readouterr().out
    with h5py.File(output) as store:
        assert store["features"].shape == (60, 8)
        assert store["votes"].shape == (60, 10)
        assert store["finetuned"][:].sum() == 60 - read_record(network).test["photos"]
        made_by = json.loads(store["provenance"][()])["made_by"]
        assert made_by["midpoint"] == 5
        assert "finetuned_on" not in made_by


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


def test_labels_are_softened_by_the_scores(samples, tmp_path):
    losses = {}
    for softness in ("0.001", "10"):
        folder = tmp_path / softness
        options = ["--learning-rate", "0.01", "--optimizer", "adam", "--dropout", "0"]
        options += ["--class-weight", "none", "--epochs", "20", "--softness", softness]
        assert finetune(samples, folder, "--width", "4", *options) == 0
        losses[softness] = read_record(next(folder.iterdir())).history[-1]["loss"]
    # Labels that are all nearly 0.5 leave no less than the entropy of a coin.
    assert losses["10"] == pytest.approx(np.log(2), abs=0.02)
    assert losses["0.001"] < 0.6


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


def test_features_of_a_network_of_votes_come_with_the_predicted_mean_and_spread(
    samples, votes_network, tmp_path
):
    output = tmp_path / "f.h5"
    assert extract(samples, "--network", votes_network, "-o", output) == 0
    network = load_network(votes_network).keras_model
    photo = sorted(samples.glob("*.jpg"))[7]
    with h5py.File(output) as store:
        row = [os.fsdecode(path) for path in store["path"][:]].index(photo.name)
        mean, spread = store["predicted_mean"][row], store["predicted_spread"][row]
        assert store["features"].shape == (60, 8)
    rgb = resize_photo(read_photo(photo)[0], 224)
    (shares,) = network.predict_on_batch(rgb[None])
    steps = np.arange(1, 11)
    assert mean == pytest.approx(shares @ steps, rel=1e-2)
    assert spread == pytest.approx(np.sqrt(shares @ (steps - shares @ steps) ** 2), rel=1e-2)


def test_votes_cannot_be_learnt_from_labels(samples, tmp_path, capsys):
    with (samples / "ratings.csv").open() as rated, (tmp_path / "labels.csv").open("w") as labels:
        labels.write("file,label\n")
        for number, row in enumerate(csv.DictReader(rated)):
            labels.write(f"{row['file']},{number % 2}\n")
    ratings = ["--ratings", str(tmp_path / "labels.csv"), "--outputs", "votes"]
    assert finetune(samples, tmp_path / "networks", *ratings) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "labels.csv: there are no votes to learn; add columns count1 … countK" in line


def test_a_plain_backbone_gives_averages_of_all_photos_of_a_folder(samples, tmp_path):
    output = tmp_path / "plain.h5"
    (tmp_path / "photos").mkdir()
    for photo in sorted(samples.glob("*.jpg"))[:3]:
        (tmp_path / "photos" / photo.name).write_bytes(photo.read_bytes())
    (tmp_path / "photos" / "broken.png").write_bytes(b"no photo")
    assert extract(tmp_path / "photos", "--backbone", "alexnet-owt", "-o", output) == 0
    with h5py.File(output) as store:
        assert store["features"].shape == (3, 256)
        assert store["failed"]["path"][0] == b"broken.png"
        assert not store["finetuned"][:].any()
        assert np.isfinite(store["features"][:]).all()


def test_a_plain_backbone_gives_the_averages_of_all_its_blocks_when_asked(samples, tmp_path):
    output = tmp_path / "plain.h5"
    ratings = samples / "ratings.csv"
    options = ["--pooling", "multilevel", "--blocks", "2", "--backbone", "alexnet-owt"]
    assert extract(samples, "--ratings", ratings, *options, "-o", output) == 0
    with h5py.File(output) as store:
        assert store["features"].shape == (60, 64 + 192)
        assert json.loads(store["provenance"][()])["made_by"]["pooling"] == "multilevel"


def test_a_plain_backbone_in_a_models_file_gives_what_its_options_give(samples, tmp_path):
    network = build_plain_network("alexnet-owt", "average", 2, resize="pad")
    network.save(tmp_path / "network.keras")
    options = ["--backbone", "alexnet-owt", "--blocks", "2", "--resize", "pad"]
    precision = ["--precision", "float32", "-o"]
    given = ["--network", tmp_path / "network.keras"]
    assert extract(samples, *options, *precision, tmp_path / "options.h5") == 0
    assert extract(samples, *given, *precision, tmp_path / "file.h5") == 0
    with h5py.File(tmp_path / "options.h5") as one, h5py.File(tmp_path / "file.h5") as other:
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name][()], other[name][()])


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
        from tests.decaf.commands.test_commands import finetune
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


def test_photos_that_cannot_be_read_are_counted_in_the_summary(samples, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    photo = next(samples.glob("*.jpg"))
    (tmp_path / "photos" / "good.jpg").write_bytes(photo.read_bytes())
    for number in range(7):
        (tmp_path / "photos" / f"bad{number}.jpg").write_bytes(b"")
    output = tmp_path / "f.h5"
    assert extract(tmp_path / "photos", "--backbone", "alexnet-owt", "-o", output) == 0
    out, err = capsys.readouterr()
    assert "1 photos × 256 features, 7 photos failed" in out
    assert "7 photos could not be read:" in err
    assert "'bad0.jpg': " in err
    assert "and 2 more" in err
    assert extract(tmp_path / "photos", "--backbone", "alexnet-owt", "-o", output, "--force") == 0
    strictly = ["--backbone", "alexnet-owt", "-o", output, "--force", "--strict"]
    assert extract(tmp_path / "photos", *strictly) == 1
    assert extract(samples, *strictly) == 0


def test_an_error_about_a_name_with_line_breaks_is_one_line(tmp_path, capsys):
    assert extract(tmp_path / "no\nsuch\x1b[2Jfolder", "-o", "f.h5", "--backbone", "vgg16") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert r"no\nsuch\x1b[2Jfolder: there is no such" in line


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["{photos}", "-o", "f.h5"], "give either --network FILE or --backbone NAME"),
        (["{photos}", "--network", "no.keras", "-o", "f.h5"], "no.keras: no such network file"),
        (["nowhere", "--backbone", "vgg16", "-o", "f.h5"], "nowhere: there is no such folder"),
        (["{photos}", "--backbone", "vg16", "-o", "f.h5"], "did you mean vgg16"),
        (["{photos}", "--backbone", "vgg16", "-o", "{photos}"], "is there already"),
    ],
)
def test_wrong_input_of_extract_features_gives_one_line(argv, message, samples, capsys):
    assert extract(*(each.format(photos=samples) for each in argv)) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("extract-features: error: ")
    assert message in line


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
def test_wrong_input_of_finetune_network_gives_one_line(
    options, message, samples, tmp_path, capsys
):
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


def test_without_a_back_end_the_error_names_the_extra(samples, tmp_path):
    # A `tensorflow` that cannot be found, in front of the installed one.
    code = (
        "import sys\n"
        "sys.modules['tensorflow'] = None\n"
        "from decaf.commands.extract_features import main\n"
        f"sys.exit(main([{str(samples)!r}, '--backbone', 'vgg16', '-o', {str(tmp_path / 'f')!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"KERAS_BACKEND": "tensorflow", "PATH": "", "HOME": str(tmp_path)},
    )
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1] == (
        "extract-features: error: Keras has no back end, tensorflow is not installed: "
        "pip install 'decaf[cpu]'"
    )
